"""`used` as a conjunction of "something comes in" and "something goes out"."""

from __future__ import annotations

import numpy as np

from nnmip.hir.core import Apply, Units
from nnmip.lowering.base import Lowering, Polarity
from nnmip.milp.affine import Affine, add_up
from nnmip.milp.model import BoolArray, IntArray

Entries = list[tuple[IntArray, Affine]]
"""0/1 entries that belong to some of the units asked for: (position of the unit, entry), once for each tensor."""


def lower(low: Lowering, node: Apply, polarity: Polarity, path: str) -> Affine:
    """u = in and out with in = or of the nonzero indicators of the incoming weights and the bias, out likewise; of a
    feature only out.

        UPPER:  in >= t_i, out >= t_k, u >= in + out - 1        LOWER:  in <= sum t_i, out <= sum t_k, u <= in, u <= out

    in, out and u may be continuous in [0, 1] because the indicators are binary. Exact for the sides asked for.
    """
    (units,) = node.operands
    assert isinstance(units, Units)
    index = units.index.reshape(-1)
    network = low.program.network(units.network)
    if units.layer != network.input_name and (optional := network.layer(units.layer)).skip is not None:
        return low.kept[optional.path]
    if units.layer == network.input_name:
        reads = low.wiring(units.network).features(index)
        masks = {p: mask.reshape(len(index), -1) for p, mask in reads.weights.items()}
        read = _any(low, f"{path}.out", node, polarity, _picked(low, node, polarity, masks), index.shape)
        return _or_known(read, reads.passed_on).reshape(units.shape)
    wiring = low.wiring(units.network)
    index = wiring.units(units.layer)[index]
    rows = {
        d.path: np.repeat(wiring.rows(layer), d.size // layer.units)[None, :] == index[:, None]
        for layer in wiring.network.layers
        for d in layer.decisions
    }
    came = _any(low, f"{path}.in", node, polarity, _picked(low, node, polarity, rows), index.shape)
    passes_on = wiring.passes_on[index]
    if passes_on.all():
        return came.reshape(units.shape)
    masks = {p: reads.reshape(-1)[None, :] == index[:, None] for p, reads in wiring.reads.items()}
    went = _any(low, f"{path}.out", node, polarity, _picked(low, node, polarity, masks), index.shape)
    went = _or_known(went, passes_on)
    u = low.builder.columns(path, index.shape, 0.0, 1.0, node.origin, lambda x, choice: came.value(x) * went.value(x))
    low.whole.append(u)
    if Polarity.UPPER in polarity:
        low.builder.rows(f"{path}.both", u - came - went, node.origin, lb=-1.0)
    if Polarity.LOWER in polarity:
        low.builder.rows(f"{path}.needs_in", u - came, node.origin, ub=0.0)
        low.builder.rows(f"{path}.needs_out", u - went, node.origin, ub=0.0)
    return u.reshape(units.shape)


def _or_known(value: Affine, holds: BoolArray) -> Affine:
    """The value, and 1 where it is known to hold."""
    return value * ~holds + holds.astype(np.float64)


def _picked(low: Lowering, node: Apply, polarity: Polarity, masks: dict[str, BoolArray]) -> Entries:
    """The nonzero indicators of the decisions that belong to each unit; masks by path, [units, entries]."""
    found: Entries = []
    for path, mask in masks.items():
        place, at = np.nonzero(mask)
        if len(at):
            t = low.encodings[path].nonzero(low, polarity, node.origin)
            found.append((place, t.gather(at)))
    return found


def _any(low: Lowering, path: str, node: Apply, polarity: Polarity, parts: Entries, shape: tuple[int, ...]) -> Affine:
    """For every unit the disjunction of the 0/1 entries that belong to it."""
    if not parts:
        return Affine.constant(np.zeros(shape))
    total = add_up(
        [
            Affine(np.bincount(place, e.const, shape[0]).astype(np.float64), place[e.entry], e.column, e.coef)
            for place, e in parts
        ],
        shape,
    )
    result = low.builder.columns(
        path, shape, 0.0, 1.0, node.origin, lambda x, choice: np.minimum(np.round(total.value(x)), 1.0)
    )
    low.whole.append(result)
    if Polarity.LOWER in polarity:
        low.builder.rows(f"{path}.some", result - total, node.origin, ub=0.0)
    if Polarity.UPPER in polarity:
        for number, (place, entries) in enumerate(parts):
            low.builder.rows(f"{path}.each{number}", result.gather(place) - entries, node.origin, lb=0.0)
    return result
