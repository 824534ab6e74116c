"""`norm_1` as the sum of absolute values."""

from __future__ import annotations

from nnmip.hir.core import Apply
from nnmip.lowering.base import Lowering, Polarity
from nnmip.lowering.entries import gathered
from nnmip.milp.affine import Affine


def lower(low: Lowering, node: Apply, polarity: Polarity, path: str) -> Affine:
    """sum of |w|; the absolute values are those of the weights' encodings."""
    return gathered(node, lambda decision: low.encodings[decision.path].absolute(low, polarity)).sum(axis=-1)
