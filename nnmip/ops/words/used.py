"""`used`: whether a unit has something coming in and something going out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Apply, Units
from nnmip.ops.base import Kind, Meaning, Role, Word, same

FloatArray = NDArray[np.float64]


def evaluate(node: Apply, operands: tuple[FloatArray, ...], meaning: Meaning) -> FloatArray:
    """1.0 where some incoming weight or the bias is nonzero and some outgoing weight is nonzero.

    A unit that is itself part of the network's result counts as read.
    """
    (units,) = node.operands
    assert isinstance(units, Units)
    network = meaning.network(units.network)
    producer = network.producer(units.layer)
    arriving = np.zeros(producer.units, dtype=bool)
    for decision in producer.decisions:
        arriving |= meaning.values(decision.path).reshape(producer.units, -1).any(axis=1)
    leaving = np.full(producer.units, network.feeds_result(units.layer))
    for consumer in network.consumers(units.layer):
        weights = consumer.decision("weights")
        assert weights is not None
        leaving |= meaning.values(weights.path).any(axis=0)
    return np.asarray((arriving & leaving)[units.index], dtype=np.float64)


WORD = Word(
    name="used",
    signature="used(units)",
    summary="whether a unit has a nonzero incoming weight or bias, and a nonzero outgoing weight",
    parameters=(Kind.UNITS,),
    options=(),
    boolean=True,
    role=Role.COMPACTNESS,
    shape=same,
    evaluate=evaluate,
)
