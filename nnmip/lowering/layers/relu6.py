"""`relu6` as the difference of two positive parts."""

from __future__ import annotations

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Layer, Network
from nnmip.lowering.activations import between
from nnmip.lowering.base import Lowering, Signal


def lower(
    low: Lowering, network: Network, layer: Layer, inputs: tuple[Signal, ...], bounds: Interval, path: str
) -> Signal:
    """max(0, z) - max(0, z - 6). Exact (`piecewise`)."""
    return between(low, network, layer, inputs, bounds, path, 0.0, 6.0)
