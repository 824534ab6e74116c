"""Where the biases of the output layer may lie, and what each value costs."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from nnmip.records import dataclass

FloatArray = NDArray[np.float64]
MOST_TOGETHER = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Biases:
    """For each score the two ends of an interval (free of charge) or, where `listed`, all values.

    points, cost [C][P]: what a score's bias can be, or can be mixed from, and what that costs.
    """

    points: tuple[FloatArray, ...]
    cost: tuple[FloatArray, ...]
    listed: bool

    @staticmethod
    def box(low: FloatArray, high: FloatArray) -> Biases:
        ends = tuple(np.array([least, most], dtype=np.float64) for least, most in zip(low, high, strict=True))
        return Biases(ends, tuple(np.zeros(2) for _ in ends), False)

    @staticmethod
    def among(values: tuple[FloatArray, ...], cost: tuple[FloatArray, ...]) -> Biases:
        """A finite list for each score. All of them together are tried for several scores: not more than 4096."""
        together = int(np.prod([len(some) for some in values]))
        if len(values) > 1 and together > MOST_TOGETHER:
            raise ValueError(f"{together} vectors of output biases are more than the {MOST_TOGETHER} that can be tried")
        return Biases(values, cost, True)

    @property
    def least_cost(self) -> float:
        return float(sum(cost.min() for cost in self.cost))

    @property
    def most_cost(self) -> float:
        """The largest magnitude of the cost of any biases."""
        return float(sum(np.abs(cost).max() for cost in self.cost))

    @property
    def reach(self) -> float:
        return float(max(np.abs(points).max() for points in self.points))

    def narrowed(self, least: float, most: float) -> Biases:
        """The interval of one score without what cannot be better than the rest: the loss falls up to `least` and
        rises from `most` on."""
        if self.listed:
            return self
        low, high = self.points[0]
        ends = np.array([min(max(least, low), high), max(min(most, high), low)])
        return Biases((ends,), self.cost, False)

    def least(self, slope: FloatArray) -> float:
        """min over the biases of their cost - slope @ bias."""
        parts = (cost - total * points for points, cost, total in zip(self.points, self.cost, slope, strict=True))
        return float(sum(part.min() for part in parts))

    def vectors(self) -> tuple[FloatArray, FloatArray]:
        """All vectors of listed biases [P, C] and what each costs [P]."""
        points, cost = itertools.product(*self.points), itertools.product(*self.cost)
        return np.array(list(points)), np.array(list(cost)).sum(axis=1)
