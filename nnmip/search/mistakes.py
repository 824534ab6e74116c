"""The weighted share of wrong rows, for one score: its best output bias, and matched rows that bound it from below."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nnmip.records import dataclass
from nnmip.search.biases import Biases
from nnmip.search.loss import Shortfalls

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
TOLERANCE = 1e-9
"""A row whose score reaches its margin but for this is right."""


@dataclass(frozen=True, eq=False)
class Mistakes:
    """sum of weight[i] over the rows with sign[i] f[i] < margin[i] - the tolerance. sign [n]: -1 or 1."""

    rows: int
    sign: FloatArray
    margin: FloatArray
    weight: FloatArray

    outputs = 1
    is_of_leads = False

    @cached_property
    def hinge(self) -> Shortfalls:
        """A convex loss whose good networks are good here, too. It bounds nothing."""
        each = np.arange(self.rows)
        return Shortfalls(self.rows, each, self.sign[:, None], self.margin, each, self.weight)

    def value(self, scores: FloatArray) -> float:
        """The loss of scores [n, 1], the output bias included."""
        return float(self.weight[self.sign * scores[:, 0] < self.margin - TOLERANCE].sum())


class FewestMistakes:
    """The best bias of many networks at once.

    A positive row needs a bias of at least its end, a negative one of at most its end; the best bias is one of the ends
    or the end of the box.
    """

    def __init__(self, loss: Mistakes, biases: Biases) -> None:
        self._loss, self._biases = loss, biases
        self._up = loss.sign > 0
        order = np.concatenate([np.flatnonzero(self._up), np.flatnonzero(~self._up)])
        """Positive rows first: where ends are equal, the sort keeps them first, and both rows are right there."""
        self._order, self._ups = order, int(self._up.sum())
        self._limit = (loss.sign * (loss.margin - TOLERANCE))[order]
        weight = loss.weight[order]
        self._change = np.where(self._up[order], -weight, weight)
        self._all_up, self._all_down = float(weight[: self._ups].sum()), float(weight[self._ups :].sum())

    def values(self, scores: FloatArray, more: FloatArray) -> FloatArray:
        if self._biases.listed:
            return np.asarray(np.min(self._at_listed(scores + more), axis=0))
        # `take` keeps the rows of an array together, which an index does not
        ends = (self._limit - scores[self._order]) - more.take(self._order, axis=1)
        return self._in_box(ends)[0]

    def bias(self, scores: FloatArray) -> float:
        """The middle of the first best interval, which ends where a negative row is lost or is cut off: so that no
        row is right by the tolerance only unless that must be."""
        if self._biases.listed:
            return float(self._biases.points[0][np.argmin(self._at_listed(scores[None]))])
        ends = (self._limit - scores[self._order])[None]
        first = self._in_box(ends)[1][0]
        downs = ends[0, self._ups :]
        following = downs[downs >= first].min(initial=min(first + 1.0, self._biases.points[0][1]))
        return float(0.5 * (first + following))

    def multipliers(self, scores: FloatArray) -> FloatArray | None:
        return None

    def _at_listed(self, scores: FloatArray) -> list[FloatArray]:
        """The mistakes at each bias, and what that costs."""
        sign, weight, least = self._loss.sign, self._loss.weight, self._loss.margin - TOLERANCE
        signed, points = scores * sign, zip(self._biases.points[0], self._biases.cost[0], strict=True)
        return [(signed < least - c * sign) @ weight + paid for c, paid in points]

    def _in_box(self, ends: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The fewest mistakes and the least bias with so few; `ends` are changed."""
        low, high = self._biases.points[0]
        ups, downs = ends[:, : self._ups], ends[:, self._ups :]
        ups[ups > high] = np.inf
        np.maximum(ups, low, out=ups)
        downs[downs < low] = -np.inf
        np.minimum(downs, high, out=downs)
        order = np.argsort(ends, axis=1, kind="stable")
        change = self._change[order]
        passed = np.cumsum(change, axis=1)
        # at the end of a negative row that row is still right
        wrong = self._all_up + np.where(change > 0, passed - change, passed)
        ordered = np.take_along_axis(ends, order, axis=1)
        wrong = np.where(np.isfinite(ordered), wrong, np.inf)
        # roundings of the sums must not prefer the end of a negative row to that of a positive one before it
        least, near = wrong.min(axis=1), 1e-12 * (self._all_up + self._all_down)
        place = (wrong <= least[:, None] + near).argmax(axis=1)
        at_low = self._at(ends, low)
        better = least < at_low - near
        return np.where(better, least, at_low), np.where(better, ordered[np.arange(len(ends)), place], low)

    def _at(self, ends: FloatArray, bias: float) -> FloatArray:
        weight = np.abs(self._change)
        ups, downs = ends[:, : self._ups] > bias, ends[:, self._ups :] < bias
        return np.asarray(ups @ weight[: self._ups] + downs @ weight[self._ups :])


@dataclass(frozen=True, slots=True, eq=False)
class Matching:
    """Positive and negative rows in pairs: where the scores of a pair are closer than their margins together, one of
    the two rows is wrong whatever the bias is. Pairs share no row, so each such pair is a mistake of its own.

    positive, negative, need, weight [M]: the rows, how far apart they must be, and the lesser weight of the two.
    """

    positive: IntArray
    negative: IntArray
    need: FloatArray
    weight: FloatArray

    def apart(self, signed: FloatArray) -> FloatArray:
        """[m, M], of scores [m, n]."""
        return np.asarray(signed[:, self.positive] - signed[:, self.negative])


def matching(loss: Mistakes, samples: FloatArray) -> Matching:
    """The rows that good networks (scores [m, n]) confuse most often in pairs, greedily; the often confused first."""
    positive, negative = np.flatnonzero(loss.sign > 0), np.flatnonzero(loss.sign < 0)
    together = loss.margin[positive][:, None] + loss.margin[negative] - 2 * TOLERANCE
    apart = np.zeros_like(together)
    often = np.zeros_like(together)
    for scores in samples:
        gap = scores[positive][:, None] - scores[negative]
        often += gap < together
        apart += gap
    rank = often - 1e-6 * apart / max(1.0, float(np.abs(apart).max(initial=0.0)))
    free_up, free_down = np.ones(len(positive), dtype=bool), np.ones(len(negative), dtype=bool)
    pairs = []
    for place in np.argsort(-rank, axis=None, kind="stable"):
        p, q = divmod(int(place), len(negative))
        if free_up[p] and free_down[q]:
            free_up[p] = free_down[q] = False
            pairs.append((p, q))
    up, down = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    weight = np.minimum(loss.weight[positive[up]], loss.weight[negative[down]])
    return Matching(positive[up], negative[down], together[up, down], weight)
