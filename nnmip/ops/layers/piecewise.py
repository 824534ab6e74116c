"""`piecewise`: a function of one number that is linear between points, entry by entry."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnmip.bounds.interval import SMALLEST, UNIT_ROUNDOFF, Interval
from nnmip.bounds.relaxation import Relaxation, bridges
from nnmip.hir.core import Shape
from nnmip.ops.activations import ENTRYWISE, same_shape
from nnmip.ops.base import LayerOp, Option, Options, common_grid
from nnmip.records import dataclass

FloatArray = NDArray[np.float64]

LEAST_WIDTH = 1e-4
"""How far neighbouring points are apart at least: widths of pieces are coefficients."""

LARGEST = 1e6
"""The largest absolute value of a number of a curve."""

FLAT = (0.0, 0.0)
"""The slopes outside of the points where nothing is said."""

FINEST = 10**9
"""A grid that is finer is none."""


@dataclass(frozen=True, slots=True, eq=False)
class Knots:
    """The points of a curve, ascending, and its values there. outside: its slopes before the first and behind the last
    of them."""

    points: FloatArray
    values: FloatArray
    outside: tuple[float, float] = FLAT

    @staticmethod
    def of(options: Options) -> Knots:
        points, values = (np.asarray(options[name], dtype=np.float64) for name in ("points", "values"))
        before, behind = options.get("outside", FLAT)
        return Knots(points, values, (float(before), float(behind)))

    @property
    def slopes(self) -> FloatArray:
        """The slope of each piece from left to right, those outside of the points included."""
        before, behind = self.outside
        return np.concatenate([[before], np.diff(self.values) / np.diff(self.points), [behind]])

    def values_at(self, z: FloatArray) -> FloatArray:
        """On the line through the two points next to z, or on that outside of them."""
        return np.asarray(np.interp(z, self.points, self.values) + self._beyond(z))

    def _beyond(self, z: FloatArray) -> FloatArray:
        """What is added outside of the points to the value at the nearest."""
        before, behind = self.outside
        found = np.zeros(np.shape(z))
        if before:
            found += before * np.minimum(z - self.points[0], 0.0)
        if behind:
            found += behind * np.maximum(z - self.points[-1], 0.0)
        return found

    def at(self, z: Interval) -> Interval:
        """Bounds of the values for all of z, rounded outwards; a value that is given at a point is exact there."""
        ends = [self._near(end) for end in (z.lo, z.hi)]
        first = np.searchsorted(self.points, z.lo, side="left")
        last = np.searchsorted(self.points, z.hi, side="right") - 1
        inside, last = first <= last, np.maximum(first, last)
        first, last = (np.minimum(place, len(self.points) - 1) for place in (first, last))
        least = np.where(inside, _ranges(self.values, np.minimum)[first, last], np.inf)
        most = np.where(inside, _ranges(self.values, np.maximum)[first, last], -np.inf)
        lo = np.minimum(np.minimum(ends[0].lo, ends[1].lo), least)
        return Interval(lo, np.maximum(np.maximum(ends[0].hi, ends[1].hi), most))

    def _near(self, z: FloatArray) -> Interval:
        """Bounds of the value at single numbers: between those at the two points next to each, or on the line outside.

        The slope, the distance, their product and the sum are rounded once each, and none is larger than the two values
        together, or than what is added outside and the value there.
        """
        right = np.clip(np.searchsorted(self.points, z, side="left"), 1, len(self.points) - 1)
        values = self.values[right - 1], self.values[right]
        least, most = np.minimum(*values), np.maximum(*values)
        beyond = self._beyond(z)
        is_beyond, is_outside = beyond != 0.0, (z < self.points[0]) | (z > self.points[-1])
        found = np.clip(np.interp(z, self.points, self.values), least, most) + beyond
        size = np.abs(values[0]) + np.abs(values[1]) + np.abs(beyond)
        slack = 8.0 * UNIT_ROUNDOFF * size + 4.0 * SMALLEST
        is_given = np.isin(z, self.points) | (is_outside & ~is_beyond)
        wide = Interval(found, found).widened(slack)
        lo = np.where(is_beyond, wide.lo, np.maximum(wide.lo, least))
        hi = np.where(is_beyond, wide.hi, np.minimum(wide.hi, most))
        return Interval(np.where(is_given, found, lo), np.where(is_given, found, hi))


def _ranges(values: FloatArray, pick: Any) -> FloatArray:
    """The least, or the largest, of the values from one place to another one: [places, places]."""
    size = len(values)
    found = np.broadcast_to(values, (size, size)).copy()
    found[np.tril_indices(size, -1)] = np.inf if pick is np.minimum else -np.inf
    return np.asarray(pick.accumulate(found, axis=1))


def forward(inputs: tuple[FloatArray, ...], decisions: Mapping[str, FloatArray], options: Options) -> FloatArray:
    """The value on the line through the two points next to z, and on that through the outermost outside of them."""
    (z,) = inputs
    if z.dtype != object:
        return Knots.of(options).values_at(z)
    return np.array([_exactly(number, options) for number in z.reshape(-1)], dtype=object).reshape(z.shape)


def _exactly(z: Any, options: Options) -> Any:
    """The value at a rational number, of its kind, which says what a float stands for."""
    points, values, outside = options["points"], options["values"], options.get("outside", FLAT)
    one = z * 0 + 1

    def of(number: float) -> Any:
        return Fraction(number) if isinstance(one * number, float) else one * number

    if z < of(points[0]):
        return of(values[0]) + of(outside[0]) * (z - of(points[0]))
    if z > of(points[-1]):
        return of(values[-1]) + of(outside[1]) * (z - of(points[-1]))
    right = next(place for place in range(1, len(points)) if z <= of(points[place]))
    steep = (of(values[right]) - of(values[right - 1])) / (of(points[right]) - of(points[right - 1]))
    return of(values[right - 1]) + steep * (z - of(points[right - 1]))


def interval(inputs: tuple[Interval, ...], decisions: Mapping[str, Interval], options: Options) -> Interval:
    """Between the values at the ends of z and at the points inside of it."""
    return Knots.of(options).at(inputs[0])


def relax(inputs: tuple[Interval, ...], decisions: Mapping[str, FloatArray], options: Options) -> Relaxation:
    """Lines through two points of the graph, those on the hull over the middle of z."""
    (z,) = inputs
    knots = Knots.of(options)
    inner = [np.clip(point, z.lo, z.hi) for point in knots.points]
    points = np.stack([z.lo, *inner, z.hi])
    values = knots.at(Interval.point(points))
    found = bridges(points, values, 0.5)
    return Relaxation(
        found.back,
        found.scale(z.magnitude),
        (_bends(knots, z),),
        found,
        facets=lambda: _hull(points, values),
    )


def _bends(knots: Knots, z: Interval) -> NDArray[np.bool_]:
    """Where the slope changes inside of z."""
    bends = knots.points[np.diff(knots.slopes) != 0.0]
    between = np.searchsorted(bends, z.lo, side="right"), np.searchsorted(bends, z.hi, side="left")
    return np.asarray(between[1] > between[0])


PLACES = (0.02, 0.15, 0.35, 0.5, 0.65, 0.85, 0.98)
"""Over which places of z the hull of the graph is followed, as parts of its width."""


def _hull(points: FloatArray, values: Interval) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Lines below and above: slopes, shifts of those below, shifts of those above; infinite where there is none."""
    found = [bridges(points, values, place) for place in PLACES]
    none = np.full(found[0].low.shape, np.inf)
    slopes = [slope for lines in found for slope in (lines.low, lines.high)]
    below = [shift for lines in found for shift in (lines.low_shift, -none)]
    above = [shift for lines in found for shift in (none, lines.high_shift)]
    return np.stack(slopes), np.stack(below), np.stack(above)


