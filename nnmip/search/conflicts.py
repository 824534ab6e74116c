"""Pairs of rows of which one wants a high score and one a low one: where a network cannot move their scores far enough
apart, they cost something whatever the output bias is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnmip.records import dataclass
from nnmip.search.loss import Shortfalls
from nnmip.search.mistakes import TOLERANCE, Mistakes

FloatArray = NDArray[np.float64]
SingleArray = NDArray[np.float32]
IntArray = NDArray[np.int64]
SINGLE = 2.0**-23
SURE = 1.0 - 1e-5
"""More than what sums of a few thousand numbers >= 0 lose in single precision."""


@dataclass(frozen=True, slots=True, eq=False)
class Conflicts:
    """Two pieces of a loss of one score f, one of which falls and one of which rises with it, with slopes of size s,
    are together at least

        min(w, w') max(0, t + t' - s (f[i] - f[j]))

    for their weights w, targets t and rows i, j. Pieces that are matched in pairs add up. Of mistakes, one of the two
    rows is wrong where the scores are less apart than their margins.

    high [F], low [R]: the rows. need [F R]: how far apart the scores must be; weight [F R]: what a pair costs for
    each unit that is missing or, where `counts`, as a whole.
    """

    high: IntArray
    low: IntArray
    need: SingleArray
    weight: FloatArray
    counts: bool

    @staticmethod
    def of(loss: Shortfalls | Mistakes, reach: float, sums: int) -> Conflicts:
        """reach: how large a score without the bias, or any part of it, can be; sums: out of how many numbers such a
        part is formed in single precision. What that can be off by is taken off every need."""
        if isinstance(loss, Mistakes):
            is_high, row, margin, slope = loss.sign > 0, np.arange(loss.rows), loss.margin - TOLERANCE, 1.0
            weight, counts = loss.weight, True
        else:
            is_high, row, counts = loss.slope[:, 0] > 0, loss.row, False
            slope = float(np.abs(loss.slope[0, 0]))
            margin, weight = loss.target / slope, loss.limit * slope
        up, down = np.flatnonzero(is_high), np.flatnonzero(~is_high)
        need = (margin[up][:, None] + margin[down]).reshape(-1)
        slack = 4 * SINGLE * ((sums + 4) * reach + float(np.abs(need).max(initial=0.0)))
        both = np.minimum(weight[up][:, None], weight[down]).reshape(-1)
        return Conflicts(row[up], row[down], (need - slack).astype(np.float32), both, counts)

    def hardest(self, gaps: FloatArray, most: int) -> Conflicts:
        """Without all but so many rows of each kind: those that miss most in one pair at typical gaps [m, F R].

        What is left is a bound, too. Most rows are easy: they make every bound dearer, and clusters that are told by
        them wider.
        """
        missing = (gaps < self.need).sum(axis=0) if self.counts else np.maximum(self.need - gaps, 0.0).sum(axis=0)
        table = (missing * self.weight).reshape(len(self.high), len(self.low))
        up, down = (_most(table.max(axis=axis, initial=0.0), most) for axis in (1, 0))
        pairs = (up[:, None] * len(self.low) + down).reshape(-1)
        return Conflicts(self.high[up], self.low[down], self.need[pairs], self.weight[pairs], self.counts)

    @property
    def size(self) -> int:
        """Most pairs that share no piece."""
        return min(len(self.high), len(self.low))

    def apart(self, columns: FloatArray) -> SingleArray:
        """How far each pair is apart in columns [k, n], [k, F R]."""
        gaps = columns[:, self.high][:, :, None] - columns[:, self.low][:, None, :]
        return np.asarray(gaps.reshape(len(columns), -1).astype(np.float32))

    def prices(self) -> SingleArray:
        """What a unit that is missing costs, relative to `scale`."""
        return np.asarray((self.weight / self.scale).astype(np.float32))

    @property
    def scale(self) -> float:
        return float(self.weight.max(initial=0.0)) or 1.0


def _most(values: FloatArray, count: int) -> IntArray:
    """Where the largest values are, in order."""
    return np.asarray(np.sort(np.argsort(-values, kind="stable")[:count]))


class Matcher:
    """Lower bounds of the loss from pairs of rows that share no row, for many upper bounds of gaps at once."""

    def __init__(self, conflicts: Conflicts) -> None:
        self._conflicts = conflicts
        prices = conflicts.prices()
        self._prices = None if (prices == 1.0).all() else prices
        self._need = np.append(conflicts.need, np.float32(0.0))
        self.nothing = len(conflicts.need)
        """Stands for no pair; the gap there must be 0 or more."""

    @property
    def size(self) -> int:
        return self._conflicts.size

    def at(self, gaps: SingleArray, pairs: IntArray) -> FloatArray:
        """What pairs [m, r] of a matching prove where their gaps are at most so [m, r]; the result [m]."""
        missing = self._missing(self._need[pairs], gaps)
        if self._prices is not None:
            missing *= np.append(self._prices, np.float32(0.0))[pairs]
        return np.asarray(missing.sum(axis=1) * (SURE * self._conflicts.scale))

    def best(self, gaps: SingleArray, enough: FloatArray) -> tuple[FloatArray, IntArray]:
        """What greedy matchings prove where the gaps of all pairs are at most so [m, F R], and the pairs [m, r].

        None is sought where it would surely prove less than `enough` [m]; the bound is 0 there.
        """
        conflicts = self._conflicts
        high, low = len(conflicts.high), len(conflicts.low)
        bound, pairs = np.zeros(len(gaps)), np.full((len(gaps), self.size), self.nothing)
        if not self.size:
            return bound, pairs
        missing = self._missing(conflicts.need, gaps)
        if self._prices is not None:
            missing *= self._prices
        table = missing.reshape(-1, high, low)
        most = np.minimum(table.max(axis=2).sum(axis=1), table.max(axis=1).sum(axis=1)) * conflicts.scale
        some = np.flatnonzero(most >= enough)
        if len(some):
            total, pairs[some] = self._greedy(table[some])
            bound[some] = total * (SURE * conflicts.scale)
        return bound, pairs

    def _greedy(self, table: SingleArray) -> tuple[FloatArray, IntArray]:
        """Take the dearest pair, strike out its rows, repeat; the table [m, F, R] is used up."""
        every, low = np.arange(len(table)), table.shape[2]
        flat = table.reshape(len(table), -1)
        total, pairs = np.zeros(len(table)), np.full((len(table), self.size), self.nothing)
        for number in range(self.size):
            place = flat.argmax(axis=1)
            cost = flat[every, place]
            if not cost.any():
                break
            total += cost
            pairs[:, number] = np.where(cost > 0, place, self.nothing)
            table[every, place // low, :] = 0.0
            table[every, :, place % low] = 0.0
        return total, pairs

    def _missing(self, need: SingleArray, gaps: SingleArray) -> SingleArray:
        if self._conflicts.counts:
            return (gaps < need).astype(np.float32)
        missing = need - gaps
        return np.asarray(np.maximum(missing, 0.0, out=missing))
