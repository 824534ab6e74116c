"""`abs`: the absolute value, entry by entry."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Shape
from nnmip.ops.base import InferredShapes, LayerOp, Options

FloatArray = NDArray[np.float64]


def infer(inputs: tuple[Shape, ...], options: Options) -> InferredShapes:
    """Any shape to itself."""
    return InferredShapes(inputs[0], {})


def forward(inputs: tuple[FloatArray, ...], decisions: Mapping[str, FloatArray], options: Options) -> FloatArray:
    return np.abs(inputs[0])


def interval(inputs: tuple[Interval, ...], decisions: Mapping[str, Interval], options: Options) -> Interval:
    z = inputs[0]
    return Interval(np.maximum(np.maximum(z.lo, -z.hi), 0.0), z.magnitude)


OP = LayerOp(
    name="abs",
    signature="abs(z, prune: units)",
    summary="the absolute value, entry by entry",
    domains=(),
    options=(),
    prune=("units", "filters"),
    infer=infer,
    forward=forward,
    interval=interval,
)
