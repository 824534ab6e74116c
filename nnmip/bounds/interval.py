"""Interval arithmetic on arrays with outward rounding.

Every result is widened so that it contains the exact result of the operation on the exact members, whatever the
rounding of the floating-point operations was.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from nnmip.records import dataclass

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

UNIT_ROUNDOFF = 2.0**-53
SMALLEST = 2.0**-1074
"""What a product loses at most that underflows."""
TINY = 1e-6
"""Bounds nearer to 0 than this are moved outward before they become coefficients."""
DIGITS = 6
"""How many significant digits a number that only has to be large enough needs."""
ROOM = 1e-9
"""By which part of its size such a number is moved at least where it is moved: more than any rounding on the way."""
LARGEST_POWER = 22
POWERS = np.array([float(10**power) for power in range(LARGEST_POWER + 1)])
"""The powers of ten that are float64 numbers."""


@dataclass(frozen=True, slots=True, eq=False)
class Interval:
    """Entry-wise bounds `lo <= value <= hi`, two arrays of one shape."""

    lo: FloatArray
    hi: FloatArray

    @staticmethod
    def point(array: FloatArray) -> Interval:
        return Interval(array, array)

    @staticmethod
    def box(shape: tuple[int, ...], lo: float, hi: float) -> Interval:
        return Interval(np.full(shape, lo), np.full(shape, hi))

    @property
    def shape(self) -> tuple[int, ...]:
        return self.lo.shape

    @property
    def is_known(self) -> bool:
        """Whether it was made from known numbers; intervals that shrank to points by themselves do not count."""
        return self.lo is self.hi

    @property
    def magnitude(self) -> FloatArray:
        """The largest absolute value of a member."""
        return np.maximum(np.abs(self.lo), np.abs(self.hi))

    def widened(self, slack: FloatArray) -> Interval:
        return Interval(np.nextafter(self.lo - slack, -np.inf), np.nextafter(self.hi + slack, np.inf))

    def signed(self, is_nonnegative: BoolArray, is_nonpositive: BoolArray) -> Interval:
        """Cut at 0 where the sign of every exact member is known, so that widening does not lose it."""
        lo = np.where(is_nonnegative, np.maximum(self.lo, 0.0), self.lo)
        return Interval(lo, np.where(is_nonpositive, np.minimum(self.hi, 0.0), self.hi))

    def without_tiny(self) -> Interval:
        """Ends nearer to 0 than `TINY` moved outward, to 0 or to `TINY`: solvers drop tiny coefficients.

        Known numbers stay what they are.
        """
        lo, hi, is_known = self.lo, self.hi, self.lo == self.hi
        lo = np.where((lo > 0) & (lo < TINY), 0.0, np.where((lo < 0) & (lo > -TINY), -TINY, lo))
        hi = np.where((hi < 0) & (hi > -TINY), 0.0, np.where((hi > 0) & (hi < TINY), TINY, hi))
        return Interval(np.where(is_known, self.lo, lo), np.where(is_known, self.hi, hi))

    def shortened(self) -> Interval:
        """Ends of at most six significant digits: longer ones are moved outward, by at least `ROOM` of their size.

        Known numbers stay what they are.
        """
        is_known = self.lo == self.hi
        lo, hi = np.where(is_known, self.lo, -short_above(-self.lo)), np.where(is_known, self.hi, short_above(self.hi))
        return Interval(lo, hi)

    def __add__(self, other: Interval) -> Interval:
        total = Interval(self.lo + other.lo, self.hi + other.hi).widened(np.zeros(()))
        return total.signed((self.lo >= 0) & (other.lo >= 0), (self.hi <= 0) & (other.hi <= 0))

    def join(self, other: Interval) -> Interval:
        """The smallest interval that contains both."""
        return Interval(np.minimum(self.lo, other.lo), np.maximum(self.hi, other.hi))

    def reshape(self, shape: tuple[int, ...]) -> Interval:
        lo = self.lo.reshape(shape)
        return Interval(lo, lo if self.is_known else self.hi.reshape(shape))

    def meet(self, other: Interval) -> Interval:
        """What both contain; two intervals that contain one number have it in common."""
        return Interval(np.maximum(self.lo, other.lo), np.minimum(self.hi, other.hi))

    def take(self, index: IntArray) -> Interval:
        """Entries of each sample by flat position; axis 0 is the sample axis."""
        return Interval(self.lo.reshape(len(self.lo), -1)[:, index], self.hi.reshape(len(self.hi), -1)[:, index])


def short_above(values: FloatArray) -> FloatArray:
    """Numbers at least as large, of at most `DIGITS` significant digits; what has no more stays what it is.

    Others are moved up by at least `ROOM` of their size, so that no rounding takes them below, in a file neither.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        places = np.floor(np.log10(np.abs(values)))
    places = np.where(np.isfinite(places), DIGITS - 1 - places, 0.0).astype(np.int64)
    up, down = POWERS[np.clip(places, 0, LARGEST_POWER)], POWERS[np.clip(-places, 0, LARGEST_POWER)]
    is_short = np.rint(values * up / down) / up * down == values
    moved = np.ceil((values + ROOM * np.abs(values)) * up / down) / up * down
    return np.where(is_short | ~np.isfinite(values), values, np.maximum(moved, values))


