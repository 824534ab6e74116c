"""`hinge` as one nonnegative column for each distinct row and label."""

from __future__ import annotations

import numpy as np

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Apply
from nnmip.lowering.base import Lowering, Polarity
from nnmip.lowering.piecewise import largest, positive_part, scattered
from nnmip.lowering.scores import leads
from nnmip.milp.affine import Affine


def lower(low: Lowering, node: Apply, polarity: Polarity, path: str) -> Affine:
    """sum of share_g e_g with e_g = max(0, margin - d_gj over the other classes j), d the leads of group g.

    Where the loss is minimised or bounded above: e >= margin - d_j, e >= 0, exact at the optimum, without a binary.
    Otherwise the maximum is encoded in both directions with binaries (formulation: hinge, multiclass hinge).
    """
    found = leads(low, node, node.option("reduce"))
    margin = node.option("margin")
    short = Interval(margin - found.bounds.hi, margin - found.bounds.lo).widened(np.zeros(()))
    value = found.value * -1.0 + margin
    groups, others = value.shape
    if others == 1:
        part = positive_part(low, path, value.reshape((groups,)), short.reshape((groups,)), polarity, node.origin)
        return (part.value * found.groups.share).sum()
    # The candidate 0 comes last: at equal values the first is picked, and a pick of 0 needs no column.
    zero = np.zeros((groups, 1))
    at = np.arange(groups)[:, None] * (others + 1) + np.arange(others)
    candidates = scattered([(at.reshape(-1), value.reshape((value.size,)))], (groups, others + 1))
    bounds = Interval(np.hstack([short.lo, zero]), np.hstack([short.hi, zero]))
    errors = largest(low, path, candidates, bounds, polarity, node.origin)
    return (errors * found.groups.share).sum()
