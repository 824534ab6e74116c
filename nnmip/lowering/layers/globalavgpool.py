"""`globalavgpool`: means of expressions."""

from __future__ import annotations

import numpy as np

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Layer, Network
from nnmip.lowering.base import Lowering, Signal
from nnmip.lowering.moves import window_means


def lower(
    low: Lowering, network: Network, layer: Layer, inputs: tuple[Signal, ...], bounds: Interval, path: str
) -> Signal:
    """Nothing to encode."""
    (a,) = inputs
    _, channels, height, width = a.value.shape
    entries = np.arange(channels * height * width).reshape(channels, height * width)
    return window_means(a, entries, layer.shape, bounds)
