"""Linear programs in rational arithmetic: the least value of a plane over a box that other planes cut.

The dual simplex method with bounded variables (Lemke 1954; Bland's rule, 1977, against cycles). A corner of the box is
where the plane is least without the cuts, so that every tableau on the way is dual feasible: its value is a lower bound
of the optimum, and the run may end as soon as that is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from nnmip.records import dataclass

ZERO = Fraction(0)

Plane = list[Fraction]
"""A constant, and then a coefficient for each entry of the point."""


@dataclass(frozen=True, slots=True)
class Least:
    """The least value, or the bound of it at which the run ended, and where it is; `value` is None where the cuts leave
    nothing. is_optimal: whether it is the least value itself, at a point that obeys the cuts."""

    value: Fraction | None
    point: tuple[Fraction, ...] = ()
    is_optimal: bool = False


def least(
    plane: Plane,
    cuts: Sequence[Plane],
    lo: Sequence[Fraction],
    hi: Sequence[Fraction],
    is_enough: Callable[[Fraction], bool],
) -> Least:
    """The least value of `plane` where all `cuts` are at most 0 and `lo <= x <= hi`, or a bound that is enough."""
    return _Tableau(plane, cuts, lo, hi).solved(is_enough)


class _Tableau:
    """Variables 0..n-1 are the entries of the point, and n + k is what cut k leaves, `-cut(x) >= 0`.

    Those in `basis` are functions of those in `free`, each of which is at one of its ends: a row has its constant and
    its coefficients on `free`.
    """

    def __init__(self, plane: Plane, cuts: Sequence[Plane], lo: Sequence[Fraction], hi: Sequence[Fraction]) -> None:
        n = len(lo)
        self.size = n
        self.lo: list[Fraction] = [*lo, *(ZERO for _ in cuts)]
        self.hi: list[Fraction | None] = [*hi, *(None for _ in cuts)]
        self.free, self.basis = list(range(n)), list(range(n, n + len(cuts)))
        self.rows = [[-number for number in cut] for cut in cuts]
        self.cost = list(plane)
        self.value: list[Fraction] = [low if c >= 0 else high for c, low, high in zip(plane[1:], lo, hi, strict=True)]

    def solved(self, is_enough: Callable[[Fraction], bool]) -> Least:
        while True:
            reached = self._at(self.cost)
            if is_enough(reached):
                return Least(reached)
            leaving = self._leaving()
            if leaving is None:
                return Least(reached, self._point(), is_optimal=True)
            row, rises, end = leaving
            entering = self._entering(row, rises)
            if entering is None:
                return Least(None)
            self._pivot(row, entering, end)

    def _at(self, row: Plane) -> Fraction:
        return sum((c * v for c, v in zip(row[1:], self.value, strict=True) if c), row[0])

    def _leaving(self) -> tuple[int, bool, Fraction] | None:
        """The first basic variable that is beyond an end: its row, whether it has to rise, and the end."""
        for row in sorted(range(len(self.basis)), key=self.basis.__getitem__):
            name, value = self.basis[row], self._at(self.rows[row])
            high = self.hi[name]
            if value < self.lo[name]:
                return row, True, self.lo[name]
            if high is not None and value > high:
                return row, False, high
        return None

    def _entering(self, row: int, rises: bool) -> int | None:
        """The place of the free variable that may move the row, and costs least for that; the first of several."""
        best: tuple[Fraction, int, int] | None = None
        for place, name in enumerate(self.free):
            slope = self.rows[row][place + 1]
            if not slope or self.lo[name] == self.hi[name]:
                continue
            is_low = self.value[place] == self.lo[name]
            if (slope > 0) == (rises == is_low):
                key = abs(self.cost[place + 1] / slope), name, place
                best = key if best is None else min(best, key)
        return None if best is None else best[2]

    def _pivot(self, row: int, place: int, end: Fraction) -> None:
        own = self.rows[row]
        by = own[place + 1]
        solved = [-number / by for number in own]
        solved[place + 1] = 1 / by
        self.rows = [solved if k == row else _replaced(other, place, solved) for k, other in enumerate(self.rows)]
        self.cost = _replaced(self.cost, place, solved)
        self.basis[row], self.free[place] = self.free[place], self.basis[row]
        self.value[place] = end

    def _point(self) -> tuple[Fraction, ...]:
        values = dict(zip(self.free, self.value, strict=True))
        values |= {name: self._at(row) for name, row in zip(self.basis, self.rows, strict=True)}
        return tuple(values[name] for name in range(self.size))


def _replaced(row: Plane, place: int, solved: Plane) -> Plane:
    """A row in which the free variable at a place is written by the ones that are free then."""
    by = row[place + 1]
    if not by:
        return row
    found = [number + by * other if other else number for number, other in zip(row, solved, strict=True)]
    found[place + 1] = by * solved[place + 1]
    return found
