"""`flatten`: all entries in one vector, row-major."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from nnmip.bounds.interval import Interval
from nnmip.bounds.relaxation import Relaxation, rearranged
from nnmip.hir.core import Shape
from nnmip.ops.base import InferredShapes, LayerOp, Options, where_all

FloatArray = NDArray[np.float64]


def infer(inputs: tuple[Shape, ...], options: Options) -> InferredShapes:
    """Any shape to a vector of its entries."""
    return InferredShapes((int(np.prod(inputs[0], dtype=np.int64)),), {})


def forward(inputs: tuple[FloatArray, ...], decisions: Mapping[str, FloatArray], options: Options) -> FloatArray:
    return inputs[0].reshape(len(inputs[0]), -1)


def interval(inputs: tuple[Interval, ...], decisions: Mapping[str, Interval], options: Options) -> Interval:
    return inputs[0].reshape((len(inputs[0].lo), -1))


def relax(inputs: tuple[Interval, ...], decisions: Mapping[str, FloatArray], options: Options) -> Relaxation:
    shape = inputs[0].shape[1:]
    return rearranged(lambda rows: (rows.reshape(*rows.shape[:2], *shape),))


OP = LayerOp(
    name="flatten",
    signature="flatten(x)",
    summary="all entries in one vector, row-major",
    domains=(),
    options=(),
    prune=(),
    infer=infer,
    forward=forward,
    interval=interval,
    relax=relax,
    gives_bits=where_all,
)
