"""Composite columns: a unit of the pool together with its output weights."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nnmip.arrays import is_among
from nnmip.records import dataclass
from nnmip.search.pool import Heads, Pool, gains

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Offers(Protocol):
    """What a relaxation may choose from. A composite column is known by its key: unit * number of heads + head."""

    def priced(self, slopes: FloatArray) -> FloatArray:
        """cost less what each column gains at `slopes` [n, C] of the loss bound: reduced costs."""

    def cheapest(self, reduced: FloatArray, count: int) -> IntArray:
        """The keys of the columns of least reduced cost, at most one for each unit."""

    def holds(self, keys: IntArray) -> NDArray[np.bool_]:
        """Which keys are among the columns."""

    def least(self, reduced: FloatArray, apart: bool) -> FloatArray:
        """The least reduced cost of all columns or, where they are kept apart, for each head."""


@dataclass(frozen=True, slots=True, eq=False)
class Everything:
    """All composite columns, never listed."""

    pool: Pool
    heads: Heads

    def priced(self, slopes: FloatArray) -> FloatArray:
        gained = gains(self.pool.activations, slopes) @ self.heads.flat.T
        return np.asarray(self.pool.cost[:, None] + self.heads.cost - gained).reshape(-1)

    def cheapest(self, reduced: FloatArray, count: int) -> IntArray:
        table = reduced.reshape(self.pool.size, -1)
        head = table.argmin(axis=1)
        least = table[np.arange(len(table)), head]
        unit = _least(least, count)
        return np.asarray(unit * table.shape[1] + head[unit])

    def holds(self, keys: IntArray) -> NDArray[np.bool_]:
        return np.ones(len(keys), dtype=bool)

    def least(self, reduced: FloatArray, apart: bool) -> FloatArray:
        table = reduced.reshape(self.pool.size, -1)
        return np.asarray(table.min(axis=0) if apart else table.min(keepdims=True)[0])


@dataclass(frozen=True, slots=True, eq=False)
class Choices:
    """Some composite columns, by increasing key.

    unit, head, key [L]: positions in the pool and the heads. cost [L]. signed [L, n]: what each adds to the score,
    where there is one score.
    """

    pool: Pool
    heads: Heads
    key: IntArray
    unit: IntArray
    head: IntArray
    cost: FloatArray
    signed: FloatArray | None

    @staticmethod
    def of(pool: Pool, heads: Heads, key: IntArray) -> Choices:
        unit, head = key // len(heads.cost), key % len(heads.cost)
        signed = None
        if heads.vectors.shape[2] == 1:
            signed = np.einsum("lpn,lp->ln", pool.activations[unit], heads.vectors[head, :, 0])
        return Choices(pool, heads, key, unit, head, pool.cost[unit] + heads.cost[head], signed)

    def __len__(self) -> int:
        return len(self.unit)

    def take(self, chosen: IntArray | NDArray[np.bool_]) -> Choices:
        signed = self.signed[chosen] if self.signed is not None else None
        key, unit, head = self.key[chosen], self.unit[chosen], self.head[chosen]
        return Choices(self.pool, self.heads, key, unit, head, self.cost[chosen], signed)

    def priced(self, slopes: FloatArray) -> FloatArray:
        if self.signed is not None:
            return np.asarray(self.cost - self.signed @ slopes[:, 0])
        first = np.flatnonzero(np.diff(self.unit, prepend=-1))
        where = np.repeat(np.arange(len(first)), np.diff(first, append=len(self.unit)))
        gained = gains(self.pool.activations[self.unit[first]], slopes)
        return np.asarray(self.cost - np.einsum("lc,lc->l", gained[where], self.heads.flat[self.head]))

    def cheapest(self, reduced: FloatArray, count: int) -> IntArray:
        order = _least(reduced, 3 * count)
        _, first = np.unique(self.unit[order], return_index=True)
        return np.asarray(self.key[order[np.sort(first)][:count]])

    def holds(self, keys: IntArray) -> NDArray[np.bool_]:
        return is_among(keys, self.key)

    def least(self, reduced: FloatArray, apart: bool) -> FloatArray:
        if not apart:
            return np.array([reduced.min(initial=np.inf)])
        least = np.full(len(self.heads.cost), np.inf)
        np.minimum.at(least, self.head, reduced)
        return least

    def kind(self, apart: bool) -> IntArray:
        """Of which kind each is: all alike or, where they are kept apart, by their heads."""
        return self.head if apart else np.zeros(len(self), dtype=np.int64)

    def members(self, *chosen: int) -> tuple[tuple[int, int], ...]:
        return tuple((int(self.unit[i]), int(self.head[i])) for i in chosen)

    def scores(self, chosen: int) -> FloatArray:
        """What one composite column adds to the scores, [n, C]."""
        return np.asarray(self.pool.activations[self.unit[chosen]].T @ self.heads.vectors[self.head[chosen]])


def _least(values: FloatArray, count: int) -> IntArray:
    """Where the least values are, by increasing value."""
    some = min(len(values), count)
    order = np.argpartition(values, some - 1)[:some] if some < len(values) else np.arange(some)
    return np.asarray(order[np.argsort(values[order], kind="stable")])
