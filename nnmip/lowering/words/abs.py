"""`abs` as the larger of an entry and its negative."""

from __future__ import annotations

from nnmip.hir.core import Apply
from nnmip.lowering.base import Lowering, Polarity
from nnmip.lowering.magnitudes import magnitudes
from nnmip.milp.affine import Affine


def lower(low: Lowering, node: Apply, polarity: Polarity, path: str) -> Affine:
    """|e| of every entry (`lowering.magnitudes`)."""
    return magnitudes(low, node.operands[0], polarity, path)
