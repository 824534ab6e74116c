"""Sums of products of weights with data or activations: dense layers and convolutions alike."""

from __future__ import annotations

import numpy as np

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Layer
from nnmip.lowering.base import Lowering, Signal
from nnmip.lowering.composed import LONG, composed
from nnmip.lowering.decisions import IntegerEncoding, PiecesEncoding
from nnmip.lowering.fixed import fixed_product
from nnmip.lowering.products import activation_product, data_product
from nnmip.ops.base import Connections
from nnmip.ops.registry import LAYERS


def connections_of(layer: Layer, source: Signal) -> Connections:
    """What the weights of a layer multiply in the tensor it reads."""
    connect = LAYERS[layer.op].connect
    assert connect is not None
    return connect(source.value.shape[1:], dict(layer.options))


def affine_map(low: Lowering, layer: Layer, a: Signal, bounds: Interval, path: str) -> Signal:
    """z = W a + b for every distinct row, with W shared between the outputs of a unit.

    Known weights make z linear in a; data inputs make it linear in W whatever its domain. Activations need W to have
    finitely many values (`lowering.products`). Exact.
    """
    decision, bias = layer.decision("weights"), layer.decision("bias")
    assert decision is not None
    weights, connections, n = low.encodings[decision.path], connections_of(layer, a), len(a.value.const)
    if a.is_data:
        z = data_product(a.value.const.reshape(n, -1), weights.value, connections)
    elif weights.value.is_constant and len(a.value.coef) > LONG * a.value.size:
        z = composed(low, weights.value.const, a.value, connections)
    elif weights.value.is_constant:
        z = fixed_product(weights.value.const, a, connections)
    else:
        assert isinstance(weights, PiecesEncoding | IntegerEncoding), "a product without an exact encoding"
        z = activation_product(low, f"{path}.product", weights, a, connections, layer.shape, layer.origin)
    if bias is not None:
        units = np.broadcast_to(connections.unit, z.shape)
        z = z + low.encodings[bias.path].value.gather(np.ascontiguousarray(units))
    return Signal(z.reshape((n, *layer.shape)), bounds)
