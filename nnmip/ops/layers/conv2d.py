"""`conv2d`: cross-correlation of a channel-first image with the kernels of its filters."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from nnmip.bounds.interval import Interval, image, weighted_sums
from nnmip.bounds.relaxation import Relaxation
from nnmip.hir.core import CHANNELS, IntArray, Shape
from nnmip.ops.base import (
    Connections,
    DomainOption,
    InferredShapes,
    LayerOp,
    Option,
    Options,
    ShapeMismatch,
)
from nnmip.ops.windows import Windows, windows_over

FloatArray = NDArray[np.float64]


def infer(inputs: tuple[Shape, ...], options: Options) -> InferredShapes:
    """[c, h, w] -> [filters, windows down, windows right]; weights [filters, c / groups, kernel], bias [filters]."""
    (shape,) = inputs
    windows = windows_over(shape, options, "conv2d")
    channels, groups, filters = shape[0], options["groups"], options["filters"]
    for number, what in ((channels, "channels"), (filters, "filters")):
        if number % groups:
            raise ShapeMismatch(f"{groups} groups do not divide {number} {what}")
    kernel = (filters, channels // groups, *windows.kernel)
    return InferredShapes((filters, *windows.count), {"weights": kernel, "bias": (filters,)})


def forward(inputs: tuple[FloatArray, ...], decisions: Mapping[str, FloatArray], options: Options) -> FloatArray:
    """y[f, i, j] = sum over c, u, v of W[f, c, u, v] x[c, i s + u d - p, j s + v d - p] + b[f]; 0 in the padding."""
    (x,) = inputs
    weights, groups = decisions["weights"], options["groups"]
    windows = windows_over(x.shape[1:], options, "conv2d")
    (top, left), (down, right) = windows.padding, windows.stride
    padded = np.pad(x, ((0, 0), (0, 0), (top, top), (left, left)))
    reach = tuple(d * (k - 1) + 1 for d, k in zip(windows.dilation, windows.kernel, strict=True))
    views = sliding_window_view(padded, reach, axis=(2, 3))[:, :, ::down, ::right]
    views = views[..., :: windows.dilation[0], :: windows.dilation[1]]
    parts = np.split(weights, groups), np.split(views, groups, axis=1)
    sums = [np.tensordot(v, w, axes=([1, 4, 5], [1, 2, 3])) for w, v in zip(*parts, strict=True)]
    y = np.moveaxis(np.concatenate(sums, axis=3), 3, 1)
    return y + decisions["bias"][:, None, None] if "bias" in decisions else y


def interval(inputs: tuple[Interval, ...], decisions: Mapping[str, Interval], options: Options) -> Interval:
    """Corner products, summed over every window; known weights by the signs of their parts."""
    (x,) = inputs
    weights, filters = decisions["weights"], options["filters"]
    if weights.is_known:
        windows = windows_over(x.shape[1:], options, "conv2d")
        z = image(x, weights.lo, weights.lo[0].size, lambda x, w: correlate(x, w, windows, options["groups"]))
    else:
        shape = infer((x.shape[1:],), options).output
        flat = x.reshape((len(x.lo), -1))
        z = weighted_sums(flat, weights.reshape((filters, -1)), connect(x.shape[1:], options).source)
        z = z.reshape((len(x.lo), *shape))
    return z + decisions["bias"].reshape((1, filters, 1, 1)) if "bias" in decisions else z


def correlate(x: FloatArray, weights: FloatArray, windows: Windows, groups: int) -> FloatArray:
    """The sums of `forward` without a bias, as one matrix product for each group."""
    parts = []
    for channels, kernels in zip(np.split(x, groups, axis=1), np.split(weights, groups), strict=True):
        seen = np.moveaxis(windows.views(channels), 3, 0)
        sums = kernels.reshape(len(kernels), -1) @ seen.reshape(kernels[0].size, -1)
        parts.append(np.moveaxis(sums.reshape(len(kernels), len(x), *windows.count), 0, 1))
    return parts[0] if groups == 1 else np.concatenate(parts, axis=1)


def spread(rows: FloatArray, weights: FloatArray, windows: Windows, groups: int) -> FloatArray:
    """The transpose of `correlate`: rows [n, filters, *windows] to [n, channels, h, w]."""
    parts = []
    for row, kernels in zip(np.split(rows, groups, axis=1), np.split(weights, groups), strict=True):
        flat = np.moveaxis(row, 0, -1).reshape(len(kernels), -1)
        entries = (kernels.reshape(len(kernels), -1).T @ flat).reshape(*kernels.shape[1:], *windows.count, len(rows))
        parts.append(windows.gathered(np.moveaxis(entries, 0, 4)))
    return np.moveaxis(np.concatenate(parts, axis=2), (2, 3), (1, 0))


def placed(index: IntArray, weights: FloatArray, windows: Windows, groups: int) -> FloatArray:
    """Coefficients of single outputs, by flat position: the kernel of each where its window is, [outputs, c, h, w]."""
    unit, i, j = np.unravel_index(index, (len(weights), *windows.count))
    width, (height, across) = weights.shape[1], windows.size
    first = unit // (len(weights) // groups) * width
    down, right = (
        at[:, None] * windows.stride[axis]
        - windows.padding[axis]
        + np.arange(windows.kernel[axis]) * windows.dilation[axis]
        for axis, at in enumerate((i, j))
    )
    inside = ((down >= 0) & (down < height))[:, None, :, None] & ((right >= 0) & (right < across))[:, None, None, :]
    row, channel, u, v = np.nonzero(np.broadcast_to(inside, (len(index), *weights.shape[1:])))
    found = np.zeros((width * groups, *windows.size, len(index)))  # outputs last in memory, as `spread` wants them
    found[first[row] + channel, down[row, u], right[row, v], row] = weights[unit[row], channel, u, v]
    return np.moveaxis(found, -1, 0)


def relax(inputs: tuple[Interval, ...], decisions: Mapping[str, FloatArray], options: Options) -> Relaxation:
    """Backwards, every place gives its coefficient to what it saw (a transposed convolution)."""
    (x,) = inputs
    weights, bias, groups = decisions["weights"], decisions.get("bias"), options["groups"]
    windows = windows_over(x.shape[1:], options, "conv2d")

    def back(rows: FloatArray) -> tuple[tuple[FloatArray, ...], FloatArray | None]:
        found = spread(rows.reshape(-1, *rows.shape[2:]), weights, windows, groups)
        constant = None if bias is None else rows.sum(axis=(3, 4)) @ bias
        return (found.reshape(*rows.shape[:2], *found.shape[1:]),), constant

    def ahead(x: FloatArray) -> FloatArray:
        found = correlate(x, weights, windows, groups)
        return found if bias is None else found + bias[:, None, None]

    def single(index: IntArray) -> tuple[tuple[FloatArray, ...], FloatArray | None]:
        filters = index // (windows.count[0] * windows.count[1])
        return (placed(index, weights, windows, groups),), None if bias is None else bias[filters]

    scale = correlate(x.magnitude, np.abs(weights), windows, groups)
    return Relaxation(back, scale if bias is None else scale + np.abs(bias)[:, None, None], ahead=ahead, single=single)


def connect(shape: Shape, options: Options) -> Connections:
    """Every output reads its window in all channels of its group."""
    windows: Windows = windows_over(shape, options, "conv2d")
    filters, groups = options["filters"], options["groups"]
    size, width = shape[1] * shape[2], shape[0] // groups
    group = np.arange(filters) // (filters // groups)
    channel = group[:, None] * width + np.arange(width)
    places = windows.places[None, :, None, :]
    source = np.where(places >= 0, channel[:, None, :, None] * size + places, -1)
    return Connections(source.reshape(filters * places.shape[1], -1), filters)


OP = LayerOp(
    name="conv2d",
    signature=(
        "conv2d(x, filters: n, kernel: [h, w], weights in D, bias in D, stride: 1, padding: 0, dilation: 1, groups: 1)"
    ),
    summary="cross-correlation of a channel-first image with one kernel a filter; zeros in the padding",
    domains=(DomainOption("weights", required=True), DomainOption("bias", required=False)),
    options=(
        Option("filters", "int", required=True, least=1),
        Option("kernel", "pair", required=True, least=1),
        Option("stride", "pair", default=(1, 1), least=1),
        Option("padding", "pair", default=(0, 0), least=0),
        Option("dilation", "pair", default=(1, 1), least=1),
        Option("groups", "int", default=1, least=1),
    ),
    prune=(),
    prune_weights=("weights", CHANNELS),
    infer=infer,
    forward=forward,
    interval=interval,
    relax=relax,
    connect=connect,
)
