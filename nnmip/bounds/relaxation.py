"""Linear relaxations of layers: what lies below and above their outputs, as affine functions of their inputs.

A rule of the layer table makes a `Relaxation` from proved bounds of the layer's inputs. Backward bound propagation
(CROWN: Zhang et al. 2018; DeepPoly: Singh et al. 2019) only asks it to take coefficients on the outputs back to the
inputs. Rounding is charged by who walks back, from `scale`; the rules see to it that their own numbers, the slopes and
shifts, are those of valid lines whatever the rounding was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any

import numpy as np

from nnmip.bounds.interval import SMALLEST, UNIT_ROUNDOFF, BoolArray, FloatArray, IntArray, Interval
from nnmip.records import dataclass

Inputs = tuple[Interval, ...]
Weights = Mapping[str, FloatArray]
Options = Mapping[str, Any]
IntervalRule = Callable[[Inputs, Mapping[str, Interval], Options], Interval]
Facets = Callable[[], tuple[FloatArray, FloatArray, FloatArray]]
Backward = Callable[[FloatArray], tuple[tuple[FloatArray, ...], FloatArray | None]]


@dataclass(frozen=True, slots=True, eq=False)
class Relaxation:
    """A layer between affine functions of its inputs, for every sample [n] and for inputs in their bounds.

    back(coefficients [b, r, *output]) -> coefficients [b', r, *input] for every input, and a constant [b', r], None for
    0: for inputs in their bounds, coefficients . output >= sum of found . input + constant, were it not for rounding.
    scale: at least the sum of |product| that one output of coefficient 1 contributes, with the largest absolute values
    of the inputs, [n or 1, *output]; None where nothing is rounded.
    single: where the layer is affine, the coefficients [outputs, *input] and constants [outputs] of outputs, by flat
    position; nothing is rounded. None where `back` has to be asked.
    lines: where it works entry by entry, the lines that `back` takes; swing: between which slopes any line through the
    origin is below the graph of entries that are loose, None where the lines stay as they are.
    facets: where the layer works entry by entry, slopes and the shifts of all lines below and above that can matter,
    each [lines, n, *shape]; infinite shifts where a line says nothing.
    ahead: what an affine layer makes of inputs [n, *input], where that is faster than its meaning.
    loose: for every input, for which entries [n, *input] tighter bounds make it tighter; none for an affine layer.
    """

    back: Backward
    scale: FloatArray | None
    loose: tuple[BoolArray, ...] = ()
    lines: Lines | None = None
    swing: tuple[float, float] | None = None
    facets: Facets | None = None
    ahead: Callable[[FloatArray], FloatArray] | None = None
    single: Callable[[IntArray], tuple[tuple[FloatArray, ...], FloatArray | None]] | None = None


Rule = Callable[[Inputs, Weights, Options], Relaxation]


def rearranged(back: Callable[[FloatArray], tuple[FloatArray, ...]]) -> Relaxation:
    """A layer whose outputs are sums of different entries of its inputs: nothing is rounded."""
    return Relaxation(lambda rows: (back(rows), None), None)


def dot(rows: FloatArray, values: FloatArray) -> FloatArray:
    """Sums over all entries of rows [b, r, *shape] times values [n or 1, *shape], shape [max(b, n), r]."""
    flat = rows.reshape(*rows.shape[:2], -1)
    return np.asarray((flat @ values.reshape(len(values), -1, 1))[..., 0])


def down(values: FloatArray) -> FloatArray:
    """The next smaller numbers: at most what was rounded to `values`."""
    return np.nextafter(values, -np.inf)


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """Lines below and above every entry: `low z + low_shift <= f(z) <= high z + high_shift`, all [n, *shape]."""

    low: FloatArray
    low_shift: FloatArray
    high: FloatArray
    high_shift: FloatArray

    def back(self, rows: FloatArray, low: FloatArray | None = None) -> tuple[tuple[FloatArray, ...], FloatArray | None]:
        """A positive coefficient takes the line below, a negative one that above.

        low: other slopes of the lines below, for every row [n, r, *shape]; they must fit to the shifts.
        """
        negative = np.minimum(rows, 0.0)
        shift = dot(negative, self.high_shift - self.low_shift)
        if self.low_shift.any():
            shift = shift + dot(rows, self.low_shift)
        if low is not None:
            return (rows * np.where(rows < 0.0, self.high[:, None], low),), shift
        slopes = rows * self.low[:, None]
        slopes += negative * (self.high - self.low)[:, None]
        return (slopes,), shift

    def ahead(self, z: FloatArray, rows: FloatArray, low: FloatArray) -> FloatArray:
        """The values at z [n, r, *shape] of the lines that the rows take back."""
        below = rows >= 0.0
        return np.where(below, low * z + self.low_shift[:, None], self.above(z))

    def above(self, z: FloatArray) -> FloatArray:
        """The values at z [n, r, *shape] of the lines above."""
        return self.high[:, None] * z + self.high_shift[:, None]

    def scale(self, magnitude: FloatArray, swing: tuple[float, float] | None = None) -> FloatArray:
        """The sum of the absolute values of all products, for z up to `magnitude`."""
        low = np.abs(self.low) if swing is None else np.maximum(np.abs(self.low), max(map(abs, swing)))
        shifts = 2.0 * np.abs(self.low_shift) + np.abs(self.high_shift)
        return np.asarray((2.0 * low + np.abs(self.high)) * magnitude + shifts)


def lines(points: FloatArray, values: Interval) -> Lines:
    """The lines through two of the `points` that are nearest to a function in the middle between first and last.

    points: [p, n, *shape] in nondecreasing order; values: bounds of the function there. Between two points the function
    must be affine, or lie within the values of both. The shifts are rounded so that the lines are valid for the slopes
    as they are: a function of this kind minus a line is least, and largest, at one of the points.
    """
    middle = points[0] + 0.5 * (points[-1] - points[0])
    low, high = (_nearest(points, end, middle, sign) for end, sign in ((values.lo, 1.0), (values.hi, -1.0)))
    return Lines(low, _shift(points, values.lo, low), high, -_shift(points, -values.hi, -high))


def _nearest(points: FloatArray, values: FloatArray, middle: FloatArray, sign: float) -> FloatArray:
    """The slope of the chord that is least in the middle, times `sign`; 0 where all points are one."""
    best, slope = np.full(middle.shape, np.inf), np.zeros(middle.shape)
    with np.errstate(all="ignore"):
        for i, j in combinations(range(len(points)), 2):
            steep = (values[j] - values[i]) / (points[j] - points[i])
            there = sign * (values[i] + steep * (middle - points[i]))
            better = (there < best) & (points[i] <= middle) & (middle <= points[j]) & np.isfinite(steep)
            best, slope = np.where(better, there, best), np.where(better, steep, slope)
    return slope


def bridges(points: FloatArray, values: Interval, place: float) -> Lines:
    """As `lines`, for many points: the lines that are nearest at a `place` between the first point and the last, as a
    part of their distance."""
    at = points[0] + place * (points[-1] - points[0])
    low, high = (sign * _bridge(points, sign * end, at) for end, sign in ((values.lo, 1.0), (values.hi, -1.0)))
    return Lines(low, _shift(points, values.lo, low), high, -_shift(points, -values.hi, -high))


def _bridge(points: FloatArray, values: FloatArray, at: FloatArray) -> FloatArray:
    """The slope of the edge of the lower hull over `at`.

    From the line through the first and the last point: while some point is below the line, that which is furthest below
    takes the place of the end on its side. Each round finds a corner of the hull that was none of the ends.
    """
    left, right = np.zeros(at.shape, dtype=np.int64), np.full(at.shape, len(points) - 1)

    def of(array: FloatArray, index: IntArray) -> FloatArray:
        return np.asarray(np.take_along_axis(array, index[None], axis=0)[0])

    slope = np.zeros(at.shape)
    for _ in range(len(points)):
        width = of(points, right) - of(points, left)
        with np.errstate(all="ignore"):
            slope = np.where(width > 0.0, (of(values, right) - of(values, left)) / width, 0.0)
        heights = values - slope * points
        lowest = heights.argmin(axis=0)
        room = 1e-12 * (1.0 + np.abs(of(heights, left)))
        is_below = (of(heights, lowest) < of(heights, left) - room) & (lowest != left) & (lowest != right)
        if not is_below.any():
            break
        is_left = of(points, lowest) <= at
        left, right = np.where(is_below & is_left, lowest, left), np.where(is_below & ~is_left, lowest, right)
    return slope


def _shift(points: FloatArray, values: FloatArray, slope: FloatArray) -> FloatArray:
    """The largest shift that rounding allows: `slope z + shift <= value` at every point."""
    product = slope * points
    exact = (slope == 0.0) | (np.abs(slope) == 1.0)
    slack = np.where(exact, 0.0, UNIT_ROUNDOFF * np.abs(product) + SMALLEST)
    rest = values - product
    rest = np.where((rest == 0.0) & exact, 0.0, down(down(rest) - slack))
    return np.asarray(rest.min(axis=0))


def entrywise(
    interval: IntervalRule,
    kinks: Callable[[Options], tuple[tuple[float, float], ...]],
    swing: Callable[[Options], tuple[float, float]] | None = None,
) -> Rule:
    """The rule of an activation that is affine but for its kinks or jumps, each known to lie between two numbers.

    swing: the slopes on both sides of 0 of a convex activation that has its only kink there and is 0 there.
    """

    def relax(inputs: Inputs, decisions: Weights, options: Options) -> Relaxation:
        (z,) = inputs
        between = kinks(options)
        samples = _samples(z, between, lambda part: interval((part,), {}, options))
        found = lines(*samples)
        loose = np.zeros(z.shape, dtype=bool)
        for least, most in between:
            loose |= (z.lo < most) & (z.hi > least)
        free = None if swing is None else swing(options)
        scale = found.scale(z.magnitude, free)
        return Relaxation(found.back, scale, (loose,), found, free, lambda: chords(*samples))

    return relax


def chords(points: FloatArray, values: Interval) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The slopes of all lines through two of the points, and their shifts as lines below and as lines above a function.

    Together they are the convex hull of its graph. Shifts are infinite where the line is not near both points, so that
    it would only repeat others.
    """
    slopes: list[FloatArray] = []
    below: list[FloatArray] = []
    above: list[FloatArray] = []
    for i, j in combinations(range(len(points)), 2):
        for end, sign, shifts in ((values.lo, 1.0, below), (values.hi, -1.0, above)):
            with np.errstate(all="ignore"):
                slope = (end[j] - end[i]) / (points[j] - points[i])
            slope = np.where(np.isfinite(slope), slope, 0.0)
            shift = sign * _shift(points, sign * end, sign * slope)
            room = 1e-9 * (1.0 + np.abs(end[i]) + np.abs(end[j]))
            near = sum(np.abs(slope * points[k] + shift - end[k]) for k in (i, j)) <= room
            slopes.append(slope)
            shifts.append(np.where(near, shift, -sign * np.inf))
            (above if sign > 0 else below).append(np.full(shift.shape, sign * np.inf))
    return np.stack(slopes), np.stack(below), np.stack(above)


