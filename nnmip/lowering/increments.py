"""A function that is linear between points, of the entries of an affine tensor, as linear rows."""

from __future__ import annotations

from functools import partial

import numpy as np

from nnmip.bounds.interval import Interval
from nnmip.lowering.asked import Asked
from nnmip.lowering.base import Lowering
from nnmip.lowering.piecewise import defined, scattered
from nnmip.milp.affine import Affine
from nnmip.milp.builder import Choice
from nnmip.milp.model import BoolArray, FloatArray, IntArray
from nnmip.ops.layers.piecewise import LEAST_WIDTH, Knots
from nnmip.records import dataclass
from nnmip.source import Origin


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """The pieces of a curve that some entries can be in, those of one entry one after another from left to right.

    owner: the entry of each piece. number: which piece of the curve it is. left, width: where it begins, and how far it
    goes inside of the bounds of its entry. value: that of the curve where it begins. slope: as it is there.
    """

    owner: IntArray
    number: IntArray
    left: FloatArray
    width: FloatArray
    value: FloatArray
    slope: FloatArray

    @staticmethod
    def within(knots: Knots, lo: FloatArray, hi: FloatArray) -> Pieces:
        """Those that entries with the given bounds reach. A bound that is next to a point is moved away from it, so
        that no piece is narrower than `LEAST_WIDTH`."""
        first = np.searchsorted(knots.points, lo, side="right")
        last = np.maximum(first, np.searchsorted(knots.points, hi, side="left"))
        count = last - first + 1
        owner = np.repeat(np.arange(len(lo)), count)
        number = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count) + first[owner]
        starts, ends = np.append(-np.inf, knots.points)[number], np.append(knots.points, np.inf)[number]
        several = count[owner] > 1
        is_first, is_last = number == first[owner], number == last[owner]
        left = np.where(is_first, np.where(several, np.minimum(lo[owner], ends - LEAST_WIDTH), lo[owner]), starts)
        right = np.where(is_last, np.where(several, np.maximum(hi[owner], left + LEAST_WIDTH), hi[owner]), ends)
        anchor = np.clip(number - 1, 0, len(knots.points) - 1)
        slope = knots.slopes[number]
        value = knots.values[anchor] + slope * np.where(slope != 0.0, left - knots.points[anchor], 0.0)
        return Pieces(owner, number, left, right - left, value, slope)

    def of(self, mask: BoolArray) -> Pieces:
        """Those of the entries in a mask; they are numbered anew."""
        kept, place = mask[self.owner], np.cumsum(mask) - 1
        reals = (array[kept] for array in (self.left, self.width, self.value, self.slope))
        return Pieces(place[self.owner[kept]], self.number[kept], *reals)

    @property
    def firsts(self) -> IntArray:
        """The place of the first piece of every entry."""
        return np.flatnonzero(np.diff(self.owner, prepend=-1))

    @property
    def inner(self) -> IntArray:
        """The places of those with another one behind them."""
        return np.flatnonzero(np.diff(self.owner, append=-1) == 0)

    def turns(self, sign: float) -> BoolArray:
        """For every entry whether the slopes never fall (`sign` 1), or never rise (-1), from left to right."""
        inner = self.inner
        falls = sign * (self.slope[inner + 1] - self.slope[inner]) < 0.0
        return np.asarray(np.bincount(self.owner[inner], weights=falls, minlength=len(self.firsts)) == 0)

    def total(self, values: Affine, factors: FloatArray | float) -> Affine:
        """For every entry the sum over its pieces of a factor times a value, one for each piece."""
        scaled = values * factors
        return Affine(np.zeros(len(self.firsts)), self.owner[scaled.entry], scaled.column, scaled.coef)


def interpolated(
    low: Lowering, path: str, z: Affine, bounds: Interval, knots: Knots, asked: Asked | None, origin: Origin
) -> Affine:
    """y = f(z) for z in [L, U], entry by entry. Only pieces that meet [L, U] are in the model.

    One piece: y = v + s (z - l). Several, with lengths w_k, slopes s_k and how far z has gone through each, d_k, where
    a bit b_k says that piece k is passed:

        z = L + sum of d_k        y = f(L) + sum of s_k d_k        w_k b_k <= d_k <= w_k b_{k-1}        b_0 = 1

    Exact and ideal: the vertices of its relaxation have whole bits (incremental method: Markowitz and Manne 1957;
    Padberg 2000). Where y need only be at least f(z) and the slopes rise, or at most f(z) and they fall (`asked`), the
    lines of the pieces alone say so, without bits. Entries of z that are equal are encoded once.
    """
    first, inverse = z.distinct()
    of_first = first[inverse]
    lo, hi = bounds.lo.reshape(-1)[first], bounds.hi.reshape(-1)[first]
    pieces = Pieces.within(knots, lo, hi)
    single = np.bincount(pieces.owner, minlength=len(first)) == 1
    upper, lower = _sides(asked, inverse, len(first))
    above, below = ~lower & pieces.turns(1.0), ~upper & pieces.turns(-1.0)
    lined = ~single & (above | below)
    ends = knots.at(Interval(lo, hi))
    parts = []
    for mask, encode in ((single, _line), (lined, _lines), (~single & ~lined, _increments)):
        if mask.any():
            at = first[mask]
            own = _Entries(low, path, z.gather(at), Interval(lo[mask], hi[mask]), z.shape, at, origin)
            reached = Interval(ends.lo[mask], ends.hi[mask])
            parts.append((at, encode(own, pieces.of(mask), knots, above[mask], reached)))
    return scattered(parts, z.shape).gather(of_first.reshape(z.shape))


