"""`used`: whether a unit has something coming in and something going out, and whether a feature is read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Apply, BoolArray, IntArray, Units
from nnmip.ops.base import Kind, Meaning, Role, Word, same

FloatArray = NDArray[np.float64]


def evaluate(node: Apply, operands: tuple[FloatArray, ...], meaning: Meaning) -> FloatArray:
    """1.0 where some incoming weight or the bias is nonzero and some outgoing weight is nonzero.

    A unit that is itself part of the network's result, or is added to others, counts as read. A feature needs nothing
    that comes in. An optional layer is used where it is not left out.
    """
    (units,) = node.operands
    assert isinstance(units, Units)
    network = meaning.network(units.network)
    if units.layer == network.input_name:
        found = _features(units, meaning)
    elif network.layer(units.layer).skip is not None:
        found = np.broadcast_to(meaning.kept(network.layer(units.layer).path), units.shape)
    else:
        wiring = meaning.wiring(units.network)
        found = _busy(units, meaning)[wiring.units(units.layer)[units.index]]
    return np.asarray(found, dtype=np.float64)


def _busy(units: Units, meaning: Meaning) -> BoolArray:
    """For every unit of the network whether something comes in and something goes out."""
    wiring = meaning.wiring(units.network)
    arriving = np.zeros(wiring.count, dtype=bool)
    leaving = wiring.passes_on.copy()
    for layer in wiring.network.layers:
        if layer.name not in wiring.first:
            continue
        rows = wiring.rows(layer)
        for decision in layer.decisions:
            arriving[rows] |= (meaning.values(decision.path).reshape(len(rows), -1) != 0).any(axis=1)
        reads = wiring.reads[f"{layer.path}.weights"]
        nonzero = meaning.values(f"{layer.path}.weights").reshape(reads.shape) != 0
        leaving[reads[nonzero & (reads >= 0)]] = True
    return arriving & leaving


def _features(units: Units, meaning: Meaning) -> BoolArray:
    """For every entry of the input whether some nonzero weight multiplies what depends on it."""
    index: IntArray = units.index.reshape(-1)
    reads = meaning.wiring(units.network).features(index)
    found = reads.passed_on.copy()
    for path, mask in reads.weights.items():
        found |= (mask & (meaning.values(path).reshape(mask.shape[1:]) != 0)).any(axis=(1, 2))
    return found.reshape(units.shape)


WORD = Word(
    name="used",
    signature="used(units)",
    summary="whether a unit has something nonzero coming in and something going out; whether a feature is read",
    parameters=(Kind.UNITS,),
    options=(),
    boolean=True,
    role=Role.COMPACTNESS,
    shape=same,
    evaluate=evaluate,
)
