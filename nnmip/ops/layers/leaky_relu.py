"""`leaky_relu`: the positive part, and a small slope below 0."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from nnmip.bounds.interval import Interval, times
from nnmip.bounds.relaxation import entrywise
from nnmip.hir.core import Shape
from nnmip.ops.activations import ENTRYWISE, same_shape
from nnmip.ops.base import LayerOp, Option, Options, common_grid

FloatArray = NDArray[np.float64]


def forward(inputs: tuple[FloatArray, ...], decisions: Mapping[str, FloatArray], options: Options) -> FloatArray:
    """z where z > 0, else `slope` z."""
    z, slope = inputs[0], options["slope"]
    return np.where(z > 0.0, z, slope * z)


def interval(inputs: tuple[Interval, ...], decisions: Mapping[str, Interval], options: Options) -> Interval:
    """Nondecreasing for a slope in [0, 1]."""
    z, slope = inputs[0], options["slope"]
    below = times(Interval(np.minimum(z.lo, 0.0), np.minimum(z.hi, 0.0)), slope)
    return Interval(np.where(z.lo >= 0.0, z.lo, below.lo), np.where(z.hi >= 0.0, z.hi, below.hi))


def grid(inputs: tuple[Fraction, ...], shapes: tuple[Shape, ...], options: Options) -> Fraction | None:
    return common_grid(inputs[0], inputs[0] * Fraction(repr(float(options["slope"]))))


OP = LayerOp(
    name="leaky_relu",
    signature="leaky_relu(z, slope: 0.01, prune: units)",
    summary="z where z is above 0, else `slope` z, entry by entry",
    domains=(),
    options=(Option("slope", "number", default=0.01, least=0.0, most=1.0),),
    prune=ENTRYWISE,
    infer=same_shape,
    forward=forward,
    interval=interval,
    relax=entrywise(interval, kinks=lambda options: ((0.0, 0.0),), swing=lambda options: (options["slope"], 1.0)),
    grid=grid,
    slope=lambda options: (options["slope"], 1.0),
)