def _sides(asked: Asked | None, inverse: IntArray, count: int) -> tuple[BoolArray, BoolArray]:
    """For each of the different entries whether it must be at least, and at most, the true value."""
    if asked is None:
        return np.ones(count, dtype=bool), np.ones(count, dtype=bool)
    both = []
    for mask in (asked.upper, asked.lower):
        found = np.zeros(count, dtype=bool)
        np.logical_or.at(found, inverse.reshape(-1), mask.reshape(-1))
        both.append(found)
    return both[0], both[1]


@dataclass(frozen=True, slots=True, eq=False)
class _Entries:
    """Entries `z` of a tensor of `shape`, at flat positions `picked` in it, with their bounds."""

    low: Lowering
    path: str
    z: Affine
    bounds: Interval
    shape: tuple[int, ...]
    picked: IntArray
    origin: Origin

    def columns(self, name: str, lo: FloatArray, hi: FloatArray, knots: Knots) -> Affine:
        """The values of a curve as columns."""

        def fill(x: FloatArray, choice: Choice) -> FloatArray:
            return knots.values_at(self.z.value(x))

        builder = self.low.builder
        return builder.columns(f"{self.path}{name}", self.shape, lo, hi, self.origin, fill, picked=self.picked)


def _line(own: _Entries, pieces: Pieces, knots: Knots, above: BoolArray, ends: Interval) -> Affine:
    return own.z * pieces.slope + (pieces.value - pieces.slope * pieces.left)


def _lines(own: _Entries, pieces: Pieces, knots: Knots, above: BoolArray, ends: Interval) -> Affine:
    """Above the lines of all pieces, or below them."""
    z = defined(own.low, f"{own.path}.side", own.z, own.bounds, own.origin)
    y = own.columns(".line", ends.lo, ends.hi, knots)
    sign = np.where(above, 1.0, -1.0)[pieces.owner]
    apart = (y.gather(pieces.owner) - z.gather(pieces.owner) * pieces.slope) * sign
    least = sign * (pieces.value - pieces.slope * pieces.left)
    shape, picked = (*own.shape, len(knots.points) + 1), _places(own, pieces, knots)
    own.low.builder.rows(f"{own.path}.beyond", apart, own.origin, lb=least, shape=shape, picked=picked)
    return y


def _places(own: _Entries, pieces: Pieces, knots: Knots) -> IntArray:
    """The flat position of every piece in a tensor with the pieces as its last axis."""
    return np.asarray(own.picked[pieces.owner] * (len(knots.points) + 1) + pieces.number)


def _increments(own: _Entries, pieces: Pieces, knots: Knots, above: BoolArray, ends: Interval) -> Affine:
    builder, path, origin, width = own.low.builder, own.path, own.origin, pieces.width
    shape, picked = (*own.shape, len(knots.points) + 1), _places(own, pieces, knots)
    inner = pieces.inner

    def gone(x: FloatArray) -> FloatArray:
        return np.asarray(own.z.value(x)[pieces.owner] - pieces.left)

    def part(x: FloatArray, choice: Choice) -> FloatArray:
        return np.clip(gone(x), 0.0, width)

    def passed(x: FloatArray, choice: Choice) -> BoolArray:
        return np.asarray((gone(x) >= width)[inner])

    d = builder.columns(f"{path}.part", shape, 0.0, width, origin, part, picked=picked)
    b = builder.binaries(f"{path}.passed", shape, origin, passed, picked=picked[inner])
    start = pieces.left[pieces.firsts]
    of_entries = partial(builder.rows, origin=origin, shape=own.shape, picked=own.picked)
    of_pieces = partial(builder.rows, origin=origin, shape=shape, picked=picked[inner])
    of_entries(f"{path}.parts", pieces.total(d, 1.0) - own.z, lb=-start, ub=-start)
    begun, ended = width[inner + 1], width[inner]
    of_pieces(f"{path}.full", d.gather(inner) - b * ended, lb=0.0, big_m=ended)
    of_pieces(f"{path}.next", d.gather(inner + 1) - b * begun, ub=0.0, big_m=begun)
    value = pieces.total(d, pieces.slope) + pieces.value[pieces.firsts]
    y = own.columns(".value", ends.lo, ends.hi, knots)
    of_entries(f"{path}.is", y - value, lb=0.0, ub=0.0)
    return y
