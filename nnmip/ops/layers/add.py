"""`add`: the sum of tensors of one shape, entry by entry (a skip connection)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from nnmip.bounds.interval import Interval
from nnmip.bounds.relaxation import Relaxation, rearranged
from nnmip.hir.core import Shape
from nnmip.ops.base import InferredShapes, LayerOp, Options, ShapeMismatch

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


def relax(inputs: tuple[Interval, ...], decisions: Mapping[str, FloatArray], options: Options) -> Relaxation:
    return rearranged(lambda rows: (rows,) * len(inputs))


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
    relax=relax,
    arity=None,
)
