"""`abs` as a positive part and a line."""

from __future__ import annotations

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Layer, Network
from nnmip.lowering.activations import bent
from nnmip.lowering.base import Lowering, Signal


def lower(
    low: Lowering, network: Network, layer: Layer, inputs: tuple[Signal, ...], bounds: Interval, path: str
) -> Signal:
    """2 max(0, z) - z. Exact (`piecewise`)."""
    return bent(low, network, layer, inputs, bounds, path, line=-1.0, at_zero=0.0, bends=((0.0, 2.0),))
