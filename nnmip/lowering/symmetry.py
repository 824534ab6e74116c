"""Orders the units that a model cannot tell apart, and brings any network into that order."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nnmip.hir.core import Assignment, Decision, FloatArray, IntArray, Layer, Network, Program
from nnmip.lowering.base import Lowering


def order_units(low: Lowering, classes: Mapping[str, IntArray]) -> None:
    """One chain for each class of interchangeable units j, j':

        g_j >= g_j'        key_j >= key_j' - R (1 - g_j')

    with g the keep binary (1 without `prune`), key the bias (or, without one, the first incoming weight) and R such
    that a removed unit, whose key is 0, is never in the way. Valid because any order of the units is equally good;
    only one chain for a class (formulation: sum of lexicographic orders is not valid).
    """
    for network, layer, units in _classes(low.program, classes):
        with low.builder.owned_by(layer.path):
            _order(low, network, layer, units)


def _order(low: Lowering, network: Network, layer: Layer, units: IntArray) -> None:
    """The chain of one class."""
    before, after = units[:-1], units[1:]
    pruned = _pruned(network, layer)
    kept = low.kept[pruned] if pruned is not None else None
    key, position = _key(network, layer)
    value = low.encodings[key.path].value
    difference = value.gather(position[before]) - value.gather(position[after])
    reach = max(0.0, -min(key.domain.lo, 0.0)) if kept is not None else 0.0
    if kept is not None:
        low.builder.rows(f"{layer.path}.order.kept", kept.gather(before) - kept.gather(after), layer.origin, lb=0.0)
        difference = difference - kept.gather(after) * reach + reach
    low.builder.rows(f"{layer.path}.order", difference, layer.origin, lb=0.0, big_m=reach)


def ordered(program: Program, assignment: Assignment, classes: Mapping[str, IntArray]) -> Assignment:
    """The same network with the units of every class in the order that `order_units` imposes."""
    values = {path: array.copy() for path, array in assignment.values.items()}
    kept = {path: array.copy() for path, array in assignment.kept.items()}
    for network, layer, units in _classes(program, classes):
        key, position = _key(network, layer)
        keys: FloatArray = values[key.path].reshape(-1)[position[units]]
        pruned = _pruned(network, layer)
        present = kept[pruned][units] if pruned is not None else np.ones(len(units), dtype=bool)
        source = units[np.lexsort((-keys, ~present))]
        if pruned is not None:
            kept[pruned][units] = kept[pruned][source]
        for decision in network.producer(layer.name).decisions:
            values[decision.path][units] = values[decision.path][source]
        for consumer in network.consumers(layer.name):
            weights = consumer.decision("weights")
            assert weights is not None
            values[weights.path][:, units] = values[weights.path][:, source]
    return Assignment(values, kept)


def _classes(program: Program, classes: Mapping[str, IntArray]) -> list[tuple[Network, Layer, IntArray]]:
    return [
        (network, layer, classes[layer.path])
        for network in program.networks
        for layer in network.layers
        if layer.path in classes
    ]


def _pruned(network: Network, layer: Layer) -> str | None:
    """The path of the layer that can remove the units of `layer`: itself, or one between it and its weights."""
    producer = network.producer(layer.name)
    pruned = (la.path for la in network.layers if la.prune is not None and network.producer(la.name) is producer)
    return next(pruned, None)


def _key(network: Network, layer: Layer) -> tuple[Decision, IntArray]:
    """The decision that orders the units of a layer, and the flat position of each unit's key in it."""
    producer = network.producer(layer.name)
    bias, weights = producer.decision("bias"), producer.decision("weights")
    assert weights is not None
    if bias is not None:
        return bias, np.arange(layer.units)
    return weights, np.arange(layer.units) * weights.shape[1]
