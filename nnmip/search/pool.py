"""The columns of a hidden layer: what one unit can show the data, and the cheapest weights that do so."""

from __future__ import annotations

from dataclasses import dataclass, fields

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

    @staticmethod
    def empty(rows: int, width: int) -> Pool:
        none = np.zeros(0)
        return Pool(np.zeros((0, rows)), none, none, np.zeros((0, width)), none)

    def take(self, chosen: NDArray[np.bool_]) -> Pool:
        if chosen.all():
            return self
        return Pool(*(getattr(self, part.name)[chosen] for part in fields(self)))

    def with_more(self, other: Pool) -> Pool:
        if not other.size:
            return self
        return Pool(*(np.concatenate([getattr(one, part.name) for one in (self, other)]) for part in fields(self)))

    @property
    def size(self) -> int:
        return len(self.cost)


@dataclass(frozen=True, slots=True, eq=False)
class Heads:
    """The vectors of output weights that a unit can have, not all zero: vectors [m, C], and what each costs [m]."""

    vectors: FloatArray
    cost: FloatArray
