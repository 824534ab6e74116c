"""`globalavgpool`: the mean of every channel."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from nnmip.bounds.interval import Interval, summed, times
from nnmip.bounds.relaxation import Relaxation
from nnmip.hir.core import IntArray, Shape
from nnmip.ops.base import Blend, InferredShapes, LayerOp, Options, ShapeMismatch, positions

FloatArray = NDArray[np.float64]


def infer(inputs: tuple[Shape, ...], options: Options) -> InferredShapes:
    """[c, h, w] -> [c]."""
    (shape,) = inputs
    if len(shape) != 3:
        raise ShapeMismatch("`globalavgpool` reads [channels, height, width]")
    return InferredShapes(shape[:1], {})


def forward(inputs: tuple[FloatArray, ...], decisions: Mapping[str, FloatArray], options: Options) -> FloatArray:
    return np.asarray(inputs[0].mean(axis=(2, 3)))


def interval(inputs: tuple[Interval, ...], decisions: Mapping[str, Interval], options: Options) -> Interval:
    (x,) = inputs
    n, channels, height, width = x.shape
    return times(summed(x.reshape((n, channels, height * width)), height * width), 1.0 / (height * width))


def relax(inputs: tuple[Interval, ...], decisions: Mapping[str, FloatArray], options: Options) -> Relaxation:
    height, width = inputs[0].shape[2:]
    share = 1.0 / (height * width)

    def back(rows: FloatArray) -> tuple[tuple[FloatArray, ...], None]:
        return (np.broadcast_to((rows * share)[..., None, None], (*rows.shape, height, width)),), None

    return Relaxation(back, inputs[0].magnitude.mean(axis=(2, 3)))


def entries(shapes: tuple[Shape, ...], options: Options) -> IntArray:
    return positions(shapes)[0].reshape(shapes[0][0], -1)


def grid(inputs: tuple[Fraction, ...], shapes: tuple[Shape, ...], options: Options) -> Fraction | None:
    _, height, width = shapes[0]
    return inputs[0] / (height * width)


OP = LayerOp(
    name="globalavgpool",
    signature="globalavgpool(x)",
    summary="the mean of every channel",
    domains=(),
    options=(),
    prune=(),
    infer=infer,
    forward=forward,
    interval=interval,
    relax=relax,
    entries=entries,
    grid=grid,
    blend=Blend.MEAN,
)
