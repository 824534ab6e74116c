"""`hard_sigmoid` as the difference of two positive parts."""

from __future__ import annotations

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Layer, Network
from nnmip.lowering.activations import bent
from nnmip.lowering.base import Lowering, Signal


def lower(
    low: Lowering, network: Network, layer: Layer, inputs: tuple[Signal, ...], bounds: Interval, path: str
) -> Signal:
    """max(0, slope z + shift) - max(0, slope z + shift - 1). Exact (`piecewise`)."""
    slope, shift = layer.option("slope"), layer.option("shift")
    if slope == 0.0:
        return bent(low, network, layer, inputs, bounds, path, line=0.0, at_zero=min(max(shift, 0.0), 1.0), bends=())
    bends = ((-shift / slope, slope), ((1.0 - shift) / slope, -slope))
    return bent(low, network, layer, inputs, bounds, path, line=0.0, at_zero=0.0, bends=bends)
