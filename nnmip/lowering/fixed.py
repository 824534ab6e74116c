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
    n, outputs = len(a.value.const), len(connections.source)
    own = weights.reshape(connections.units, -1)[connections.unit]
    output, k = np.nonzero((connections.source >= 0) & (own != 0))
    rows = np.arange(n)[:, None]
    read = rows * (a.value.size // n) + connections.source[output, k]
    terms = a.value.gather(read.reshape(-1)) * np.tile(own[output, k], n)
    result = (rows * outputs + output).reshape(-1)
    const = np.bincount(result, weights=terms.const, minlength=n * outputs).reshape(n, outputs)
    return Affine(const.astype(np.float64), result[terms.entry], terms.column, terms.coef)