def slope(options: Options) -> tuple[float, float]:
    """The least and the largest slope, those outside of the points included, rounded outwards unless they are 0."""
    slopes = Knots.of(options).slopes
    least, most = float(slopes.min()), float(slopes.max())
    around = (
        np.nextafter(least * (1 + 4 * UNIT_ROUNDOFF), -np.inf),
        np.nextafter(most * (1 + 4 * UNIT_ROUNDOFF), np.inf),
    )
    return (float(around[0]) if least else 0.0), (float(around[1]) if most else 0.0)


def grid(inputs: tuple[Fraction, ...], shapes: tuple[Shape, ...], options: Options) -> Fraction | None:
    """Every piece has a slope and a value at 0 that are rational."""
    given = options["points"], options["values"], options.get("outside", FLAT)
    points, values, outside = ([Fraction(repr(float(number))) for number in numbers] for numbers in given)
    inner = [(b - a) / (q - p) for (p, q), (a, b) in zip(pairwise(points), pairwise(values), strict=True)]
    steps: list[Fraction] = []
    for place, steep in enumerate((*inner, outside[1], outside[0])):
        at = place if place < len(points) else 0
        steps += [inputs[0] * steep, values[at] - steep * points[at]]
        if max(step.denominator for step in steps) > FINEST:
            return None
    found = common_grid(*map(abs, steps))
    return found if found.denominator <= FINEST else None


def objection(options: Options) -> str:
    points, values = options["points"], options["values"]
    if points is None or values is None:
        return ""
    if len(points) != len(values) or len(points) < 2:
        return f"`piecewise` needs a value for each of two or more points, not {len(values)} for {len(points)}"
    if min(np.diff(points)) < LEAST_WIDTH:
        return f"the points of `piecewise` ascend by at least {LEAST_WIDTH:g} from one to the next"
    if len(options.get("outside", FLAT)) != 2:
        return "`outside` of `piecewise` is two slopes, one before the points and one behind them"
    return ""


OP = LayerOp(
    name="piecewise",
    signature="piecewise(z, points: [p, ...], values: [v, ...], outside: [s, t], prune: units)",
    summary="linear between the points p, where it has the values v; slopes s and t outside of them; entry by entry",
    domains=(),
    options=(
        Option("points", "numbers", required=True, least=-LARGEST, most=LARGEST),
        Option("values", "numbers", required=True, least=-LARGEST, most=LARGEST),
        Option("outside", "numbers", default=FLAT, least=-LARGEST, most=LARGEST),
    ),
    prune=ENTRYWISE,
    infer=same_shape,
    forward=forward,
    interval=interval,
    relax=relax,
    grid=grid,
    slope=slope,
    objection=objection,
)
