"""`gate`: a tensor where another one, of 0 and 1, says so, else 0."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from nnmip.bounds.interval import Interval
from nnmip.bounds.relaxation import Relaxation
from nnmip.hir.core import IntArray, Shape
from nnmip.ops.base import InferredShapes, LayerOp, Options, ShapeMismatch, positions, rising

FloatArray = NDArray[np.float64]


def infer(inputs: tuple[Shape, ...], options: Options) -> InferredShapes:
    """A tensor and a gate for each of its entries, or one for all, to the shape of the tensor."""
    x, by = inputs
    if by not in (x, (1,)):
        raise ShapeMismatch("`gate` needs a gate of the shape of what it gates, or a single one")
    return InferredShapes(x, {})


def _wide(by: FloatArray, like: FloatArray) -> FloatArray:
    if by.shape == like.shape:
        return by
    return np.broadcast_to(by.reshape(len(by), *(1,) * (like.ndim - 1)), like.shape)


def forward(inputs: tuple[FloatArray, ...], decisions: Mapping[str, FloatArray], options: Options) -> FloatArray:
    """x where the gate is 1, 0 where it is 0."""
    x, by = inputs
    return x * _wide(by, x)


def interval(inputs: tuple[Interval, ...], decisions: Mapping[str, Interval], options: Options) -> Interval:
    """x, 0, or either."""
    x, by = inputs
    off, on = _wide(by.lo, x.lo) < 0.5, _wide(by.hi, x.lo) > 0.5
    lo, hi = np.where(on, x.lo, 0.0), np.where(on, x.hi, 0.0)
    return Interval(np.where(off, np.minimum(lo, 0.0), lo), np.where(off, np.maximum(hi, 0.0), hi))


def relax(inputs: tuple[Interval, ...], decisions: Mapping[str, FloatArray], options: Options) -> Relaxation:
    """An open gate gives x, a shut one 0; else the output is between the bit times the least x and the largest x."""
    x, by = inputs
    on = np.where(_wide(by.lo, x.lo) > 0.5, 1.0, 0.0)
    unknown = (on == 0.0) & (_wide(by.hi, x.lo) > 0.5)
    lo, hi = np.where(unknown, x.lo, 0.0), np.where(unknown, x.hi, 0.0)

    def back(rows: FloatArray) -> tuple[tuple[FloatArray, ...], None]:
        negative = np.minimum(rows, 0.0)
        bits = (rows - negative) * lo[:, None] + negative * hi[:, None]
        if by.shape != x.shape:
            bits = bits.reshape(*bits.shape[:2], -1).sum(axis=2, keepdims=True)
        return (rows * on[:, None], bits), None

    any_unknown = unknown if by.shape == x.shape else unknown.reshape(len(unknown), -1).any(axis=1, keepdims=True)
    return Relaxation(back, 2.0 * x.magnitude, (unknown, any_unknown))


def entries(shapes: tuple[Shape, ...], options: Options) -> IntArray:
    """Every entry with its gate."""
    x, by = positions(shapes)
    return np.stack([x.reshape(-1), np.broadcast_to(by.reshape(-1), x.size)], axis=-1)


OP = LayerOp(
    name="gate",
    signature="gate(x, by)",
    summary="x where `by`, made of 0 and 1 by `step`, is 1, else 0; `by` has the shape of x, or is a single gate",
    domains=(),
    options=(),
    prune=(),
    infer=infer,
    forward=forward,
    interval=interval,
    relax=relax,
    arity=2,
    entries=entries,
    reads_bits=(1,),
    slope=rising,
)
