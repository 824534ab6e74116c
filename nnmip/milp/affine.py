"""Tensors whose entries are affine functions of MILP columns, as coordinate lists."""

from __future__ import annotations

from dataclasses import field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnmip.arrays import by_chance
from nnmip.milp.model import BoolArray, FloatArray, IntArray
from nnmip.records import dataclass

Shape = tuple[int, ...]
ROUNDING = 4 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """`const + sum of coef[t] * x[column[t]]` over the terms t whose `entry[t]` is the flat position in the tensor.

    The same column may occur more than once in an entry until `merged`. const has the tensor's shape.
    """

    const: FloatArray
    entry: IntArray
    column: IntArray
    coef: FloatArray
    _sorted: bool | None = field(default=None, init=False, repr=False)

    @staticmethod
    def constant(array: FloatArray) -> Affine:
        empty = np.zeros(0, dtype=np.int64)
        return Affine(np.asarray(array, dtype=np.float64), empty, empty, np.zeros(0))

    @staticmethod
    def columns(start: int, shape: Shape) -> Affine:
        """One new column for each entry, numbered from `start`."""
        size = int(np.prod(shape, dtype=np.int64))
        return Affine(np.zeros(shape), np.arange(size), start + np.arange(size), np.ones(size))

    @property
    def shape(self) -> Shape:
        return self.const.shape

    @property
    def size(self) -> int:
        return self.const.size

    @property
    def is_constant(self) -> bool:
        return not self.coef.size

    def __add__(self, other: Affine | NDArray[Any] | float) -> Affine:
        if not isinstance(other, Affine):
            return Affine(*_broadcast(self, np.broadcast_shapes(self.shape, np.shape(other))))._shifted(other)
        shape = np.broadcast_shapes(self.shape, other.shape)
        left, right = _broadcast(self, shape), _broadcast(other, shape)
        return Affine(
            left[0] + right[0],
            np.concatenate([left[1], right[1]]),
            np.concatenate([left[2], right[2]]),
            np.concatenate([left[3], right[3]]),
        )

    def _shifted(self, amount: NDArray[Any] | float) -> Affine:
        return Affine(self.const + amount, self.entry, self.column, self.coef)

    def __sub__(self, other: Affine | NDArray[Any] | float) -> Affine:
        return self + (other * -1.0 if isinstance(other, Affine) else -np.asarray(other))

    def __neg__(self) -> Affine:
        return self * -1.0

    def __mul__(self, factor: NDArray[Any] | float) -> Affine:
        """Entry-wise product with a constant, with broadcasting."""
        array = np.asarray(factor, dtype=np.float64)
        const, entry, column, coef = _broadcast(self, np.broadcast_shapes(self.shape, array.shape))
        scale = np.broadcast_to(array, const.shape).reshape(-1)[entry]
        keep = scale != 0
        return Affine(const * array, entry[keep], column[keep], (coef * scale)[keep])

    def reshape(self, shape: Shape) -> Affine:
        return Affine(self.const.reshape(shape), self.entry, self.column, self.coef)

    def gather(self, index: IntArray) -> Affine:
        """Entries at flat positions `index` (repeats allowed); the result has the shape of `index`."""
        wanted = index.reshape(-1)
        order = None if self._is_sorted else np.argsort(self.entry, kind="stable")
        starts, stops = self._runs(self.entry if order is None else self.entry[order], wanted)
        lengths = stops - starts
        first = np.repeat(starts - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths)
        terms = first + np.arange(int(lengths.sum()))
        terms = terms if order is None else order[terms]
        entry = np.repeat(np.arange(len(wanted)), lengths)
        const = self.const.reshape(-1)[wanted].reshape(index.shape)
        return Affine(const, entry, self.column[terms], self.coef[terms])

    @property
    def _is_sorted(self) -> bool:
        """Whether the terms stand in the order of the entries; found out once: one tensor is read in many places."""
        if self._sorted is None:
            object.__setattr__(self, "_sorted", bool((self.entry[1:] >= self.entry[:-1]).all()))
        return bool(self._sorted)

    def _runs(self, entries: IntArray, wanted: IntArray) -> tuple[IntArray, IntArray]:
        """Where the terms of each wanted entry begin and end among terms whose `entries` are sorted."""
        if len(wanted) < self.size // 8:
            return np.searchsorted(entries, wanted), np.searchsorted(entries, wanted, side="right")
        ends = np.searchsorted(entries, np.arange(self.size + 1))
        return ends[wanted], ends[wanted + 1]

    def where(self, mask: BoolArray) -> Affine:
        """The entries where `mask` (of the tensor's shape) holds, as a vector."""
        return self.gather(np.flatnonzero(mask))

    def sum(self, axis: int | None = None) -> Affine:
        """The sum of all entries, or along one axis."""
        if axis is None:
            return Affine(np.asarray(self.const.sum()), np.zeros_like(self.entry), self.column, self.coef)
        places = list(np.unravel_index(self.entry, self.shape))
        del places[axis % len(self.shape)]
        const = self.const.sum(axis=axis)
        entry = np.ravel_multi_index(tuple(places), const.shape) if places else np.zeros_like(self.entry)
        return Affine(const, np.asarray(entry, dtype=np.int64), self.column, self.coef)

    def merged(self) -> Affine:
        """The same tensor with terms sorted by entry and column, repeats added, zeros dropped.

        A sum of repeats that is no more than their rounding error, which grows with their number, counts as 0.
        """
        place = self.entry * (1 + int(self.column.max(initial=0))) + self.column
        entry, column, coef = self.entry, self.column, self.coef
        if not (place[1:] > place[:-1]).all():
            order = np.argsort(place, kind="stable")  # mostly of a few runs that are in order, which is quick
            place, entry, column, coef = place[order], entry[order], column[order], coef[order]
        first = np.ones(len(place), dtype=bool)
        first[1:] = place[1:] != place[:-1]
        if first.all() and coef.all():
            return Affine(self.const, entry, column, coef)
        starts = np.flatnonzero(first)
        total, size = np.add.reduceat(coef, starts), np.add.reduceat(np.abs(coef), starts)
        repeats = np.diff(np.append(starts, len(coef)))
        keep = np.abs(total) > ROUNDING * repeats * size
        return Affine(self.const, entry[first][keep], column[first][keep], total[keep])

    def distinct(self) -> tuple[IntArray, IntArray]:
        """Entries that are the same function of the columns: flat positions of the first of each, and for every entry
        which of these it is.

        Entries with equal values at random columns are compared term by term.
        """
        m = self.merged()
        used, places = np.unique(m.column, return_inverse=True)
        points = by_chance((2, len(used)))
        over = Affine(m.const, m.entry, places, m.coef)
        keys = np.stack([m.const.reshape(-1), *(over.value(point).reshape(-1) for point in points)], axis=1)
        _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        order = np.argsort(first)
        inverse, first = np.argsort(order)[inverse.reshape(-1)], first[order]
        chosen = m.gather(first[inverse])
        starts, others = (np.searchsorted(t.entry, np.arange(self.size + 1)) for t in (m, chosen))
        same = np.diff(starts) == np.diff(others)
        if same.all() and (m.column == chosen.column).all() and (m.coef == chosen.coef).all():
            return first, inverse
        everything = np.arange(self.size)
        return everything, everything

    def value(self, x: FloatArray) -> FloatArray:
        """The tensor's value when the columns have values `x`."""
        terms: FloatArray = self.coef * x[self.column]
        total = np.bincount(self.entry, weights=terms, minlength=self.size)
        return self.const + total.reshape(self.shape)


