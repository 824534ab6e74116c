"""The positive part of an affine tensor as linear rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nnmip.bounds.interval import TINY, Interval
from nnmip.lowering.asked import Asked
from nnmip.lowering.base import Lowering, Polarity
from nnmip.milp.affine import Affine
from nnmip.milp.builder import Choice
from nnmip.milp.model import BoolArray, FloatArray, IntArray
from nnmip.records import dataclass
from nnmip.source import Origin

DEFINE_FROM = 4


def scattered(parts: list[tuple[IntArray, Affine]], shape: tuple[int, ...]) -> Affine:
    """One tensor from disjoint selections: each part is (flat positions, vector of their values)."""
    const = np.zeros(int(np.prod(shape, dtype=np.int64)))
    entry, column, coef = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0)]
    for where, vector in parts:
        const[where] = vector.const
        entry.append(where[vector.entry])
        column.append(vector.column)
        coef.append(vector.coef)
    return Affine(const.reshape(shape), np.concatenate(entry), np.concatenate(column), np.concatenate(coef))


def defined(
    low: Lowering, path: str, value: Affine, bounds: Interval, origin: Origin, least: int = DEFINE_FROM
) -> Affine:
    """The same tensor as columns of its own where its entries have at least `least` terms, so that they are written
    once.

    Relation: column = value. Exact. Short entries are used as they are; equal entries share a column.
    """
    if value.merged().coef.size < least * value.size:
        return value
    return defined_at(low, path, value, bounds, origin, np.arange(value.size))


def defined_at(low: Lowering, path: str, value: Affine, bounds: Interval, origin: Origin, where: IntArray) -> Affine:
    """The same tensor with columns of their own in the place of the entries at the flat positions `where`."""
    first, inverse = value.gather(where).distinct()
    picked, shape = where[first], value.shape
    inner = value.gather(picked)
    lo, hi = bounds.lo.reshape(-1)[picked], bounds.hi.reshape(-1)[picked]
    column = low.builder.columns(path, shape, lo, hi, origin, lambda x, choice: inner.value(x), picked=picked)
    low.builder.rows(f"{path}.is", column - inner, origin, lb=0.0, ub=0.0, shape=shape, picked=picked)
    if len(where) == value.size:
        return column.gather(inverse.reshape(shape))
    rest = np.setdiff1d(np.arange(value.size), where)
    return scattered([(where, column.gather(inverse)), (rest, value.gather(rest))], shape)


Encode = Callable[[Affine, Interval, tuple[tuple[int, ...], IntArray]], Affine]


def once(value: Affine, bounds: Interval, is_open: BoolArray, encode: Encode, otherwise: FloatArray) -> Affine:
    """What `encode` makes of the entries `is_open`, and the numbers `otherwise` at the others; equal entries once.

    encode(entries, bounds, (shape of the tensor, flat positions)) gives a vector.
    """
    first, inverse = value.distinct()
    picked = first[is_open.reshape(-1)[first]]
    known = Interval(bounds.lo.reshape(-1)[picked], bounds.hi.reshape(-1)[picked])
    made = encode(value.gather(picked), known, (value.shape, picked))
    rest = first[~is_open.reshape(-1)[first]]
    whole = scattered([(picked, made), (rest, Affine.constant(otherwise.reshape(-1)[rest]))], value.shape)
    return whole.gather(first[inverse].reshape(value.shape))


@dataclass(frozen=True, slots=True, eq=False)
class PositivePart:
    """h = max(0, z) with z in `bounds`; `phase` has the binary of every entry that has one (0 elsewhere), None if no
    entry was given any. has_phase: which have one; is_above: where h is at least max(0, z) in every solution."""

    value: Affine
    phase: Affine | None
    bounds: Interval
    has_phase: BoolArray
    is_above: BoolArray

    @property
    def is_open(self) -> BoolArray:
        """Which entries are neither stable active nor stable inactive."""
        return (self.bounds.lo < 0) & (self.bounds.hi > 0)


def positive_part(
    low: Lowering,
    path: str,
    z: Affine,
    bounds: Interval,
    polarity: Polarity,
    origin: Origin,
    gate: Affine | None = None,
    asked: Asked | None = None,
) -> PositivePart:
    """h = max(0, z) for z in [L, U], entry by entry.

    U <= 0: h = 0. L >= 0: h = z. Otherwise, with a phase s in {0, 1} where the value must not exceed the true one:

        h >= z        h >= 0        h <= U s        h <= z - L (1 - s)        s <= gate (where a gate is given)

    Strength: exact; the relaxation over (z, h) is the triangle, and per-entry L and U keep it as small as the bounds
    allow (big-M form, Tjeng, Xiao and Tedrake 2019). With UPPER polarity the first two rows suffice and no binary is
    made; with LOWER the first row is left out; `asked` says so entry by entry, instead of `polarity`. A gate is a 0/1
    tensor of z's shape, or of that of its rows, at whose 0 the entry z is at most 0. Entries of z that are equal as
    expressions are encoded once.
    """
    first, inverse = z.distinct()
    of_first = first[inverse].reshape(z.shape)
    bounds = Interval(bounds.lo.reshape(-1)[of_first], bounds.hi.reshape(-1)[of_first]).without_tiny()
    L, U = bounds.lo.reshape(-1), bounds.hi.reshape(-1)
    on, open_ = first[(L >= 0)[first] & (U > 0)[first]], first[(L < 0)[first] & (U > 0)[first]]
    shape = z.shape

    def fill(x: FloatArray, choice: Choice) -> FloatArray:
        return np.maximum(z.gather(open_).value(x), 0.0)

    h = scattered([(open_, low.builder.columns(path, shape, 0.0, U[open_], origin, fill, picked=open_))], shape)
    value = scattered([(on, z.gather(on))], shape) + h
    upper, lower = (_of_equal(mask, first, inverse)[open_] for mask in _sides(polarity, asked, shape))
    above, below = open_[upper], open_[lower]
    rows = low.builder.rows
    rows(f"{path}.at_least", (h - z).gather(above), origin, lb=0.0, shape=shape, picked=above)
    phase = None
    if Polarity.LOWER in polarity or len(below):
        inner, lo, hi = z.gather(below), L[below], U[below]
        s = low.builder.binaries(f"{path}.phase", shape, origin, lambda x, choice: inner.value(x) > 0, picked=below)
        rows(f"{path}.off", h.gather(below) - s * hi, origin, ub=0.0, shape=shape, picked=below, big_m=hi)
        rows(f"{path}.on", h.gather(below) - inner - s * lo, origin, ub=-lo, shape=shape, picked=below, big_m=lo)
        if gate is not None:
            rows(f"{path}.kept", s - gate.gather(below % gate.size), origin, ub=0.0, shape=shape, picked=below)
        phase = scattered([(below, s)], shape).gather(of_first)
    beneath = open_[~upper]
    return PositivePart(value.gather(of_first), phase, bounds, np.isin(of_first, below), ~np.isin(of_first, beneath))


def _sides(polarity: Polarity, asked: Asked | None, shape: tuple[int, ...]) -> tuple[BoolArray, BoolArray]:
    """Where the value must be at least, and where it must be at most the true one."""
    if asked is not None:
        return asked.upper.reshape(-1), asked.lower.reshape(-1)
    size = int(np.prod(shape, dtype=np.int64))
    return np.full(size, Polarity.UPPER in polarity), np.full(size, Polarity.LOWER in polarity)


def _of_equal(mask: BoolArray, first: IntArray, inverse: IntArray) -> BoolArray:
    """A mask that holds at the first of equal entries where it holds at any of them."""
    found = np.zeros(len(mask), dtype=bool)
    np.logical_or.at(found, first[inverse], mask)
    return found


def largest(
    low: Lowering, path: str, candidates: Affine, bounds: Interval, polarity: Polarity, origin: Origin
) -> Affine:
    """y_g = max over i of e_gi for candidates e of shape [g, c] in [L, U]; shape [g].

    With l = max L, only candidates with U > l, and one with L = l, can be the largest. One candidate: y is it.
    Otherwise, with one pick r in {0, 1} for each (the last is 1 minus the others) where the value must not exceed the
    true one, and u_i the largest U of the other candidates:

        y >= e_i        y >= l        y <= e_i + (max(u_i, l) - L_i) (1 - r_i)        sum of r_i = 1

    Exact; with UPPER polarity the first two suffice and no binary is made (formulation: maximum with proved bounds).
    """
    groups, same = _distinct_groups(candidates)
    if len(groups) < len(same):
        places = groups[:, None] * candidates.shape[1] + np.arange(candidates.shape[1])
        own = Interval(bounds.lo[groups], bounds.hi[groups])
        return largest(low, path, candidates.gather(places), own, polarity, origin).gather(same)
    L, U = bounds.lo, bounds.hi
    g, c = L.shape
    least = L.max(axis=1, keepdims=True)
    is_candidate = least < U
    is_candidate[np.arange(g), L.argmax(axis=1)] = True
    several = is_candidate.sum(axis=1) > 1
    alone = np.flatnonzero(~several)
    known = candidates.gather(alone * c + is_candidate[alone].argmax(axis=1))
    open_ = np.flatnonzero(several)

    def fill(x: FloatArray, choice: Choice) -> FloatArray:
        return np.asarray(candidates.value(x)[open_].max(axis=1))

    y = low.builder.columns(path, (g,), least[open_, 0], U[open_].max(axis=1), origin, fill, picked=open_)
    picked = np.flatnonzero(is_candidate & several[:, None])
    of_group = np.searchsorted(open_, picked // c)
    inner, over = candidates.gather(picked), y.gather(of_group)
    above = np.flatnonzero((least < U).reshape(-1)[picked])
    low.builder.rows(
        f"{path}.at_least", (over - inner).gather(above), origin, lb=0.0, shape=(g, c), picked=picked[above]
    )
    if Polarity.LOWER in polarity and len(open_):
        pick = _picks(low, path, candidates, picked, of_group, len(open_), origin)
        big_m = np.maximum(np.maximum(_best_other(U, is_candidate), least) - L, TINY).reshape(-1)[picked]
        reach = over - inner + pick * big_m
        low.builder.rows(f"{path}.at_most", reach, origin, ub=big_m, shape=(g, c), picked=picked, big_m=big_m)
    return scattered([(alone, known), (open_, y)], (g,))


def _distinct_groups(candidates: Affine) -> tuple[IntArray, IntArray]:
    """The first of every set of groups with equal candidates [g, c], and which of these every group is."""
    _, inverse = candidates.distinct()
    _, first, same = np.unique(inverse.reshape(candidates.shape), axis=0, return_index=True, return_inverse=True)
    return first, same.reshape(-1)


def _best_other(U: FloatArray, is_candidate: BoolArray) -> FloatArray:
    """For every entry the largest upper bound of the other candidates of its group."""
    masked = np.where(is_candidate, U, -np.inf)
    top = np.sort(masked, axis=1)[:, -2:]
    is_top = np.arange(U.shape[1]) == masked.argmax(axis=1)[:, None]
    return np.asarray(np.where(is_top, top[:, :1], top[:, -1:]), dtype=np.float64)


def _picks(
    low: Lowering, path: str, candidates: Affine, picked: IntArray, of_group: IntArray, groups: int, origin: Origin
) -> Affine:
    """One 0/1 entry for each of the candidates `picked`, exactly one of which is 1 in every group: the last candidate
    of a group is picked where no other is."""
    c = candidates.shape[1]
    last = np.zeros(len(picked), dtype=bool)
    last[np.flatnonzero(np.diff(of_group, append=groups))] = True
    own = np.flatnonzero(~last)

    def fill(x: FloatArray, choice: Choice) -> FloatArray:
        values = np.full(candidates.shape, -np.inf)
        values.reshape(-1)[picked] = candidates.value(x).reshape(-1)[picked]
        chosen = np.arange(c) == values.argmax(axis=1)[:, None]
        return np.asarray(chosen.reshape(-1)[picked[own]], dtype=np.float64)

    r = low.builder.binaries(f"{path}.pick", candidates.shape, origin, fill, picked=picked[own])
    others = Affine(np.zeros(groups), of_group[own][r.entry], r.column, r.coef)
    many = np.flatnonzero(np.bincount(of_group[own], minlength=groups) > 1)
    low.builder.rows(f"{path}.one_pick", others.gather(many), origin, ub=1.0, shape=(groups,), picked=many)
    return scattered([(own, r), (np.flatnonzero(last), -others + 1.0)], (len(picked),))
