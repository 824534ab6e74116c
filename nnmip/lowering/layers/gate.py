"""`gate` as the product of a tensor with a 0/1 expression."""

from __future__ import annotations

import numpy as np

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Layer, Network
from nnmip.lowering.activations import constant, switched
from nnmip.lowering.base import Lowering, Signal
from nnmip.lowering.piecewise import scattered


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
    inner = Signal(x.value.gather(open_), Interval(x.bounds.lo.reshape(-1)[open_], x.bounds.hi.reshape(-1)[open_]))
    y = switched(low, path, u.gather(open_), inner, layer.origin, shape, open_)
    return Signal(scattered([(known, x.value.gather(known)), (open_, y)], shape), bounds)
