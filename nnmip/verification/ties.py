"""Equations that a property assumes of its point, solved, so that doubles obey them to the last bit.

A point that a search finds obeys `z = x - 0.5`, or `x = 1` in a part of an `or`, but for rounding. Entries that no
equation gives are rounded to a coarse grid here, and the others follow from them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

import numpy as np

from nnmip.bounds.interval import FloatArray
from nnmip.hir.core import Constant, Gather, Reference
from nnmip.records import dataclass
from nnmip.verification.claims import Case, Row, terms_of

MOST_TIES = 1000
GRIDS = (40, 20, 10)
"""Bits that entries on the grids have; those of sums and small products of them fit into the numbers of a file."""

Sum = dict[int, Fraction]
"""Factors by entry of the point; that of no entry, -1, is the constant."""

Key = tuple[tuple[int, Fraction], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Tie:
    """The entry at `place` is a sum of entries that no tie gives."""

    place: int
    value: Mapping[int, Fraction]


def ties_of(case: Case, points: Sequence[Reference]) -> tuple[Tie, ...]:
    """The linear equations between entries of the points, or of one with a number, by Gaussian elimination; each is two
    of the rows of a case, all of which hold."""
    starts, size = {}, 0
    for point in points:
        starts[point.decision.path] = size
        size += point.decision.size
    found: dict[int, Sum] = {}
    seen = set[Key]()
    for row in case:
        summed = None if row.is_strict else _summed(row, starts)
        if summed is None or len(summed) < 2 or len(found) >= MOST_TIES:
            continue
        if _key(summed, -1) in seen:
            _solve(summed, found)
        else:
            seen.add(_key(summed, 1))
    return tuple(Tie(place, value) for place, value in found.items())


def _summed(row: Row, starts: Mapping[str, int]) -> Sum | None:
    """None for what is not linear in the point."""
    found: Sum = {-1: Fraction(0)}
    for term, factor in terms_of(row.value, row.entry, Fraction):
        base, at = (term.base, int(term.index)) if isinstance(term, Gather) else (term, 0)
        match base:
            case Constant(value=numbers):
                _add(found, -1, factor * Fraction(float(numbers.reshape(-1)[at])))
            case Reference(decision=decision) if decision.path in starts:
                _add(found, starts[decision.path] + at, factor)
            case _:
                return None
    sign = Fraction(row.sign)
    return {place: sign * factor for place, factor in found.items() if factor or place < 0}


def _key(row: Sum, sign: int) -> Key:
    """The same for all positive multiples of a row, or of its negation."""
    size = sign * abs(row[max(row)])
    return tuple(sorted((place, factor / size) for place, factor in row.items()))


def _solve(row: Sum, found: dict[int, Sum]) -> None:
    """Take up `row = 0` for one of its entries, whose factor is a power of two where there is such a one."""
    for place in [place for place in row if place in found]:
        _replace(row, place, found[place])
    entries = [place for place, factor in row.items() if place >= 0 and factor]
    if not entries:
        return
    pivot = max(entries, key=lambda place: (_is_power(row[place]), place))
    factor = -row.pop(pivot)
    value = {place: each / factor for place, each in row.items() if each}
    for other in found.values():
        if pivot in other:
            _replace(other, pivot, value)
    found[pivot] = value


def _replace(row: Sum, place: int, value: Sum) -> None:
    factor = row.pop(place)
    for each, number in value.items():
        _add(row, each, factor * number)


def _add(row: Sum, place: int, factor: Fraction) -> None:
    row[place] = row.get(place, Fraction(0)) + factor


def _is_power(number: Fraction) -> bool:
    """Whether a product with it has no more digits."""
    over, under = abs(number.numerator), number.denominator
    return not over & (over - 1) and not under & (under - 1)


def tied(ties: Sequence[Tie], point: FloatArray, lo: FloatArray, hi: FloatArray) -> Iterator[FloatArray]:
    """Points [entries] beside one whose ties hold but for what a double cannot hold; entries that no tie gives are
    between `lo` and `hi`."""
    if not ties:
        return
    size = float(np.exp2(np.ceil(np.log2(np.abs(point).max() + 1.0))))
    for bits in GRIDS:
        step = size / 2.0**bits
        moved = np.clip(np.round(point / step) * step, lo, hi)
        for tie in ties:
            terms = (number * (Fraction(float(moved[k])) if k >= 0 else 1) for k, number in tie.value.items())
            moved[tie.place] = float(sum(terms, Fraction(0)))
        yield moved
