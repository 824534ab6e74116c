"""`select`: the same expressions in another order."""

from __future__ import annotations

import numpy as np

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Layer, Network
from nnmip.lowering.base import Lowering, Signal


def lower(
    low: Lowering, network: Network, layer: Layer, inputs: tuple[Signal, ...], bounds: Interval, path: str
) -> Signal:
    """Nothing to encode."""
    (a,) = inputs
    n = len(a.value.const)
    rows = np.arange(n)[:, None] * (a.value.size // max(n, 1))
    places = rows + np.array(layer.option("entries"), dtype=np.int64)
    return Signal(a.value.gather(places.reshape(n, *layer.shape)), bounds)
