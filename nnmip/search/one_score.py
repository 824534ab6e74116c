"""The best output bias of networks with one score, in closed form and for many networks at once."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nnmip.search.biases import Biases
from nnmip.search.loss import Shortfalls

FloatArray = NDArray[np.float64]


class BestBias(Protocol):
    """What the last units of a network are tried with."""

    def values(self, scores: FloatArray, more: FloatArray) -> FloatArray:
        """The least loss over all biases of the networks with scores + more[k]; scores [n], more [m, n]."""

    def bias(self, scores: FloatArray) -> float:
        """A bias of least loss for scores [n]."""

    def multipliers(self, scores: FloatArray) -> FloatArray | None:
        """Multipliers [..., R] that prove the least loss for scores [..., n], where they are easily found."""


def best_bias(loss: Shortfalls, biases: Biases) -> BestBias | None:
    """None where there is no closed form."""
    if loss.outputs > 1 or (loss.slope == 0).any():
        return None
    if loss.is_separate:
        return Separate(loss, biases)
    if len(loss.weight) == 1 and np.ptp(np.abs(loss.slope)) == 0:
        return Largest(loss, biases)
    return None


def kink_range(loss: Shortfalls, reach: float) -> tuple[float, float]:
    """Between which biases the loss of one score can turn, which is at most `reach` away from 0."""
    kinks = loss.target / loss.slope[:, 0]
    return float(kinks.min()) - reach, float(kinks.max()) + reach


class Separate:
    """Every piece on its own: convex in the bias c, with a kink where each piece ends, falling up to there or rising
    from there. The slope at c is the mass of the kinks passed less the mass of the falling pieces, so the loss is least
    where the two are equal."""

    def __init__(self, loss: Shortfalls, biases: Biases) -> None:
        slope = loss.slope[:, 0]
        self._biases = biases
        self._row = None if np.array_equal(loss.row, np.arange(loss.rows)) else loss.row
        self._falls = slope > 0
        self._limit = loss.limit
        self._mass = loss.limit * np.abs(slope)
        self._kinks = loss.target / slope
        self._falling = self._mass * self._falls
        self._pull = np.bincount(loss.row, weights=self._falling, minlength=loss.rows)
        self._count = int(self._falls.sum())
        self._equal = bool(np.ptp(self._mass) <= 1e-15 * self._mass[0])

    def values(self, scores: FloatArray, more: FloatArray) -> FloatArray:
        start = self._kinks - self._spread(scores)
        kinks = start - self._spread(more)
        if self._biases.listed:
            points, cost = self._biases.points[0], self._biases.cost[0]
            options = np.stack([self._at(kinks, c) + paid for c, paid in zip(points, cost, strict=True)])
            return np.asarray(options.min(axis=0))
        passed, best = self._passed(kinks)
        values = (start @ self._falling - more @ self._pull) - passed
        low, high = self._biases.points[0]
        outside = np.flatnonzero((best < low) | (best > high))
        if len(outside):
            values[outside] = self._clipped(start - self._spread(more[outside]), values[outside])
        return np.asarray(values)

    def _passed(self, kinks: FloatArray) -> tuple[FloatArray, FloatArray]:
        """sum of mass times kink up to the best bias, [m], and the least best bias; the kinks are reordered."""
        if not self._count:
            return np.zeros(len(kinks)), np.full(len(kinks), -np.inf)
        if self._equal:
            if self._count < kinks.shape[1]:
                kinks.partition(self._count - 1, axis=1)
                best = kinks[:, self._count - 1].copy()
            else:
                best = kinks.max(axis=1)
            return np.asarray(self._mass[0] * kinks[:, : self._count].sum(axis=1)), best
        order = np.argsort(kinks, axis=1)
        mass, ordered = self._mass[order], np.take_along_axis(kinks, order, axis=1)
        before = np.cumsum(mass, axis=1) - mass
        counted = np.clip(self._falling.sum() - before, 0.0, mass)
        last = (counted > 0).sum(axis=1, keepdims=True) - 1
        best = np.take_along_axis(ordered, last, axis=1)[:, 0]
        return np.asarray((counted * ordered).sum(axis=1)), best

    def _clipped(self, kinks: FloatArray, values: FloatArray) -> FloatArray:
        """The loss at the end of the box beyond which all best biases are; else the value that it has."""
        low, high = self._biases.points[0]
        needed = self._falling.sum()
        result = values.copy()
        for end, beyond in (
            (high, (kinks < high) @ self._mass < needed),
            (low, (kinks <= low) @ self._mass > needed),
        ):
            result[beyond] = self._at(kinks[beyond], end)
        return result

    def _at(self, kinks: FloatArray, bias: float) -> FloatArray:
        gap = kinks - bias
        return np.asarray(np.maximum(gap, 0.0) @ self._falling + np.maximum(-gap, 0.0) @ (self._mass - self._falling))

    def _spread(self, scores: FloatArray) -> FloatArray:
        return scores if self._row is None else scores[..., self._row]

    def bias(self, scores: FloatArray) -> float:
        kinks = self._kinks - self._spread(scores)
        if self._biases.listed:
            points, cost = self._biases.points[0], self._biases.cost[0]
            options = [self._at(kinks[None], c)[0] + paid for c, paid in zip(points, cost, strict=True)]
            return float(points[np.argmin(options)])
        low, high = self._biases.points[0]
        order = np.argsort(kinks)
        reached = np.cumsum(self._mass[order])
        needed, near = self._falling.sum(), 1e-12 * self._mass.sum()
        ordered = np.concatenate([[low], kinks[order], [high]])
        least = ordered[np.searchsorted(reached, needed - near) + 1] if needed > near else low
        most = ordered[np.searchsorted(reached, needed + near) + 1]
        return float(0.5 * (np.clip(least, low, high) + np.clip(most, low, high)))

    def multipliers(self, scores: FloatArray) -> FloatArray | None:
        """What a piece that falls from its kink to the best bias lacks of its mass; ties are shared out in order, so
        that the slope at the best bias is 0."""
        if self._biases.listed:
            return None
        order = np.argsort(self._kinks - self._spread(scores), axis=-1)
        mass, falls = self._mass[order], self._falls[order]
        before = np.cumsum(mass, axis=-1) - mass
        passed = np.clip((self._falling.sum() - before) / mass, 0.0, 1.0)
        share = np.empty(order.shape)
        np.put_along_axis(share, order, np.where(falls, 1.0 - passed, passed), axis=-1)
        return np.asarray(share * self._limit)


class Largest:
    """One group of pieces of equal steepness s: the loss is w max(0, falling - s c, rising + s c)."""

    def __init__(self, loss: Shortfalls, biases: Biases) -> None:
        self._loss, self._biases = loss, biases
        self._steepness = float(abs(loss.slope[0, 0]))
        self._falls = loss.slope[:, 0] > 0

    def values(self, scores: FloatArray, more: FloatArray) -> FloatArray:
        falling, rising = self._ends(scores + more)
        if self._biases.listed:
            points, cost = self._biases.points[0], self._biases.cost[0]
            options = [self._at(falling, rising, c) + paid for c, paid in zip(points, cost, strict=True)]
            return np.asarray(np.min(options, axis=0))
        return self._at(falling, rising, self._middle(falling, rising))

    def bias(self, scores: FloatArray) -> float:
        falling, rising = self._ends(scores[None])
        if self._biases.listed:
            points, cost = self._biases.points[0], self._biases.cost[0]
            options = [self._at(falling, rising, c)[0] + paid for c, paid in zip(points, cost, strict=True)]
            return float(points[np.argmin(options)])
        return float(self._middle(falling, rising)[0])

    def multipliers(self, scores: FloatArray) -> FloatArray | None:
        return None

    def _ends(self, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
        loss = self._loss
        short = loss.target - loss.slope[:, 0] * scores[:, loss.row]
        falling = short[:, self._falls].max(axis=1, initial=-np.inf)
        rising = short[:, ~self._falls].max(axis=1, initial=-np.inf)
        return np.asarray(falling), np.asarray(rising)

    def _middle(self, falling: FloatArray, rising: FloatArray) -> FloatArray:
        return np.asarray(np.clip((falling - rising) / (2 * self._steepness), *self._biases.points[0]))

    def _at(self, falling: FloatArray, rising: FloatArray, bias: FloatArray | float) -> FloatArray:
        worst = np.maximum(falling - self._steepness * bias, rising + self._steepness * bias)
        return np.asarray(self._loss.weight[0] * np.maximum(worst, 0.0))
