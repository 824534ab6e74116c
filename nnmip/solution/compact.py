"""A trained network with the parts that do nothing cut out: rows of weights, the columns that read them, channels.

A unit can go where no weight that is left multiplies it and nothing reads it without a weight. What stays must still
be whole tensors: a unit whose entries are no slices along the first axis of every tensor stays, as zeros.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from nnmip.hir.core import Assignment, BoolArray, FloatArray, IntArray, Layer, Network, Shape
from nnmip.hir.evaluate import removed
from nnmip.hir.wiring import Wiring, wiring_of
from nnmip.ops.base import MIXED, ShapeMismatch
from nnmip.ops.registry import LAYERS
from nnmip.solution.network import TrainedNetwork


def compacted(trained: TrainedNetwork) -> TrainedNetwork:
    """The same function with fewer numbers. Weights and biases of removed units count as 0 wherever they stay.

    An optional layer is there for good, or gone with its block.
    """
    trained = _settled(trained)
    network = trained.network
    masks = removed(network, trained.assignment)
    values = {path: np.where(mask, 0.0, trained.assignment.values[path]) for path, mask in masks.items()}
    wiring = wiring_of(network)
    if not wiring.count:
        return trained  # a network from a file can be without weights
    needed = _directly_read(wiring)
    while True:
        cut = _Cut(wiring, values, _alive(wiring, values, needed))
        held = cut.not_whole()
        if not held.any():
            return cut.apply(trained)
        needed = needed | held


def _settled(trained: TrainedNetwork) -> TrainedNetwork:
    """The network without a choice of depth: layers that are left out are replaced by what stands in for them."""
    network, given = trained.network, trained.assignment
    optional = [layer for layer in network.layers if layer.skip is not None]
    if not optional:
        return trained
    wiring = wiring_of(network)
    out = {layer.name: layer for layer in optional if not given.kept[layer.path]}
    gone = {name for layer in out.values() for name in wiring.block(layer)}

    def instead(name: str) -> str:
        while name in out:
            name = str(out[name].skip)
        return name

    layers = [
        replace(layer, inputs=tuple(instead(name) for name in layer.inputs), skip=None)
        for layer in network.layers
        if layer.name not in gone
    ]
    last = instead(network.result_layer)
    if last == network.input_name:
        # A network returns a layer: a sum of one tensor stands for the input itself.
        end = network.layer(network.result_layer)
        layers.append(replace(end, op="add", inputs=(last,), decisions=(), options=(), prune=None, skip=None))
        last = end.name
    kept = {la.path: given.kept[la.path] for la in layers if la.removes_units and la.path in given.kept}
    settled = replace(network, layers=tuple(layers), result_layer=last)
    values = {d.path: given.values[d.path] for d in settled.decisions}
    return replace(trained, network=settled, assignment=Assignment(values, kept))


def _directly_read(wiring: Wiring) -> BoolArray:
    """Units that reach the result, or a mix with others, without passing a weight; of a layer that has no other unit,
    the first."""
    network, needed = wiring.network, np.zeros(wiring.count, dtype=bool)
    read = [wiring.owner[network.result_layer].reshape(-1)[network.result_index]]
    for layer in network.layers:
        made = wiring.reads[f"{layer.path}.weights"] if layer.name in wiring.first else wiring.owner[layer.name]
        if (made == MIXED).any():
            read.extend(wiring.owner[name] for name in layer.inputs)
    for owners in read:
        needed[owners[owners >= 0]] = True
    return needed


def _alive(wiring: Wiring, values: Mapping[str, FloatArray], needed: BoolArray) -> BoolArray:
    """The units that are read by those that are read, down to the result; at least one in every layer."""
    alive = needed.copy()
    layers = [layer for layer in wiring.network.layers if layer.name in wiring.first]
    for layer in reversed(layers):
        rows = wiring.rows(layer)
        if not alive[rows].any():
            alive[rows[0]] = True
        path = f"{layer.path}.weights"
        reads = wiring.reads[path]
        owners = reads[alive[rows][:, None] & (values[path].reshape(reads.shape) != 0)]
        alive[owners[owners >= 0]] = True
    return alive


class _Cut:
    """The network that is left when only the units `alive` stay."""

    def __init__(self, wiring: Wiring, values: Mapping[str, FloatArray], alive: BoolArray) -> None:
        self.wiring, self.values, self.alive = wiring, values, alive
        self.layers: list[Layer] = []
        self.cut: dict[str, FloatArray] = {}

    def not_whole(self) -> BoolArray:
        """The units that must stay because without them some tensor would not be whole; none if the cut can be made."""
        network = self.wiring.network
        held = np.zeros(self.wiring.count, dtype=bool)
        shapes = {network.input_name: network.input_shape}
        for layer in network.layers:
            fits = self._is_sliced(layer.name)
            if fits:
                smaller = self._smaller(layer, tuple(shapes[name] for name in layer.inputs))
                fits = smaller is not None
                if smaller is not None:
                    self.layers.append(smaller)
                    shapes[layer.name] = smaller.shape
            if not fits:
                for name in (layer.name, *layer.inputs):
                    owners = self.wiring.owner[name]
                    held[owners[owners >= 0]] = True
                break
        return held

    def _stays(self, name: str) -> BoolArray:
        """Which entries of a tensor stay, of its shape."""
        owner: IntArray = self.wiring.owner[name]
        return np.asarray((owner < 0) | self.alive[owner])

    def _rows(self, name: str) -> BoolArray:
        """Which slices along the first axis of a tensor stay."""
        stays = self._stays(name)
        return np.asarray(stays.reshape(len(stays) if stays.ndim else 1, -1).any(axis=1))

    def _is_sliced(self, name: str) -> bool:
        """Whether every slice of a tensor along its first axis stays or goes as a whole, and one stays."""
        stays = self._stays(name)
        slices = stays.reshape(len(stays) if stays.ndim else 1, -1)
        return bool((slices.any(axis=1) == slices.all(axis=1)).all() and slices.any())

    def _smaller(self, layer: Layer, inputs: tuple[Shape, ...]) -> Layer | None:
        """The layer with what is left of it, None where its rule gives another shape for what is left of its inputs."""
        rows = self._rows(layer.name)
        shape: Shape = (int(rows.sum()), *layer.shape[1:]) if layer.shape else ()
        options, groups = dict(layer.options), None
        if "entries" in options:
            places = self._places(layer, rows)
            if places is None:
                return None
            options["entries"] = places
        if layer.name in self.wiring.first:
            groups = self._groups(layer)
            if groups is None:
                return None
            options |= {"groups": int(groups.sum())} if "groups" in options else {}
        options |= {name: value for name, value in _sizes(shape).items() if name in options}
        try:
            inferred = LAYERS[layer.op].infer(inputs, options)
        except ShapeMismatch:
            return None
        if inferred.output != shape:
            return None
        decisions = []
        for decision in layer.decisions:
            part = self.values[decision.path][rows]
            if decision.role == "weights" and groups is not None and len(groups) == 1 and part.ndim > 1:
                part = part[:, self._rows(layer.inputs[0])]
            self.cut[decision.path] = part
            if part.shape != inferred.decisions[decision.role]:
                return None
            decisions.append(replace(decision, shape=part.shape))
        return replace(layer, options=tuple(options.items()), shape=shape, decisions=tuple(decisions))

    def _places(self, layer: Layer, rows: BoolArray) -> tuple[int, ...] | None:
        """The flat positions that a layer picks, among the entries that are left; None where it picks one that is
        not."""
        stays = self._stays(layer.inputs[0]).reshape(-1)
        picked = np.array(layer.option("entries"), dtype=np.int64).reshape(layer.shape or (1,))[rows].reshape(-1)
        return tuple((np.cumsum(stays) - 1)[picked].tolist()) if stays[picked].all() else None

    def _groups(self, layer: Layer) -> BoolArray | None:
        """Which groups of a layer stay (without groups it is one); None where one of several stays in part."""
        is_unit_by_unit = LAYERS[layer.op].unit_by_unit
        count = layer.units if is_unit_by_unit else int(dict(layer.options).get("groups", 1))
        if count == 1:
            return np.ones(1, dtype=bool)
        there = np.concatenate([self._rows(name).reshape(count, -1) for name in (layer.inputs[0], layer.name)], axis=1)
        whole = np.asarray(there.all(axis=1))
        return whole if bool((whole == there.any(axis=1)).all()) else None

    def apply(self, trained: TrainedNetwork) -> TrainedNetwork:
        """The smaller network."""
        network = self.wiring.network
        given = trained.assignment.kept
        kept = {la.path: given[la.path][self._rows(la.name)] for la in network.layers if la.path in given}
        smaller = replace(network, layers=tuple(self.layers), result_index=self._index(network))
        return replace(trained, network=smaller, assignment=Assignment(dict(self.cut), kept))

    def _index(self, network: Network) -> IntArray:
        """The places of the result among the entries that are left."""
        place = np.cumsum(self._stays(network.result_layer).reshape(-1)) - 1
        return place[network.result_index]


def _sizes(shape: Shape) -> dict[str, Any]:
    """The options that say the size of what a layer gives."""
    return {"units": shape[0] if shape else 1, "filters": shape[0] if shape else 1, "shape": shape}
