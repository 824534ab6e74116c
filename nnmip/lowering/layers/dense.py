"""`dense` as affine expressions: data times weights, or exact products of activations with finite-domain weights."""

from __future__ import annotations

import numpy as np

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Layer, Network
from nnmip.lowering.base import Lowering, Signal
from nnmip.lowering.decisions import IntegerEncoding, PiecesEncoding
from nnmip.lowering.products import activation_product
from nnmip.milp.affine import matmul


def lower(
    low: Lowering, network: Network, layer: Layer, inputs: tuple[Signal, ...], bounds: Interval, path: str
) -> Signal:
    """z = W a + b for every distinct row.

    Data inputs make z linear in W whatever its domain. Activations need W to have finitely many values
    (`lowering.products`). Exact.
    """
    (a,) = inputs
    decision, bias = layer.decision("weights"), layer.decision("bias")
    assert decision is not None
    weights = low.encodings[decision.path]
    if a.is_data:
        z = matmul(a.value.const, weights.value)
    else:
        assert isinstance(weights, PiecesEncoding | IntegerEncoding), "a product without an exact encoding"
        z = activation_product(low, f"{path}.product", weights, a.value, a.bounds, layer.origin)
    if bias is not None:
        rows = np.broadcast_to(np.arange(layer.units), z.shape)
        z = z + low.encodings[bias.path].value.gather(np.ascontiguousarray(rows))
    return Signal(z, bounds, a.value.const if a.is_data else None)
