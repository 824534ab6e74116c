"""Decisions whose values are given: constants in the rows, in the clothes of a decision."""

from __future__ import annotations

import numpy as np

from nnmip.hir.core import Decision
from nnmip.lowering.base import Signal
from nnmip.lowering.decisions import PiecesEncoding
from nnmip.milp.affine import Affine
from nnmip.milp.model import FloatArray
from nnmip.ops.base import Connections


def fixed_encoding(decision: Decision, values: FloatArray) -> PiecesEncoding:
    """A decision of finitely many values with known picks; an entry without one is that of a removed unit, and 0."""
    levels = decision.domain.values
    picks = values[..., None] == np.array(levels)
    gate = Affine.constant(picks.any(axis=-1).astype(np.float64))
    pieces = tuple((value, value) for value in levels)
    return PiecesEncoding(
        decision, Affine.constant(values), gate, Affine.constant(picks.astype(np.float64)), pieces, {}
    )


def fixed_product(weights: FloatArray, a: Signal, connections: Connections) -> Affine:
    """Sum over k of W[u, k] a[n, source[o, k]] for known weights, shape [n, outputs]. No columns; exact."""
    n = len(a.value.const)
    source, units = connections.source, connections.unit
    factors = np.where(source >= 0, weights.reshape(connections.units, -1)[units], 0.0)
    places = np.arange(n)[:, None, None] * (a.value.size // n) + np.maximum(source, 0)
    return (a.value.gather(places) * factors).sum(axis=-1)
