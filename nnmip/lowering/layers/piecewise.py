"""`piecewise` piece by piece."""

from __future__ import annotations

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Layer, Network
from nnmip.lowering.activations import constant, removable
from nnmip.lowering.base import Lowering, Signal
from nnmip.lowering.increments import interpolated
from nnmip.ops.layers.piecewise import Knots


def lower(
    low: Lowering, network: Network, layer: Layer, inputs: tuple[Signal, ...], bounds: Interval, path: str
) -> Signal:
    """f(z) for f linear between points (`increments`); a unit that is removed gives 0. Exact."""
    (a,) = inputs
    if a.is_data:
        return constant(layer, inputs, bounds)
    knots = Knots.of(dict(layer.options))
    value = interpolated(low, path, a.value, a.bounds, knots, low.asked.get(layer.name), layer.origin)
    return Signal(removable(low, network, layer, value), bounds)
