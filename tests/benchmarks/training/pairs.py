"""Rows of two classes in disjoint pairs: what a pair costs a network at least adds up over them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.training.columns import FloatArray, IntArray


def sides(labels: IntArray) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The rows of class +1 and those of class -1."""
    return np.flatnonzero(labels > 0), np.flatnonzero(labels < 0)


def matched(weight: FloatArray | IntArray, labels: IntArray) -> IntArray:
    """As many pairs as there can be, [M, 2], greedily, the greatest weight first; weight [upper rows, lower rows]."""
    upper, lower = sides(labels)
    left, pairs = weight.astype(np.float64), []
    for _ in range(min(left.shape)):
        i, j = np.unravel_index(left.argmax(), left.shape)
        pairs.append((upper[i], lower[j]))
        left[i], left[:, j] = -np.inf, -np.inf
    return np.array(pairs)
