"""How far the results of a network are off at most where some of its layers are off by a known error."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nnmip.bounds.interval import SMALLEST, UNIT_ROUNDOFF
from nnmip.hir.core import Assignment, FloatArray, Layer, Network
from nnmip.hir.known import Group
from nnmip.ops.base import Blend, Connections
from nnmip.ops.slopes import Mixing, through
from nnmip.records import dataclass


class Jump(Exception):
    """The error cannot be bounded: it goes into a layer whose outputs jump."""

    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        super().__init__(layer.name)


@dataclass(frozen=True, slots=True)
class Source:
    """A layer that stands for another function: how steep that is at most, and how far the two are apart at most."""

    steepest: float
    error: float


@dataclass(frozen=True, slots=True, eq=False)
class Drift:
    """By entry of a tensor how far it is off at most, from layer to layer.

    A sum of products is off by the sum of |weight| times what its terms are off; a layer with slopes up to s by s times
    that; g in the place of f by steepness of f times what it reads is off, plus the error: |f(z') - g(z)| <=
    |f(z') - f(z)| + |f(z) - g(z)|. So is a layer that is made of such ones in the place of a function of several
    entries (`Group`), where that is less. All numbers are rounded up. found: by tensor.
    """

    assignment: Assignment
    sources: Mapping[str, Source]
    groups: Mapping[str, Group]
    found: dict[str, FloatArray]

    def weighted(self, layer: Layer, source: FloatArray, connections: Connections) -> FloatArray:
        return self._kept(layer, self._summed(layer, source, connections))

    def _kept(self, layer: Layer, found: FloatArray) -> FloatArray:
        group = self.groups.get(layer.name)
        if group is not None:
            most = self.found[group.reads][group.places].max(axis=1)
            found = np.minimum(found, _up(group.steepest * most + group.error, 2))
        self.found[layer.name] = found
        return found

    def _summed(self, layer: Layer, source: FloatArray, connections: Connections) -> FloatArray:
        weights = np.abs(self.assignment.values[f"{layer.path}.weights"]).reshape(connections.units, -1)
        terms = connections.source.shape[1]
        read = np.append(source, 0.0)[connections.source]
        if connections.per_unit == 1:
            found = (weights * read).sum(axis=1)
        else:
            found = np.einsum("upk,uk->up", read.reshape(connections.units, -1, terms), weights).reshape(-1)
        return _up(found, terms)

    def mixed(self, mixing: Mixing, sources: tuple[FloatArray, ...]) -> FloatArray:
        return self._kept(mixing.layer, self._blended(mixing, sources))

    def _blended(self, mixing: Mixing, sources: tuple[FloatArray, ...]) -> FloatArray:
        every = np.concatenate([*sources, [0.0]])
        there = mixing.entries >= 0
        read = every[mixing.entries] * there
        if mixing.switches.any() and (every[:-1][mixing.switches] > 0.0).any():
            raise Jump(mixing.layer)
        is_one = mixing.blend is Blend.LARGEST or read.shape[1] == 1
        total = read.max(axis=1, initial=0.0) if is_one else _up(read.sum(axis=1), read.shape[1])
        if mixing.blend is Blend.MEAN:
            total = _up(total / np.maximum(1, there.sum(axis=1)), 1)
        if mixing.layer.name in self.sources:
            source = self.sources[mixing.layer.name]
            return _up(source.steepest * total + source.error, 2)
        steepest = max(abs(mixing.least), abs(mixing.most))
        if not np.isfinite(steepest) and total.any():
            raise Jump(mixing.layer)
        return total if steepest == 1.0 else _up(np.where(total > 0.0, total * min(steepest, 1e300), 0.0), 1)

    def chosen(self, layer: Layer, there: FloatArray, instead: FloatArray) -> FloatArray:
        return self._kept(layer, np.maximum(there, instead))


def _up(values: FloatArray, operations: int) -> FloatArray:
    """At least the exact value of what was computed in so many operations on numbers that are not negative."""
    return np.asarray(np.where(values > 0.0, values * (1.0 + 2 * (operations + 2) * UNIT_ROUNDOFF) + SMALLEST, 0.0))


def output_drift(
    network: Network, assignment: Assignment, sources: Mapping[str, Source], groups: Mapping[str, Group]
) -> FloatArray:
    """How far every result is off at most, whatever the input is, in the shape of the result.

    Raises Jump where no bound holds.
    """
    start = np.zeros(int(np.prod(network.input_shape, dtype=np.int64)))
    drift = Drift(assignment, sources, groups, {network.input_name: start})
    return np.asarray(through(network, start, drift)[network.result_index])
