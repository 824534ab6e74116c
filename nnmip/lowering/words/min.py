"""`min` as a column beside every entry and, where it must not pass all of them, a choice of one."""

from __future__ import annotations

from nnmip.hir.core import Apply
from nnmip.lowering.base import Lowering, Polarity
from nnmip.lowering.extremes import lower_extreme
from nnmip.milp.affine import Affine


def lower(low: Lowering, node: Apply, polarity: Polarity, path: str) -> Affine:
    """The least entry of each call (`lowering.extremes`)."""
    return lower_extreme(low, node, polarity, path, -1.0)
