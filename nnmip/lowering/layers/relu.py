"""`relu` as big-M rows with proved bounds for every row and unit."""

from __future__ import annotations

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Layer, Network
from nnmip.lowering.activations import constant, gate_of_entries
from nnmip.lowering.base import FirstPart, Lowering, Polarity, Signal
from nnmip.lowering.convexity import cut_between_rows
from nnmip.lowering.piecewise import defined, positive_part


def lower(
    low: Lowering, network: Network, layer: Layer, inputs: tuple[Signal, ...], bounds: Interval, path: str
) -> Signal:
    """h = max(0, z) for every distinct row and unit; stable cases need no binary, a removed unit has z = 0.

    The interval of z holds 0 where a unit can be removed, because the boxes of its weights do. Exact (`piecewise`);
    where z is affine in the data, rows that lie between others add valid inequalities (`convexity`). Only the sides of
    h are encoded that the model relies on (`asked`).
    """
    (a,) = inputs
    if a.is_data:
        return constant(layer, inputs, bounds)
    asked = low.asked.get(layer.name)
    # Read from one side, an entry of z stands in one row: columns of its own would save nothing.
    is_short = asked is not None and (asked.upper & asked.lower).mean() < 0.5
    z = a.value if is_short else defined(low, f"{path}.z", a.value, a.bounds, layer.origin)
    part = positive_part(low, path, z, a.bounds, Polarity.EXACT, layer.origin, gate_of_entries(low, layer), asked)
    if a.affine_in is not None:
        cut_between_rows(low, path, part, a.affine_in, layer.origin)
        low.firsts.append(FirstPart(layer, part, a.affine_in))
    return Signal(part.value, bounds, phase=None if part.phase is None else (part.phase, part.has_phase))
