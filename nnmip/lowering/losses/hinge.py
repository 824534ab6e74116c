"""`hinge` as one nonnegative column for each distinct row and label."""

from __future__ import annotations

import numpy as np

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Apply
from nnmip.lowering.base import Lowering, Polarity, label_groups
from nnmip.lowering.networks import apply_network
from nnmip.lowering.piecewise import positive_part
from nnmip.milp.affine import Affine


def lower(low: Lowering, node: Apply, polarity: Polarity, path: str) -> Affine:
    """sum of share_g e_g with e_g = max(0, margin - y_g f_g).

    Where the loss is minimised or bounded above: e >= margin - y f, e >= 0, exact at the optimum. Otherwise the
    positive part is encoded in both directions with a binary a group.
    """
    assert node.network is not None and node.data is not None
    passed = apply_network(low, node.network, node.data)
    groups = label_groups(low.program.dataset(node.data), passed)
    scores, bounds = passed.scores.value.gather(groups.distinct), passed.scores.bounds
    margin = node.option("margin")
    ends = np.stack([margin - groups.labels * end[groups.distinct] for end in (bounds.lo, bounds.hi)])
    short = Interval(ends.min(axis=0), ends.max(axis=0)).widened(np.zeros(()))
    errors = positive_part(low, path, scores * -groups.labels + margin, short, polarity, node.origin)
    return (errors.value * groups.share).sum()
