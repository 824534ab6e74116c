"""`sign`: on which side of 0 a value is, entry by entry."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from nnmip.bounds.interval import TINY, Interval
from nnmip.hir.core import Shape
from nnmip.ops.base import InferredShapes, LayerOp, Option, Options

FloatArray = NDArray[np.float64]


def infer(inputs: tuple[Shape, ...], options: Options) -> InferredShapes:
    """Any shape to itself."""
    return InferredShapes(inputs[0], {})


def forward(inputs: tuple[FloatArray, ...], decisions: Mapping[str, FloatArray], options: Options) -> FloatArray:
    """1 where z >= 0 up to the tolerance that the options carry, else -1."""
    return np.where(inputs[0] >= -options["tolerance"], 1.0, -1.0)


def interval(inputs: tuple[Interval, ...], decisions: Mapping[str, Interval], options: Options) -> Interval:
    """Known where z is on one side of 0, by more than solvers can miss."""
    z = inputs[0]
    return Interval(np.where(z.lo >= 0.0, 1.0, -1.0), np.where(z.hi < -TINY, -1.0, 1.0))


def grid(inputs: tuple[Fraction, ...], shapes: tuple[Shape, ...], options: Options) -> Fraction | None:
    return Fraction(1)


OP = LayerOp(
    name="sign",
    signature="sign(z, prune: units, strictness: 1e-4)",
    summary="1 where z is at least 0, else -1, entry by entry",
    domains=(),
    options=(Option("strictness", "number", least=TINY),),
    prune=("units", "filters"),
    infer=infer,
    forward=forward,
    interval=interval,
    grid=grid,
)
