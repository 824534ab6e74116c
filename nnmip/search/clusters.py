"""A tree of vectors: every node has the entrywise least and largest of those below it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnmip.records import dataclass

FloatArray = NDArray[np.float64]
SingleArray = NDArray[np.float32]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
STEPS = 8


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """Nodes by number, the root first.

    most, least [N, m + 1]: of the vectors below, the last entry 0. cost [N]: the least of their costs. width [N]: how
    far most and least are apart in all. children [N, 2]: -1 where the node is one vector. first, last [N]: the vectors
    below are order[first:last].
    """

    most: SingleArray
    least: SingleArray
    cost: FloatArray
    width: FloatArray
    children: IntArray
    first: IntArray
    last: IntArray
    order: IntArray

    @staticmethod
    def of(vectors: SingleArray, cost: FloatArray) -> Clusters:
        """The clusters of vectors [K, m]."""
        count = 2 * len(vectors) - 1
        most, least = np.zeros((2, count, vectors.shape[1] + 1), dtype=np.float32)
        children, ends = np.full((count, 2), -1), np.zeros((count, 2), dtype=np.int64)
        cheapest, order, made = np.zeros(count), np.arange(len(vectors)), 1
        waiting = [(0, 0, len(vectors))]
        while waiting:
            node, first, last = waiting.pop()
            some = order[first:last]
            most[node, :-1], least[node, :-1] = vectors[some].max(axis=0), vectors[some].min(axis=0)
            cheapest[node], ends[node] = cost[some].min(), (first, last)
            if len(some) > 1:
                is_right = _side(vectors[some])
                order[first:last] = np.concatenate([some[~is_right], some[is_right]])
                middle = last - int(is_right.sum())
                children[node] = made, made + 1
                waiting += [(made, first, middle), (made + 1, middle, last)]
                made += 2
        width = (most - least).sum(axis=1, dtype=np.float64)
        return Clusters(most, least, cheapest, width, children, ends[:, 0], ends[:, 1], order)

    @staticmethod
    def single(vectors: SingleArray, cost: FloatArray) -> Clusters:
        """Every vector for itself."""
        table, order = np.pad(vectors, ((0, 0), (0, 1))), np.arange(len(vectors))
        return Clusters(table, table, cost, np.zeros(len(cost)), np.full((len(cost), 2), -1), order, order + 1, order)

    def is_one(self, nodes: IntArray) -> BoolArray:
        """Which nodes are one vector."""
        single: BoolArray = self.children[nodes, 0] < 0
        return single


def _side(vectors: SingleArray) -> BoolArray:
    """On which side of their mean the vectors are along the direction in which they vary most; both sides have some."""
    centred = vectors - vectors.mean(axis=0)
    along = np.random.default_rng(0).normal(size=len(vectors)).astype(np.float32)
    for _ in range(STEPS):
        along = centred @ (along @ centred)
        size = np.abs(along).max()
        if size == 0:
            break
        along /= size
    is_right = along > 0
    if is_right.all() or not is_right.any():
        is_right = np.arange(len(vectors)) >= len(vectors) // 2
    return np.asarray(is_right)
