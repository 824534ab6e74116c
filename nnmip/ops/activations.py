"""Activations of one kind: values cut at two ends, and the side of 0 that a value is on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from nnmip.bounds.interval import TINY, Interval
from nnmip.bounds.relaxation import entrywise
from nnmip.hir.core import Shape
from nnmip.ops.base import InferredShapes, LayerOp, Option, Options, common_grid, never, rising

FloatArray = NDArray[np.float64]
ENTRYWISE = ("units", "filters")
"""What an activation can prune."""


def same_shape(inputs: tuple[Shape, ...], options: Options) -> InferredShapes:
    """Any shape to itself."""
    return InferredShapes(inputs[0], {})


def clipping(
    name: str, signature: str, summary: str, options: tuple[Option, ...], ends: Callable[[Options], tuple[float, float]]
) -> LayerOp:
    """The entry of an activation that cuts values at `ends(options)`."""

    def forward(inputs: tuple[FloatArray, ...], decisions: Mapping[str, FloatArray], options: Options) -> FloatArray:
        return np.clip(inputs[0], *ends(options))

    def interval(inputs: tuple[Interval, ...], decisions: Mapping[str, Interval], options: Options) -> Interval:
        """Nondecreasing, and exact in floating point."""
        least, most = ends(options)
        return Interval(np.clip(inputs[0].lo, least, most), np.clip(inputs[0].hi, least, most))

    def grid(inputs: tuple[Fraction, ...], shapes: tuple[Shape, ...], options: Options) -> Fraction | None:
        return common_grid(inputs[0], *(abs(Fraction(repr(float(end)))) for end in ends(options)))

    def objection(options: Options) -> str:
        least, most = ends(options)
        return (
            "" if least < most else f"`{name}` needs a `low` that is less than its `high`, not {least:g} and {most:g}"
        )

    relax = entrywise(interval, lambda options: tuple((end, end) for end in ends(options)))
    parts = (name, signature, summary, (), options, ENTRYWISE, same_shape, forward, interval)
    return LayerOp(*parts, grid=grid, objection=objection, slope=rising, relax=relax)


def threshold(
    name: str, signature: str, summary: str, below: float, gives_bits: Callable[[tuple[bool, ...]], bool] = never
) -> LayerOp:
    """The entry of an activation that is 1 where z >= 0, up to the tolerance that the options carry, else `below`."""

    def forward(inputs: tuple[FloatArray, ...], decisions: Mapping[str, FloatArray], options: Options) -> FloatArray:
        return np.where(inputs[0] >= -options["tolerance"], 1.0, below)

    def interval(inputs: tuple[Interval, ...], decisions: Mapping[str, Interval], options: Options) -> Interval:
        """Known where z is on one side of 0, by more than solvers can miss."""
        z = inputs[0]
        return Interval(np.where(z.lo >= 0.0, 1.0, below), np.where(z.hi < -TINY, below, 1.0))

    def grid(inputs: tuple[Fraction, ...], shapes: tuple[Shape, ...], options: Options) -> Fraction | None:
        return Fraction(1)

    relax = entrywise(interval, lambda options: ((-TINY, 0.0),))
    options = (Option("strictness", "number", least=TINY),)
    parts = (name, signature, summary, (), options, ENTRYWISE, same_shape, forward, interval)
    return LayerOp(*parts, grid=grid, gives_bits=gives_bits, slope=lambda options: (0.0, np.inf), relax=relax)
