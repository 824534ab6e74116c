"""A convex function of affine tensors as linear rows: exact where few values can be taken, else tangents from below."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nnmip.bounds.interval import Interval
from nnmip.diagnostics import Diagnostic, DiagnosticError
from nnmip.hir.core import Apply
from nnmip.lowering.base import Lowering, Polarity
from nnmip.lowering.curves import Curve
from nnmip.lowering.piecewise import defined, scattered
from nnmip.milp.affine import Affine
from nnmip.milp.builder import Choice
from nnmip.milp.model import Block, BoolArray, FloatArray, Milp
from nnmip.records import dataclass

FEW = 32
"""Most values of one argument that are told apart: each costs a row, or a binary where the loss has to be large."""

FIRST = 8
"""How many tangents a value starts with."""

SAME = 1e-9
"""Values of an argument that are nearer than this count as one."""

LOWERED = 5e-8
"""How far below their places the tangents of a loss are held, for each stage that is held: what a stage proves is exact
up to the tolerance of solvers, and the next one must have room for its network."""

CLOSED = 1e-10
"""A tangent is not worth its row where those that are there leave less than this below the curve."""


@dataclass(frozen=True, slots=True, eq=False)
class Argument:
    """What a convex function is applied to: a vector [n] with bounds and, where it can take few values only, these
    values [n, k], ascending, padded with what is not a number; None where there are more than `FEW`."""

    value: Affine
    bounds: Interval
    points: FloatArray | None


@dataclass(frozen=True, slots=True, eq=False)
class Tangents:
    """h >= s t + c for the lines of `curve` that are drawn so far: rows that hold phi(t) from below only.

    h, t: vectors [n]; t has coefficients 1 and -1 alone, so that the rows hold the slopes unrounded. slopes: [n, k],
    padded with what is not a number. share: [n], what `node` counts of each entry. pieces: of how many such functions
    a row of the data is the sum. lowered: how far below the curve the rows hold the lines.
    """

    node: Apply
    path: str
    curve: Curve
    h: Affine
    t: Affine
    bounds: Interval
    share: FloatArray
    slopes: FloatArray
    pieces: int
    lowered: float

    @property
    def count(self) -> int:
        return int(np.isfinite(self.slopes).sum())

    def gap(self) -> FloatArray:
        """How far the highest line is below the curve at most, for every entry; largest where lines cross, or at the
        ends of the bounds."""
        s = np.sort(self.slopes, axis=1)
        c = self.curve.support(s)
        lo, hi = self.bounds.lo[:, None], self.bounds.hi[:, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            crossings = (c[:, :-1] - c[:, 1:]) / (s[:, 1:] - s[:, :-1])
        places = np.concatenate([lo, hi, np.clip(np.where(np.isfinite(crossings), crossings, lo), lo, hi)], axis=1)
        return np.asarray(self._below(places).max(axis=1) + self.lowered)

    def _below(self, places: FloatArray) -> FloatArray:
        """How far the highest line is below the curve at places [n, m]."""
        lines = self.slopes[:, None, :] * places[:, :, None] + self.curve.support(self.slopes)[:, None, :]
        highest = np.nanmax(lines, axis=2)
        return np.asarray(np.maximum(self.curve.value(places) - highest, 0.0))

    def missing(self, places: FloatArray) -> FloatArray:
        """The slopes of the tangents at places [n, m] that are worth a row; not a number where one is not."""
        inside = np.clip(places, self.bounds.lo[:, None], self.bounds.hi[:, None])
        slopes, constants = self.curve.tangents(inside)
        value = self.curve.value(inside)
        now = value - self._below(inside)
        gain = slopes * inside + constants - now
        return _once(np.where(gain > CLOSED * (1.0 + np.abs(value)), slopes, np.nan))

    def even(self, most: int) -> FloatArray:
        """Slopes [n, k], k <= `most`, by which the gaps come near the tolerance of the loss, shared out evenly."""
        allowed = 0.9 * self.node.option("tolerance") / max(1e-300, float(self.share.sum()) * self.pieces)
        lo, hi = self.curve.spread(self.bounds.lo), self.curve.spread(self.bounds.hi)
        needed = np.ceil(float((hi - lo).max(initial=0.0)) / np.sqrt(max(allowed, 1e-12)))
        ends = np.stack([self.bounds.lo, self.bounds.hi], axis=1)
        inside = spaced(self.curve, self.bounds, max(1, int(min(needed, most - 2))))
        return self.missing(np.concatenate([ends, inside], axis=1))

    def extended(self, slopes: FloatArray) -> Tangents:
        return replace(self, slopes=np.concatenate([self.slopes, slopes], axis=1))

    def rows(self, slopes: FloatArray) -> tuple[Affine, FloatArray]:
        """h - s t for every slope [n, m] that is a number, as a vector, and the constants that it is at least."""
        picked = np.flatnonzero(np.isfinite(slopes))
        entry, s = picked // max(1, slopes.shape[1]), slopes.reshape(-1)[picked]
        return self.h.gather(entry) - self.t.gather(entry) * s, self.curve.support(s) - self.lowered


def with_tangents(milp: Milp, tangents: Tangents, slopes: FloatArray, name: str) -> tuple[Milp, Tangents]:
    """The model with rows for further slopes [n, m], not a number where there is none, as the block PATH.NAME."""
    picked = np.flatnonzero(np.isfinite(slopes))
    rows, constants = tangents.rows(slopes)
    r = rows.merged()
    path = f"{tangents.path}.{name}"
    owner = next((block.owner for block in milp.rows if block.path == f"{tangents.path}.tangent"), "")
    block = Block(path, slopes.shape, milp.num_rows, tangents.node.origin, picked, owner)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(r.entry, minlength=r.size))])
    return milp.with_rows(block, indptr, r.column, r.coef, constants - r.const), tangents.extended(slopes)


def convex(
    low: Lowering,
    path: str,
    node: Apply,
    curve: Curve,
    argument: Argument,
    share: FloatArray,
    polarity: Polarity,
    pieces: int = 1,
) -> Affine:
    """phi(t) for a vector t, as a vector. A row of the data counts `share` times the sum of `pieces` such functions.

    Few values p_1 < ... < p_k of t: where phi must not be understated, h >= the line through (p_i, phi(p_i)) and its
    neighbour, which is exact because t is one of the p; where it must not be overstated, too, binaries r with

        sum of r_i = 1        t = sum of p_i r_i        h = sum of phi(p_i) r_i

    Otherwise h >= tangents, a relaxation with a known gap that is remembered in `low.tangents` (formulation: squared,
    logistic). NNM0313 where the loss would have to be large as well.
    """
    points = argument.points
    if points is not None and Polarity.LOWER in polarity:
        return _selected(low, path, node, curve, argument)
    if Polarity.LOWER in polarity:
        raise _only_small(node)
    lo, hi = argument.bounds.lo, argument.bounds.hi
    t = _column(low, path, node, argument)
    ends = (lo, hi) if points is None else _ends(points, argument.bounds)
    least, most = curve.range(*ends)
    h = low.builder.columns(path, lo.shape, least, most, node.origin, lambda x, choice: curve.value(t.value(x)))
    if points is not None:
        s, c = curve.chords(points)
        picked = np.flatnonzero(np.isfinite(c))
        entry, s = picked // max(1, c.shape[1]), s.reshape(-1)[picked]
        rows = h.gather(entry) - t.gather(entry) * s
        low.builder.rows(f"{path}.chord", rows, node.origin, lb=c.reshape(-1)[picked], shape=c.shape, picked=picked)
        return h
    is_continuous = any(not decision.domain.is_finite for decision in low.program.decisions)
    lowered = LOWERED * len(low.program.held) / (float(share.sum()) * pieces) if is_continuous else 0.0
    first = Tangents(node, path, curve, h, t, argument.bounds, share, np.zeros((len(lo), 0)), pieces, lowered)
    slopes = _once(curve.tangents(spaced(curve, argument.bounds, FIRST))[0])
    rows, c = first.rows(slopes)
    picked = np.flatnonzero(np.isfinite(slopes))
    low.builder.rows(f"{path}.tangent", rows, node.origin, lb=c, shape=slopes.shape, picked=picked)
    low.tangents.append(first.extended(slopes))
    return h


def _ends(points: FloatArray, bounds: Interval) -> tuple[FloatArray, FloatArray]:
    """The least and the greatest of the values of every entry: where there is one alone, no row holds the function."""
    ascending = np.where(np.isfinite(points), points, bounds.lo[:, None])
    descending = np.where(np.isfinite(points), points, bounds.hi[:, None])
    return descending.min(axis=1, initial=np.inf), ascending.max(axis=1, initial=-np.inf)


def _once(slopes: FloatArray) -> FloatArray:
    """Slopes [n, k] in their order, each once."""
    ordered: FloatArray = np.sort(slopes, axis=1)
    with np.errstate(invalid="ignore"):
        again: BoolArray = np.diff(ordered, axis=1, prepend=-np.inf) == 0.0
    return np.where(again, np.nan, ordered)


def spaced(curve: Curve, bounds: Interval, count: int) -> FloatArray:
    """Places [n, count] between the bounds at which tangents leave gaps of about one size."""
    lo, hi = bounds.lo[:, None], bounds.hi[:, None]
    first, last = curve.spread(lo), curve.spread(hi)
    share = (np.arange(count) + 0.5) / count
    return np.clip(curve.at(first + (last - first) * share), lo, hi)


def joined(first: FloatArray | None, second: FloatArray | None) -> FloatArray | None:
    """Every sum of one of the values [n, k] and one of [n, m], as `Argument.points`; None where there are too many."""
    if first is None or second is None:
        return None
    sums = np.sort((first[:, :, None] + second[:, None, :]).reshape(len(first), -1), axis=1)
    with np.errstate(invalid="ignore"):
        again = np.diff(sums, axis=1, prepend=-np.inf) <= SAME * np.maximum(1.0, np.abs(sums))
    return limited(np.where(again, np.nan, sums))


def limited(points: FloatArray) -> FloatArray | None:
    """Values [n, k] in their order, without needless padding; None where an entry has more than `FEW`."""
    most = int(np.isfinite(points).sum(axis=1).max(initial=0))
    return np.sort(points, axis=1)[:, :most] if most <= FEW else None


def on_grid(step: float | None, bounds: Interval) -> FloatArray | None:
    """The multiples of `step` within bounds [n]; single values where the bounds leave one; None for more than `FEW`."""
    lo, hi = bounds.lo, bounds.hi
    is_known: BoolArray = hi - lo <= SAME * np.maximum(1.0, np.abs(lo))
    if step is None or step == 0.0:
        return ((lo + hi) / 2.0)[:, None] if is_known.all() else None
    first, last = np.ceil(lo / step - 1e-6), np.floor(hi / step + 1e-6)
    most = int((last - first).max(initial=0.0)) + 1 if len(lo) and np.isfinite(last - first).all() else 0
    if most > FEW:
        return None
    number = first[:, None] + np.arange(most)
    return np.where(number <= last[:, None], number * step, np.nan)


def _column(low: Lowering, path: str, node: Apply, argument: Argument) -> Affine:
    """The argument in few terms with coefficients 1 or -1: the tangents multiply them, and should not round."""
    t = argument.value.merged()
    if t.coef.size <= t.size and (np.abs(t.coef) == 1.0).all() and not t.const.any():
        return argument.value
    return defined(low, f"{path}.at", argument.value, argument.bounds, node.origin, least=0)


def _selected(low: Lowering, path: str, node: Apply, curve: Curve, argument: Argument) -> Affine:
    """phi(t) by one binary for each of the values that t can have."""
    points, t = argument.points, argument.value
    assert points is not None
    shape, n = points.shape, len(points)
    is_there = np.isfinite(points)
    alone = is_there.sum(axis=1) == 1
    picked = np.flatnonzero(is_there & ~alone[:, None])
    entry, values = picked // max(1, shape[1]), points.reshape(-1)[picked]

    def fill(x: FloatArray, choice: Choice) -> FloatArray:
        distance = np.where(is_there, np.abs(points - t.value(x)[:, None]), np.inf)
        nearest: BoolArray = np.arange(shape[1]) == distance.argmin(axis=1)[:, None]
        return nearest.reshape(-1)[picked].astype(np.float64)

    r = low.builder.binaries(f"{path}.value", shape, node.origin, fill, picked=picked)

    def over_values(factor: FloatArray) -> Affine:
        return Affine(np.zeros(n), entry[r.entry], r.column, r.coef * factor[r.entry])

    open_ = np.flatnonzero(~alone)
    ones = over_values(np.ones(len(values))).gather(open_)
    low.builder.rows(f"{path}.value.one", ones, node.origin, lb=1.0, ub=1.0, shape=(n,), picked=open_)
    is_ = (over_values(values) - t).gather(open_)
    low.builder.rows(f"{path}.value.is", is_, node.origin, lb=0.0, ub=0.0, shape=(n,), picked=open_)
    chosen = over_values(curve.value(values)).gather(open_)
    known = np.flatnonzero(alone)
    constant = Affine.constant(curve.value(np.nanmax(points[known], axis=1)) if len(known) else np.zeros(0))
    return scattered([(open_, chosen), (known, constant)], (n,))


def _only_small(node: Apply) -> DiagnosticError:
    return DiagnosticError(
        [
            Diagnostic(
                "NNM0313",
                f"`{node.word}` can be minimised or bounded above only, since its scores have more than {FEW} values",
                node.origin.span,
                help="write it with a positive factor under `minimize` or on the small side of `<=`, or give every "
                "weight and bias a domain of few values",
            )
        ]
    )
