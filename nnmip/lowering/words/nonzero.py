"""`nonzero` as the indicators of the weights' encodings."""

from __future__ import annotations

from nnmip.hir.core import Apply
from nnmip.lowering.base import Lowering, Polarity
from nnmip.lowering.entries import gathered
from nnmip.milp.affine import Affine


def lower(low: Lowering, node: Apply, polarity: Polarity, path: str) -> Affine:
    """[w != 0] for every entry, on the sides that are asked for."""
    listed = gathered(node, lambda decision: low.encodings[decision.path].nonzero(low, polarity, node.origin))
    return listed.reshape(node.shape)
