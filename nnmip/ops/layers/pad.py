"""`pad`: a border around the last two axes, or at the ends of a vector."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from nnmip.bounds.interval import Interval
from nnmip.bounds.relaxation import Relaxation, dot
from nnmip.hir.core import IntArray, Shape
from nnmip.ops.base import InferredShapes, LayerOp, Option, Options, ShapeMismatch, common_grid, positions

FloatArray = NDArray[np.float64]
Border = tuple[tuple[int, int], ...]


def border(shape: Shape, options: Options) -> Border:
    """(before, after) for every axis of a tensor of `shape`; ShapeMismatch for another number of entries than sides."""
    sides = tuple(options["border"])
    axes = min(len(shape), 2)
    if len(sides) == 1:
        sides = sides * (2 * axes)
    if len(sides) != 2 * axes:
        raise ShapeMismatch(
            "`pad` needs one number, or one for each side: "
            + ("`border: [before, after]`" if axes == 1 else "`border: [top, bottom, left, right]`")
        )
    pairs = [(sides[2 * axis], sides[2 * axis + 1]) for axis in range(axes)]
    return ((0, 0),) * (len(shape) - axes) + tuple(pairs)


def infer(inputs: tuple[Shape, ...], options: Options) -> InferredShapes:
    """[.., h, w] -> [.., top + h + bottom, left + w + right]; [i] -> [before + i + after]."""
    (shape,) = inputs
    if not shape:
        raise ShapeMismatch("`pad` reads a vector or an image")
    sides = border(shape, options)
    return InferredShapes(tuple(size + sum(pair) for size, pair in zip(shape, sides, strict=True)), {})


def _padded(x: FloatArray, options: Options) -> FloatArray:
    return np.pad(x, ((0, 0), *border(x.shape[1:], options)), constant_values=options["value"])


def forward(inputs: tuple[FloatArray, ...], decisions: Mapping[str, FloatArray], options: Options) -> FloatArray:
    return _padded(inputs[0], options)


def interval(inputs: tuple[Interval, ...], decisions: Mapping[str, Interval], options: Options) -> Interval:
    return Interval(_padded(inputs[0].lo, options), _padded(inputs[0].hi, options))


def relax(inputs: tuple[Interval, ...], decisions: Mapping[str, FloatArray], options: Options) -> Relaxation:
    """The border is a constant."""
    shape = inputs[0].shape[1:]
    inside = tuple(
        slice(before, before + size) for (before, _), size in zip(border(shape, options), shape, strict=True)
    )
    around = _padded(np.zeros((1, *shape)), options)

    def back(rows: FloatArray) -> tuple[tuple[FloatArray, ...], FloatArray]:
        return (rows[:, :, *inside],), dot(rows, around)

    return Relaxation(back, np.abs(around))


def owners(inputs: tuple[IntArray, ...], options: Options) -> IntArray:
    """The border of a channel goes with its nearest entry: a filter that is removed leaves nothing behind."""
    (owner,) = inputs
    return np.pad(owner, border(owner.shape, options), mode="edge")


def entries(shapes: tuple[Shape, ...], options: Options) -> IntArray:
    """The border is made from nothing."""
    (places,) = positions(shapes)
    return np.pad(places, border(places.shape, options), constant_values=-1).reshape(-1, 1)


def grid(inputs: tuple[Fraction, ...], shapes: tuple[Shape, ...], options: Options) -> Fraction | None:
    return common_grid(inputs[0], Fraction(repr(options["value"])))


OP = LayerOp(
    name="pad",
    signature="pad(x, border: n, value: 0)",
    summary="a border of `value` around the two last axes, `[top, bottom, left, right]`, or at the ends of a vector",
    domains=(),
    options=(Option("border", "sizes", required=True, least=0), Option("value", "number", default=0.0)),
    prune=(),
    infer=infer,
    forward=forward,
    interval=interval,
    relax=relax,
    entries=entries,
    owners=owners,
    grid=grid,
)
