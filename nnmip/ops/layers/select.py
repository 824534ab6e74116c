"""`select`: entries of a tensor by their flat positions, in any order and shape."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np
from numpy.typing import NDArray

from nnmip.arrays import distinct
from nnmip.bounds.interval import Interval
from nnmip.bounds.relaxation import Relaxation
from nnmip.hir.core import IntArray, Shape
from nnmip.ops.base import InferredShapes, LayerOp, Option, Options, ShapeMismatch, where_all

FloatArray = NDArray[np.float64]


def _shape(options: Options) -> Shape:
    return tuple(options["shape"] or (len(options["entries"]),))


def infer(inputs: tuple[Shape, ...], options: Options) -> InferredShapes:
    """Any shape to `shape`, a vector without one."""
    picked, shape = options["entries"], _shape(options)
    if prod(shape) != len(picked):
        raise ShapeMismatch(f"`select` to {list(shape)} needs {prod(shape)} entries")
    if picked and max(picked) >= prod(inputs[0]):
        raise ShapeMismatch(f"`select` needs at least {max(picked) + 1} entries here")
    return InferredShapes(shape, {})


def _picked(x: FloatArray, options: Options) -> FloatArray:
    picked = np.take(x.reshape(len(x), -1), options["entries"], axis=1)
    return np.asarray(picked.reshape(len(x), *_shape(options)))


def forward(inputs: tuple[FloatArray, ...], decisions: Mapping[str, FloatArray], options: Options) -> FloatArray:
    return _picked(inputs[0], options)


def interval(inputs: tuple[Interval, ...], decisions: Mapping[str, Interval], options: Options) -> Interval:
    return Interval(_picked(inputs[0].lo, options), _picked(inputs[0].hi, options))


def relax(inputs: tuple[Interval, ...], decisions: Mapping[str, FloatArray], options: Options) -> Relaxation:
    """Backwards, the coefficients of all outputs that are one entry are added up."""
    (x,) = inputs
    picked = np.array(options["entries"], dtype=np.int64)
    is_one_to_one = len(distinct(picked)) == len(picked)

    def back(rows: FloatArray) -> tuple[tuple[FloatArray, ...], None]:
        given = rows.reshape(-1, len(picked)).T
        found = np.zeros((prod(x.shape[1:]), given.shape[1]))
        if is_one_to_one:
            found[picked] = given
        else:
            np.add.at(found, picked, given)
        return (found.T.reshape(*rows.shape[:2], *x.shape[1:]),), None

    return Relaxation(back, None if is_one_to_one else _picked(x.magnitude, options))


def entries(shapes: tuple[Shape, ...], options: Options) -> IntArray:
    return np.array(options["entries"], dtype=np.int64).reshape(-1, 1)


def owners(inputs: tuple[IntArray, ...], options: Options) -> IntArray:
    return np.take(inputs[0].reshape(-1), options["entries"]).reshape(_shape(options))


OP = LayerOp(
    name="select",
    signature="select(x, entries: [i, ...], shape: [c, h, w])",
    summary="entries of x by their flat positions, row-major, in any order; a vector without `shape`",
    domains=(),
    options=(Option("entries", "sizes", required=True, least=0), Option("shape", "sizes", least=1)),
    prune=(),
    infer=infer,
    forward=forward,
    interval=interval,
    relax=relax,
    entries=entries,
    owners=owners,
    gives_bits=where_all,
)
