"""Convex losses as sums of largest shortfalls, and the multipliers that bound them from below."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nnmip.records import dataclass

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
EPS = 2.0**-52


@dataclass(frozen=True, eq=False)
class Shortfalls:
    """sum over groups q of weight[q] max(0, max over pieces r of q of target[r] - slope[r] @ f[row[r]]).

    f: scores [n, C]. row, group, target [R]; slope [R, C]; weight [Q]. Hinge, absolute, quantile and insensitive
    losses have pieces in groups of their own, a loss of several classes one group for a row, a largest error one group.
    """

    rows: int
    row: IntArray
    slope: FloatArray
    target: FloatArray
    group: IntArray
    weight: FloatArray

    @property
    def outputs(self) -> int:
        return int(self.slope.shape[1])

    @cached_property
    def is_of_leads(self) -> bool:
        """Whether only the differences between scores count."""
        return not self.slope.sum(axis=1).any()

    @cached_property
    def is_separate(self) -> bool:
        """Whether every piece is a group of its own."""
        return len(self.weight) == len(self.row)

    @cached_property
    def limit(self) -> FloatArray:
        """The largest multiplier of each piece, [R]."""
        return self.weight[self.group]

    @cached_property
    def most_pieces(self) -> int:
        """How many pieces one group has at most."""
        return int(np.bincount(self.group).max())

    @cached_property
    def _by_group(self) -> tuple[IntArray, IntArray, FloatArray]:
        """The pieces in the order of their groups, where each group begins, and its weight."""
        order = np.argsort(self.group, kind="stable")
        groups, first = np.unique(self.group[order], return_index=True)
        return order, first, self.weight[groups]

    @cached_property
    def steepness(self) -> FloatArray:
        """sum of |slope[r]| over the scores, [R]."""
        return np.asarray(np.abs(self.slope).sum(axis=1))

    def slopes(self, multipliers: FloatArray) -> FloatArray:
        """sum of u[r] slope[r] over the pieces of every row, [n, C]."""
        weighted = multipliers[:, None] * self.slope
        columns = [np.bincount(self.row, weights=weighted[:, c], minlength=self.rows) for c in range(self.outputs)]
        return np.stack(columns, axis=1)

    def feasible(self, multipliers: FloatArray) -> FloatArray:
        """Multipliers made nonnegative and scaled down so that those of a group surely add up to its weight at most.

        A float sum of p nonnegative numbers is below the true sum by less than the share (p + 2) 2^-53 of it, which
        the factor 1 - 2 (p + 4) 2^-53 outweighs, the roundings of the division and of the products included.
        """
        u = np.maximum(multipliers, 0.0)
        if self.is_separate:
            return np.asarray(np.minimum(u, self.limit) * (1.0 - 5 * EPS))
        total = np.bincount(self.group, weights=u, minlength=len(self.weight))
        over = np.maximum(total / np.maximum(self.weight, 1e-300), 1.0)
        return np.asarray(u / over[self.group] * (1.0 - (self.most_pieces + 4) * EPS))

    def shortfalls(self, scores: FloatArray) -> FloatArray:
        """[R] for scores [n, C], the output bias included."""
        return np.asarray(self.target - np.einsum("rc,rc->r", self.slope, scores[self.row]))

    def value(self, scores: FloatArray) -> float:
        """The loss of scores [n, C], the output bias included."""
        return float(self.at_biases(scores, np.zeros((1, self.outputs)))[0])

    def at_biases(self, scores: FloatArray, biases: FloatArray) -> FloatArray:
        """The loss at many vectors of biases [P, C] added to the scores [n, C]; the result [P]."""
        order, first, weight = self._by_group
        given = self.target - np.einsum("rc,rc->r", self.slope, scores[self.row])
        short = given[order] - biases @ self.slope[order].T
        return np.asarray(np.maximum(np.maximum.reduceat(short, first, axis=1), 0.0) @ weight)
