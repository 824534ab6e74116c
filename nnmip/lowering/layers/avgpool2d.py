"""`avgpool2d`: means of expressions."""

from __future__ import annotations

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Layer, Network
from nnmip.lowering.base import Lowering, Signal
from nnmip.lowering.moves import window_means
from nnmip.ops.windows import pooled_entries


def lower(
    low: Lowering, network: Network, layer: Layer, inputs: tuple[Signal, ...], bounds: Interval, path: str
) -> Signal:
    """Nothing to encode."""
    (a,) = inputs
    return window_means(a, pooled_entries(a.value.shape[1:], dict(layer.options), "avgpool2d"), layer.shape, bounds)
