"""What every layer computes, once more: plain loops over places, a batch of assignments at a time.

Arrays are [batch, rows, *shape]; weights and biases [batch, *shape]. Shares no code with `ops` or the encodings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nnmip.hir.core import FloatArray

TOLERANCE = 1e-9
Options = Mapping[str, Any]
Layer = Callable[[list[FloatArray], Mapping[str, FloatArray], Options], FloatArray]


def dense(inputs: list[FloatArray], weights: Mapping[str, FloatArray], options: Options) -> FloatArray:
    y = np.einsum("bni,bki->bnk", inputs[0], weights["weights"])
    return y + weights["bias"][:, None, :] if "bias" in weights else y


def conv2d(inputs: list[FloatArray], weights: Mapping[str, FloatArray], options: Options) -> FloatArray:
    x, kernels = inputs[0], weights["weights"]
    batch, rows, channels, height, width = x.shape
    _, filters, depth, kh, kw = kernels.shape
    (top, left), (down, right) = options["padding"], options["stride"]
    step_y, step_x = options["dilation"]
    padded = np.zeros((batch, rows, channels, height + 2 * top, width + 2 * left))
    padded[:, :, :, top : top + height, left : left + width] = x
    out_h = (padded.shape[3] - step_y * (kh - 1) - 1) // down + 1
    out_w = (padded.shape[4] - step_x * (kw - 1) - 1) // right + 1
    y = np.zeros((batch, rows, filters, out_h, out_w))
    for f in range(filters):
        first = f // (filters // options["groups"]) * depth
        for i in range(out_h):
            for j in range(out_w):
                for c in range(depth):
                    for u in range(kh):
                        for v in range(kw):
                            at = padded[:, :, first + c, i * down + u * step_y, j * right + v * step_x]
                            y[:, :, f, i, j] += at * kernels[:, None, f, c, u, v]
        if "bias" in weights:
            y[:, :, f] += weights["bias"][:, f, None, None, None]
    return y


def rescale(inputs: list[FloatArray], weights: Mapping[str, FloatArray], options: Options) -> FloatArray:
    x = inputs[0]
    y = np.zeros_like(x, shape=np.broadcast_shapes(x.shape, (len(weights["weights"]), *x.shape[1:])))
    for c in range(x.shape[2]):
        each = (slice(None), None, *(None,) * (x.ndim - 3))
        y[:, :, c] = x[:, :, c] * weights["weights"][:, c][each]
        if "bias" in weights:
            y[:, :, c] += weights["bias"][:, c][each]
    return y


def select(inputs: list[FloatArray], weights: Mapping[str, FloatArray], options: Options) -> FloatArray:
    x = inputs[0].reshape(*inputs[0].shape[:2], -1)
    picked = np.stack([x[..., at] for at in options["entries"]], axis=-1)
    return picked.reshape(*x.shape[:2], *(options["shape"] or (len(options["entries"]),)))


def _pool(x: FloatArray, options: Options, reduce: Callable[[FloatArray], FloatArray]) -> FloatArray:
    kh, kw = options["kernel"]
    down, right = options["stride"] or (kh, kw)
    top, left = options["padding"]
    height, width = x.shape[3:]
    lines = [range(-top, height + top - kh + 1, down), range(-left, width + left - kw + 1, right)]
    y = np.zeros((*x.shape[:3], len(lines[0]), len(lines[1])))
    for i, up in enumerate(lines[0]):
        for j, side in enumerate(lines[1]):
            window = x[:, :, :, max(up, 0) : up + kh, max(side, 0) : side + kw]
            y[:, :, :, i, j] = reduce(window.reshape(*x.shape[:3], -1))
    return y


def maxpool2d(inputs: list[FloatArray], weights: Mapping[str, FloatArray], options: Options) -> FloatArray:
    return _pool(inputs[0], options, lambda window: window.max(axis=-1))


def avgpool2d(inputs: list[FloatArray], weights: Mapping[str, FloatArray], options: Options) -> FloatArray:
    return _pool(inputs[0], options, lambda window: window.sum(axis=-1) / window.shape[-1])


def pad(inputs: list[FloatArray], weights: Mapping[str, FloatArray], options: Options) -> FloatArray:
    x = inputs[0]
    axes = min(x.ndim - 2, 2)
    sides = list(options["border"]) * (2 * axes if len(options["border"]) == 1 else 1)
    for axis in range(axes):
        at = x.ndim - axes + axis
        before, after = sides[2 * axis], sides[2 * axis + 1]
        ends = []
        for count in (before, after):
            shape = list(x.shape)
            shape[at] = count
            ends.append(np.full(shape, float(options["value"])))
        x = np.concatenate([ends[0], x, ends[1]], axis=at)
    return x


def gate(inputs: list[FloatArray], weights: Mapping[str, FloatArray], options: Options) -> FloatArray:
    x, by = inputs
    if by.shape != x.shape:
        by = by.reshape(*by.shape[:2], *(1,) * (x.ndim - 2))
    return np.where(by == 1.0, x, 0.0)


def curve(z: FloatArray, options: Options) -> FloatArray:
    """The first value, and for every piece its slope times how far z has gone through it."""
    points, values, (before, behind) = options["points"], options["values"], options["outside"]
    found = values[0] + before * np.minimum(z - points[0], 0.0) + behind * np.maximum(z - points[-1], 0.0)
    for left, right, low, high in zip(points, points[1:], values, values[1:], strict=False):
        found = found + (high - low) / (right - left) * (np.minimum(np.maximum(z, left), right) - left)
    return found


def _entrywise(function: Callable[[FloatArray, Options], FloatArray]) -> Layer:
    return lambda inputs, weights, options: function(inputs[0], options)


LAYERS: Mapping[str, Layer] = {
    "dense": dense,
    "conv2d": conv2d,
    "maxpool2d": maxpool2d,
    "avgpool2d": avgpool2d,
    "globalavgpool": lambda inputs, weights, options: inputs[0].reshape(*inputs[0].shape[:3], -1).mean(axis=-1),
    "flatten": lambda inputs, weights, options: inputs[0].reshape(*inputs[0].shape[:2], -1),
    "reshape": lambda inputs, weights, options: inputs[0].reshape(*inputs[0].shape[:2], *options["shape"]),
    "pad": pad,
    "rescale": rescale,
    "select": select,
    "concat": lambda inputs, weights, options: np.concatenate(inputs, axis=2 + options["axis"]),
    "add": lambda inputs, weights, options: sum(inputs[1:], inputs[0]),
    "gate": gate,
    "relu": _entrywise(lambda z, o: np.where(z > 0, z, 0.0)),
    "leaky_relu": _entrywise(lambda z, o: np.where(z > 0, z, z * o["slope"])),
    "abs": _entrywise(lambda z, o: np.where(z > 0, z, -z)),
    "clip": _entrywise(lambda z, o: np.minimum(np.maximum(z, o["low"]), o["high"])),
    "relu6": _entrywise(lambda z, o: np.minimum(np.maximum(z, 0.0), 6.0)),
    "hard_tanh": _entrywise(lambda z, o: np.minimum(np.maximum(z, -1.0), 1.0)),
    "hard_sigmoid": _entrywise(lambda z, o: np.minimum(np.maximum(z * o["slope"] + o["shift"], 0.0), 1.0)),
    "piecewise": _entrywise(curve),
    "step": _entrywise(lambda z, o: np.where(z >= -TOLERANCE, 1.0, 0.0)),
    "sign": _entrywise(lambda z, o: np.where(z >= -TOLERANCE, 1.0, -1.0)),
}
