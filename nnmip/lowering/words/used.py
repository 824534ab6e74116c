"""`used` as a conjunction of "something comes in" and "something goes out"."""

from __future__ import annotations

import numpy as np

from nnmip.hir.core import Apply, Network, Units
from nnmip.lowering.base import Lowering, Polarity
from nnmip.milp.affine import Affine


def lower(low: Lowering, node: Apply, polarity: Polarity, path: str) -> Affine:
    """u = in and out with in = or of the nonzero indicators of the incoming weights and the bias, out likewise; of a
    feature only out.

        UPPER:  in >= t_i, out >= t_k, u >= in + out - 1        LOWER:  in <= sum t_i, out <= sum t_k, u <= in, u <= out

    in, out and u may be continuous in [0, 1] because the indicators are binary. Exact for the sides asked for.
    """
    units = _units(node)
    network = low.program.network(units.network)
    index = units.index.reshape(-1)
    sides: list[Affine] = []
    if units.layer != network.input_name:
        sides.append(_any(low, f"{path}.in", node, polarity, _arriving(low, network, node, polarity), index))
    if not network.feeds_result(units.layer):
        sides.append(_any(low, f"{path}.out", node, polarity, _leaving(low, network, node, polarity), index))
    if len(sides) < 2:
        return (sides[0] if sides else Affine.constant(np.ones(len(index)))).reshape(units.shape)
    came, went = sides
    u = low.builder.columns(path, index.shape, 0.0, 1.0, node.origin, lambda x, choice: came.value(x) * went.value(x))
    if Polarity.UPPER in polarity:
        low.builder.rows(f"{path}.both", u - came - went, node.origin, lb=-1.0)
    if Polarity.LOWER in polarity:
        low.builder.rows(f"{path}.needs_in", u - came, node.origin, ub=0.0)
        low.builder.rows(f"{path}.needs_out", u - went, node.origin, ub=0.0)
    return u.reshape(units.shape)


def _units(node: Apply) -> Units:
    (units,) = node.operands
    assert isinstance(units, Units)
    return units


def _arriving(low: Lowering, network: Network, node: Apply, polarity: Polarity) -> list[Affine]:
    """The nonzero indicators of what leads into the units [units, *]."""
    producer = network.producer(_units(node).layer)
    found = [low.encodings[d.path].nonzero(low, polarity, node.origin) for d in producer.decisions]
    return [t.reshape((producer.units, -1)) for t in found]


def _leaving(low: Lowering, network: Network, node: Apply, polarity: Polarity) -> list[Affine]:
    """The nonzero indicators of the weights that read the units [units, *]."""
    leaving = []
    for consumer in network.consumers(_units(node).layer):
        weights = consumer.decision("weights")
        assert weights is not None
        t = low.encodings[weights.path].nonzero(low, polarity, node.origin)
        leaving.append(t.gather(np.arange(t.size).reshape(t.shape).T.copy()))
    return leaving


def _any(low: Lowering, path: str, node: Apply, polarity: Polarity, parts: list[Affine], index: np.ndarray) -> Affine:
    """The disjunction over the last axis of 0/1 tensors [units, *], for the units at `index`."""
    picked = [p.gather(np.arange(p.size).reshape(p.shape)[index]) for p in parts if p.size]
    if not picked:
        return Affine.constant(np.zeros(len(index)))
    total = picked[0].sum(axis=1)
    for p in picked[1:]:
        total = total + p.sum(axis=1)
    result = low.builder.columns(
        path, index.shape, 0.0, 1.0, node.origin, lambda x, choice: np.minimum(np.round(total.value(x)), 1.0)
    )
    if Polarity.LOWER in polarity:
        low.builder.rows(f"{path}.some", result - total, node.origin, ub=0.0)
    if Polarity.UPPER in polarity:
        for number, p in enumerate(picked):
            wide = result.reshape((-1, 1)) - p
            low.builder.rows(f"{path}.each{number}", wide, node.origin, lb=0.0)
    return result
