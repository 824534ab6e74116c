"""`abs`: the absolute value, entry by entry."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from nnmip.bounds.interval import Interval
from nnmip.bounds.relaxation import entrywise
from nnmip.ops.activations import ENTRYWISE, same_shape
from nnmip.ops.base import LayerOp, Options

FloatArray = NDArray[np.float64]


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
    prune=ENTRYWISE,
    infer=same_shape,
    forward=forward,
    interval=interval,
    relax=entrywise(interval, kinks=lambda options: ((0.0, 0.0),), swing=lambda options: (-1.0, 1.0)),
    slope=lambda options: (-1.0, 1.0),
)
