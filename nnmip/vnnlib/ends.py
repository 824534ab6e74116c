"""The least and the largest value of every input that claims leave: to the nearest double, and rounded outward."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction

import numpy as np

from nnmip.hir.core import FloatArray, IntArray
from nnmip.records import dataclass
from nnmip.vnnlib.query import Atom, Claim

ROUNDED = 1e-12
"""What a bound that follows from a sum is widened by, of the size of the numbers in it."""

ROUNDS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Ends:
    """Ends [2, entries] of the point: `nearest` as doubles, `outward` so that doubles and decimals are inside."""

    nearest: FloatArray
    outward: FloatArray

    @staticmethod
    def none(size: int) -> Ends:
        ends = np.array([np.full(size, -np.inf), np.full(size, np.inf)])
        return Ends(ends, ends.copy())

    @property
    def is_empty(self) -> bool:
        return bool((self.nearest[0] > self.nearest[1]).any())

    def cut(self, place: int, side: int, end: Fraction) -> None:
        """Move the lower (side 0) or the upper end (1) of an entry inward."""
        value = float(end)
        wide = value
        if side and Fraction(value) < end:
            wide = float(np.nextafter(value, np.inf))
        elif not side and Fraction(value) > end:
            wide = float(np.nextafter(value, -np.inf))
        pick = min if side else max
        self.nearest[side, place] = pick(self.nearest[side, place], value)
        self.outward[side, place] = pick(self.outward[side, place], wide)


def ends_of(claims: Iterable[Claim], places: Mapping[str, IntArray], size: int) -> tuple[Ends, list[Claim]]:
    """The ends that claims on inputs leave, all of which hold, and those of them that say more than that.

    Ends that no comparison with a number states follow from sums, in a few rounds; an `or` leaves the hull of its
    parts.
    """
    ends, rest = Ends.none(size), list[Claim]()
    sums: list[Atom] = []
    for claim in claims:
        _take(claim, places, ends, rest, sums)
    for _ in range(ROUNDS):
        if np.isfinite(ends.outward).all():
            break
        for atom in sums:
            _follow(atom, places, ends)
    return ends, rest


def _take(claim: Claim, places: Mapping[str, IntArray], ends: Ends, rest: list[Claim], sums: list[Atom]) -> None:
    if isinstance(claim, Atom):
        terms = claim.left.terms
        if len(terms) == 1:
            (((name, entry), factor),) = terms.items()
            ends.cut(int(places[name][entry]), 1 if factor > 0 else 0, -claim.left.constant / factor)
        else:
            sums.append(claim)
        if claim.is_strict or len(terms) != 1:
            rest.append(claim)
    elif claim.op == "and":
        for part in claim.parts:
            _take(part, places, ends, rest, sums)
    else:
        rest.append(claim)
        parts = [
            made for part in claim.parts if not (made := ends_of([part], places, ends.nearest.shape[1])[0]).is_empty
        ]
        for own, others in (
            (ends.nearest, [part.nearest for part in parts]),
            (ends.outward, [part.outward for part in parts]),
        ):
            if others:
                own[0] = np.maximum(own[0], np.min([part[0] for part in others], axis=0))
                own[1] = np.minimum(own[1], np.max([part[1] for part in others], axis=0))


def _follow(atom: Atom, places: Mapping[str, IntArray], ends: Ends) -> None:
    """Missing ends of the entries of `sum + constant <= 0` from the ends of the others."""
    entries = [(int(places[name][entry]), float(factor)) for (name, entry), factor in atom.left.terms.items()]
    lo, hi = ends.outward
    least = [factor * (lo[place] if factor > 0 else hi[place]) for place, factor in entries]
    for number, (place, factor) in enumerate(entries):
        side = 1 if factor > 0 else 0
        others = sum(value for k, value in enumerate(least) if k != number)
        if np.isfinite(ends.outward[side, place]) or not np.isfinite(others):
            continue
        constant = float(atom.left.constant)
        size = abs(constant) + sum(abs(value) for k, value in enumerate(least) if k != number) + 1.0
        end = -(constant + others) / factor
        wide = ROUNDED * (size / abs(factor) + 1.0)
        ends.outward[side, place] = ends.nearest[side, place] = end + wide if side else end - wide
