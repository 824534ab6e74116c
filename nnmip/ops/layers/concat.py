"""`concat`: tensors one after another along an axis."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from nnmip.bounds.interval import Interval
from nnmip.bounds.relaxation import Relaxation, rearranged
from nnmip.hir.core import IntArray, Shape
from nnmip.ops.base import InferredShapes, LayerOp, Option, Options, ShapeMismatch, positions, where_all

FloatArray = NDArray[np.float64]


def infer(inputs: tuple[Shape, ...], options: Options) -> InferredShapes:
    """Shapes that agree in all axes but one to the shape with the sum of that axis."""
    first, axis = inputs[0], options["axis"]
    if axis >= len(first):
        raise ShapeMismatch(f"`concat` along axis {axis} needs tensors with more axes")
    for shape in inputs[1:]:
        if len(shape) != len(first) or any(
            a != b for k, (a, b) in enumerate(zip(shape, first, strict=True)) if k != axis
        ):
            raise ShapeMismatch(f"`concat` along axis {axis} needs tensors that agree in all other axes")
    return InferredShapes((*first[:axis], sum(shape[axis] for shape in inputs), *first[axis + 1 :]), {})


def forward(inputs: tuple[FloatArray, ...], decisions: Mapping[str, FloatArray], options: Options) -> FloatArray:
    return np.concatenate(inputs, axis=options["axis"] + 1)


def interval(inputs: tuple[Interval, ...], decisions: Mapping[str, Interval], options: Options) -> Interval:
    axis = options["axis"] + 1
    return Interval(np.concatenate([x.lo for x in inputs], axis), np.concatenate([x.hi for x in inputs], axis))


def relax(inputs: tuple[Interval, ...], decisions: Mapping[str, FloatArray], options: Options) -> Relaxation:
    axis = options["axis"]
    cuts = np.cumsum([x.shape[axis + 1] for x in inputs])[:-1]
    return rearranged(lambda rows: tuple(np.split(rows, cuts, axis + 2)))


def entries(shapes: tuple[Shape, ...], options: Options) -> IntArray:
    return np.concatenate(positions(shapes), axis=options["axis"]).reshape(-1, 1)


OP = LayerOp(
    name="concat",
    signature="concat(x, y, ..., axis: 0)",
    summary="tensors one after another along an axis",
    domains=(),
    options=(Option("axis", "int", default=0, least=0),),
    prune=(),
    infer=infer,
    forward=forward,
    interval=interval,
    relax=relax,
    arity=None,
    entries=entries,
    gives_bits=where_all,
)
