"""The phases of a first ReLU layer, with what is needed to cut off points that no choice of the phases explains."""

from __future__ import annotations

import numpy as np

from nnmip.hir.core import Layer
from nnmip.lowering.base import FirstPart, Lowering
from nnmip.lowering.decisions import IntervalEncoding
from nnmip.milp.affine import Affine
from nnmip.milp.builder import Choice
from nnmip.milp.model import BoolArray, FloatArray, IntArray
from nnmip.records import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """A unit max(0, w x + b) over rows x [n, d], with w = p - q.

    positive, negative: p and q [d], in [0, above] and [0, below]. bias: b [1], in bias_box. shown: the values [n].
    phase: those [n] of the phases, 1 wherever w x + b > 0, where has_phase; holds: the rows whose value is at least
    max(0, w x + b) in every solution.
    """

    rows: FloatArray
    positive: Affine
    negative: Affine
    above: FloatArray
    below: FloatArray
    bias: Affine
    bias_box: tuple[float, float]
    shown: Affine
    phase: Affine
    has_phase: BoolArray
    holds: BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class Bends:
    """The units of a pattern, and what tells how wrong some integer columns are at a point: for each of `integers` the
    column `watched`, and what the goal loses with it, `weight`. whole: continuous columns that are 0 or 1 at every
    network, and that settle much. nonzero: the columns that say that a continuous weight is not 0: one that is neither
    0 nor 1 at a point leaves the weight what it is there."""

    whole: IntArray
    nonzero: IntArray
    units: tuple[Unit, ...]
    integers: IntArray
    watched: IntArray
    weight: FloatArray


def bends_of(low: Lowering, hidden: Layer, heads: FloatArray) -> Bends:
    """The units of a hidden layer with output weights `heads` [units]; none where they do not read the data through
    a ReLU alone. Adds to the lowering the signs of their weights w in [L, H]:

        w = p - q      0 <= p <= H s      0 <= q <= -L (1 - s)      s in {0, 1}      p / H - q / L <= t

    with t = 0 only where w is 0, where the model has that. Exact. The cuts need p and q, and a branch on s settles in
    which directions a unit rises.
    """
    firsts = [first for first in low.firsts if hidden.name in first.layer.inputs]
    live = np.flatnonzero(heads)
    nothing = np.zeros(0, dtype=np.int64)
    whole = np.concatenate([nothing, *(part.column for part in low.whole)])
    said = [e.said_nonzero for e in low.encodings.values() if isinstance(e, IntervalEncoding)]
    nonzero = np.concatenate([nothing, *(part.column for part in said if part is not None)])
    if not firsts or len(hidden.shape) != 1 or not len(live):
        return Bends(whole, nonzero, (), nothing, nothing, np.zeros(0))
    with low.builder.owned_by(hidden.path):
        positive, negative, sign = _signs(low, hidden, live)
    units, tables = [], [(sign, positive, np.full(sign.size, 1.0 / len(firsts[0].rows)))]
    for place, number in enumerate(live.tolist()):
        for first in firsts:
            units.append(_unit(low, hidden, first, number, _row(positive, place), _row(negative, place)))
            tables.append(_phases(first, number, abs(float(heads[number]))))
    integers, watched, weights = (np.concatenate(parts) for parts in zip(*map(_columns, tables), strict=True))
    return Bends(whole, nonzero, tuple(units), integers, watched, weights)


def _signs(low: Lowering, hidden: Layer, live: IntArray) -> tuple[Affine, Affine, Affine]:
    """p, q and s of the weights of some units, [units, d]."""
    decision = hidden.decision("weights")
    assert decision is not None
    path, origin, domain = decision.path, decision.origin, decision.domain
    above, below = max(domain.hi, 0.0), max(-domain.lo, 0.0)
    value = low.encodings[path].value
    places = np.arange(value.size).reshape(value.shape)[live]
    w, shape = value.gather(places), places.shape

    def part(side: float) -> Affine:
        name = "rising" if side > 0 else "falling"
        end = above if side > 0 else below

        def fill(x: FloatArray, choice: Choice) -> FloatArray:
            return np.maximum(side * w.value(x), 0.0)

        return low.builder.columns(f"{path}.{name}", shape, 0.0, end, origin, fill)

    positive, negative = part(1.0), part(-1.0)
    sign = low.builder.binaries(f"{path}.rises", shape, origin, lambda x, choice: w.value(x) > 0)
    rows = low.builder.rows
    rows(f"{path}.two_sides", positive - negative - w, origin, lb=0.0, ub=0.0)
    rows(f"{path}.rising.if", positive - sign * above, origin, ub=0.0, big_m=above)
    rows(f"{path}.falling.if", negative + sign * below, origin, ub=below, big_m=below)
    said = low.encodings[path].said_nonzero
    if said is not None:
        share = positive * _inverse(above) + negative * _inverse(below)
        rows(f"{path}.two_sides.nonzero", share - said.gather(places), origin, ub=0.0)
    return positive, negative, sign


def _inverse(end: float) -> float:
    return 1.0 / end if end > 0 else 0.0


def _row(tensor: Affine, place: int) -> Affine:
    width = tensor.shape[1]
    return tensor.gather(place * width + np.arange(width))


def _unit(low: Lowering, hidden: Layer, first: FirstPart, number: int, positive: Affine, negative: Affine) -> Unit:
    decision, bias = hidden.decision("weights"), hidden.decision("bias")
    assert decision is not None
    part, (n, units) = first.part, first.part.value.shape
    column = np.arange(n) * units + number
    flat = positive.size
    value, box = Affine.constant(np.zeros(1)), (0.0, 0.0)
    if bias is not None:
        value = low.encodings[bias.path].value.gather(np.array([number]))
        box = (bias.domain.lo, bias.domain.hi)
        if low.encodings[bias.path].gate is not None:
            box = (min(box[0], 0.0), max(box[1], 0.0))
    return Unit(
        rows=first.rows.reshape(n, -1),
        positive=positive,
        negative=negative,
        above=np.full(flat, max(decision.domain.hi, 0.0)),
        below=np.full(flat, max(-decision.domain.lo, 0.0)),
        bias=value,
        bias_box=box,
        shown=part.value.gather(column),
        phase=part.phase.gather(column) if part.phase is not None else Affine.constant(np.zeros(n)),
        has_phase=part.has_phase.reshape(n, units)[:, number],
        holds=part.is_above.reshape(n, units)[:, number],
    )


Table = tuple[Affine, Affine, FloatArray]


def _phases(first: FirstPart, number: int, head: float) -> Table:
    """The phases of a unit, its values, and what a value counts: a share of the loss."""
    n, units = first.part.value.shape
    at = np.flatnonzero(first.part.has_phase.reshape(n, units)[:, number]) * units + number
    phase = first.part.phase
    assert phase is not None or not len(at)
    phases = phase.gather(at) if phase is not None else Affine.constant(np.zeros(0))
    return phases, first.part.value.gather(at), np.full(len(at), head / n)


def _columns(table: Table) -> tuple[IntArray, IntArray, FloatArray]:
    """The columns of tensors with one column an entry."""
    integers, watched, weight = table
    return integers.column, watched.column, weight
