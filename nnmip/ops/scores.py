"""What losses share: what scores predict, how far the true class leads, and sums and means over rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnmip.ops.base import Option

FloatArray = NDArray[np.float64]

ROUNDING = 1e-9
"""A score this near to a threshold counts as on it: a sum of floating-point products is no more exact."""

REDUCE = Option("reduce", "choice", default="mean", choices=("mean", "sum"))

TOLERANCE = Option("tolerance", "number", default=1e-4, least=0.0, most=1.0)
"""How far above the best value a loss that has no exact encoding may be and count as proved; relative to values above
1. It does not change what the loss means."""


def predicted_codes(scores: FloatArray) -> FloatArray:
    """The label codes that scores predict, both up to rounding, shape [n].

    One score for each row [n]: +1 where it is at least 0, else -1. Scores of classes [n, K]: the first of the largest.
    """
    if scores.ndim == 1:
        return np.where(scores >= -ROUNDING, 1.0, -1.0)
    is_largest = np.asarray(scores >= scores.max(axis=1, keepdims=True) - ROUNDING)
    return np.asarray(is_largest.argmax(axis=1), dtype=np.float64)


def leads(scores: FloatArray, labels: FloatArray) -> FloatArray:
    """How far the score of a row's own class is above that of every other class, shape [n, classes - 1].

    One score f [n] with labels y of -1 and +1 leads by y f (one column). Scores of K classes [n, K] with class indices
    as labels lead by f_own - f_j, the other classes j in their order.
    """
    if scores.ndim == 1:
        return np.asarray(labels * scores)[:, None]
    own = np.arange(scores.shape[1]) == labels[:, None]
    return np.asarray(scores[own][:, None] - scores[~own].reshape(len(scores), -1))


def ties_are_wrong(scores: FloatArray, labels: FloatArray) -> NDArray[np.bool_]:
    """Where a lead of 0 is a wrong prediction, shape of `leads`.

    One score of 0 predicts +1, so a tie is wrong for label -1. Of equal scores of several classes the first counts,
    so a tie with a class before the own one is wrong.
    """
    if scores.ndim == 1:
        return (labels < 0)[:, None]
    return np.arange(scores.shape[1] - 1) < labels[:, None]


def over_rows(losses: FloatArray, weights: FloatArray, reduce: str) -> FloatArray:
    """The sum of v l over the rows or, with `reduce` of `mean`, that divided by the sum of v; both of shape [n]."""
    total = np.asarray(np.dot(losses, weights))
    return np.asarray(total / weights.sum()) if reduce == "mean" else total