def _samples(
    z: Interval, kinks: tuple[tuple[float, float], ...], value: Callable[[Interval], Interval]
) -> tuple[FloatArray, Interval]:
    """The ends of z and of the kinks, cut to z, with the values of a function: near a kink all that it has there."""
    brackets = [Interval.point(z.lo)]
    brackets += [Interval(np.clip(least, z.lo, z.hi), np.clip(most, z.lo, z.hi)) for least, most in sorted(kinks)]
    brackets.append(Interval.point(z.hi))
    points, found = [], []
    for part, wide in zip(brackets, [None, *[least < most for least, most in sorted(kinks)], None], strict=True):
        own = value(part)
        for end in (part.lo, part.hi) if wide else (part.lo,):
            points.append(end)
            found.append(own)
    return np.stack(points), Interval(np.stack([f.lo for f in found]), np.stack([f.hi for f in found]))


def by_interval(interval: IntervalRule) -> Rule:
    """The rule of a layer without one of its own: its outputs between two constants."""

    def relax(inputs: Inputs, decisions: Weights, options: Options) -> Relaxation:
        found = interval(inputs, {role: Interval.point(value) for role, value in decisions.items()}, options)
        shapes = [x.shape[1:] for x in inputs]

        def back(rows: FloatArray) -> tuple[tuple[FloatArray, ...], FloatArray]:
            negative = np.minimum(rows, 0.0)
            none = tuple(np.zeros((1, rows.shape[1], *shape)) for shape in shapes)
            return none, dot(rows - negative, found.lo) + dot(negative, found.hi)

        loose = tuple(np.ones(x.shape, dtype=bool) for x in inputs)
        return Relaxation(back, found.magnitude, loose)

    return relax
