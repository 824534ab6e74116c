"""`clip` as the difference of two positive parts."""

from __future__ import annotations

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Layer, Network
from nnmip.lowering.activations import between
from nnmip.lowering.base import Lowering, Signal


def lower(
    low: Lowering, network: Network, layer: Layer, inputs: tuple[Signal, ...], bounds: Interval, path: str
) -> Signal:
    """low + max(0, z - low) - max(0, z - high). Exact (`piecewise`)."""
    return between(low, network, layer, inputs, bounds, path, layer.option("low"), layer.option("high"))
