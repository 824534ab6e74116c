"""Sums, means, and largest and smallest entries along axes."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from nnmip.onnx.curves import log_sum
from nnmip.onnx.graph import Array
from nnmip.onnx.operators.at import At, Rule, Rules, places_of, shape_of
from nnmip.onnx.views import Value, View


def _reduced(fold: Callable[..., Array], build: Callable[[At, View], View]) -> Rule:
    """`build` makes [.., k] to [..] with layers, `fold` does it for known numbers."""

    def rule(at: At) -> Value:
        value, axes = at.value(0), at.axes()
        rank = len(shape_of(value))
        if not axes and at.whole("noop_with_empty_axes", 0):
            return value
        gone = places_of(axes, rank) if axes else tuple(range(rank))
        keeps = bool(at.whole("keepdims", 1))
        if isinstance(value, np.ndarray):
            return np.asarray(fold(value, axis=gone, keepdims=keeps))
        view = at.as_view(value)
        stays = [axis for axis in range(rank) if axis not in gone]
        kept = tuple(view.shape[axis] for axis in stays)
        width = prod(view.shape[axis] for axis in gone)
        rows = view.moved(lambda a: np.transpose(a, (*stays, *gone)).reshape(*kept, width))
        shape = tuple(1 if axis in gone else size for axis, size in enumerate(view.shape)) if keeps else kept
        made = rows.moved(lambda a: a[..., 0]) if width == 1 else build(at, rows)
        return made.moved(lambda a: a.reshape(shape))

    return rule


def _mean(at: At, rows: View) -> View:
    return at.layers.mean(rows)


def _sum(at: At, rows: View) -> View:
    return at.layers.mean(rows).affine(rows.shape[-1])


def _largest(at: At, rows: View) -> View:
    return at.layers.largest(rows)


def _smallest(at: At, rows: View) -> View:
    return at.layers.largest(rows.affine(-1.0)).affine(-1.0)


def _log_sum(at: At, rows: View) -> View:
    return log_sum(at.layers, at.by, rows)


def _log_sum_of(array: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    """The logarithm of the sum of exponentials."""
    most = np.max(array, axis=axis, keepdims=True)
    found = most + np.log(np.sum(np.exp(array - most), axis=axis, keepdims=True))
    return np.asarray(found if keepdims else np.squeeze(found, axis))


RULES: Rules = {
    "ReduceLogSumExp": _reduced(_log_sum_of, _log_sum),
    "ReduceMean": _reduced(np.mean, _mean),
    "ReduceSum": _reduced(np.sum, _sum),
    "ReduceMax": _reduced(np.max, _largest),
    "ReduceMin": _reduced(np.min, _smallest),
}
