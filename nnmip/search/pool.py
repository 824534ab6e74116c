"""The columns of a hidden layer: what one unit can show the data, and the cheapest weights that do so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Distinct activation columns.

    activations [K, n]: what a unit gives for every row, less its least value where columns may merge up to a constant;
    shift [K]: that least value. cost [K]: what the goal says of the unit alone. weights [K, d] and bias [K].
    """

    activations: FloatArray
    shift: FloatArray
    cost: FloatArray
    weights: FloatArray
    bias: FloatArray

    @property
    def size(self) -> int:
        return len(self.cost)


@dataclass(frozen=True, slots=True, eq=False)
class Heads:
    """The vectors of output weights that a unit can have, not all zero: vectors [m, C], and what each costs [m]."""

    vectors: FloatArray
    cost: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Choices:
    """Some composite columns: a unit of the pool together with its output weights.

    unit, head [L]: positions in the pool and the heads. cost [L]. signed [L, n]: what each adds to the score, where
    there is one score.
    """

    pool: Pool
    heads: Heads
    unit: IntArray
    head: IntArray
    cost: FloatArray
    signed: FloatArray | None

    @staticmethod
    def of(pool: Pool, heads: Heads, unit: IntArray, head: IntArray) -> Choices:
        signed = pool.activations[unit] * heads.vectors[head] if heads.vectors.shape[1] == 1 else None
        return Choices(pool, heads, unit, head, pool.cost[unit] + heads.cost[head], signed)

    def __len__(self) -> int:
        return len(self.unit)

    def take(self, chosen: IntArray | NDArray[np.bool_]) -> Choices:
        signed = self.signed[chosen] if self.signed is not None else None
        return Choices(self.pool, self.heads, self.unit[chosen], self.head[chosen], self.cost[chosen], signed)

    def priced(self, slopes: FloatArray) -> FloatArray:
        """cost less what each gains at `slopes` [n, C] of the loss bound: reduced costs [L]."""
        if self.signed is not None:
            return self.cost - self.signed @ slopes[:, 0]
        units, where = np.unique(self.unit, return_inverse=True)
        gains = self.pool.activations[units] @ slopes
        return self.cost - np.einsum("lc,lc->l", gains[where], self.heads.vectors[self.head])

    def scores(self, chosen: int) -> FloatArray:
        """What one composite column adds to the scores, [n, C]."""
        column = self.pool.activations[self.unit[chosen]]
        return np.asarray(column[:, None] * self.heads.vectors[self.head[chosen]])
