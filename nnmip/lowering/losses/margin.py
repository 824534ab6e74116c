"""`margin` as one column under the leads of all rows."""

from __future__ import annotations

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Apply
from nnmip.lowering.base import Lowering, Polarity
from nnmip.lowering.piecewise import largest
from nnmip.lowering.scores import leads
from nnmip.milp.affine import Affine


def lower(low: Lowering, node: Apply, polarity: Polarity, path: str) -> Affine:
    """min over groups and other classes of the lead d: minus the largest of the -d.

    Where it is maximised or bounded below: m <= d for every lead, without a binary. Otherwise one of them is picked.
    """
    found = leads(low, node, "mean")
    flat = (1, found.value.size)
    bounds = Interval(-found.bounds.hi, -found.bounds.lo).reshape(flat)
    return -largest(low, path, -found.value.reshape(flat), bounds, polarity.flipped, node.origin).sum()
