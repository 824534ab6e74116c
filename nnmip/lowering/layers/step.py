"""`step` as two big-M rows around a gap below 0."""

from __future__ import annotations

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Layer, Network
from nnmip.lowering.activations import side
from nnmip.lowering.base import Lowering, Signal


def lower(
    low: Lowering, network: Network, layer: Layer, inputs: tuple[Signal, ...], bounds: Interval, path: str
) -> Signal:
    """The binary u with u = 1 iff z >= 0 (`activations.side`)."""
    return side(low, network, layer, inputs, bounds, path, below=0.0)
