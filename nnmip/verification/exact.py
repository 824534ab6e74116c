"""Exact decisions of small properties: a tree over the phases of units, with bounds in rational arithmetic.

A property that holds with nothing to spare, such as `net(x) <= 1` where 1 is the largest value, is beyond bounds that
are rounded. Here a way to break it is excluded by the least value of a plane below one of its rows over a polytope:
the box, cut by planes below what is assumed, below its other rows, and beside the kinks that the branches chose
(`simplex`). Planes go forward from the point through the units (as in DeepPoly, Singh et al. 2019), with lines through
numbers of few digits; where all phases are fixed they are the rows themselves, and the answer is a proof or a point.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import field
from fractions import Fraction
from math import ceil, floor

import numpy as np

from nnmip.bounds.interval import FloatArray
from nnmip.hir.core import Program, Reference
from nnmip.hir.goals import Property
from nnmip.hir.rational import rational
from nnmip.records import dataclass
from nnmip.verification.composite import Composite
from nnmip.verification.region import Region, Task
from nnmip.verification.simplex import ZERO, Plane, least
from nnmip.verification.units import NotExact, Units, plain

MOST_ENTRIES = 12
"""Points of more entries are not looked at."""

MOST_NODES = 20_000

GRID = 2**10
"""Slopes of lines are multiples of a part of this, ends of units of a part of its square: short numbers are fast."""

ONE = Fraction(1)


SECONDS = 10.0
"""CPU seconds for a way to break a property."""


@dataclass(frozen=True, slots=True)
class Exact:
    """What is known of a way to break a property: that there is none, a point [entries] at which it is broken, or
    neither. depth: by how much it is broken there, at least."""

    is_excluded: bool
    point: FloatArray | None = None
    depth: Fraction = ZERO


OPEN = Exact(False)


@dataclass(slots=True)
class Tried:
    """What is left of a region, the points at which the property is broken, with by how much, and the branches."""

    left: list[Task] = field(default_factory=list)
    points: list[tuple[FloatArray, Fraction]] = field(default_factory=list)
    nodes: int = 0


def tried(
    program: Program, property: Property, composite: Composite, region: Region, is_over: Callable[[], bool]
) -> Tried:
    """Try all ways to break a property in a region."""
    found = Tried()
    for task in region.tasks:
        search, end = exactly(program, property, composite, region, task), time.process_time() + SECONDS
        made = OPEN if search is None else search.decide(lambda end=end: is_over() or time.process_time() > end)  # type: ignore[misc]
        found.nodes += 0 if search is None else search.nodes
        if made.point is not None:
            found.points.append((made.point, made.depth))
        if not made.is_excluded:
            found.left.append(task)
    return found


def exactly(program: Program, property: Property, composite: Composite, region: Region, task: Task) -> Search | None:
    """A search for one way to break a property in a region; None for what is not small, or not known exactly."""
    is_rounded = property.folded or property.box is not None or property.is_exact
    if is_rounded or composite.size > MOST_ENTRIES:
        return None
    units = Units(program, composite.places, composite.size)
    try:
        rows = units.rows_of(task.rows)
        assumed = units.rows_of(region.case)
    except NotExact:
        return None
    lo, hi = _domain(property.points)
    cuts = []
    for row, vector in zip(region.case, map(plain, assumed), strict=True):
        if not _narrowed(vector, lo, hi):
            cuts.append((vector, row.is_strict))
    has_gaps = any(not point.decision.domain.is_interval for point in property.points)
    targets = [(plain(vector), row.is_strict) for vector, row in zip(rows, task.rows, strict=True)]
    return Search([plain(read) for read in units.read], targets, cuts, lo, hi, has_gaps)


def _domain(points: Sequence[Reference]) -> tuple[list[Fraction], list[Fraction]]:
    lo: list[Fraction] = []
    hi: list[Fraction] = []
    for point in points:
        for ends, end in ((lo, point.decision.domain.lo), (hi, point.decision.domain.hi)):
            number = rational(end)
            ends += [Fraction(number.numerator, number.denominator)] * point.decision.size
    return lo, hi


def _narrowed(vector: Plane, lo: list[Fraction], hi: list[Fraction]) -> bool:
    """Whether `vector <= 0` is a bound of one entry, which the box takes up."""
    places = [k for k, number in enumerate(vector[1:]) if number]
    if len(places) != 1 or places[0] >= len(lo):
        return False
    (place,) = places
    end = -vector[0] / vector[place + 1]
    if vector[place + 1] > 0:
        hi[place] = min(hi[place], end)
    else:
        lo[place] = max(lo[place], end)
    return True


@dataclass(frozen=True, slots=True)
class _Node:
    """Planes below and above what the units give, in a branch; `open` are units that are not known to be on or off.
    cuts: planes that are at most 0 at its points."""

    low: tuple[Plane, ...]
    high: tuple[Plane, ...]
    read: tuple[tuple[Plane, Plane], ...]
    open: tuple[int, ...]
    cuts: tuple[Plane, ...]


@dataclass(slots=True)
class Search:
    """The tree for one way to break a property.

    read: what each unit is the positive part of. rows, assumed: what must be at most 0 for that, and whether it must be
    strictly below. lo, hi: the box. has_gaps: whether not all of its points count.
    """

    read: list[Plane]
    rows: list[tuple[Plane, bool]]
    assumed: list[tuple[Plane, bool]]
    lo: list[Fraction]
    hi: list[Fraction]
    has_gaps: bool
    nodes: int = 0
    _open: list[dict[int, bool]] = field(default_factory=lambda: [{}])

    def decide(self, is_over: Callable[[], bool]) -> Exact:
        """Exclude every branch, or find a point that breaks the property."""
        if any(low > high for low, high in zip(self.lo, self.hi, strict=True)):
            return Exact(True)
        while self._open:
            if is_over() or self.nodes >= MOST_NODES:
                return OPEN
            self.nodes += 1
            phases = self._open.pop()
            node = self._node(phases)
            if node is None:
                continue
            points = self._bounded(node)
            if points is None:
                continue
            for point in [*points, _mean(points)]:
                values = self._values(point)
                if all(_holds(*pair) for pair in values):
                    depth = -max((value for value, _ in values[: len(self.rows)]), default=ZERO)
                    return OPEN if self.has_gaps else Exact(False, np.array([float(x) for x in point]), depth)
            if not node.open:
                return OPEN
            unit = self._widest(node, points[0])
            self._open += [{**phases, unit: False}, {**phases, unit: True}]
        return Exact(True)

    # ---- planes ------------------------------------------------------------------------------------------------

    def _node(self, phases: dict[int, bool]) -> _Node | None:
        """The planes of a branch; None where it has no points."""
        low: list[Plane] = []
        high: list[Plane] = []
        read, open_, cuts = [], [], []
        for unit, vector in enumerate(self.read):
            below, above = self._plane(vector, low, high), self._plane(vector, high, low)
            lo, hi = self._end(below, min), self._end(above, max)
            is_on = phases.get(unit)
            if is_on is not None:
                cuts.append([-number for number in above] if is_on else below)
                if (is_on and hi < 0) or (not is_on and lo > 0):
                    return None
            read.append((below, above))
            zero = [ZERO] * len(below)
            if is_on is False or (is_on is None and hi <= 0):
                below = above = zero
            elif is_on is None and lo < 0:
                open_.append(unit)
                below, above = (below if hi > -lo else zero), _chord(above, lo, hi)
            low.append(below)
            high.append(above)
        cuts += [self._plane(vector, low, high) for vector, _ in self.assumed]
        return _Node(tuple(low), tuple(high), tuple(read), tuple(open_), tuple(cuts))

    def _plane(self, vector: Plane, low: Sequence[Plane], high: Sequence[Plane]) -> Plane:
        """A plane below a vector of coefficients, where those of the units are below `low` and above `high`; above it
        with the two exchanged."""
        size = 1 + len(self.lo)
        found = vector[:size]
        for factor, below, above in zip(vector[size:], low, high, strict=False):
            if factor:
                plane = below if factor > 0 else above
                found = [
                    number + factor * other if other else number for number, other in zip(found, plane, strict=True)
                ]
        return found

    def _end(self, plane: Plane, side: Callable[[Fraction, Fraction], Fraction]) -> Fraction:
        """The least or the largest value of a plane in the box."""
        ends = zip(plane[1:], self.lo, self.hi, strict=True)
        return sum((side(factor * low, factor * high) for factor, low, high in ends if factor), plane[0])

    # ---- bounds ------------------------------------------------------------------------------------------------

    def _bounded(self, node: _Node) -> list[tuple[Fraction, ...]] | None:
        """Where the rows are least in a branch, each with the others at most 0; None where that excludes the branch.

        No point breaks the property if a row cannot be below 0 where the others are at most 0; or, where no row has to
        be strictly below, if it cannot be at most 0.
        """
        planes = [self._plane(vector, node.low, node.high) for vector, _ in self.rows]
        strict = [k for k, (_, is_strict) in enumerate(self.rows) if is_strict]
        goals: list[int | None] = [*strict] or [*range(len(planes))][:1] or [None]
        points = []
        for goal in goals:
            others = [plane for k, plane in enumerate(planes) if k != goal]
            plane = [ZERO] * (1 + len(self.lo)) if goal is None else planes[goal]
            is_enough = _never if goal is None else (_at_least_zero if strict else _above_zero)
            found = least(plane, [*node.cuts, *others], self.lo, self.hi, is_enough)
            if found.value is None or is_enough(found.value):
                return None
            points.append(found.point)
        return points

    def _values(self, point: Sequence[Fraction]) -> list[tuple[Fraction, bool]]:
        """What the rows and the assumptions are at a point, and whether they have to be strictly below 0."""
        at = [ONE, *point]
        for vector in self.read:
            at.append(max(ZERO, _dot(vector, at)))
        return [(_dot(vector, at), is_strict) for vector, is_strict in (*self.rows, *self.assumed)]

    def _widest(self, node: _Node, point: Sequence[Fraction]) -> int:
        """The open unit whose planes are farthest apart at a point; the first of those of one layer and more."""
        at = [ONE, *point]
        return max(node.open, key=lambda unit: _dot(node.high[unit], at) - _dot(node.low[unit], at))


def _chord(above: Plane, lo: Fraction, hi: Fraction) -> Plane:
    """A plane above the positive part of a number in [lo, hi] that is below a plane: a line through short numbers."""
    slope = min(ONE, Fraction(ceil(hi / (hi - lo) * GRID), GRID))
    fine = GRID * GRID
    shift = max(-slope * Fraction(floor(lo * fine), fine), (1 - slope) * Fraction(ceil(hi * fine), fine))
    found = [slope * number for number in above]
    found[0] += shift
    return found


def _dot(vector: Plane, at: Sequence[Fraction]) -> Fraction:
    return sum((a * b for a, b in zip(vector, at, strict=False) if a), ZERO)


def _mean(points: Sequence[tuple[Fraction, ...]]) -> tuple[Fraction, ...]:
    return tuple(sum(numbers, ZERO) / len(points) for numbers in zip(*points, strict=True))


def _holds(value: Fraction, is_strict: bool) -> bool:
    return value < 0 if is_strict else value <= 0


def _at_least_zero(value: Fraction) -> bool:
    return value >= 0


def _above_zero(value: Fraction) -> bool:
    return value > 0


def _never(value: Fraction) -> bool:
    return False
