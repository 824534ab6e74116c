"""`add`: the sum of tensors of one shape, entry by entry (a skip connection)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from nnmip.bounds.interval import Interval
from nnmip.hir.core import IntArray, Shape
from nnmip.ops.base import MIXED, InferredShapes, LayerOp, Options, ShapeMismatch

FloatArray = NDArray[np.float64]


def infer(inputs: tuple[Shape, ...], options: Options) -> InferredShapes:
    """Tensors of one shape to that shape."""
    if any(shape != inputs[0] for shape in inputs):
        raise ShapeMismatch("`add` needs tensors of one shape")
    return InferredShapes(inputs[0], {})


def forward(inputs: tuple[FloatArray, ...], decisions: Mapping[str, FloatArray], options: Options) -> FloatArray:
    total = inputs[0]
    for x in inputs[1:]:
        total = total + x
    return total


def interval(inputs: tuple[Interval, ...], decisions: Mapping[str, Interval], options: Options) -> Interval:
    total = inputs[0]
    for x in inputs[1:]:
        total = total + x
    return total


def owners(inputs: tuple[IntArray, ...], options: Options) -> IntArray:
    """A sum belongs to no single unit."""
    return np.full(inputs[0].shape, MIXED)


OP = LayerOp(
    name="add",
    signature="add(x, y, ...)",
    summary="the sum of tensors of one shape, entry by entry: a skip connection",
    domains=(),
    options=(),
    prune=(),
    infer=infer,
    forward=forward,
    interval=interval,
    arity=None,
    owners=owners,
    permutes=False,
)
