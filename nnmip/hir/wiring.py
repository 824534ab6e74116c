"""Which unit every entry of a network's tensors comes from, and which units every weight reads.

A *unit* is a row of the weights of a layer: one scalar of a dense layer, one filter of a convolution.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nnmip.hir.core import BoolArray, Decision, IntArray, Layer, Network
from nnmip.ops.base import MIXED, NONE, Connections, LayerOp, merged_owner
from nnmip.ops.registry import LAYERS
from nnmip.records import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Wiring:
    """The units of a network, numbered through its layers with weights, and where they go.

    first: the number of the first unit of every layer with weights. owner: for every tensor, of its shape, the unit of
    each entry; NONE where an entry depends on the input alone, MIXED where it is made from several units.
    reads: for the weights of every layer, of their shape, the owner of what each multiplies. passes_on: units that
    reach the result, or a mix with others, without passing a weight.
    """

    network: Network
    first: Mapping[str, int]
    owner: Mapping[str, IntArray]
    reads: Mapping[str, IntArray]
    passes_on: BoolArray

    @property
    def count(self) -> int:
        return len(self.passes_on)

    def rows(self, layer: Layer) -> IntArray:
        """The units of a layer with weights, in the order of its rows."""
        return self.first[layer.name] + np.arange(layer.units)

    def units(self, layer: str) -> IntArray:
        """The owner of each entry along the first axis of a layer: its units, where it has its own."""
        owner = self.owner[layer]
        return merged_owner(owner.reshape(owner.shape[0] if owner.shape else 1, -1))

    def leads_in(self, layer: Layer, index: IntArray) -> bool:
        """Whether some of the units `index` are rows of a layer."""
        return layer.name in self.first and bool(np.isin(self.rows(layer), index).any())

    def block(self, layer: Layer) -> tuple[str, ...]:
        """The layers that are left out with an optional layer, in order, itself last: those that lead to it, that what
        stands in for it does not need, and that nothing outside reads."""
        network, inside = self.network, {layer.name}
        assert layer.skip is not None
        before = {layer.skip, *_ancestors(network, layer.skip)}
        for earlier in reversed(network.layers[: network.layers.index(layer)]):
            readers = {reader.name for reader in network.readers(earlier.name)}
            if earlier.name not in before and readers and readers <= inside and earlier.name != network.result_layer:
                inside.add(earlier.name)
        return tuple(other.name for other in network.layers if other.name in inside)

    def block_units(self, layer: Layer) -> IntArray:
        """The units that are removed with an optional layer."""
        parts = [self.rows(self.network.layer(name)) for name in self.block(layer) if name in self.first]
        return np.concatenate([np.zeros(0, dtype=np.int64), *parts])

    def layer_of(self, unit: int) -> Layer:
        """The layer with weights whose row a unit is."""
        name = max((n for n, first in self.first.items() if first <= unit), key=lambda n: self.first[n])
        return self.network.layer(name)

    def shown(self, layer: Layer) -> Layer:
        """Where the units of a layer with weights are shown: their last activation, or the layer itself."""
        rows = self.rows(layer)
        activations = (other for other in self.network.layers if LAYERS[other.op].prune)
        return [layer, *(other for other in activations if np.array_equal(self.units(other.name), rows))][-1]

    @property
    def hidden(self) -> list[Layer]:
        """The layers with weights whose units reach the result through further weights only."""
        weighted = (layer for layer in self.network.layers if layer.name in self.first)
        return [layer for layer in weighted if not self.passes_on[self.rows(layer)].any()]

    def features(self, entries: IntArray) -> FeatureReads:
        """What reads the input entries at the flat positions `entries`."""
        return feature_reads(self.network, entries)

    def removed(self, decision: Decision, gone: BoolArray) -> BoolArray:
        """Which entries of a decision go where the units `gone` [count] are removed: incoming, bias and outgoing."""
        layer = self.network.layer(decision.path.split(".", 1)[1].rpartition(".")[0])
        mask = np.zeros(decision.shape, dtype=bool)
        mask[gone[self.rows(layer)]] = True
        if decision.path in self.reads:
            reads = self.reads[decision.path].reshape(decision.shape)
            mask |= (reads >= 0) & gone[reads]
        return mask


def wiring_of(network: Network) -> Wiring:
    """The wiring of a network."""
    first: dict[str, int] = {}
    owner = {network.input_name: np.full(network.input_shape, NONE)}
    shapes = {network.input_name: network.input_shape}
    reads: dict[str, IntArray] = {}
    passing: list[IntArray] = []
    count = 0
    for layer in network.layers:
        op, options = LAYERS[layer.op], dict(layer.options)
        sources = tuple(owner[name] for name in layer.inputs)
        if op.connect is None:
            made = owner[layer.name] = _owners(op, layer, sources)
        else:
            connections = op.connect(shapes[layer.inputs[0]], options)
            first[layer.name] = count
            count += connections.units
            owner[layer.name] = (first[layer.name] + connections.unit).reshape(layer.shape)
            made = _reads(connections, sources[0].reshape(-1))
            reads[f"{layer.path}.weights"] = made
        if layer.skip is not None:
            # An entry is of the layer or of what stands in for it.
            passing.extend((owner[layer.name], owner[layer.skip]))
            owner[layer.name] = np.full(layer.shape, MIXED)
        if (made == MIXED).any():
            passing.extend(sources)
        shapes[layer.name] = layer.shape
    passes_on = np.zeros(count, dtype=bool)
    for units in (*passing, owner[network.result_layer]):
        passes_on[units[units >= 0]] = True
    return Wiring(network, first, owner, reads, passes_on)


def _ancestors(network: Network, name: str) -> set[str]:
    """Every tensor that a tensor is made from."""
    found: set[str] = set()
    open_ = [name]
    while open_:
        at = open_.pop()
        if at == network.input_name:
            continue
        for source in network.layer(at).reads:
            if source not in found:
                found.add(source)
                open_.append(source)
    return found


def _owners(op: LayerOp, layer: Layer, sources: tuple[IntArray, ...]) -> IntArray:
    """The owner of every output of a layer without weights."""
    options = dict(layer.options)
    if op.owners is not None:
        return op.owners(sources, options)
    entries = op.entries(tuple(source.shape for source in sources), options)
    flat = np.concatenate([source.reshape(-1) for source in sources])
    return merged_owner(flat[entries], entries >= 0).reshape(layer.shape)


def _reads(connections: Connections, owner: IntArray) -> IntArray:
    """The owner of what every weight multiplies, shape [units, k]: one for all outputs of the unit, or MIXED."""
    source = connections.source.reshape(connections.units, connections.per_unit, -1).transpose(0, 2, 1)
    return merged_owner(owner[source], source >= 0)


@dataclass(frozen=True, slots=True, eq=False)
class FeatureReads:
    """What reads some entries of a network's input: by the path of weights, which of them multiply something that
    depends on each entry [entries, units, k]; and which entries are passed on without a weight [entries]."""

    weights: Mapping[str, BoolArray]
    passed_on: BoolArray


def feature_reads(network: Network, entries: IntArray) -> FeatureReads:
    """Who reads the input entries at the flat positions `entries` [m], each followed through layers without weights."""
    weights: dict[str, list[BoolArray]] = {}
    passed_on = np.zeros(len(entries), dtype=bool)
    for number, entry in enumerate(entries):
        color = np.zeros(network.input_shape, dtype=np.int64)
        color.reshape(-1)[entry] = 1
        colors, shapes = {network.input_name: color}, {network.input_name: network.input_shape}
        for layer in network.layers:
            op, options = LAYERS[layer.op], dict(layer.options)
            shapes[layer.name] = layer.shape
            if op.connect is not None:
                connections = op.connect(shapes[layer.inputs[0]], options)
                reads = np.zeros((connections.units, connections.source.shape[1]), dtype=bool)
                source = colors.get(layer.inputs[0])
                if source is not None:
                    there = (source.reshape(-1)[connections.source] != 0) & (connections.source >= 0)
                    reads = there.reshape(connections.units, connections.per_unit, -1).any(axis=1)
                weights.setdefault(f"{layer.path}.weights", []).append(reads)
            elif all(name in colors for name in layer.reads) and layer.skip is None:
                # What depends on the entry, alone or with others, differs from 0.
                known = tuple(colors[name] for name in layer.inputs)
                colors[layer.name] = np.where(_owners(op, layer, known) != 0, 1, 0)
            else:
                passed_on[number] |= any((colors[name] != 0).any() for name in layer.inputs if name in colors)
            if layer.skip in colors:
                passed_on[number] |= bool((colors[layer.skip] != 0).any())
        if network.result_layer in colors:
            passed_on[number] = True
    return FeatureReads({path: np.stack(masks) for path, masks in weights.items()}, passed_on)
