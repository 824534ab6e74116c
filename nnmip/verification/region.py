"""The region of a property: boxes with rows, one for each way in which its assumptions hold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnmip.bounds.fbbt import AffineRows, Empty, tightened
from nnmip.bounds.interval import SMALLEST, BoolArray, FloatArray, Interval
from nnmip.bounds.nearby import Nearby
from nnmip.hir.core import Assignment, Program, Reference
from nnmip.hir.goals import Property
from nnmip.records import dataclass
from nnmip.verification.claims import Case, Cases, Row, cases_of
from nnmip.verification.composite import POINT, Composite, Map
from nnmip.verification.smooth import Meant, loosened


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """A way to break a property: all rows hold at a point of its region. `size` is that of the numbers in them."""

    rows: Case
    map: Map
    size: float = 1.0

    @property
    def is_impossible(self) -> bool:
        """Whether a row is a number, and false: coefficients cancel in `net(x)[k] < net(x)[k]`."""
        count = range(len(self.rows))
        known = np.array([not any(part[k].any() for part in self.map.parts.values()) for k in count], dtype=bool)
        exact = (self.map.sizes == 0) & np.array([row.is_strict for row in self.rows], dtype=bool)
        return bool((known & (exact | (self.map.constant > self.map.slack))).any())

    def excesses(self, least: FloatArray) -> FloatArray:
        """Lower bounds [..., rows] of the rows, positive where they exclude the row: 0 does for a strict one."""
        strict = np.array([row.is_strict for row in self.rows], dtype=bool)
        return np.where(strict & (least == 0.0), SMALLEST, least)


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A box [1, entries] of points; `rows` are what is assumed beyond it, with their map. `tasks` are what is open.

    case: all that is assumed, with what the box, rounded outward, has taken up."""

    box: Interval
    rows: Case
    map: Map
    tasks: list[Task]
    case: Case = ()

    @property
    def inside(self) -> Interval:
        """The box without its rim, where points obey the bounds whatever the rounding of what is assumed."""
        width, size = self.box.hi - self.box.lo, self.box.magnitude
        rim = np.minimum(1e-12 * width + 8 * np.finfo(np.float64).eps * size, 0.25 * width)
        return Interval(self.box.lo + rim, self.box.hi - rim)

    @property
    def is_flat(self) -> bool:
        """Whether two of its rows are an equation: each is the other with the opposite sign."""
        parts = [self.map.parts[base] for base in self.map.bases]
        rows = np.column_stack([self.map.constant, *parts]) + 0.0  # which leaves no -0.0
        known = {row.tobytes() for row in rows}
        return any(row.tobytes() in known for row in 0.0 - rows)


def regions_of(property: Property, composite: Composite) -> list[Region]:
    """The parts of the region of a property that are not empty, each with all ways to break the property there.

    Raises Opaque.
    """
    unsafe: Cases = cases_of(property.conclusions, holds=False)
    found, anywhere = [], Nearby(composite.program)
    for stated in cases_of(property.assumptions):
        box = _box(property, composite, loosened(stated, anywhere))
        if box is None:
            continue
        nearby = Nearby(composite.program, _by_path(property, box))
        case, ways = loosened(stated, nearby), [loosened(case, nearby) for case in unsafe]
        tasks = [task for case in ways if not (task := Task(case, composite.map_of(case))).is_impossible]
        rows = tuple(row for row in case if not _is_bound(composite.map_of([row])))
        found.append(Region(box, rows, composite.map_of(rows), tasks, case))
    return found


def _by_path(property: Property, box: Interval) -> dict[str, Interval]:
    """The box of every point by its path."""
    ends = np.cumsum([point.decision.size for point in property.points])
    parts = zip(property.points, np.split(box.lo[0], ends[:-1]), np.split(box.hi[0], ends[:-1]), strict=True)
    return {p.decision.path: Interval(lo.reshape(p.shape), hi.reshape(p.shape)) for p, lo, hi in parts}


def _box(property: Property, composite: Composite, case: Sequence[Row]) -> Interval | None:
    """The domains of the points, cut by the rows that speak of nothing else; None where nothing is left."""
    domains = [(p.decision.domain, p.decision.size) for p in property.points]
    lo = np.concatenate([np.full(size, domain.lo) for domain, size in domains])
    hi = np.concatenate([np.full(size, domain.hi) for domain, size in domains])
    if property.box is not None:
        lo, hi = np.maximum(lo, property.box[0]), np.minimum(hi, property.box[1])
        if (lo > hi).any():
            return None
    made = composite.map_of(case)
    others = [part for base, part in made.parts.items() if base != POINT]
    own = np.array([not any(part[k].any() for part in others) for k in range(len(case))], dtype=bool)
    if not own.any() or POINT not in made.parts:
        return None if any(own & (made.constant > made.slack)) else Interval(lo[None], hi[None])
    matrix, most = made.parts[POINT][own], np.nextafter(made.slack[own] - made.constant[own], np.inf)
    if (most[~matrix.any(axis=1)] < 0).any():
        return None
    rows = AffineRows.dense(matrix, np.full(len(most), -np.inf), most)
    try:
        box = tightened(rows, Interval(lo, hi), _whole(property.points))
    except Empty:
        return None
    return Interval(box.lo[None], box.hi[None])


def _whole(points: Sequence[Reference]) -> BoolArray:
    """Which entries are whole numbers."""
    parts = []
    for point in points:
        domain = point.decision.domain
        is_whole = domain.is_finite and all(value == np.floor(value) for value in domain.values)
        parts.append(np.full(point.decision.size, is_whole))
    return np.concatenate(parts)


def _is_bound(row: Map) -> bool:
    """Whether a row is a bound of one entry of the point, which the box has."""
    return set(row.parts) == {POINT} and np.count_nonzero(row.parts[POINT]) == 1


def is_inside(program: Program, property: Property, assignment: Assignment) -> bool:
    """Whether a point is in its domains and obeys every assumption, without any tolerance."""
    for reference in property.points:
        if reference.decision.domain.distance(assignment.values[reference.decision.path]).any():
            return False
    if property.box is not None:
        values = [np.reshape(assignment.values[point.decision.path], -1) for point in property.points]
        point, (lo, hi) = np.concatenate(values), property.box
        if not ((lo <= point) & (point <= hi)).all():
            return False
    exact = Meant(program, assignment, tolerance=0.0)
    return all(bool(np.all(exact.value(part) > 0.5)) for part in property.assumptions)


def on_domains(points: Sequence[Reference], x: FloatArray) -> FloatArray:
    """Points [n, entries] moved to the nearest members of their domains."""
    moved, start = x.copy(), 0
    for point in points:
        part = slice(start, start + point.decision.size)
        moved[:, part] = _nearest(point, x[:, part])
        start += point.decision.size
    return moved


def _nearest(point: Reference, x: FloatArray) -> FloatArray:
    domain = point.decision.domain
    choices = [np.clip(x, lo, hi) for lo, hi in domain.intervals]
    if domain.values:
        values = np.array(sorted(domain.values))
        at = np.clip(np.searchsorted(values, x), 1, len(values) - 1) if len(values) > 1 else np.zeros(x.shape, int)
        below = values[np.maximum(at - 1, 0)]
        choices.append(np.where(np.abs(x - below) <= np.abs(values[at] - x), below, values[at]))
    stacked = np.stack(choices)
    best = np.abs(stacked - x).argmin(axis=0)
    return np.asarray(np.take_along_axis(stacked, best[None], axis=0)[0])
