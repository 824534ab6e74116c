"""Gradients of a network's result with respect to its weights, for every layer by the rules of the layer table."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nnmip.hir.core import Assignment, FloatArray, IntArray, Layer, Network
from nnmip.hir.evaluate import forward, returned
from nnmip.ops.base import Blend, Connections, LayerOp
from nnmip.ops.registry import LAYERS

NUDGE = 1e-7
"""By how much what an activation reads is moved, to see its slope."""

REACH = 1.0
"""How far from a jump a unit still gets a gradient, as if it rose there with slope 1 (Courbariaux et al. 2016)."""


class Backprop:
    """Forward and backward passes of one network over the rows `inputs` [n, *input], with everything kept."""

    def __init__(self, network: Network, inputs: FloatArray) -> None:
        self.network, self.inputs = network, inputs
        shapes = {network.input_name: network.input_shape, **{la.name: la.shape for la in network.layers}}
        self._parts = {la.name: _part(la, tuple(shapes[name] for name in la.inputs)) for la in network.layers}
        self._outputs: dict[str, FloatArray] = {}

    def result(self, assignment: Assignment) -> FloatArray:
        """What the network returns, shape [n, *output]; kept for `slopes`."""
        self._outputs = forward(self.network, assignment, self.inputs)
        return returned(self.network, self._outputs)

    def slopes(self, assignment: Assignment, back: FloatArray) -> dict[str, FloatArray]:
        """A subgradient for every decision by path, where `back` is that of the result."""
        return self._walk(assignment, back, True)[0]

    def of_inputs(self, assignment: Assignment, back: FloatArray) -> FloatArray:
        """A subgradient for the inputs [n, entries], where `back` is that of the result."""
        into = self._walk(assignment, back, False)[1].get(self.network.input_name)
        return np.zeros((len(self.inputs), self.inputs[0].size)) if into is None else into

    def _walk(
        self, assignment: Assignment, back: FloatArray, has_own: bool
    ) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
        """The subgradients of decisions by path, with `has_own`, and of layers and the input by name."""
        network, rows = self.network, len(self.inputs)
        last = network.layer(network.result_layer)
        size = int(np.prod(last.shape, dtype=np.int64))
        flat = {last.name: _scattered(back.reshape(rows, -1, 1), network.result_index.reshape(-1, 1), size)}
        found: dict[str, FloatArray] = {}
        for layer in reversed(network.layers):
            gradient = flat.get(layer.name)
            if gradient is None:
                continue
            read = [self._outputs[name].reshape(rows, -1) for name in layer.inputs]
            into, own = self._parts[layer.name].back(read, gradient, _values(layer, assignment), has_own)
            found |= {f"{layer.path}.{role}": array for role, array in own.items()}
            first = 0
            for name, array in zip(layer.inputs, read, strict=True):
                part = into[:, first : first + array.shape[1]]
                flat[name] = flat[name] + part if name in flat else part
                first += array.shape[1]
        return found, flat


def _values(layer: Layer, assignment: Assignment) -> dict[str, FloatArray]:
    return {d.role: assignment.values[d.path] for d in layer.decisions}


class _Weighted:
    """The backward pass of a layer with weights: sums of products."""

    def __init__(self, layer: Layer, connections: Connections) -> None:
        self.layer, self.connections = layer, connections
        self.is_full = bool((connections.source == np.arange(connections.source.shape[1])).all())
        self.alike = [] if self.is_full and connections.per_unit == 1 else _alike(connections)

    def back(
        self, read: list[FloatArray], gradient: FloatArray, values: Mapping[str, FloatArray], has_own: bool
    ) -> tuple[FloatArray, dict[str, FloatArray]]:
        (x,), connections = read, self.connections
        weights = values["weights"].reshape(connections.units, -1)
        into = self._into(gradient, weights, x.shape[1])
        if not has_own:
            return into, {}
        found = {"weights": self._own(x, gradient, weights).reshape(values["weights"].shape)}
        if "bias" in values:
            found["bias"] = self._by_unit(gradient).sum(axis=(0, 2))
        return into, found

    def _into(self, gradient: FloatArray, weights: FloatArray, width: int) -> FloatArray:
        if not self.alike:
            return gradient @ weights
        by_unit, into = self._by_unit(gradient), np.zeros((len(gradient), width))
        for units, source in self.alike:
            parts = by_unit[:, units].transpose(0, 2, 1) @ weights[units]
            into += _scattered(parts, np.where(source >= 0, source, width), width)
        return into

    def _own(self, x: FloatArray, gradient: FloatArray, weights: FloatArray) -> FloatArray:
        if not self.alike:
            return np.asarray(gradient.T @ x)
        by_unit, own = self._by_unit(gradient), np.zeros_like(weights)
        wide = np.concatenate([x, np.zeros((len(x), 1))], axis=1)
        for units, source in self.alike:
            own[units] = np.tensordot(by_unit[:, units], wide[:, source], axes=([0, 2], [0, 1]))
        return own

    def _by_unit(self, gradient: FloatArray) -> FloatArray:
        return gradient.reshape(len(gradient), self.connections.units, self.connections.per_unit)


def _alike(connections: Connections) -> list[tuple[IntArray, IntArray]]:
    """The units that read the same entries, as the filters of one group of a convolution do, with what each of their
    outputs reads, [outputs of a unit, k]."""
    by_unit = connections.source.reshape(connections.units, -1)
    found: dict[bytes, list[int]] = {}
    for unit, source in enumerate(by_unit):
        found.setdefault(source.tobytes(), []).append(unit)
    shape = (connections.per_unit, -1)
    return [(np.array(units), by_unit[units[0]].reshape(shape)) for units in found.values()]


class _Fixed:
    """The backward pass of a layer without weights: sums, means or the largest of entries, or a function of one."""

    def __init__(self, layer: Layer, op: LayerOp, shapes: tuple[tuple[int, ...], ...]) -> None:
        self.layer, self.op, self.shapes = layer, op, shapes
        self.entries: IntArray = op.entries(shapes, dict(layer.options))

    def back(
        self, read: list[FloatArray], gradient: FloatArray, values: Mapping[str, FloatArray], has_own: bool
    ) -> tuple[FloatArray, dict[str, FloatArray]]:
        x = np.concatenate(read, axis=1)
        width, is_there = x.shape[1], self.entries >= 0
        entries = np.where(is_there, self.entries, width)
        if self.op.blend is Blend.LARGEST:
            wide = np.concatenate([x, np.full((len(x), 1), -np.inf)], axis=1)[:, entries]
            share = np.arange(entries.shape[1]) == wide.argmax(axis=2)[..., None]
        elif self.op.blend is Blend.MEAN:
            share = is_there / np.maximum(1, is_there.sum(axis=1, keepdims=True))
        elif self.op.reads_bits:
            share = np.stack([x[:, entries[:, 1]], np.zeros_like(gradient)], axis=2)
        else:
            share = is_there.astype(np.float64)
        slope = self._slope(x) if len(read) == 1 and entries.shape[1] == 1 else 1.0
        return _scattered((gradient * slope)[:, :, None] * share, entries, width), {}

    def _slope(self, x: FloatArray) -> FloatArray:
        """The slope of an activation at what it reads, by a difference; 1 near a jump."""
        low, high = (self._shown(x + step) for step in (-NUDGE, NUDGE))
        slope = (high - low) / (2 * NUDGE)
        if self.op.name in ("sign", "step"):
            return (np.abs(x) <= REACH).astype(np.float64)
        return slope

    def _shown(self, x: FloatArray) -> FloatArray:
        shaped = x.reshape(len(x), *self.shapes[0])
        return self.op.forward((shaped,), {}, {**dict(self.layer.options), "tolerance": 0.0}).reshape(len(x), -1)


def _part(layer: Layer, shapes: tuple[tuple[int, ...], ...]) -> _Weighted | _Fixed:
    op = LAYERS[layer.op]
    if op.connect is not None:
        return _Weighted(layer, op.connect(shapes[0], dict(layer.options)))
    return _Fixed(layer, op, shapes)


def _scattered(parts: FloatArray, entries: IntArray, width: int) -> FloatArray:
    """Sums of parts [n, outputs, k] by the entry that each belongs to, [n, width]; entry `width` is left out."""
    rows = len(parts)
    wide = np.broadcast_to(parts, (rows, *entries.shape)).reshape(rows, -1)
    flat = entries.reshape(-1)
    places = (np.arange(rows)[:, None] * (width + 1) + flat).reshape(-1)
    sums = np.bincount(places, weights=wide.reshape(-1), minlength=rows * (width + 1))
    return np.asarray(sums.reshape(rows, width + 1)[:, :width], dtype=np.float64)
