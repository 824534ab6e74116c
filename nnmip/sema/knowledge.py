"""Words of domain knowledge in terms of others: the size of a network, what excludes each other, what is tied."""

from __future__ import annotations

import numpy as np

from nnmip.hir.core import Apply, Gather, Join, Layer, Network, Node, Reference
from nnmip.ops.registry import LAYERS
from nnmip.sema.values import origin_of
from nnmip.source import Span


def parameters_of(layers: tuple[Layer, ...], span: Span) -> Node:
    """How many weights and biases of some layers are not 0; those of removed units are (formulation: sum of t)."""
    parts = tuple(Reference(d, origin_of(span)) for layer in layers for d in layer.decisions)
    return _nonzeros(Join(parts, origin_of(span)), span)


def operations_of(network: Network, layers: tuple[Layer, ...], span: Span) -> Node:
    """How many products with a weight that is not 0 some layers compute for one row.

    A weight of a convolution counts for each place of its filter's output (formulation: sum over places of t).
    """
    shapes = {network.input_name: network.input_shape} | {layer.name: layer.shape for layer in network.layers}
    parts: list[Node] = []
    for layer in layers:
        connect, weights = LAYERS[layer.op].connect, layer.decision("weights")
        if connect is None or weights is None:
            continue
        places = connect(shapes[layer.inputs[0]], dict(layer.options)).per_unit
        every = np.repeat(np.arange(weights.size), places)
        parts.append(Gather(Reference(weights, origin_of(span)), every, origin_of(span)))
    return _nonzeros(Join(tuple(parts), origin_of(span)), span)


def _nonzeros(entries: Node, span: Span) -> Node:
    return Apply("l0", (entries,), None, None, (), (), False, origin_of(span))
