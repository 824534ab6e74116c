"""The linear relaxation of a tuple of groups: so many columns of each, or of their convex hull."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from nnmip.backends.linear import LinearAnswer
from nnmip.records import dataclass
from nnmip.search.bound import Bound, Bounds
from nnmip.search.choices import Choices
from nnmip.search.master import CLOSE, MOST_ROUNDS, DualProgram
from nnmip.search.peel import Partial
from nnmip.search.record import Record

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Some = tuple[IntArray, ...]
"""Columns of some groups: places in the choices."""
Reduced = tuple[FloatArray, ...]
"""What they cost less what they gain."""
EACH_ROUND = 24
"""How many columns of each group enter the program together."""
FEW = 300
LARGE = 3000
"""With more columns in all, so few of each group are priced again and again before all are, and those in single
precision."""
EPS_SINGLE, MOST_SINGLE, MOST_ROWS_SINGLE = 2.0**-24, 1e15, 4000
"""Single precision: half the distance of 1 to the next number, and up to which numbers and rows it is used."""
EARLY = 0.1
"""The relaxation may be worse than the best bound by this share of what that lacks to the incumbent."""


@dataclass(frozen=True, slots=True, eq=False)
class Tuples:
    """All multisets with times[g] columns of each of some groups that have nothing in common: places in the choices.

    bound: what no such network is better than. near: columns that relaxations of like tuples take.
    """

    groups: Some
    times: IntArray
    bound: float
    near: IntArray

    @property
    def size(self) -> int:
        return sum(map(len, self.groups))


@dataclass(frozen=True, slots=True, eq=False)
class Hulls:
    """The relaxation of a tuple: its bound, the reduced costs of all columns of each group and the least of each, and
    which columns it takes: their groups, places and amounts."""

    bound: Bound
    reduced: Reduced
    least: FloatArray
    group: IntArray
    taken: IntArray
    amount: FloatArray

    def value(self, times: IntArray) -> float:
        return self.bound.base + float(times @ self.least)


class GroupMaster:
    """As `Master`, the columns of every group a kind of their own. A program has few rows and is made anew for every
    tuple: the basis of the one before, of other groups, costs more pivots than none."""

    def __init__(
        self,
        program: Callable[[int], DualProgram],
        bounds: Bounds,
        record: Record,
        choices: Choices,
    ) -> None:
        assert choices.signed is not None
        self._program, self._bounds, self._record = program, bounds, record
        self._cost, self._signed = choices.cost, choices.signed
        self._prices = Prices(choices.cost, choices.signed)

    def solve(self, partial: Partial, tuples: Tuples) -> Hulls:
        """Stops where the bound reaches the goal, or can no longer become much better."""
        record, times, groups = self._record, tuples.times, tuples.groups
        priced = self._prices.of(groups)
        rows = _Rows(self._program(len(times)), self._cost, self._signed)
        rows.add(tuple(np.intersect1d(tuples.near, group, assume_unique=True) for group in groups))
        best: tuple[Bound, Reduced, FloatArray] | None = None
        value, answer = -np.inf, None
        for _ in range(MOST_ROUNDS):
            record.check()
            answer = rows.dual.solve(partial.scores, times)
            multipliers = answer.x[: rows.pieces] if answer is not None else np.zeros(rows.pieces)
            bound = self._bounds.of(multipliers, partial.scores, partial.cost, int(times.sum()))
            reduced = priced(bound.slopes[:, 0])
            least = np.array([some.min() for some in reduced])
            proved = bound.base + float(times @ least)
            if best is None or proved > value:
                best, value = (bound, reduced, least), proved
            if answer is None or self._is_close(answer.value + partial.cost, value, record.goal):
                break
            if not rows.add(cheapest(groups, reduced, EACH_ROUND)):
                break
            if tuples.size > LARGE:
                self._price_few(rows, partial, times, cheapest(groups, reduced, FEW))
        assert best is not None
        return Hulls(*best, *rows.taken(answer))

    def _price_few(self, rows: _Rows, partial: Partial, times: IntArray, groups: Some) -> None:
        """Column generation among some columns, which costs far less than among all."""
        shown = [self._signed[group] for group in groups]
        for _ in range(MOST_ROUNDS):
            answer = rows.dual.solve(partial.scores, times)
            if answer is None:
                return
            slopes = rows.dual.loss.slopes(answer.x[: rows.pieces])[:, 0]
            reduced = [self._cost[group] - some @ slopes for group, some in zip(groups, shown, strict=True)]
            least = answer.x[rows.pieces + 1 :]
            cheap = [some < one - CLOSE for some, one in zip(reduced, least, strict=True)]
            groups_left = tuple(group[mask] for group, mask in zip(groups, cheap, strict=True))
            costs_left = tuple(some[mask] for some, mask in zip(reduced, cheap, strict=True))
            if not rows.add(cheapest(groups_left, costs_left, EACH_ROUND)):
                return

    @staticmethod
    def _is_close(above: float, below: float, goal: float) -> bool:
        lacks = EARLY * (goal - above) if np.isfinite(goal) else 0.0
        return above - below <= max(CLOSE * max(1.0, abs(above)), lacks) or below >= goal


class Prices:
    """Reduced costs of columns with the scores `signed` [L, n].

    Those of very many columns come from single precision, which is half the memory to go through: as lower bounds, the
    least ones of each group as they are. With e = 2^-24, a and the slopes W are off by e each of their magnitudes as
    they are rounded, and a product passes through at most n more roundings: a @ W is off by at most g(n + 2) times the
    sum of |a| |W|, g(t) = t e / (1 - t e). That is below (n + 4) e max |a| sum |W| where n^2 e is below 1, roundings in
    double precision included. What is too small for it, 2^-126 and less, is off by less than 1e-37 each.
    """

    def __init__(self, cost: FloatArray, signed: FloatArray) -> None:
        self._cost, self._signed = cost, signed
        largest = float(max(signed.max(initial=0.0), -signed.min(initial=0.0)))
        rows = signed.shape[1]
        self._share = (rows + 4) * EPS_SINGLE * largest
        self._least = 1e-36 * (rows + 4) * (1.0 + largest)
        has_room = largest < MOST_SINGLE and rows < MOST_ROWS_SINGLE
        self._single = signed.astype(np.float32) if has_room and len(cost) > LARGE else None

    def of(self, groups: Some) -> Callable[[FloatArray], Reduced]:
        """What tells the reduced costs in some groups for slopes [n]."""
        costs = [self._cost[group] for group in groups]
        if self._single is None or sum(map(len, groups)) <= LARGE:
            shown = [self._signed[group] for group in groups]
            return lambda slopes: tuple(cost - some @ slopes for cost, some in zip(costs, shown, strict=True))
        single = [self._single[group] for group in groups]

        def priced(slopes: FloatArray) -> Reduced:
            error = self._share * float(np.abs(slopes).sum()) + self._least
            short = slopes.astype(np.float32)
            below = tuple(cost - some @ short - error for cost, some in zip(costs, single, strict=True))
            for group, least in zip(groups, below, strict=True):
                near = np.flatnonzero(least <= least.min() + 2 * error)
                least[near] = self._cost[group[near]] - self._signed[group[near]] @ slopes
            return below

        return priced


class _Rows:
    """The rows of a program: columns of some groups, each once."""

    def __init__(self, dual: DualProgram, cost: FloatArray, signed: FloatArray) -> None:
        self.dual, self._cost, self._signed = dual, cost, signed
        self.pieces = len(dual.loss.row)
        self._first = dual.program.rows
        self._group = np.zeros(0, dtype=np.int64)
        self._place = np.zeros(0, dtype=np.int64)
        self._known = np.zeros(len(cost), dtype=bool)

    def add(self, groups: Some) -> int:
        """Rows  rc + sum u (slope v) a <= cost  for columns of each group, where they are new; how many these are."""
        place = np.concatenate(groups)
        new = ~self._known[place]
        place, group = place[new], np.repeat(np.arange(len(groups)), [len(some) for some in groups])[new]
        if len(place):
            loss = self.dual.loss
            rows = np.zeros((len(place), self.dual.width))
            rows[:, : self.pieces] = self._signed[place][:, loss.row] * loss.slope[:, 0]
            rows[np.arange(len(place)), self.pieces + 1 + group] = 1.0
            self.dual.program.add_rows(rows, self._cost[place])
            self._known[place] = True
            self._group = np.concatenate([self._group, group])
            self._place = np.concatenate([self._place, place])
        return len(place)

    def taken(self, answer: LinearAnswer | None) -> tuple[IntArray, IntArray, FloatArray]:
        """The columns that an answer takes; rows that came after it are not in it."""
        if answer is None:
            return self._group[:0], self._place[:0], np.zeros(0)
        amount = np.abs(answer.multipliers[self._first :])
        some = np.flatnonzero(amount > CLOSE)
        return self._group[some], self._place[some], amount[some]


def cheapest(groups: Some, reduced: Reduced, count: int) -> Some:
    """The columns of least reduced cost of each group."""
    return tuple(
        group[np.argpartition(costs, count - 1)[:count]] if len(group) > count else group
        for group, costs in zip(groups, reduced, strict=True)
    )
