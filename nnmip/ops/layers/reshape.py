"""`reshape`: the same entries, row-major, in another shape."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np
from numpy.typing import NDArray

from nnmip.bounds.interval import Interval
from nnmip.bounds.relaxation import Relaxation, rearranged
from nnmip.hir.core import Shape
from nnmip.ops.base import InferredShapes, LayerOp, Option, Options, ShapeMismatch, where_all

FloatArray = NDArray[np.float64]


def infer(inputs: tuple[Shape, ...], options: Options) -> InferredShapes:
    """Any shape to `shape`, which must have as many entries."""
    wanted: Shape = tuple(options["shape"])
    if prod(wanted) != prod(inputs[0]):
        raise ShapeMismatch(f"`reshape` to {list(wanted)} needs {prod(wanted)} entries")
    return InferredShapes(wanted, {})


def forward(inputs: tuple[FloatArray, ...], decisions: Mapping[str, FloatArray], options: Options) -> FloatArray:
    return inputs[0].reshape(len(inputs[0]), *options["shape"])


def interval(inputs: tuple[Interval, ...], decisions: Mapping[str, Interval], options: Options) -> Interval:
    return inputs[0].reshape((len(inputs[0].lo), *options["shape"]))


def relax(inputs: tuple[Interval, ...], decisions: Mapping[str, FloatArray], options: Options) -> Relaxation:
    shape = inputs[0].shape[1:]
    return rearranged(lambda rows: (rows.reshape(*rows.shape[:2], *shape),))


OP = LayerOp(
    name="reshape",
    signature="reshape(x, shape: [c, h, w])",
    summary="the same entries, row-major, in another shape",
    domains=(),
    options=(Option("shape", "sizes", required=True, least=1),),
    prune=(),
    infer=infer,
    forward=forward,
    interval=interval,
    relax=relax,
    gives_bits=where_all,
)