def matmul(inputs: Interval, weights: Interval) -> Interval:
    """Bounds of `inputs @ weights.T` where both factors vary, shapes [n, i] and [k, i] to [n, k].

    The extremes of each product are at the corners. Slack: gamma_{i+2} * sum |terms| bounds the rounding of the sum.
    """
    if weights.is_known:
        return image(inputs, weights.lo, weights.shape[1], lambda x, w: x @ w.T)
    n, width = inputs.shape
    k = weights.shape[0]
    lo, hi = np.zeros((n, k)), np.zeros((n, k))
    nonnegative, nonpositive = np.zeros((n, k), dtype=bool), np.zeros((n, k), dtype=bool)
    for start in range(0, n, max(1, 4_000_000 // max(1, k * width))):
        part = slice(start, start + max(1, 4_000_000 // max(1, k * width)))
        least, most = _corner_products(Interval(inputs.lo[part], inputs.hi[part]), weights)
        lo[part], hi[part] = least.sum(axis=2), most.sum(axis=2)
        nonnegative[part], nonpositive[part] = (least >= 0).all(axis=2), (most <= 0).all(axis=2)
    slack = 1.01 * (width + 2) * UNIT_ROUNDOFF * (inputs.magnitude @ weights.magnitude.T)
    return Interval(lo, hi).widened(slack).signed(nonnegative, nonpositive)


def _corner_products(inputs: Interval, weights: Interval) -> tuple[FloatArray, FloatArray]:
    """The least and the largest product of every pair, shape [n, k, i]; moved outward where a product underflows."""
    pairs = [(a[:, None, :], w[None, :, :]) for a in (inputs.lo, inputs.hi) for w in (weights.lo, weights.hi)]
    try:
        with np.errstate(under="raise", over="ignore"):
            corners = [a * w for a, w in pairs]
    except FloatingPointError:
        with np.errstate(under="ignore", over="ignore"):
            corners = [a * w for a, w in pairs]
        smallest = float(np.finfo(np.float64).tiny)
        return np.minimum.reduce(corners) - smallest, np.maximum.reduce(corners) + smallest
    return np.minimum.reduce(corners), np.maximum.reduce(corners)


def image(
    inputs: Interval, weights: FloatArray, terms: int, apply: Callable[[FloatArray, FloatArray], FloatArray]
) -> Interval:
    """Bounds of `apply(x, weights)` for x in `inputs`: sums of at most `terms` products of known weights and entries.

    A sum is least where every entry with a positive weight is least and every other one largest (Gowal et al. 2018).
    Slack: gamma_{terms} * sum |products| for each of the two parts, and what `terms` products lose that underflow.
    """
    up, down = np.maximum(weights, 0.0), np.minimum(weights, 0.0)
    with np.errstate(all="ignore"):
        if inputs.is_known:
            lo = hi = apply(inputs.lo, weights)
        else:
            lo = apply(inputs.lo, up) + apply(inputs.hi, down)
            hi = apply(inputs.hi, up) + apply(inputs.lo, down)
        slack = 1.01 * (terms + 3) * UNIT_ROUNDOFF * apply(inputs.magnitude, np.abs(weights)) + terms * SMALLEST
        wide = Interval(lo, hi).widened(slack)
    if not (((lo >= 0.0) & (wide.lo < 0.0)) | ((hi <= 0.0) & (wide.hi > 0.0))).any():
        return wide
    masks = (inputs.lo < 0, inputs.hi > 0, weights > 0, weights < 0)
    below, above, rising, falling = (mask.astype(np.float64) for mask in masks)
    negative = apply(below, rising) + apply(above, falling)
    positive = apply(above, rising) + apply(below, falling)
    return wide.signed(negative == 0.0, positive == 0.0)


def weighted_sums(inputs: Interval, weights: Interval, source: IntArray) -> Interval:
    """Bounds of the sum over k of `weights[u, k] inputs[n, source[o, k]]` for every output o of unit u, shape [n, o].

    The outputs of a unit follow one another; where `source` is -1 there is no term. inputs [n, i], weights [units, k].
    """
    units, width = weights.shape
    per_unit = len(source) // units
    there = source >= 0
    parts = []
    for unit in range(units):
        at = slice(unit * per_unit, (unit + 1) * per_unit)
        lo, hi = (np.where(there[at], end[:, source[at]], 0.0).reshape(-1, width) for end in (inputs.lo, inputs.hi))
        own = Interval(weights.lo[unit][None], weights.hi[unit][None])
        parts.append(matmul(Interval(lo, hi), own).reshape((len(inputs.lo), per_unit)))
    return Interval(np.concatenate([p.lo for p in parts], axis=1), np.concatenate([p.hi for p in parts], axis=1))


def summed(terms: Interval, count: int) -> Interval:
    """Bounds of the sums over the last axis, of at most `count` terms each that are not 0."""
    total = Interval(np.asarray(terms.lo.sum(axis=-1)), np.asarray(terms.hi.sum(axis=-1)))
    slack = np.asarray(1.01 * (count + 1) * UNIT_ROUNDOFF * terms.magnitude.sum(axis=-1))
    signs = np.asarray((terms.lo >= 0).all(axis=-1)), np.asarray((terms.hi <= 0).all(axis=-1))
    return total.widened(slack).signed(*signs)


def product(left: Interval, right: Interval) -> Interval:
    """Bounds of the products entry by entry where both factors vary, with NumPy broadcasting.

    The extremes are at the corners; one step outward covers the rounding of a product, also where it underflows.
    """
    corners = np.stack(np.broadcast_arrays(*(a * b for a in (left.lo, left.hi) for b in (right.lo, right.hi))))
    least, most = corners.min(axis=0), corners.max(axis=0)
    return Interval(least, most).widened(np.zeros(())).signed(least >= 0, most <= 0)


def times(operand: Interval, factor: FloatArray | float) -> Interval:
    """Bounds of `factor * operand`, also for a factor that is itself rounded."""
    ends = np.stack([operand.lo * factor, operand.hi * factor])
    product = Interval(ends.min(axis=0), ends.max(axis=0))
    slack = 3 * UNIT_ROUNDOFF * product.magnitude
    return product.widened(slack).signed(product.lo >= 0, product.hi <= 0)
