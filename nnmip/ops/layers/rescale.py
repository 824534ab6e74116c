"""`rescale`: every unit, or channel, times a weight of its own."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np
from numpy.typing import NDArray

from nnmip.bounds.interval import Interval, product
from nnmip.bounds.relaxation import Relaxation
from nnmip.hir.core import Shape
from nnmip.ops.base import Connections, DomainOption, InferredShapes, LayerOp, Options, ShapeMismatch

FloatArray = NDArray[np.float64]


def infer(inputs: tuple[Shape, ...], options: Options) -> InferredShapes:
    """[c, ..] to the same shape, with weights [c] and bias [c]."""
    (shape,) = inputs
    if not shape:
        raise ShapeMismatch("`rescale` reads a vector or an image")
    return InferredShapes(shape, {"weights": shape[:1], "bias": shape[:1]})


def _column(numbers: FloatArray, like: FloatArray) -> FloatArray:
    return numbers.reshape(-1, *(1,) * (like.ndim - 2))


def forward(inputs: tuple[FloatArray, ...], decisions: Mapping[str, FloatArray], options: Options) -> FloatArray:
    """w[c] x[c, ..] + b[c]; a layer declared without a bias has none."""
    (x,) = inputs
    z = x * _column(decisions["weights"], x)
    return z + _column(decisions["bias"], x) if "bias" in decisions else z


def interval(inputs: tuple[Interval, ...], decisions: Mapping[str, Interval], options: Options) -> Interval:
    """Corner products."""
    (x,) = inputs
    weights, bias = decisions["weights"], decisions.get("bias")
    z = product(x, Interval(_column(weights.lo, x.lo), _column(weights.hi, x.lo)))
    return z if bias is None else z + Interval(_column(bias.lo, x.lo), _column(bias.hi, x.lo))


def relax(inputs: tuple[Interval, ...], decisions: Mapping[str, FloatArray], options: Options) -> Relaxation:
    (x,) = inputs
    weights, bias = _column(decisions["weights"], x.lo), decisions.get("bias")

    def back(rows: FloatArray) -> tuple[tuple[FloatArray, ...], FloatArray | None]:
        constant = None if bias is None else rows.reshape(*rows.shape[:3], -1).sum(axis=3) @ bias
        return (rows * weights,), constant

    scale = x.magnitude * np.abs(weights)
    return Relaxation(back, scale if bias is None else scale + np.abs(_column(bias, x.lo)))


def connect(shape: Shape, options: Options) -> Connections:
    """Every unit reads its own place."""
    return Connections(np.arange(prod(shape))[:, None], shape[0])


OP = LayerOp(
    name="rescale",
    signature="rescale(x, weights in D, bias in D)",
    summary="every unit or channel times a weight of its own: z[c] = w[c] x[c] + b[c]; without `bias` there is none",
    domains=(DomainOption("weights", required=True), DomainOption("bias", required=False)),
    options=(),
    prune=(),
    prune_weights=("weights",),
    infer=infer,
    forward=forward,
    interval=interval,
    relax=relax,
    connect=connect,
    unit_by_unit=True,
)
