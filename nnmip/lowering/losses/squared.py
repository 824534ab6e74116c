"""`squared` as one convex function of the score for each distinct row and output."""

from __future__ import annotations

import numpy as np

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Apply
from nnmip.hir.grids import score_grid
from nnmip.lowering.base import Lowering, Polarity
from nnmip.lowering.convex import Argument, convex, on_grid
from nnmip.lowering.curves import SQUARE
from nnmip.lowering.scores import centred
from nnmip.milp.affine import Affine


def lower(low: Lowering, node: Apply, polarity: Polarity, path: str) -> Affine:
    """sum of share_g ((f_gk - m_gk)^2 + s_gk) over distinct rows g and outputs k.

    m and s are the mean and the variance of the targets of equal rows, so that these need one column: the mean of
    (f - y)^2 over them is (f - m)^2 + s. Exact where f - m has few values, else tangents of t^2 from below.
    """
    assert node.network is not None and node.data is not None
    found = centred(low, node, node.option("reduce"))
    n, width = found.value.shape
    value, bounds = found.value.reshape((n * width,)), found.bounds.reshape((n * width,))
    share = np.repeat(found.share, width)
    step = score_grid(low.program.network(node.network), low.program.dataset(node.data))
    scores = Interval(bounds.lo + found.mean.reshape(-1), bounds.hi + found.mean.reshape(-1))
    points = on_grid(None if step is None else float(step), scores)
    points = None if points is None else points - found.mean.reshape(-1)[:, None]
    errors = convex(low, path, node, SQUARE, Argument(value, bounds, points), share, polarity)
    return (errors * share).sum() + float(share @ found.variance.reshape(-1))
