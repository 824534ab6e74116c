"""`relu` as big-M rows with proved bounds for every row and unit."""

from __future__ import annotations

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Layer, Network
from nnmip.lowering.activations import constant, gate_of_entries, removable, without_weights
from nnmip.lowering.asked import Asked
from nnmip.lowering.base import FirstPart, Lowering, Polarity, Signal
from nnmip.lowering.composed import passed_on
from nnmip.lowering.convexity import cut_between_rows
from nnmip.lowering.partition import Parts, in_parts
from nnmip.lowering.piecewise import defined, positive_part
from nnmip.milp.affine import Affine


def lower(
    low: Lowering, network: Network, layer: Layer, inputs: tuple[Signal, ...], bounds: Interval, path: str
) -> Signal:
    """h = max(0, z) for every distinct row and unit; stable cases need no binary. A removed unit has no phase where its
    z is then at most 0, as right behind weights; behind `sign`, say, z is 1, and h less by that (`removable`).

    The interval of z holds what it is without the unit, because the boxes of its weights hold 0. Exact (`piecewise`);
    where z is affine in the data, rows that lie between others add valid inequalities (`convexity`). Only the sides of
    h are encoded that the model relies on (`asked`). `partition` adds rows where a network at a point asks for them.
    """
    (a,) = inputs
    if a.is_data:
        return constant(layer, inputs, bounds)
    asked = low.asked.get(layer.name)
    parts = _in_parts(low, layer, a, asked, path)
    # Read from one side, an entry of z stands in one row: columns of its own would save nothing.
    is_short = asked is not None and (asked.upper & asked.lower).mean() < 0.5
    z = parts.value if parts is not None else a.value
    if not is_short:
        z = _with_columns(low, layer, f"{path}.z", z, a)
    gate = gate_of_entries(low, layer)
    if gate is not None and (without_weights(network, layer.inputs[0]) > 0.0).any():
        gate = None
    part = positive_part(low, path, z, a.bounds, Polarity.EXACT, layer.origin, gate, asked)
    if parts is not None:
        parts.tighten(low, path, part, layer.origin)
    if a.affine_in is not None:
        cut_between_rows(low, path, part, a.affine_in, layer.origin)
        low.firsts.append(FirstPart(layer, part, a.affine_in))
    return Signal(
        removable(low, network, layer, part.value),
        bounds,
        phase=None if part.phase is None else (part.phase, part.has_phase),
    )


def _with_columns(low: Lowering, layer: Layer, path: str, z: Affine, a: Signal) -> Affine:
    """The same tensor with columns of its own, for all entries or, in networks at points, for the open ones."""
    behind = low.behind.get(layer.name)
    found = None if behind is None else passed_on(low, path, z, a.bounds, behind, layer.origin)
    return defined(low, path, z, a.bounds, layer.origin) if found is None else found


def _in_parts(low: Lowering, layer: Layer, z: Signal, asked: Asked | None, path: str) -> Parts | None:
    """What the network asks to be split: entries that can have a phase."""
    if low.parts < 2:
        return None
    wanted = (z.bounds.lo < 0) & (z.bounds.hi > 0)
    if asked is not None:
        wanted &= asked.lower.reshape(wanted.shape)
    return in_parts(low, path, z, wanted, low.parts, layer.origin)
