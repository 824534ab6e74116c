"""`norm_1` as the sum of absolute values."""

from __future__ import annotations

from nnmip.hir.core import Apply
from nnmip.lowering.base import Lowering, Polarity
from nnmip.lowering.magnitudes import magnitudes
from nnmip.milp.affine import Affine


def lower(low: Lowering, node: Apply, polarity: Polarity, path: str) -> Affine:
    """sum of |e| (`lowering.magnitudes`)."""
    sizes = magnitudes(low, node.operands[0], polarity, path)
    return sizes.reshape((*sizes.shape[: node.batch], -1)).sum(axis=-1)
