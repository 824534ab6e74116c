"""Columns by what they show, the cheapest kept of equal ones; whole numbers where the data lie on a grid."""

from __future__ import annotations

from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Levels = NDArray[Any]
"""Whole numbers of steps, or the numbers themselves."""
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

MOST_STEPS = 2**31 - 1
STEP = 1000


class Distinct:
    """Columns of `size` numbers that come chunk by chunk. `grid`: a step of which all are multiples, None without one.

    merges: whether columns are one that differ by a constant at each position; they are kept less their least number
    there. Equal columns of different classes stay apart. `most_shift`: the largest magnitude of what was taken off.
    """

    def __init__(self, grid: Fraction | None, size: int, merges: bool) -> None:
        self._grid, self._merges = grid, merges
        self._mix = np.frombuffer(Random(0).randbytes(16 * size), dtype="<i8").reshape(size, 2)
        self._given: list[Levels] = []
        self._shift: list[Levels] = []
        self._keys: list[IntArray] = []
        self._classes: list[IntArray] = []
        self.most_shift = 0.0

    def add(self, given: FloatArray, cost: FloatArray, classes: IntArray) -> IntArray:
        """Take a chunk of columns [k, positions, rows] with their classes [k]; which of them are new to it and kept so
        far."""
        levels = self._levels(given)
        shift = levels.min(axis=2) if self._merges else np.zeros(levels.shape[:2], dtype=levels.dtype)
        if self._merges:
            levels -= shift[:, :, None]
            self.most_shift = max(self.most_shift, float(np.abs(self._numbers(shift)).max(initial=0.0)))
        keys = self._keys_of(levels)
        chosen = self._cheapest(levels, keys, cost, classes)
        self._classes.append(classes[chosen])
        self._given.append(levels[chosen])
        self._shift.append(shift[chosen])
        self._keys.append(keys[chosen])
        return chosen

    def finished(self, cost: FloatArray, zeros: BoolArray | None = None) -> tuple[FloatArray, FloatArray, IntArray]:
        """The columns, what was taken off each, and where each is among those that were kept so far; of columns that
        are 0 throughout only those of `zeros`, without which they are as others."""
        kept = (self._given, self._shift, self._keys, self._classes)
        given, shift, keys, classes = (np.concatenate(part) for part in kept)
        self._given, self._shift, self._keys, self._classes = [], [], [], []
        chosen = self._cheapest(given, keys, cost, classes)
        if zeros is not None:
            # Only a column with such a key can be 0 throughout, though others may have it, too.
            is_out = ~(zeros[chosen] | keys[chosen].any(axis=1))
            is_out[is_out] = ~given[chosen[is_out]].any(axis=(1, 2))
            chosen = chosen[~is_out]
        return self._numbers_at(given, chosen), self._numbers(shift[chosen]), chosen

    def _levels(self, given: FloatArray) -> Levels:
        """How many steps every number is; the number itself without a grid, or with one that is too fine."""
        if self._grid is None:
            return given + 0.0
        steps = given * (self._grid.denominator / self._grid.numerator)
        np.rint(steps, out=steps)
        if max(steps.max(initial=0.0), -steps.min(initial=0.0)) * 2 > MOST_STEPS:
            self._leave_grid()
            return given + 0.0
        return steps.astype(np.int32)

    def _leave_grid(self) -> None:
        self._given = [self._numbers(part) for part in self._given]
        self._shift = [self._numbers(part) for part in self._shift]
        self._grid = None
        self._keys = [self._keys_of(part) for part in self._given]

    def _numbers(self, levels: Levels) -> FloatArray:
        if self._grid is None:
            return np.asarray(levels, dtype=np.float64)
        return np.asarray(levels * float(self._grid.numerator) / self._grid.denominator)

    def _numbers_at(self, levels: Levels, chosen: IntArray) -> FloatArray:
        """Those of some columns, a few at a time, which is faster than all at once."""
        found = np.empty((len(chosen), *levels.shape[1:]))
        for first in range(0, len(chosen), STEP):
            found[first : first + STEP] = self._numbers(levels[chosen[first : first + STEP]])
        return found

    def _keys_of(self, levels: Levels) -> IntArray:
        """Two numbers for every column that are the same for equal ones, [k, 2]."""
        whole = levels.astype(np.int64) if self._grid is not None else np.ascontiguousarray(levels).view(np.int64)
        return np.asarray(whole.reshape(len(levels), -1) @ self._mix)

    def _cheapest(self, levels: Levels, keys: IntArray, cost: FloatArray, classes: IntArray) -> IntArray:
        """The first of the cheapest of equal columns of a class, in order."""
        order = np.lexsort((cost, classes, keys[:, 1], keys[:, 0]))
        same = (keys[order[1:]] == keys[order[:-1]]).all(axis=1) & (classes[order[1:]] == classes[order[:-1]])
        again = np.flatnonzero(same) + 1
        # Equal keys are made for equal columns, and could come from others.
        again = again[(levels[order[again]] == levels[order[again - 1]]).all(axis=(1, 2))]
        first = np.ones(len(order), dtype=bool)
        first[again] = False
        return np.asarray(np.sort(order[first]))
