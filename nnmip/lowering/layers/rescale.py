"""`rescale` as affine expressions: one weight a unit, or channel."""

from __future__ import annotations

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Layer, Network
from nnmip.lowering.base import Lowering, Signal
from nnmip.lowering.linear import affine_map


def lower(
    low: Lowering, network: Network, layer: Layer, inputs: tuple[Signal, ...], bounds: Interval, path: str
) -> Signal:
    """z[c] = w[c] a[c] + b[c] (`lowering.linear`). Exact."""
    (a,) = inputs
    return affine_map(low, layer, a, bounds, path)
