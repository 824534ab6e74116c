"""`pad`: the same expressions with known numbers around them."""

from __future__ import annotations

import numpy as np

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Layer, Network
from nnmip.lowering.base import Lowering, Signal
from nnmip.milp.affine import Affine
from nnmip.ops.layers.pad import border


def lower(
    low: Lowering, network: Network, layer: Layer, inputs: tuple[Signal, ...], bounds: Interval, path: str
) -> Signal:
    """Nothing to encode."""
    (a,) = inputs
    n, *shape = a.value.shape
    places = np.pad(
        np.arange(int(np.prod(shape))).reshape(shape), border(tuple(shape), dict(layer.options)), constant_values=-1
    )
    at = np.flatnonzero(places.reshape(-1) >= 0)
    picked = np.arange(n)[:, None] * int(np.prod(shape)) + places.reshape(-1)[at]
    inner = a.value.gather(picked)
    row, column = np.divmod(inner.entry, len(at))
    const = np.full((n, places.size), layer.option("value"))
    const[:, at] = inner.const
    entry = row * places.size + at[column]
    return Signal(Affine(const.reshape(n, *layer.shape), entry, inner.column, inner.coef), bounds)
