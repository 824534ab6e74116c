"""Piecewise-linear functions of single entries, and the larger and the smaller of several."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nnmip.onnx.graph import Array
from nnmip.onnx.operators.at import At, Rule, Rules, shape_of
from nnmip.onnx.views import Value, View, stacked


def _relu(at: At) -> Value:
    z = at.view(0)
    both = _both_ends(at, z, np.zeros(()), None)
    return at.layers.entrywise("relu", z) if both is None else both


def _abs(at: At) -> Value:
    value = at.value(0)
    return np.abs(value) if isinstance(value, np.ndarray) else at.layers.entrywise("abs", at.as_view(value))


def _leaky_relu(at: At) -> Value:
    return bent(at, at.view(0), np.asarray(at.real("alpha", 0.01)))


def _parametric_relu(at: At) -> Value:
    return bent(at, at.view(0), at.numbers(1, "the slopes"))


def bent(at: At, z: View, slopes: Array) -> View:
    """z where z > 0, else its slope times z: one layer for one slope in [0, 1], else s z + (1 - s) max(0, z)."""
    at.allow(np.broadcast_shapes(z.shape, slopes.shape))
    first = float(slopes.reshape(-1)[0])
    if (slopes == first).all() and 0.0 <= first <= 1.0:
        return at.layers.entrywise("leaky_relu", z, slope=first)
    z = at.layers.settled(z)
    positive = at.layers.entrywise("relu", z)
    return at.layers.total(positive.affine(1.0 - slopes), z.affine(slopes))


def _thresholded_identity(at: At, z: View, low: Array | None, high: Array | None) -> View:
    """z cut at one end or both. One end is a positive part: max(z, a) = a + max(0, z - a), min likewise."""
    if low is not None and high is not None:
        if low.size == high.size == 1 and float(low.reshape(-1)[0]) < float(high.reshape(-1)[0]):
            ends = {"low": float(low.reshape(-1)[0]), "high": float(high.reshape(-1)[0])}
            return at.layers.entrywise("clip", z, **ends)
        above = _thresholded_identity(at, z, low, None)
        return _thresholded_identity(at, above, None, high)  # where the ends cross, the upper one counts
    both = _both_ends(at, z, low, high)
    if both is not None:
        return both
    if low is not None:
        return at.layers.entrywise("relu", z.affine(1.0, -low)).affine(1.0, low)
    assert high is not None
    return at.layers.entrywise("relu", z.affine(-1.0, high)).affine(-1.0, high)


def _both_ends(at: At, z: View, low: Array | None, high: Array | None) -> View | None:
    """z cut at the other end where it is cut at one already, as in min(relu(u), 6): for z = a + s relu(u), the number
    a + s u cut at both ends. None where that is no clip with one number for each end."""
    sign = 1.0 if low is None else -1.0
    (end,) = (each for each in (low, high) if each is not None)
    inner = at.layers.argument(z) if at.layers.made[z.base].op == "relu" else None
    scales, shifts, ends = z.scale.reshape(-1), z.shift.reshape(-1), np.asarray(end, dtype=np.float64).reshape(-1)
    if inner is None or ends.size != 1 or (shifts != shifts[0]).any() or not (sign * scales > 0.0).all():
        return None
    cut = sorted((float(shifts[0]), float(ends[0])))
    if sign * float(ends[0]) <= sign * float(shifts[0]):
        return None
    return at.layers.entrywise("clip", inner.affine(z.scale, z.shift), low=cut[0], high=cut[1])


def _clip(at: At) -> Value:
    value = at.value(0)
    if at.opset < 11:
        low, high = (np.asarray(at.real(name, default)) for name, default in (("min", -np.inf), ("max", np.inf)))
    else:
        low, high = (
            at.numbers(place, "an end") if at.has(place) else np.asarray(default)
            for place, default in ((1, -np.inf), (2, np.inf))
        )
    if isinstance(value, np.ndarray):
        return np.asarray(np.minimum(np.maximum(value, low), high))
    ends = [None if np.isinf(end).all() or (abs(end) >= LARGEST).all() else end for end in (low, high)]
    z = at.as_view(value)
    return z if ends == [None, None] else _thresholded_identity(at, z, *ends)


LARGEST = float(np.finfo(np.float32).max)
"""An end that is as far out is none."""


def _hard_sigmoid(at: At) -> Value:
    slope, shift = at.real("alpha", 0.2), at.real("beta", 0.5)
    z = at.view(0) if slope >= 0 else at.view(0).affine(-1.0)
    return at.layers.entrywise("hard_sigmoid", z, slope=abs(slope), shift=shift)


def _sign(at: At) -> Value:
    """-1, 0 or 1. The layer `sign` has 1 at 0, so that half of sign(z) - sign(-z) has 0 there."""
    value = at.value(0)
    if isinstance(value, np.ndarray):
        return np.sign(value)
    z = at.layers.settled(at.as_view(value))
    above, below = (at.layers.entrywise("sign", each) for each in (z, z.affine(-1.0)))
    return at.layers.total(above.affine(0.5), below.affine(-0.5))


def _extreme(sign: float, pick: Callable[..., Array]) -> Rule:
    """The largest (`sign` 1) or the smallest (-1) of several tensors."""

    def rule(at: At) -> Value:
        values = at.inputs()
        shape = np.broadcast_shapes(*map(shape_of, values))
        at.allow((len(values), *shape))
        known = [value for value in values if isinstance(value, np.ndarray)]
        views = [
            at.as_view(value).affine(np.full(shape, sign)) for value in values if not isinstance(value, np.ndarray)
        ]
        constant = None
        for array in known:
            constant = array if constant is None else pick(constant, array)
        if not views:
            return np.asarray(constant)
        z = views[0]
        if len(views) > 1:
            joined = at.layers.joined([at.layers.settled(view) for view in views])
            z = at.layers.largest(stacked(joined))
        z = z if constant is None else _thresholded_identity(at, z, constant * sign, None)
        return z.affine(sign)

    return rule


RULES: Rules = {
    "Relu": _relu,
    "Abs": _abs,
    "LeakyRelu": _leaky_relu,
    "PRelu": _parametric_relu,
    "Clip": _clip,
    "HardSigmoid": _hard_sigmoid,
    "Sign": _sign,
    "Max": _extreme(1.0, np.maximum),
    "Min": _extreme(-1.0, np.minimum),
}
