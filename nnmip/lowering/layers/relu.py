"""`relu` as big-M rows with proved bounds for every row and unit."""

from __future__ import annotations

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Layer, Network
from nnmip.lowering.activations import constant, gate_of_entries
from nnmip.lowering.base import Lowering, Polarity, Signal
from nnmip.lowering.convexity import cut_between_rows
from nnmip.lowering.piecewise import defined, positive_part


def lower(
    low: Lowering, network: Network, layer: Layer, inputs: tuple[Signal, ...], bounds: Interval, path: str
) -> Signal:
    """h = max(0, z) for every distinct row and unit; stable cases need no binary, a removed unit has z = 0.

    The interval of z holds 0 where a unit can be removed, because the boxes of its weights do. Exact (`piecewise`);
    where z is affine in the data, rows that lie between others add valid inequalities (`convexity`).
    """
    (a,) = inputs
    if a.is_data:
        return constant(layer, inputs, bounds)
    z = defined(low, f"{path}.z", a.value, a.bounds, layer.origin)
    part = positive_part(low, path, z, a.bounds, Polarity.EXACT, layer.origin, gate_of_entries(low, layer))
    if a.affine_in is not None:
        cut_between_rows(low, path, part, a.affine_in, layer.origin)
    return Signal(part.value, bounds, phase=None if part.phase is None else (part.phase, part.is_open))
