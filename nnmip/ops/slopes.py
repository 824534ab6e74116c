"""What the layers of a network make of something that is known of its input, such as in which direction it changes."""

from __future__ import annotations

from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Layer, Network, Shape
from nnmip.ops.base import Blend, Connections
from nnmip.records import dataclass

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
State = TypeVar("State")


@dataclass(frozen=True, slots=True, eq=False)
class Mixing:
    """A layer without weights: every output changes by `least` to `most` times what it is made from.

    entries: what that is, flat positions in the inputs, put one after another, [outputs, k]; -1 where there is none.
    blend: how it is made from several. switches: which entries of the inputs, in that order, only switch others.
    """

    layer: Layer
    entries: IntArray
    least: float
    most: float
    blend: Blend
    switches: BoolArray

    @property
    def directions(self) -> tuple[int, ...]:
        """In which directions an output can change where an entry rises."""
        return tuple(sign for sign, slope in ((1, self.most), (-1, -self.least)) if slope > 0)


class Steps(Protocol[State]):
    """What single layers make of a state, which is about all entries of one tensor."""

    def weighted(self, layer: Layer, source: State, connections: Connections) -> State:
        """A layer with weights."""

    def mixed(self, mixing: Mixing, sources: tuple[State, ...]) -> State:
        """A layer without weights."""

    def chosen(self, layer: Layer, there: State, instead: State) -> State:
        """An optional layer: `there` where it is kept, else `instead`."""


def through(network: Network, start: State, steps: Steps[State]) -> State:
    """The state of the layer that holds the result, from that of the input."""
    from nnmip.ops.registry import LAYERS

    states: dict[str, State] = {network.input_name: start}
    shapes = {network.input_name: network.input_shape}
    for layer in network.layers:
        op, options = LAYERS[layer.op], dict(layer.options)
        if op.connect is not None:
            found = steps.weighted(layer, states[layer.inputs[0]], op.connect(shapes[layer.inputs[0]], options))
        else:
            found = steps.mixed(mixing_of(layer, shapes), tuple(states[name] for name in layer.inputs))
        if layer.skip is not None:
            found = steps.chosen(layer, found, states[layer.skip])
        states[layer.name], shapes[layer.name] = found, layer.shape
    return states[network.result_layer]


def mixing_of(layer: Layer, shapes: dict[str, Shape]) -> Mixing:
    """How a layer without weights makes its outputs, where it reads tensors of the given shapes."""
    from nnmip.ops.registry import LAYERS

    op, options = LAYERS[layer.op], dict(layer.options)
    inputs = tuple(shapes[name] for name in layer.inputs)
    entries = op.entries(inputs, options)
    sizes = [int(np.prod(shape, dtype=np.int64)) for shape in inputs]
    switches = np.repeat(np.isin(np.arange(len(inputs)), op.reads_bits), sizes)
    least, most = op.slope(options)
    return Mixing(layer, entries.reshape(-1, entries.shape[-1]), least, most, op.blend, switches)
