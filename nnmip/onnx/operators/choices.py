"""Comparisons, and the choice between two values by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import exp, inf, nextafter

import numpy as np

from nnmip.onnx.graph import Array
from nnmip.onnx.operators.activations import bent
from nnmip.onnx.operators.arithmetic import difference_of
from nnmip.onnx.operators.at import At, Rule, Rules, shape_of
from nnmip.onnx.operators.endings import SCORES
from nnmip.onnx.operators.gates import gated, multiple, ones, wide
from nnmip.onnx.views import Compared, Value, View


def _comparison(function: Callable[[Array, Array], Array], is_turned: bool, is_strict: bool) -> Rule:
    """left - right against 0; right - left where `is_turned`."""

    def rule(at: At) -> Value:
        left, right = at.value(0), at.value(1)
        if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
            at.allow(np.broadcast_shapes(left.shape, right.shape))
            return np.asarray(function(left, right))
        difference = difference_of(at, *((right, left) if is_turned else (left, right)))
        return Compared(at.as_view(difference), is_strict)

    return rule


def _not(at: At) -> Value:
    value = at.value(0)
    if isinstance(value, Compared):
        return value.negated
    if isinstance(value, np.ndarray):
        return np.logical_not(value)
    raise at.refuse("is not a piecewise-linear function of the input")


def _where(at: At) -> Value:
    condition, then, otherwise = at.value(0), at.value(1), at.value(2)
    at.allow(np.broadcast_shapes(*map(shape_of, (condition, then, otherwise))))
    if isinstance(condition, Compared):
        return _chosen(at, condition, then, otherwise)
    return _picked(at, at.known(0, "the condition").astype(bool), then, otherwise)


def _picked(at: At, condition: Array, then: Value, otherwise: Value) -> Value:
    """By a condition that is known when the file is read."""
    if isinstance(then, np.ndarray) and isinstance(otherwise, np.ndarray):
        return np.where(condition, then, otherwise)
    shape = np.broadcast_shapes(condition.shape, shape_of(then), shape_of(otherwise))
    chosen: Value = otherwise if not condition.any() else then
    if condition.all() or not condition.any():
        return at.moved(chosen, lambda a: np.broadcast_to(a, shape))
    raise at.refuse("chooses entries of values that are made from the input")


def _chosen(at: At, condition: Compared, then: Value, otherwise: Value) -> Value:
    """A step between two known values; a bend where the two are lines that meet where the condition changes."""
    if isinstance(then, np.ndarray) and isinstance(otherwise, np.ndarray):
        if not {then.dtype.kind, otherwise.dtype.kind} <= set("fiub"):
            raise at.refuse("gives a label, and not scores", SCORES)
        then, otherwise = then.astype(np.float64), otherwise.astype(np.float64)
        return ones(at, condition).affine(then - otherwise, otherwise)
    shape = np.broadcast_shapes(*map(shape_of, (condition, then, otherwise)))
    z = wide(condition.difference, shape)
    far = _far_softplus(at, z, then, otherwise)
    if far is not None:
        return far
    sides = _line(z, then), _line(z, otherwise)
    (above, level), (below, other) = (side or (np.zeros(()), np.full((), np.nan)) for side in sides)
    if not np.isclose(level, other, rtol=1e-12, atol=0.0).all():
        raise at.refuse(
            "chooses between values that are not known to meet where its condition changes",
            "understood are known values, and a slope on either side: `Where(z > 0, z, 0.1 z)`",
        )
    if (above == 1.0).all():
        return bent(at, z, below).affine(1.0, level)
    raised = at.layers.entrywise("relu", z).affine(above)
    lowered = at.layers.entrywise("relu", z.affine(-1.0)).affine(-below)
    return at.layers.total(raised, lowered).affine(1.0, level)


def _line(z: View, value: Value) -> tuple[Array, Array] | None:
    """The factors k and shifts c with value = k z + c, entry by entry; None where it is no line of z."""
    if isinstance(value, np.ndarray):
        level = np.broadcast_to(value, z.shape) if value.dtype.kind in "fiub" else None
        return None if level is None else (np.zeros(z.shape), level)
    line = wide(value, z.shape) if isinstance(value, View) else None
    if line is None or line.base != z.base or not z.scale.all() or not np.array_equal(line.index, z.index):
        return None
    slopes: Array = line.scale / z.scale
    passes = np.isclose(slopes * z.shift, line.shift, rtol=1e-12, atol=0.0)
    return slopes, np.where(passes, 0.0, line.shift - slopes * z.shift)


def _far_softplus(at: At, z: View, then: Value, otherwise: Value) -> View | None:
    """A softplus whose line is taken where it is large, as PyTorch has it: log(1 + exp u) - u is at most exp(-u), by
    which the curve is off, too."""
    layers = at.layers
    if not isinstance(then, View) or not isinstance(otherwise, View) or otherwise.base not in layers.curves:
        return None
    curved, u = layers.curves[otherwise.base], layers.argument(wide(otherwise, z.shape))
    if u is None or curved.function != "Softplus" or otherwise.shift.any():
        return None
    rises, times = multiple(_unshifted(z), _unshifted(u)), multiple(wide(then, z.shape), u)
    if rises is None or times is None or not (rises > 0.0).all():
        return None
    least = float((u.shift - z.shift / rises).min())  # where the line begins
    if least < FAR or not np.allclose(times, otherwise.scale, rtol=1e-12, atol=0.0):
        return None
    error = nextafter(curved.made.error + exp(-least), inf)
    layers.curves[otherwise.base] = replace(curved, made=replace(curved.made, error=error))
    return otherwise


def _unshifted(z: View) -> View:
    return View(z.base, z.index, z.scale, np.zeros(z.shape))


FAR = 12.0
"""From there on softplus is within 1e-5 of its line."""


def _thresholded_relu(at: At) -> Value:
    """z where z > alpha, else 0: a gate."""
    z = at.layers.settled(at.view(0))
    opened = gated(at, z, ones(at, Compared(z.affine(1.0, -at.real("alpha", 1.0)), is_strict=True)))
    assert opened is not None
    return opened


RULES: Rules = {
    "ThresholdedRelu": _thresholded_relu,
    "Less": _comparison(np.less, is_turned=True, is_strict=True),
    "LessOrEqual": _comparison(np.less_equal, is_turned=True, is_strict=False),
    "Greater": _comparison(np.greater, is_turned=False, is_strict=True),
    "GreaterOrEqual": _comparison(np.greater_equal, is_turned=False, is_strict=False),
    "Not": _not,
    "Where": _where,
}
