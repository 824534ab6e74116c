"""The positive part of an affine tensor as linear rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnmip.bounds.interval import Interval
from nnmip.lowering.base import Lowering, Polarity
from nnmip.milp.affine import Affine
from nnmip.milp.builder import Choice
from nnmip.milp.model import BoolArray, FloatArray, IntArray
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


def defined(low: Lowering, path: str, value: Affine, bounds: Interval, origin: Origin) -> Affine:
    """The same tensor as columns of its own where its entries have many terms, so that they are written once.

    Relation: column = value. Exact. Short entries are used as they are.
    """
    if value.merged().coef.size < DEFINE_FROM * value.size:
        return value
    column = low.builder.columns(path, value.shape, bounds.lo, bounds.hi, origin, lambda x, choice: value.value(x))
    low.builder.rows(f"{path}.is", column - value, origin, lb=0.0, ub=0.0)
    return column


@dataclass(frozen=True, slots=True, eq=False)
class PositivePart:
    """h = max(0, z) with z in `bounds`; `phase` has the binary of every entry that has one (0 elsewhere), None if no
    entry was given any."""

    value: Affine
    phase: Affine | None
    bounds: Interval

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
) -> PositivePart:
    """h = max(0, z) for z in [L, U], entry by entry.

    U <= 0: h = 0. L >= 0: h = z. Otherwise, with a phase s in {0, 1} where the value must not exceed the true one:

        h >= z        h >= 0        h <= U s        h <= z - L (1 - s)        s <= gate (where a gate is given)

    Strength: exact; the relaxation over (z, h) is the triangle, and per-entry L and U keep it as small as the bounds
    allow (big-M form, Tjeng, Xiao and Tedrake 2019). With UPPER polarity the first two rows suffice and no binary is
    made. A gate is a 0/1 tensor of z's shape at whose 0 the entry z is 0 too.
    """
    bounds = bounds.without_tiny()
    L, U = bounds.lo.reshape(-1), bounds.hi.reshape(-1)
    on, open_ = np.flatnonzero((L >= 0) & (U > 0)), np.flatnonzero((L < 0) & (U > 0))
    shape = z.shape
    inner = z.gather(open_)

    def fill(x: FloatArray, choice: Choice) -> FloatArray:
        return np.maximum(inner.value(x), 0.0)

    h = low.builder.columns(path, shape, 0.0, U[open_], origin, fill, picked=open_)
    rows = low.builder.rows
    phase = None
    rows(f"{path}.at_least", h - inner, origin, lb=0.0, shape=shape, picked=open_)
    if Polarity.LOWER in polarity:
        s = low.builder.binaries(f"{path}.phase", shape, origin, lambda x, choice: inner.value(x) > 0, picked=open_)
        low.builder.note_big_m(np.concatenate([L[open_], U[open_]]), origin)
        rows(f"{path}.off", h - s * U[open_], origin, ub=0.0, shape=shape, picked=open_)
        rows(f"{path}.on", h - inner - s * L[open_], origin, ub=-L[open_], shape=shape, picked=open_)
        if gate is not None:
            rows(f"{path}.kept", s - gate.gather(open_), origin, ub=0.0, shape=shape, picked=open_)
        phase = scattered([(open_, s)], shape)
    return PositivePart(scattered([(on, z.gather(on)), (open_, h)], shape), phase, bounds)
