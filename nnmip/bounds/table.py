"""Proved bounds of every layer's output for the rows of a data set, with where they came from."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from nnmip.bounds.interval import FloatArray, Interval
from nnmip.hir.core import CHANNELS, Decision, Network
from nnmip.hir.wiring import wiring_of
from nnmip.ops.registry import LAYERS
from nnmip.records import dataclass

NOTHING: Mapping[str, Interval] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Bounds:
    """For each layer (and the input) an interval array [rows, *shape]; `source` names the method."""

    outputs: Mapping[str, Interval]
    source: str


def removable(network: Network) -> frozenset[str]:
    """Paths of the decisions that have entries which removal of a unit, or of a channel, sets to 0."""
    wiring = wiring_of(network)
    units = np.zeros(wiring.count, dtype=bool)
    for layer in network.layers:
        if layer.skip is not None:
            units[wiring.block_units(layer)] = True
        elif layer.removes_units:
            units[wiring.units(layer.name)] = True
    by_channel = {f"{layer.path}.weights" for layer in network.layers if layer.prune == CHANNELS}
    return frozenset(d.path for d in network.decisions if d.path in by_channel or wiring.removed(d, units).any())


def decision_interval(decision: Decision, is_removable: bool) -> Interval:
    """The box of a decision tensor; it contains 0 where entries can be removed."""
    domain = decision.domain.with_zero() if is_removable else decision.domain
    return Interval.box(decision.shape, domain.lo, domain.hi)


def propagate_intervals(network: Network, rows: FloatArray, known: Mapping[str, Interval] = NOTHING) -> Bounds:
    """Interval bound propagation over all weights in their domains, for data `rows`, [n, features] or
    [n, *input]."""
    return propagate(network, Interval.point(rows.reshape(len(rows), *network.input_shape)), known)


def propagate(network: Network, inputs: Interval, known: Mapping[str, Interval] = NOTHING) -> Bounds:
    """Interval bound propagation over all weights in their domains, for inputs [n, *input] in given intervals; of some
    decisions more may be `known`, by path.

    Sound for every choice of weights and removed units; outward rounded (formulation: interval arithmetic with
    corner products, Moore 1966).
    """
    loose = removable(network)
    outputs = {network.input_name: inputs}
    for layer in network.layers:
        boxes = {d.role: known.get(d.path, decision_interval(d, d.path in loose)) for d in layer.decisions}
        interval = LAYERS[layer.op].interval(tuple(outputs[i] for i in layer.inputs), boxes, dict(layer.options))
        if layer.removes_units:
            interval = interval.join(Interval.point(np.zeros(interval.shape)))
        if layer.skip is not None:
            interval = interval.join(outputs[layer.skip])
        outputs[layer.name] = interval.without_tiny()
    return Bounds(outputs, "interval propagation")
