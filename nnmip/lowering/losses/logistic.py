"""`logistic` as softplus functions, one for each distinct row, label and other class."""

from __future__ import annotations

import numpy as np

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Apply
from nnmip.hir.grids import score_grid
from nnmip.lowering.base import Lowering, Polarity
from nnmip.lowering.convex import Argument, convex, joined, on_grid
from nnmip.lowering.curves import SOFTPLUS
from nnmip.lowering.scores import leads
from nnmip.milp.affine import Affine


def lower(low: Lowering, node: Apply, polarity: Polarity, path: str) -> Affine:
    """sum of share_g u_g over groups g of rows, with the leads d_g1 .. d_gm over the other classes and

        u_0 = 0        u_j = u_{j-1} + log(1 + exp(-d_j - u_{j-1}))

    so that u_m = log(1 + sum of exp(-d_j)). Every u_j is increasing in u_{j-1}: where the loss is minimised or bounded
    above, functions from below give a value from below, and one of one number each need far fewer tangents than one of
    all leads. Exact where the leads have few values.
    """
    assert node.network is not None and node.data is not None
    found = leads(low, node, node.option("reduce"))
    groups, others = found.value.shape
    step = score_grid(low.program.network(node.network), low.program.dataset(node.data))
    at = np.arange(groups) * others
    total, reach = Affine.constant(np.zeros(groups)), Interval.point(np.zeros(groups))
    values: np.ndarray | None = np.zeros((groups, 1))
    for j in range(others):
        behind = Interval(-found.bounds.hi[:, j], -found.bounds.lo[:, j])
        own = on_grid(None if step is None else float(step), behind)
        points = joined(own, None if values is None else -values)
        argument = Argument(-found.value.gather(at + j) - total, behind + Interval(-reach.hi, -reach.lo), points)
        label = path if others == 1 else f"{path}.class{j}"
        added = convex(low, label, node, SOFTPLUS, argument, found.groups.share, polarity, others)
        values = _sums_after(own, values)
        reach = reach + Interval(*SOFTPLUS.range(argument.bounds.lo, argument.bounds.hi))
        total = total + added
    return (total * found.groups.share).sum()


def _sums_after(own: np.ndarray | None, before: np.ndarray | None) -> np.ndarray | None:
    """The values that u_j can have, from those of -d_j and u_{j-1}; None where there are too many."""
    if own is None or before is None:
        return None
    pairs = (own[:, :, None] + SOFTPLUS.value(before[:, None, :] - own[:, :, None])).reshape(len(own), -1)
    return joined(pairs, np.zeros((len(own), 1)))
