"""`gate` as the product of a tensor with a 0/1 expression."""

from __future__ import annotations

import numpy as np

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Layer, Network
from nnmip.lowering.activations import constant
from nnmip.lowering.base import Lowering, Signal
from nnmip.lowering.piecewise import scattered
from nnmip.milp.builder import Choice
from nnmip.milp.model import FloatArray


def lower(
    low: Lowering, network: Network, layer: Layer, inputs: tuple[Signal, ...], bounds: Interval, path: str
) -> Signal:
    """y = u x for u in {0, 1} and x in [L, U]; where u is known, x or 0:

        L u <= y <= U u        x - U (1 - u) <= y <= x - L (1 - u)

    Exact (formulation: product of a binary and a bounded variable).
    """
    x, by = inputs
    if x.is_data and by.is_data:
        return constant(layer, inputs, bounds)
    shape = x.value.shape
    wide = np.arange(by.value.size)
    wide = np.broadcast_to(
        wide.reshape(shape if by.value.size == x.value.size else (-1, *(1,) * (len(shape) - 1))), shape
    )
    u = by.value.gather(np.ascontiguousarray(wide)).reshape((-1,))
    on, off = by.bounds.lo.reshape(-1)[wide] > 0.5, by.bounds.hi.reshape(-1)[wide] < 0.5
    known, open_ = np.flatnonzero(on), np.flatnonzero(~on & ~off)
    inner, pick = x.value.gather(open_), u.gather(open_)
    L, U = x.bounds.lo.reshape(-1)[open_], x.bounds.hi.reshape(-1)[open_]

    def fill(point: FloatArray, choice: Choice) -> FloatArray:
        return np.asarray(inner.value(point) * pick.value(point), dtype=np.float64)

    lo, hi = np.minimum(L, 0.0), np.maximum(U, 0.0)
    y = low.builder.columns(path, shape, lo, hi, layer.origin, fill, picked=open_)
    for name, row, side, bound, M in (
        ("off_upper", y - pick * U, "ub", 0.0, U),
        ("off_lower", y - pick * L, "lb", 0.0, L),
        ("on_lower", y - inner - pick * U, "lb", -U, U),
        ("on_upper", y - inner - pick * L, "ub", -L, L),
    ):
        low.builder.rows(f"{path}.{name}", row, layer.origin, shape=shape, picked=open_, big_m=M, **{side: bound})
    return Signal(scattered([(known, x.value.gather(known)), (open_, y)], shape), bounds)
