"""`argmax` as the sum of all indices, each times a 0/1 entry."""

from __future__ import annotations

from nnmip.hir.core import Apply
from nnmip.lowering.base import Lowering, Polarity
from nnmip.lowering.places import lower_place
from nnmip.milp.affine import Affine


def lower(low: Lowering, node: Apply, polarity: Polarity, path: str) -> Affine:
    """The index of the largest entry of each call (`lowering.places`)."""
    return lower_place(low, node, path)
