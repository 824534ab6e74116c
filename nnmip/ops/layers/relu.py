"""`relu`: the positive part, entry by entry."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from nnmip.bounds.interval import Interval
from nnmip.bounds.relaxation import entrywise
from nnmip.ops.activations import ENTRYWISE, same_shape
from nnmip.ops.base import LayerOp, Options, rising

FloatArray = NDArray[np.float64]


def forward(inputs: tuple[FloatArray, ...], decisions: Mapping[str, FloatArray], options: Options) -> FloatArray:
    return np.maximum(inputs[0], 0.0)


def interval(inputs: tuple[Interval, ...], decisions: Mapping[str, Interval], options: Options) -> Interval:
    """The maximum with 0 is nondecreasing and exact in floating point."""
    return Interval(np.maximum(inputs[0].lo, 0.0), np.maximum(inputs[0].hi, 0.0))


OP = LayerOp(
    name="relu",
    signature="relu(z, prune: units)",
    summary="the positive part max(0, z), entry by entry; `prune: units` lets the solver remove single units",
    domains=(),
    options=(),
    prune=ENTRYWISE,
    infer=same_shape,
    forward=forward,
    interval=interval,
    relax=entrywise(interval, kinks=lambda options: ((0.0, 0.0),), swing=lambda options: (0.0, 1.0)),
    slope=rising,
)
