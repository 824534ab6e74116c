"""The columns of a hidden layer: what one unit can show the data, and the cheapest weights that do so."""

from __future__ import annotations

from dataclasses import fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nnmip.records import dataclass

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Pool:
    """Distinct activation columns.

    activations [K, p, n]: what a unit gives for every row at each of its positions (the entries of a filter behind
    pooling; one of a dense unit), less its least value there where columns may merge up to constants; shift [K, p]:
    that least value. cost [K]: what the goal says of the unit alone. weights [K, d] and bias [K].
    """

    activations: FloatArray
    shift: FloatArray
    cost: FloatArray
    weights: FloatArray
    bias: FloatArray

    @staticmethod
    def empty(positions: int, rows: int, width: int) -> Pool:
        none = np.zeros(0)
        return Pool(np.zeros((0, positions, rows)), np.zeros((0, positions)), none, np.zeros((0, width)), none)

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

    @cached_property
    def largest(self) -> float:
        """The largest magnitude of the activations."""
        return float(max(self.activations.max(initial=0.0), -self.activations.min(initial=0.0)))


@dataclass(frozen=True, slots=True, eq=False)
class Heads:
    """The output weights that a unit can have, not all zero: vectors [m, p, C], one for each of its positions and
    scores, and what they cost [m]."""

    vectors: FloatArray
    cost: FloatArray

    @property
    def positions(self) -> int:
        return int(self.vectors.shape[1])

    @property
    def flat(self) -> FloatArray:
        """[m, p C]."""
        return self.vectors.reshape(len(self.vectors), -1)


def gains(activations: FloatArray, slopes: FloatArray) -> FloatArray:
    """activations [k, p, n] at slopes [n, C]: [k, p C], in the order of `Heads.flat`."""
    count, positions, rows = activations.shape
    return np.asarray(activations.reshape(-1, rows) @ slopes).reshape(count, positions * slopes.shape[1])
