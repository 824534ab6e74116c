"""`hard_tanh` as the difference of two positive parts."""

from __future__ import annotations

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Layer, Network
from nnmip.lowering.activations import between
from nnmip.lowering.base import Lowering, Signal


def lower(
    low: Lowering, network: Network, layer: Layer, inputs: tuple[Signal, ...], bounds: Interval, path: str
) -> Signal:
    """-1 + max(0, z + 1) - max(0, z - 1). Exact (`piecewise`)."""
    return between(low, network, layer, inputs, bounds, path, -1.0, 1.0)
