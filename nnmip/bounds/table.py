"""Proved bounds of every layer's output for the rows of a data set, with where they came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nnmip.bounds.interval import FloatArray, Interval
from nnmip.hir.core import Decision, Network
from nnmip.ops.registry import LAYERS


@dataclass(frozen=True, slots=True)
class Bounds:
    """For each layer (and the input) an interval array [rows, *shape]; `source` names the method."""

    outputs: Mapping[str, Interval]
    source: str


def removable(network: Network) -> frozenset[str]:
    """Paths of the decisions that have entries which removal of a unit sets to 0."""
    paths: set[str] = set()
    for layer in network.layers:
        if layer.prune is None:
            continue
        paths.update(d.path for d in network.producer(layer.name).decisions)
        paths.update(d.path for c in network.consumers(layer.name) for d in c.decisions if d.role == "weights")
    return frozenset(paths)


def decision_interval(decision: Decision, is_removable: bool) -> Interval:
    """The box of a decision tensor; it contains 0 where entries can be removed."""
    domain = decision.domain.with_zero() if is_removable else decision.domain
    return Interval.box(decision.shape, domain.lo, domain.hi)


def propagate_intervals(network: Network, rows: FloatArray) -> Bounds:
    """Interval bound propagation over all weights in their domains, for data `rows` [n, *input].

    Sound for every choice of weights and removed units; outward rounded (formulation: interval arithmetic with
    corner products, Moore 1966).
    """
    loose = removable(network)
    outputs = {network.input_name: Interval.point(rows)}
    for layer in network.layers:
        boxes = {d.role: decision_interval(d, d.path in loose) for d in layer.decisions}
        interval = LAYERS[layer.op].interval(tuple(outputs[i] for i in layer.inputs), boxes, dict(layer.options))
        if layer.prune is not None:
            interval = interval.join(Interval.point(np.zeros(interval.shape)))
        outputs[layer.name] = interval.without_tiny() if layer.decisions else interval
    return Bounds(outputs, "interval propagation")
