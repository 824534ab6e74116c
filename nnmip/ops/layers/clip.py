"""`clip`: values cut at two ends, entry by entry."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Shape
from nnmip.ops.base import InferredShapes, LayerOp, Option, Options, common_grid

FloatArray = NDArray[np.float64]


def infer(inputs: tuple[Shape, ...], options: Options) -> InferredShapes:
    """Any shape to itself."""
    return InferredShapes(inputs[0], {})


def ends(options: Options) -> tuple[float, float]:
    """The least and the greatest value."""
    return options["low"], options["high"]


def forward(inputs: tuple[FloatArray, ...], decisions: Mapping[str, FloatArray], options: Options) -> FloatArray:
    return np.clip(inputs[0], *ends(options))


def interval(inputs: tuple[Interval, ...], decisions: Mapping[str, Interval], options: Options) -> Interval:
    """Nondecreasing, and exact in floating point."""
    least, most = ends(options)
    return Interval(np.clip(inputs[0].lo, least, most), np.clip(inputs[0].hi, least, most))


def grid(inputs: tuple[Fraction, ...], shapes: tuple[Shape, ...], options: Options) -> Fraction | None:
    return common_grid(inputs[0], *(abs(Fraction(repr(end))) for end in ends(options)))


OP = LayerOp(
    name="clip",
    signature="clip(z, low: 0, high: 6, prune: units)",
    summary="z cut at `low` and `high`, entry by entry",
    domains=(),
    options=(Option("low", "number", default=0.0), Option("high", "number", default=6.0)),
    prune=("units", "filters"),
    infer=infer,
    forward=forward,
    interval=interval,
    grid=grid,
)
