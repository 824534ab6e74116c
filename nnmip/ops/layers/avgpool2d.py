"""`avgpool2d`: the mean of every window, channel by channel."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from nnmip.arrays import distinct
from nnmip.bounds.interval import Interval, summed, times
from nnmip.bounds.relaxation import Relaxation
from nnmip.hir.core import Shape
from nnmip.ops.base import Blend, InferredShapes, LayerOp, Options, common_grid
from nnmip.ops.windows import POOLING, pooled_entries, pooled_shape, windows_of, windows_over

FloatArray = NDArray[np.float64]


def infer(inputs: tuple[Shape, ...], options: Options) -> InferredShapes:
    """[c, h, w] -> [c, windows down, windows right]."""
    return InferredShapes(pooled_shape(inputs[0], options, "avgpool2d"), {})


def forward(inputs: tuple[FloatArray, ...], decisions: Mapping[str, FloatArray], options: Options) -> FloatArray:
    """The padding does not count."""
    (x,) = inputs
    at = pooled_entries(x.shape[1:], options, "avgpool2d")
    total = np.where(at >= 0, x.reshape(len(x), -1)[:, at], 0.0).sum(axis=-1)
    means = total / (at >= 0).sum(axis=-1)
    return np.asarray(means.reshape(len(x), *pooled_shape(x.shape[1:], options, "avgpool2d")))


def interval(inputs: tuple[Interval, ...], decisions: Mapping[str, Interval], options: Options) -> Interval:
    (x,) = inputs
    at = pooled_entries(x.shape[1:], options, "avgpool2d")
    lo, hi = (np.where(at >= 0, end.reshape(len(x.lo), -1)[:, at], 0.0) for end in (x.lo, x.hi))
    means = times(summed(Interval(lo, hi), at.shape[1]), 1.0 / (at >= 0).sum(axis=-1))
    return means.reshape((len(x.lo), *pooled_shape(x.shape[1:], options, "avgpool2d")))


def relax(inputs: tuple[Interval, ...], decisions: Mapping[str, FloatArray], options: Options) -> Relaxation:
    """Backwards, every window gives each of its entries an equal share."""
    shape = inputs[0].shape[1:]
    windows = windows_over(shape, options, "avgpool2d")
    share = 1.0 / windows.views(np.ones(shape[1:])).sum(axis=(0, 1))

    def back(rows: FloatArray) -> tuple[tuple[FloatArray, ...], None]:
        given = np.moveaxis(rows * share, (3, 4), (0, 1))
        image = windows.gathered(np.broadcast_to(given, (*windows.kernel, *given.shape)))
        return (np.moveaxis(image, (0, 1), (3, 4)),), None

    return Relaxation(back, windows.views(inputs[0].magnitude).sum(axis=(0, 1)) * share)


def grid(inputs: tuple[Fraction, ...], shapes: tuple[Shape, ...], options: Options) -> Fraction | None:
    counts = distinct((pooled_entries(shapes[0], options, "avgpool2d") >= 0).sum(axis=-1))
    return common_grid(*(inputs[0] / int(count) for count in counts))


OP = LayerOp(
    name="avgpool2d",
    signature="avgpool2d(x, kernel: [h, w], stride: [h, w], padding: 0)",
    summary="the mean of every window of every channel; windows do not overlap unless `stride` says so",
    domains=(),
    options=POOLING,
    prune=(),
    infer=infer,
    forward=forward,
    interval=interval,
    relax=relax,
    entries=windows_of,
    grid=grid,
    blend=Blend.MEAN,
)
