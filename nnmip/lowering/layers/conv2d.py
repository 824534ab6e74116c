"""`conv2d` as affine expressions: one set of weights a filter, shared between all places."""

from __future__ import annotations

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Layer, Network
from nnmip.lowering.base import Lowering, Signal
from nnmip.lowering.linear import affine_map


def lower(
    low: Lowering, network: Network, layer: Layer, inputs: tuple[Signal, ...], bounds: Interval, path: str
) -> Signal:
    """z[f, p] = sum over the window at p of W[f] a + b[f] (`lowering.linear`). Exact; equal patches give equal
    expressions, which are encoded once where they enter an activation."""
    (a,) = inputs
    return affine_map(low, layer, a, bounds, path)
