"""`quantile` as the positive parts of the residuals, one for each distinct row, target value and output."""

from __future__ import annotations

from nnmip.hir.core import Apply
from nnmip.lowering.base import Lowering, Polarity
from nnmip.lowering.piecewise import positive_part
from nnmip.lowering.scores import residuals
from nnmip.milp.affine import Affine


def lower(low: Lowering, node: Apply, polarity: Polarity, path: str) -> Affine:
    """sum of share_g (max(0, r_gk) - level r_gk) over groups g and outputs k, for residuals r = output - target.

    Where the loss is minimised or bounded above: h >= r, h >= 0, exact at the optimum, without a binary. Otherwise
    the positive part is encoded in both directions with a binary for each residual that can have both signs.
    """
    found = residuals(low, node, node.option("reduce"))
    part = positive_part(low, path, found.value, found.bounds, polarity, node.origin)
    level: float = node.option("level")
    return ((part.value - found.value * level) * found.groups.share[:, None]).sum()
