"""`concat`: expressions one after another."""

from __future__ import annotations

import numpy as np

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Layer, Network
from nnmip.lowering.base import Lowering, Signal
from nnmip.milp.affine import concatenate


def lower(
    low: Lowering, network: Network, layer: Layer, inputs: tuple[Signal, ...], bounds: Interval, path: str
) -> Signal:
    """Nothing to encode."""
    parts = [a.value for a in inputs]
    ends = np.cumsum([0, *(p.size for p in parts)])
    numbered = [start + np.arange(p.size).reshape(p.shape) for start, p in zip(ends, parts, strict=False)]
    places = np.concatenate(numbered, axis=layer.option("axis") + 1)
    return Signal(concatenate(parts).gather(places), bounds)
