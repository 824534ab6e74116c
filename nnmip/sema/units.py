"""What words about units ask of a network: whose units they are, what leads into them, and what they activate."""

from __future__ import annotations

import numpy as np

from nnmip.hir.core import Gather, IntArray, Layer, Network, Reference
from nnmip.hir.wiring import wiring_of
from nnmip.ops.base import MIXED, NONE
from nnmip.ops.registry import LAYERS
from nnmip.sema.values import fail, listed, origin_of
from nnmip.source import Span


def owners_of(network: Network, layer: str, index: IntArray, span: Span) -> IntArray:
    """The owners (`hir.wiring`) of the units of a layer at the positions `index` of its first axis.

    NNM0205 where nothing with weights makes them (the inputs of a network are not its units), or several units do.
    """
    owners = np.array([NONE]) if layer == network.input_name else wiring_of(network).units(layer)[index]
    if (owners == NONE).any():
        raise fail("NNM0205", f"`{layer}` has no units with weights: it reads the input", span)
    if (owners == MIXED).any():
        message = f"the entries of `{layer}` are made of several units each"
        raise fail("NNM0205", message, span, help="name a layer before they are added up")
    return owners


def incoming_weights(network: Network, layer: str, index: IntArray, span: Span) -> Gather:
    """The weights that lead into units of a layer, shape [*index, weights of a unit].

    NNM0205 as in `owners_of`, and for units of several layers.
    """
    owners, wiring = owners_of(network, layer, index, span), wiring_of(network)
    producers = {wiring.layer_of(int(owner)).name for owner in owners.reshape(-1)}
    if len(producers) != 1:
        message = f"the units of `{layer}` belong to {listed(sorted(producers))}"
        raise fail("NNM0205", message, span, help="ask for the units of one of them")
    producer = network.layer(producers.pop())
    weights = producer.decision("weights")
    assert weights is not None
    width = weights.size // producer.units
    places = (owners - wiring.first[producer.name])[..., None] * width + np.arange(width)
    return Gather(Reference(weights, origin_of(span)), places, origin_of(span))


def pre_activation(network: Network, layer: str, span: Span) -> Layer | None:
    """The layer whose output an activation reads, or that has weights itself; None for the input of the network.

    NNM0205 for a layer of another kind.
    """
    read = network.layer(layer)
    if read.decisions:
        return read
    if not LAYERS[read.op].prune:
        message = f"`active` asks what enters an activation, and `{layer}` is a `{read.op}`"
        raise fail("NNM0205", message, span, help="name a layer such as `relu` before it")
    source = read.inputs[0]
    return None if source == network.input_name else network.layer(source)
