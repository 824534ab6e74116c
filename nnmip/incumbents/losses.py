"""Subgradients of losses with respect to the scores, or of a loss with slopes in the place of one without."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from nnmip.data import Dataset
from nnmip.hir.core import Apply, FloatArray

Slope = Callable[[Apply, FloatArray, Dataset], FloatArray]
"""Of a row of the data, for scores [n, outputs]; shape [n, outputs]."""

WISH = 1.0
"""The margin by which rows shall be right where a loss states none."""


def slope_of(node: Apply, scores: FloatArray, data: Dataset) -> FloatArray:
    """The subgradient of a loss for scores of shape [n, *output], of their shape."""
    weights = data.sample_weights
    if (node.word not in WHOLE and node.option("reduce") == "mean") or node.word in WHOLE:
        weights = weights / weights.sum()
    rows = SLOPES[node.word](node, scores.reshape(len(scores), -1), data) * weights[:, None]
    return np.asarray(rows.reshape(scores.shape))


def _lead(margin: float, scores: FloatArray, data: Dataset) -> FloatArray:
    """That of max(0, margin - lead), the lead over the best other class."""
    if scores.shape[1] == 1:
        labels = data.labels[:, None]
        return np.where(labels * scores < margin, -labels, 0.0)
    own = np.arange(scores.shape[1]) == data.labels[:, None]
    rival = np.where(own, -np.inf, scores)
    is_rival = np.arange(scores.shape[1]) == rival.argmax(axis=1)[:, None]
    short = scores[own] - rival.max(axis=1) < margin
    return np.where(short[:, None], is_rival.astype(np.float64) - own, 0.0)


def _hinge(node: Apply, scores: FloatArray, data: Dataset) -> FloatArray:
    return _lead(node.option("margin"), scores, data)


def _mistakes(node: Apply, scores: FloatArray, data: Dataset) -> FloatArray:
    return _lead(max(WISH, 2.0 * node.option("margin")), scores, data)


def _leads(node: Apply, scores: FloatArray, data: Dataset) -> FloatArray:
    return _lead(WISH, scores, data)


def _logistic(node: Apply, scores: FloatArray, data: Dataset) -> FloatArray:
    if scores.shape[1] == 1:
        labels = data.labels[:, None]
        return np.asarray(-labels / (1.0 + np.exp(np.clip(labels * scores, -50.0, 50.0))))
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True) - (np.arange(scores.shape[1]) == data.labels[:, None]))


def _errors(scores: FloatArray, data: Dataset) -> FloatArray:
    return np.asarray(scores - data.targets.reshape(scores.shape))


def _absolute(node: Apply, scores: FloatArray, data: Dataset) -> FloatArray:
    return np.asarray(np.sign(_errors(scores, data)))


def _squared(node: Apply, scores: FloatArray, data: Dataset) -> FloatArray:
    return 2.0 * _errors(scores, data)


def _quantile(node: Apply, scores: FloatArray, data: Dataset) -> FloatArray:
    level = node.option("level")
    return np.asarray(np.where(_errors(scores, data) > 0, 1.0 - level, -level))


def _outside(node: Apply, scores: FloatArray, data: Dataset) -> FloatArray:
    errors = _errors(scores, data)
    return np.where(np.abs(errors) > node.option("eps"), np.sign(errors), 0.0)


WHOLE = ("margin", "max_error")
"""Losses that are no sums over rows."""

SLOPES: Mapping[str, Slope] = MappingProxyType(
    {
        "hinge": _hinge,
        "zero_one": _mistakes,
        "margin": _leads,
        "sat_margin": _leads,
        "logistic": _logistic,
        "absolute": _absolute,
        "squared": _squared,
        "max_error": _squared,
        "quantile": _quantile,
        "eps_insensitive": _outside,
    }
)
