"""`eps_insensitive` as two positive parts for each distinct row, target value and output."""

from __future__ import annotations

import numpy as np

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Apply
from nnmip.lowering.base import Lowering, Polarity
from nnmip.lowering.piecewise import positive_part
from nnmip.lowering.scores import residuals
from nnmip.milp.affine import Affine


def lower(low: Lowering, node: Apply, polarity: Polarity, path: str) -> Affine:
    """sum of share_g (max(0, r_gk - eps) + max(0, -r_gk - eps)) over groups g and outputs k, for residuals r.

    At most one of the two is positive, so that their sum is max(0, |r| - eps). Where the loss is minimised or bounded
    above no binary is made; otherwise one for each part that can be positive and need not be.
    """
    found, eps = residuals(low, node, node.option("reduce")), node.option("eps")
    lo, hi, zero = found.bounds.lo, found.bounds.hi, np.zeros(())
    above = Interval(lo - eps, hi - eps).widened(zero)
    below = Interval(-hi - eps, -lo - eps).widened(zero)
    over = positive_part(low, f"{path}.above", found.value - eps, above, polarity, node.origin)
    under = positive_part(low, f"{path}.below", -found.value - eps, below, polarity, node.origin)
    return ((over.value + under.value) * found.groups.share[:, None]).sum()
