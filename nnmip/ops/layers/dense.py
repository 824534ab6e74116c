"""`dense`: an affine map of a vector, `z = W x + b`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from nnmip.bounds.interval import Interval, matmul
from nnmip.bounds.relaxation import Relaxation
from nnmip.hir.core import IntArray, Shape
from nnmip.ops.base import (
    Connections,
    DomainOption,
    InferredShapes,
    LayerOp,
    Option,
    Options,
    ShapeMismatch,
)

FloatArray = NDArray[np.float64]


def infer(inputs: tuple[Shape, ...], options: Options) -> InferredShapes:
    """[i] -> [units], with weights [units, i] and bias [units]."""
    (shape,) = inputs
    if len(shape) != 1:
        raise ShapeMismatch("`dense` reads a vector")
    units = int(options["units"])
    return InferredShapes((units,), {"weights": (units, shape[0]), "bias": (units,)})


def forward(inputs: tuple[FloatArray, ...], decisions: Mapping[str, FloatArray], options: Options) -> FloatArray:
    """`x @ W.T + b`; a layer declared without a bias has none."""
    (x,) = inputs
    z = x @ decisions["weights"].T
    return z + decisions["bias"] if "bias" in decisions else z


def interval(inputs: tuple[Interval, ...], decisions: Mapping[str, Interval], options: Options) -> Interval:
    """Corner products, summed (formulation: interval bound propagation with weights that vary)."""
    (x,) = inputs
    z = matmul(x, decisions["weights"])
    if "bias" not in decisions:
        return z
    bias = decisions["bias"]
    return z + Interval(bias.lo[None, :], bias.hi[None, :])


def relax(inputs: tuple[Interval, ...], decisions: Mapping[str, FloatArray], options: Options) -> Relaxation:
    weights, bias = decisions["weights"], decisions.get("bias")

    def back(rows: FloatArray) -> tuple[tuple[FloatArray, ...], FloatArray | None]:
        flat = rows.reshape(-1, rows.shape[-1])
        used = flat.any(axis=0)  # units that are proved to be off have no coefficients
        found = flat[:, used] @ weights[used] if used.mean() < 0.8 else flat @ weights
        return (found.reshape(*rows.shape[:-1], -1),), None if bias is None else rows @ bias

    def single(index: IntArray) -> tuple[tuple[FloatArray, ...], FloatArray | None]:
        return (weights[index],), None if bias is None else bias[index]

    scale = inputs[0].magnitude @ np.abs(weights).T
    return Relaxation(back, scale if bias is None else scale + np.abs(bias), single=single)


def connect(shape: Shape, options: Options) -> Connections:
    """Every unit reads the whole vector."""
    units = int(options["units"])
    return Connections(np.broadcast_to(np.arange(shape[0]), (units, shape[0])), units)


OP = LayerOp(
    name="dense",
    signature="dense(x, units: n, weights in D, bias in D)",
    summary="an affine map of a vector: z = W x + b; without `bias` there is none",
    domains=(DomainOption("weights", required=True), DomainOption("bias", required=False)),
    options=(Option("units", "int", required=True, least=1),),
    prune=(),
    prune_weights=("weights",),
    infer=infer,
    forward=forward,
    interval=interval,
    relax=relax,
    connect=connect,
)
