"""`argmax` and `argmin`: which entry is the first of the largest, as rows that say which one is ahead of which."""

from __future__ import annotations

import numpy as np

from nnmip.bounds.interval import TINY
from nnmip.hir.core import Apply, Compare, Constant
from nnmip.lowering.base import Lowering, Polarity
from nnmip.lowering.expressions import lower_expression
from nnmip.lowering.piecewise import scattered
from nnmip.lowering.ranges import bounds_of
from nnmip.milp.affine import Affine
from nnmip.milp.builder import Choice
from nnmip.milp.model import BoolArray, FloatArray, IntArray
from nnmip.ops.places import SIGNS
from nnmip.records import dataclass
from nnmip.source import Origin

NEAR = 1e-9
"""A lead that is this near to its threshold reaches it; a known number this near to an index is that index."""


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A comparison that says in which places the largest entry of each call is: `inside` [calls, K]."""

    word: Apply
    inside: BoolArray

    @property
    def negated(self) -> Asked:
        return Asked(self.word, ~self.inside)


def asked_places(node: Compare) -> Asked | None:
    """The places for which `argmax(v) op k` with known numbers k holds; None for another comparison."""
    match node:
        case Compare(left=Apply(word=name) as word, right=Constant(value=known), op=op) if name in SIGNS:
            pass
        case Compare(left=Constant(value=known), right=Apply(word=name) as word, op=op) if name in SIGNS:
            op = {"<=": ">=", ">=": "<=", "=": "="}[op]
        case _:
            return None
    if word.shape != node.shape:
        return None
    excess = np.arange(word.operands[0].shape[-1]) - np.broadcast_to(known, node.shape).reshape(-1, 1)
    return Asked(word, {"<=": excess <= NEAR, ">=": excess >= -NEAR, "=": np.abs(excess) <= NEAR}[op])


@dataclass(frozen=True, slots=True, eq=False)
class Ahead:
    """How far some entries are ahead of all of their call, [n, K], and of which they must be how far."""

    value: Affine
    least: FloatArray
    most: FloatArray
    required: FloatArray
    relevant: BoolArray

    @property
    def short(self) -> BoolArray:
        """Where bounds do not prove that the entry is far enough ahead."""
        return self.relevant & (self.least < self.required)

    @property
    def never(self) -> BoolArray:
        """Entries [n] that bounds prove not to be far enough ahead."""
        return np.asarray((self.relevant & (self.most < self.required)).any(axis=1))


def lower_place(low: Lowering, node: Apply, path: str) -> Affine:
    """The index of the largest entry of each call, of which the model may rely on both sides.

    sum over k of k y_k, sum over k of y_k = 1, y_k = 1 only where entry k is ahead of every other one: at least as
    large, and larger by the strictness where the other one comes first. Exact up to that.
    """
    calls, width = _entries(low, node).shape
    each = np.arange(calls * width)
    others = ~np.eye(width, dtype=bool)[each % width]
    y = _ahead_of(low, path, node, each, others).reshape((calls, width))
    low.builder.rows(f"{path}.one", y.sum(axis=1), node.origin, lb=1.0, ub=1.0)
    return (y * np.arange(width, dtype=np.float64)).sum(axis=1).reshape(node.shape)


def lower_asked(low: Lowering, asked: Asked, polarity: Polarity, origin: Origin) -> Affine:
    """A literal d for `the largest entry is in S`, with c_k = 1 only where entry k of S is ahead of all outside S:

        LOWER  d = sum over k in S of c_k <= 1
        UPPER  1 - d likewise, with the places outside S
        EXACT  both sums, which are 1 together

    Entry k is ahead of j where v_k - v_j >= t, t = 0 or, where j comes first, the strictness. To say `= k` takes one
    binary and K - 1 rows, to say `!= k` at most K - 1 binaries with one row each. Exact up to the strictness.
    """
    path = low.label(asked.word.word)
    shape = asked.word.shape
    if polarity is Polarity.LOWER:
        return _some_ahead(low, path, asked, origin).reshape(shape)
    outside = _some_ahead(low, f"{path}.not", asked.negated, origin)
    if polarity is Polarity.EXACT:
        inside = _some_ahead(low, path, asked, origin)
        low.builder.rows(f"{path}.either", inside + outside, origin, lb=1.0, ub=1.0)
    return (outside * -1.0 + 1.0).reshape(shape)


def require_asked(low: Lowering, path: str, asked: Asked, origin: Origin) -> None:
    """Rows by which the largest entry is in S: no binary where S has one place."""
    alone = np.asarray(asked.inside.sum(axis=1) == 1)
    if not alone.all():
        low.builder.rows(path, _some_ahead(low, path, asked, origin), origin, lb=1.0)
        return
    ahead = _measured(low, asked.word, np.flatnonzero(asked.inside), ~asked.inside)
    picked = np.flatnonzero(ahead.short)
    low.builder.rows(
        path,
        ahead.value.gather(picked),
        origin,
        lb=ahead.required.reshape(-1)[picked],
        shape=ahead.required.shape,
        picked=picked,
    )


def _some_ahead(low: Lowering, path: str, asked: Asked, origin: Origin) -> Affine:
    """For each call the sum of c_k over the places of S, which is 0 or 1; 1 where S has all places."""
    inside = asked.inside
    is_open: BoolArray = np.asarray((~inside).any(axis=1))
    places = np.flatnonzero(inside & is_open[:, None])
    calls = places // inside.shape[1]
    c = _ahead_of(low, path, asked.word, places, ~inside[calls])
    total = scattered([(places, c)], inside.shape).sum(axis=1)
    # Where one entry is ahead for sure, or all places are asked for, that is known.
    sure: BoolArray = np.asarray(~is_open)
    sure[calls[_is_one(c)]] = True
    known, rest = np.flatnonzero(sure), np.flatnonzero(~sure)
    several = np.flatnonzero(~sure & (inside.sum(axis=1) > 1))
    low.builder.rows(f"{path}.one", total.gather(several), origin, ub=1.0, shape=(len(inside),), picked=several)
    return scattered([(known, Affine.constant(np.ones(len(known)))), (rest, total.gather(rest))], (len(inside),))


def _is_one(c: Affine) -> BoolArray:
    """Which entries of a vector are the number 1."""
    return np.asarray((np.bincount(c.entry, minlength=c.size) == 0) & (c.const == 1.0))


def _ahead_of(low: Lowering, path: str, word: Apply, places: IntArray, rivals: BoolArray) -> Affine:
    """c [n] of the entries at flat `places`: 1 only where one is ahead of all its `rivals` [n, K]."""
    origin = word.origin
    ahead = _measured(low, word, places, rivals)
    is_open = ~ahead.never & ahead.short.any(axis=1)
    open_, known = np.flatnonzero(is_open), np.flatnonzero(~is_open)
    calls = places // rivals.shape[1]

    def fill(x: FloatArray, choice: Choice) -> FloatArray:
        far = ~rivals | (ahead.value.value(x) >= ahead.required - NEAR)
        reaching = np.flatnonzero(far.all(axis=1))
        first = reaching[np.unique(calls[reaching], return_index=True)[1]]
        return np.isin(np.arange(len(places)), first).astype(np.float64)[open_]

    shape = _entries(low, word).shape
    c = low.builder.binaries(f"{path}.ahead", shape, origin, fill, picked=places[open_])
    sure = Affine.constant((~ahead.never[known]).astype(np.float64))
    found = scattered([(known, sure), (open_, c)], (len(places),))
    picked = np.flatnonzero(ahead.short & is_open[:, None])
    required = ahead.required.reshape(-1)[picked]
    big_m = np.maximum(required - ahead.least.reshape(-1)[picked], TINY)
    reach = ahead.value.gather(picked) - found.gather(picked // rivals.shape[1]) * big_m
    low.builder.rows(f"{path}.far", reach, origin, lb=required - big_m, shape=rivals.shape, picked=picked, big_m=big_m)
    return found


def _entries(low: Lowering, word: Apply) -> Affine:
    """What the word reads, [calls, K], turned so that the largest entry is meant."""
    operand = lower_expression(low, word.operands[0], Polarity.EXACT)
    return operand.reshape((-1, operand.shape[-1])) * SIGNS[word.word]


def _measured(low: Lowering, word: Apply, places: IntArray, rivals: BoolArray) -> Ahead:
    """How far the entries at flat `places` are ahead of the others of their calls, with proved bounds."""
    entries = _entries(low, word)
    width = rivals.shape[1]
    own = np.broadcast_to(places[:, None], rivals.shape)
    others = (places // width * width)[:, None] + np.arange(width)
    value = entries.gather(np.ascontiguousarray(own)) - entries.gather(others)
    bounds = bounds_of(low.builder, value)
    before = np.arange(width) < (places % width)[:, None]
    required = np.where(before, word.option("strictness"), 0.0)
    if (before & rivals & (bounds.lo < required)).any() and not word.option("is_exact"):
        low.note_strictness(word.origin, "an earlier entry counts as less", word.option("strictness"))
    return Ahead(value, bounds.lo, bounds.hi, required, rivals)
