"""`max_error` as one column over all residuals and their negatives."""

from __future__ import annotations

import numpy as np

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Apply
from nnmip.lowering.base import Lowering, Polarity
from nnmip.lowering.piecewise import largest
from nnmip.lowering.scores import residuals
from nnmip.milp.affine import Affine, concatenate


def lower(low: Lowering, node: Apply, polarity: Polarity, path: str) -> Affine:
    """The largest of r and -r over all residuals r.

    Where it is minimised or bounded above: e >= r, e >= -r for every residual, without a binary. Otherwise one of them
    is picked.
    """
    found = residuals(low, node, "mean")
    candidates = concatenate([found.value, -found.value])
    lo, hi = found.bounds.lo.reshape(-1), found.bounds.hi.reshape(-1)
    bounds = Interval(np.concatenate([lo, -hi])[None, :], np.concatenate([hi, -lo])[None, :])
    return largest(low, path, candidates.reshape((1, candidates.size)), bounds, polarity, node.origin).sum()
