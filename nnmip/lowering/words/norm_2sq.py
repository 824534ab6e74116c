"""`norm_2sq` as the squares of the values that are chosen."""

from __future__ import annotations

from nnmip.hir.core import Apply
from nnmip.lowering.base import Lowering, Polarity
from nnmip.lowering.entries import gathered
from nnmip.milp.affine import Affine


def lower(low: Lowering, node: Apply, polarity: Polarity, path: str) -> Affine:
    """sum of v^2 [w = v] over the values v of every weight; exact and linear on finite domains only."""
    return gathered(node, lambda decision: low.encodings[decision.path].squared(low, node.origin)).sum(axis=-1)