def concatenate(parts: list[Affine]) -> Affine:
    """All entries of several tensors in one vector."""
    offsets = np.cumsum([0] + [p.size for p in parts])
    return Affine(
        np.concatenate([p.const.reshape(-1) for p in parts]),
        np.concatenate([p.entry + o for p, o in zip(parts, offsets, strict=False)]),
        np.concatenate([p.column for p in parts]),
        np.concatenate([p.coef for p in parts]),
    )


def add_up(parts: list[Affine], shape: Shape) -> Affine:
    """The sum of any number of tensors, each broadcast to `shape`."""
    wide = [_broadcast(p, shape) for p in parts]
    const = np.zeros(shape)
    for part in wide:
        const = const + part[0]
    empty = np.zeros(0, dtype=np.int64)
    return Affine(
        const,
        np.concatenate([empty, *(part[1] for part in wide)]),
        np.concatenate([empty, *(part[2] for part in wide)]),
        np.concatenate([np.zeros(0), *(part[3] for part in wide)]),
    )


def combine(data: FloatArray, weights: Affine) -> Affine:
    """The sum over k of `data[n, u, p, k] weights[u, k]` for constant data, shape [n, u * p]."""
    n, units, per_unit, width = data.shape
    unit, feature = np.divmod(weights.entry, width)
    scale = data[:, unit, :, feature].transpose(1, 2, 0)
    entry = np.arange(n)[:, None, None] * (units * per_unit) + np.arange(per_unit)[:, None] + unit * per_unit
    keep = (scale != 0).reshape(-1)
    const = np.einsum("nupk,uk->nup", data, weights.const.reshape(units, width))
    return Affine(
        const.reshape(n, units * per_unit),
        np.broadcast_to(entry, scale.shape).reshape(-1)[keep],
        np.broadcast_to(weights.column, scale.shape).reshape(-1)[keep],
        (scale * weights.coef).reshape(-1)[keep],
    )


def _broadcast(affine: Affine, shape: Shape) -> tuple[FloatArray, IntArray, IntArray, FloatArray]:
    if affine.shape == shape:
        return affine.const, affine.entry, affine.column, affine.coef
    source = np.broadcast_to(np.arange(affine.size).reshape(affine.shape), shape)
    wide = affine.gather(np.ascontiguousarray(source))
    return wide.const, wide.entry, wide.column, wide.coef
