"""The losses once more, for scores [batch, n, *output] of a batch of assignments; nothing of `ops` is used."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nnmip.data import Dataset
from nnmip.hir.core import Apply, FloatArray

TOLERANCE = 1e-6
"""How far a score may be from a threshold and still count as on it."""


def loss(node: Apply, data: Dataset, scores: FloatArray) -> FloatArray:
    """The value of a loss for every assignment, shape [batch]."""
    counted = data.sample_weights > 0
    return LOSSES[node.word](node, data, scores, counted)


def _mean_or_sum(node: Apply, data: Dataset, rows: FloatArray) -> FloatArray:
    total = (rows * data.sample_weights).sum(axis=1)
    if node.option("reduce") == "sum":
        return total
    assert node.option("reduce") == "mean"
    return total / data.sample_weights.sum()


def _margins(data: Dataset, scores: FloatArray) -> FloatArray:
    """The signed margin of every row, shape [batch, n]."""
    if scores.ndim == 2:
        return np.where(data.labels == 1, scores, -scores)
    found = np.zeros(scores.shape[:2])
    for row, label in enumerate(data.labels.astype(int)):
        best_other = np.delete(scores[:, row], label, axis=1).max(axis=1)
        found[:, row] = scores[:, row, label] - best_other
    return found


def _hinge(node: Apply, data: Dataset, scores: FloatArray, counted: FloatArray) -> FloatArray:
    return _mean_or_sum(node, data, np.clip(node.option("margin") - _margins(data, scores), 0, None))


def _margin(node: Apply, data: Dataset, scores: FloatArray, counted: FloatArray) -> FloatArray:
    return _margins(data, scores)[:, counted].min(axis=1)


def _zero_one(node: Apply, data: Dataset, scores: FloatArray, counted: FloatArray) -> FloatArray:
    if node.option("margin") > 0:
        right = _margins(data, scores) >= node.option("margin") - TOLERANCE
    elif scores.ndim == 2:
        # A score of 0 or more predicts +1, one of -strictness or less predicts -1.
        strict = node.option("strictness")
        right = np.where(data.labels == 1, scores >= -TOLERANCE, scores <= -strict + TOLERANCE)
    else:
        # A class must not be below those after it, and be above those before it by the strictness.
        right = np.ones(scores.shape[:2], dtype=bool)
        for row, label in enumerate(data.labels.astype(int)):
            own = scores[:, row, label]
            for other in range(scores.shape[2]):
                lead = own - scores[:, row, other]
                if other < label:
                    right[:, row] &= lead >= node.option("strictness") - TOLERANCE
                elif other > label:
                    right[:, row] &= lead >= -TOLERANCE
    return _mean_or_sum(node, data, np.where(right, 0.0, 1.0))


def _errors(data: Dataset, scores: FloatArray) -> FloatArray:
    outputs = scores[:, :, None] if scores.ndim == 2 else scores
    return np.abs(outputs - data.targets)


def _absolute(node: Apply, data: Dataset, scores: FloatArray, counted: FloatArray) -> FloatArray:
    return _mean_or_sum(node, data, _errors(data, scores).sum(axis=2))


def _max_error(node: Apply, data: Dataset, scores: FloatArray, counted: FloatArray) -> FloatArray:
    return _errors(data, scores)[:, counted].max(axis=(1, 2))


def _quantile(node: Apply, data: Dataset, scores: FloatArray, counted: FloatArray) -> FloatArray:
    outputs, level = scores[:, :, None] if scores.ndim == 2 else scores, node.option("level")
    errors = np.where(outputs < data.targets, level, 1 - level) * np.abs(outputs - data.targets)
    return _mean_or_sum(node, data, errors.sum(axis=2))


def _eps_insensitive(node: Apply, data: Dataset, scores: FloatArray, counted: FloatArray) -> FloatArray:
    errors = _errors(data, scores)
    return _mean_or_sum(node, data, np.where(errors > node.option("eps"), errors - node.option("eps"), 0).sum(axis=2))


def _sat_margin(node: Apply, data: Dataset, scores: FloatArray, counted: FloatArray) -> FloatArray:
    thresholds = np.array(node.option("required"))
    wrong = np.zeros(scores.shape[:2])
    for row, label in enumerate(data.labels):
        if scores.ndim == 2:
            wrong[:, row] = (scores[:, row] if label == 1 else -scores[:, row]) < thresholds[0] - TOLERANCE
            continue
        for output in range(scores.shape[2]):
            found, least = scores[:, row, output], thresholds[output] - TOLERANCE
            wrong[:, row] += found < least if output == label else found > -least
    return _mean_or_sum(node, data, wrong)


def _squared(node: Apply, data: Dataset, scores: FloatArray, counted: FloatArray) -> FloatArray:
    return _mean_or_sum(node, data, np.square(_errors(data, scores)).sum(axis=2))


def _logistic(node: Apply, data: Dataset, scores: FloatArray, counted: FloatArray) -> FloatArray:
    """Minus the logarithm of the probability of the label; scores of small models do not overflow."""
    if scores.ndim == 2:
        likely = 1 / (1 + np.exp(-scores))
        return _mean_or_sum(node, data, -np.log(np.where(data.labels == 1, likely, 1 - likely)))
    likely = np.exp(scores) / np.exp(scores).sum(axis=2, keepdims=True)
    own = likely[:, np.arange(len(data.labels)), data.labels.astype(int)]
    return _mean_or_sum(node, data, -np.log(own))


LOSSES: dict[str, Callable[[Apply, Dataset, FloatArray, FloatArray], FloatArray]] = {
    "hinge": _hinge,
    "margin": _margin,
    "zero_one": _zero_one,
    "absolute": _absolute,
    "max_error": _max_error,
    "quantile": _quantile,
    "eps_insensitive": _eps_insensitive,
    "sat_margin": _sat_margin,
    "squared": _squared,
    "logistic": _logistic,
}
