"""Columns in nested groups of like ones: what holds for a group, holds for each of its columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnmip.records import dataclass

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
AXES = 10
"""So many directions along which columns differ most are looked at for a cut."""
SAMPLE = 3000
LEAST_SHARE = 8
"""A group is cut in the middle of its range, but neither part gets less than one of so many of its columns."""
CLASSES = 8
"""Costs are told apart in so many steps before anything else."""


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """A binary tree of groups; node 0 has all columns, and a node comes before its parts.

    parts [N, 2]: the nodes of its two halves, -1 for a single column. column [N]: that column, else -1. levels: where
    the nodes of each depth begin, and their number.
    """

    parts: IntArray
    column: IntArray
    levels: tuple[int, ...]

    @property
    def is_single(self) -> NDArray[np.bool_]:
        return self.column >= 0

    def most(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """The largest of the values [L, ...] of its columns for every node, [N, ...]."""
        found = np.empty((len(self.column), *values.shape[1:]), dtype=values.dtype)
        single = self.is_single
        found[single] = values[self.column[single]]
        for first, end in reversed(list(zip(self.levels, self.levels[1:], strict=False))):
            nodes = first + np.flatnonzero(~single[first:end])
            one, other = self.parts[nodes].T
            found[nodes] = np.maximum(found[one], found[other])
        return found


def tree_of(apart: FloatArray, cost: FloatArray) -> Tree:
    """The tree of columns with the values [L, M] and a cost each; like ones stay together."""
    features = _features(apart, cost)
    order, ends = np.arange(len(cost)), np.array([0, len(cost)])
    parts: list[IntArray] = []
    column: list[IntArray] = []
    levels = [0]
    while len(order):
        size = np.diff(ends)
        single = size == 1
        after = levels[-1] + len(size)
        splits = np.cumsum(~single) - 1
        parts.append(np.where(single[:, None], -1, after + 2 * splits[:, None] + np.arange(2)))
        column.append(np.where(single, order[ends[:-1]], -1))
        levels.append(after)
        order = order[np.repeat(~single, size)]
        order, ends = _halved(features, order, size[~single])
    return Tree(np.concatenate(parts), np.concatenate(column), tuple(levels))


def _features(apart: FloatArray, cost: FloatArray) -> FloatArray:
    """What groups are cut by: the main directions of the values and, above all, the class of the cost."""
    centred = apart - apart.mean(axis=0)
    some = np.random.default_rng(0).permutation(len(cost))[:SAMPLE]
    axes = np.linalg.svd(centred[some], full_matrices=False)[2][:AXES]
    found = centred @ axes.T
    width = np.ptp(cost)
    steps = np.rint((cost - cost.min()) / width * CLASSES) if width else np.zeros(len(cost))
    far = 2.0 * CLASSES * len(cost) * max(1.0, float(np.abs(found).max(initial=0.0)))
    return np.column_stack([steps * far, found])


def _halved(features: FloatArray, order: IntArray, size: IntArray) -> tuple[IntArray, IntArray]:
    """Each of the groups, which follow one another in `order`, cut in two; the new order and where its groups end."""
    if not len(size):
        return order[:0], np.zeros(1, dtype=np.int64)
    ends = np.concatenate([[0], np.cumsum(size)])
    group, first = np.repeat(np.arange(len(size)), size), ends[:-1]
    values = features[order]
    low, high = np.minimum.reduceat(values, first), np.maximum.reduceat(values, first)
    axis = (high - low).argmax(axis=1)
    key = values[np.arange(len(order)), axis[group]]
    order = order[np.lexsort((key, group))]
    chosen = np.arange(len(size)), axis
    below = np.add.reduceat(key < ((low[chosen] + high[chosen]) / 2)[group], first, dtype=np.int64)
    least = np.maximum(size // LEAST_SHARE, 1)
    cuts = first + np.clip(below, least, size - least)
    return order, np.sort(np.concatenate([ends, cuts]))
