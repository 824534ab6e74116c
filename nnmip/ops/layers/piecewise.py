"""`piecewise`: a function of one number that is linear between points, entry by entry."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
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

FINEST = 10**9
"""A grid that is finer is none."""


@dataclass(frozen=True, slots=True, eq=False)
class Knots:
    """The points of a curve, ascending, and its values there; it stays the same outside of them."""

    points: FloatArray
    values: FloatArray

    @staticmethod
    def of(options: Options) -> Knots:
        return Knots(np.asarray(options["points"], dtype=np.float64), np.asarray(options["values"], dtype=np.float64))

    @property
    def slopes(self) -> FloatArray:
        """The slope of each piece from left to right: 0 before the first point and behind the last."""
        return np.concatenate([[0.0], np.diff(self.values) / np.diff(self.points), [0.0]])

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
        """Bounds of the value at single numbers: between those at the two points next to each.

        The slope, the distance, their product and the sum are rounded once each, and none is larger than the two values
        together.
        """
        right = np.clip(np.searchsorted(self.points, z, side="left"), 1, len(self.points) - 1)
        values = self.values[right - 1], self.values[right]
        least, most = np.minimum(*values), np.maximum(*values)
        found = np.clip(np.interp(z, self.points, self.values), least, most)
        slack = 8.0 * UNIT_ROUNDOFF * (np.abs(values[0]) + np.abs(values[1])) + 4.0 * SMALLEST
        is_given = np.isin(z, self.points) | (z < self.points[0]) | (z > self.points[-1])
        wide = Interval(found, found).widened(slack)
        lo, hi = np.maximum(wide.lo, least), np.minimum(wide.hi, most)
        return Interval(np.where(is_given, found, lo), np.where(is_given, found, hi))


def _ranges(values: FloatArray, pick: Any) -> FloatArray:
    """The least, or the largest, of the values from one place to another one: [places, places]."""
    size = len(values)
    found = np.broadcast_to(values, (size, size)).copy()
    found[np.tril_indices(size, -1)] = np.inf if pick is np.minimum else -np.inf
    return np.asarray(pick.accumulate(found, axis=1))


def forward(inputs: tuple[FloatArray, ...], decisions: Mapping[str, FloatArray], options: Options) -> FloatArray:
    """The value on the line through the two points next to z, and that of the outermost point outside of them."""
    (z,) = inputs
    points, values = options["points"], options["values"]
    if z.dtype != object:
        return np.asarray(np.interp(z, points, values))
    return np.array([_exactly(number, points, values) for number in z.reshape(-1)], dtype=object).reshape(z.shape)


def _exactly(z: Any, points: tuple[float, ...], values: tuple[float, ...]) -> Any:
    """The value at a rational number, of its kind, which says what a float stands for."""
    one = z * 0 + 1

    def of(number: float) -> Any:
        return Fraction(number) if isinstance(one * number, float) else one * number

    z = min(max(z, of(points[0])), of(points[-1]))
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
    """The least and the largest slope, 0 outside of the points, rounded outwards unless they are 0."""
    slopes = Knots.of(options).slopes
    least, most = float(slopes.min()), float(slopes.max())
    around = (
        np.nextafter(least * (1 + 4 * UNIT_ROUNDOFF), -np.inf),
        np.nextafter(most * (1 + 4 * UNIT_ROUNDOFF), np.inf),
    )
    return (float(around[0]) if least else 0.0), (float(around[1]) if most else 0.0)


def grid(inputs: tuple[Fraction, ...], shapes: tuple[Shape, ...], options: Options) -> Fraction | None:
    """Every piece has a slope and a value at 0 that are rational."""
    points, values = ([Fraction(repr(float(number))) for number in options[name]] for name in ("points", "values"))
    steps = [values[0], values[-1]]
    for place in range(1, len(points)):
        steep = (values[place] - values[place - 1]) / (points[place] - points[place - 1])
        steps += [inputs[0] * steep, values[place] - steep * points[place]]
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
    return ""


OP = LayerOp(
    name="piecewise",
    signature="piecewise(z, points: [p, ...], values: [v, ...], prune: units)",
    summary="linear between the points p, where it has the values v; constant outside of them; entry by entry",
    domains=(),
    options=(
        Option("points", "numbers", required=True, least=-LARGEST, most=LARGEST),
        Option("values", "numbers", required=True, least=-LARGEST, most=LARGEST),
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
