"""`used`: whether a unit has something coming in and something going out, and whether a feature is read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Apply, BoolArray, Network, Units
from nnmip.ops.base import Kind, Meaning, Role, Word, same

FloatArray = NDArray[np.float64]


def evaluate(node: Apply, operands: tuple[FloatArray, ...], meaning: Meaning) -> FloatArray:
    """1.0 where some incoming weight or the bias is nonzero and some outgoing weight is nonzero.

    A unit that is itself part of the network's result counts as read; a feature needs nothing that comes in.
    """
    (units,) = node.operands
    assert isinstance(units, Units)
    network = meaning.network(units.network)
    busy = _leaving(network, units.layer, meaning) & _arriving(network, units.layer, meaning)
    return np.asarray(busy[units.index], dtype=np.float64)


def _arriving(network: Network, name: str, meaning: Meaning) -> BoolArray:
    """For each unit whether something comes in; the entries of the input always have their value."""
    if name == network.input_name:
        return np.ones(network.width(name), dtype=bool)
    producer = network.producer(name)
    arriving = np.zeros(producer.units, dtype=bool)
    for decision in producer.decisions:
        arriving |= meaning.values(decision.path).reshape(producer.units, -1).any(axis=1)
    return arriving


def _leaving(network: Network, name: str, meaning: Meaning) -> BoolArray:
    """For each unit, or each entry of the input, whether something reads it."""
    leaving = np.full(network.width(name), network.feeds_result(name))
    for consumer in network.consumers(name):
        weights = consumer.decision("weights")
        assert weights is not None
        leaving |= meaning.values(weights.path).any(axis=0)
    return leaving


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
