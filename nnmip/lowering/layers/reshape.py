"""`reshape`: the same expressions in another shape."""

from __future__ import annotations

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Layer, Network
from nnmip.lowering.base import Lowering, Signal
from nnmip.lowering.moves import reshaped


def lower(
    low: Lowering, network: Network, layer: Layer, inputs: tuple[Signal, ...], bounds: Interval, path: str
) -> Signal:
    """Nothing to encode."""
    return reshaped(inputs[0], layer.shape, bounds)
