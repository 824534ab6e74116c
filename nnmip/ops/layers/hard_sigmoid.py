"""`hard_sigmoid`: a line from 0 to 1, cut at both ends, entry by entry."""

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
    """clip(`slope` z + `shift`, 0, 1)."""
    return np.asarray(np.clip(options["slope"] * inputs[0] + options["shift"], 0.0, 1.0))


def interval(inputs: tuple[Interval, ...], decisions: Mapping[str, Interval], options: Options) -> Interval:
    """Nondecreasing in z for a slope that is not negative."""
    line = times(inputs[0], options["slope"]) + Interval.box(inputs[0].shape, options["shift"], options["shift"])
    return Interval(np.clip(line.lo, 0.0, 1.0), np.clip(line.hi, 0.0, 1.0))


def kinks(options: Options) -> tuple[tuple[float, float], ...]:
    """Where the line is 0 and where it is 1, between the numbers next to the rounded quotients."""
    slope, shift = Fraction(options["slope"]), Fraction(options["shift"])
    if not slope:
        return ()
    ends = (float((Fraction(end) - shift) / slope) for end in (0, 1))
    return tuple((float(np.nextafter(end, -np.inf)), float(np.nextafter(end, np.inf))) for end in ends)


def grid(inputs: tuple[Fraction, ...], shapes: tuple[Shape, ...], options: Options) -> Fraction | None:
    """A slope of 1/6 is meant exactly."""
    slope = Fraction(options["slope"]).limit_denominator(10**6)
    if float(slope) != options["slope"]:
        return None
    return common_grid(inputs[0] * slope, abs(Fraction(repr(float(options["shift"])))), Fraction(1))


OP = LayerOp(
    name="hard_sigmoid",
    signature="hard_sigmoid(z, slope: 1/6, shift: 1/2, prune: units)",
    summary="clip(slope z + shift, 0, 1), entry by entry",
    domains=(),
    options=(Option("slope", "number", default=1 / 6, least=0.0), Option("shift", "number", default=0.5)),
    prune=ENTRYWISE,
    infer=same_shape,
    forward=forward,
    interval=interval,
    relax=entrywise(interval, kinks),
    grid=grid,
    slope=lambda options: (0.0, options["slope"]),
)
