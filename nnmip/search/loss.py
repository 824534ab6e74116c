"""Convex losses as sums of largest shortfalls, their best output bias, and what multipliers prove about them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Shortfalls:
    """sum over groups q of weight[q] max(0, max over pieces r of q of target[r] - slope[r] @ f[row[r]]).

    f: scores [n, C]. row, group, target [R]; slope [R, C]; weight [Q]. Hinge, absolute, quantile and insensitive
    losses have pieces in groups of their own, a loss of several classes one group for a row.
    """

    rows: int
    row: IntArray
    slope: FloatArray
    target: FloatArray
    group: IntArray
    weight: FloatArray

    @property
    def outputs(self) -> int:
        return self.slope.shape[1]

    @cached_property
    def is_separate(self) -> bool:
        """Whether every piece is a group of its own."""
        return len(self.weight) == len(self.row)

    @cached_property
    def limit(self) -> FloatArray:
        """The largest multiplier of each piece, [R]."""
        return self.weight[self.group]

    def slopes(self, multipliers: FloatArray) -> FloatArray:
        """sum of u[r] slope[r] over the pieces of every row, [n, C]."""
        weighted = multipliers[:, None] * self.slope
        columns = [np.bincount(self.row, weights=weighted[:, c], minlength=self.rows) for c in range(self.outputs)]
        return np.stack(columns, axis=1)

    def feasible(self, multipliers: FloatArray) -> FloatArray:
        """The multipliers made nonnegative and scaled down to what their group allows."""
        u = np.maximum(multipliers, 0.0)
        if self.is_separate:
            return np.minimum(u, self.limit)
        total = np.bincount(self.group, weights=u, minlength=len(self.weight))
        over = np.maximum(total / np.maximum(self.weight, 1e-300), 1.0)
        return np.asarray(u / over[self.group] * (1.0 - 1e-15))

    def value(self, scores: FloatArray) -> float:
        """The loss of scores [n, C], the output bias included."""
        short = self.target - np.einsum("rc,rc->r", self.slope, scores[self.row])
        worst = np.zeros(len(self.weight))
        np.maximum.at(worst, self.group, short)
        return float(worst @ self.weight)

    # ---- one score: the best bias in closed form ------------------------------------------------------------------

    @cached_property
    def _rises(self) -> NDArray[np.bool_]:
        return self.slope[:, 0] > 0

    @cached_property
    def _mass(self) -> FloatArray:
        return self.limit * np.abs(self.slope[:, 0])

    @cached_property
    def _thresholds(self) -> FloatArray:
        return self.target / self.slope[:, 0]

    @cached_property
    def _equal(self) -> bool:
        return bool(np.ptp(self._mass) <= 1e-15 * self._mass[0])

    def best_values(self, scores: FloatArray) -> FloatArray:
        """The least loss over all biases for many networks with one score each; scores [m, n], the result [m].

        The loss is convex in the bias c, with kinks where the pieces end: of mass w, falling until the kink or rising
        from it. It is least where the mass of the kinks passed is that of all the falling pieces.
        """
        kinks = self._kinks(scores)
        falling = kinks[:, self._rises] @ self._mass[self._rises]
        if self._equal:
            count = int(self._rises.sum())
            if 0 < count < kinks.shape[1]:
                kinks.partition(count - 1, axis=1)
            return np.asarray(falling - self._mass[0] * kinks[:, :count].sum(axis=1))
        order = np.argsort(kinks, axis=1)
        ordered = np.take_along_axis(kinks, order, axis=1)
        mass = self._mass[order]
        before = np.cumsum(mass, axis=1) - mass
        counted = np.clip(self._mass[self._rises].sum() - before, 0.0, mass)
        return np.asarray(falling - (counted * ordered).sum(axis=1))

    def best_bias(self, scores: FloatArray, low: float, high: float) -> float:
        """A bias in [low, high] of least loss for scores [n] of one network."""
        kinks = self._kinks(scores[None])[0]
        order = np.argsort(kinks)
        reached = np.cumsum(self._mass[order]) - self._mass[self._rises].sum()
        first = int(np.argmax(reached >= -1e-12 * max(1.0, float(self._mass.sum()))))
        least = kinks[order[first]]
        most = kinks[order[first + 1]] if reached[first] <= 1e-12 and first + 1 < len(order) else least
        if not self._rises.any():
            least, most = -np.inf, kinks[order[0]]
        middle = least if not np.isfinite(most) else (most if not np.isfinite(least) else 0.5 * (least + most))
        return float(np.clip(middle, low, high))

    def _kinks(self, scores: FloatArray) -> FloatArray:
        if self.row.shape == (self.rows,) and np.array_equal(self.row, np.arange(self.rows)):
            return np.asarray(self._thresholds - scores)
        return np.asarray(self._thresholds - scores[:, self.row])
