"""`maxpool2d`: the largest entry of every window, channel by channel."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Shape
from nnmip.ops.base import Blend, InferredShapes, LayerOp, Options, where_all
from nnmip.ops.windows import POOLING, pooled_entries, pooled_shape, windows_of

FloatArray = NDArray[np.float64]


def infer(inputs: tuple[Shape, ...], options: Options) -> InferredShapes:
    """[c, h, w] -> [c, windows down, windows right]."""
    return InferredShapes(pooled_shape(inputs[0], options, "maxpool2d"), {})


def forward(inputs: tuple[FloatArray, ...], decisions: Mapping[str, FloatArray], options: Options) -> FloatArray:
    """The padding is never the largest."""
    (x,) = inputs
    at = pooled_entries(x.shape[1:], options, "maxpool2d")
    windows = np.where(at >= 0, x.reshape(len(x), -1)[:, at], -np.inf)
    return np.asarray(windows.max(axis=-1)).reshape(len(x), *pooled_shape(x.shape[1:], options, "maxpool2d"))


def interval(inputs: tuple[Interval, ...], decisions: Mapping[str, Interval], options: Options) -> Interval:
    """The maximum is nondecreasing in every entry, and exact in floating point."""
    (x,) = inputs
    return Interval(forward((x.lo,), {}, options), forward((x.hi,), {}, options))


OP = LayerOp(
    name="maxpool2d",
    signature="maxpool2d(x, kernel: [h, w], stride: [h, w], padding: 0)",
    summary="the largest entry of every window of every channel; windows do not overlap unless `stride` says so",
    domains=(),
    options=POOLING,
    prune=(),
    infer=infer,
    forward=forward,
    interval=interval,
    entries=windows_of,
    gives_bits=where_all,
    blend=Blend.LARGEST,
)
