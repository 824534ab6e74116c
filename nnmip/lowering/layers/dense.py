"""`dense` as affine expressions: data times weights, or exact products of activations with finite-domain weights."""

from __future__ import annotations

from dataclasses import replace

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Layer, Network
from nnmip.lowering.base import Lowering, Signal
from nnmip.lowering.linear import affine_map


def lower(
    low: Lowering, network: Network, layer: Layer, inputs: tuple[Signal, ...], bounds: Interval, path: str
) -> Signal:
    """z = W a + b (`lowering.linear`). Exact."""
    (a,) = inputs
    z = affine_map(low, layer, a, bounds, path)
    return replace(z, affine_in=a.value.const) if a.is_data else z
