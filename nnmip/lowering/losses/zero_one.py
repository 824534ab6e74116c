"""`zero_one` as one error binary for each distinct row and label."""

from __future__ import annotations

import numpy as np

from nnmip.bounds.interval import TINY
from nnmip.diagnostics import Diagnostic, DiagnosticError
from nnmip.hir.core import Apply
from nnmip.lowering.base import Lowering, Polarity, label_groups
from nnmip.lowering.networks import apply_network
from nnmip.milp.affine import Affine
from nnmip.milp.builder import Choice
from nnmip.milp.model import FloatArray


def lower(low: Lowering, node: Apply, polarity: Polarity, path: str) -> Affine:
    """sum of share_g err_g with y_g f_g >= t_g - (t_g - L_g) err_g, L_g the least value of y_g f_g.

    t is the margin; with margin 0 it is 0 for label +1 and the strictness for label -1. err = 1 frees the group.
    Exact where the loss is minimised or bounded above (indicator row with a proved big-M).
    """
    if Polarity.LOWER in polarity:
        raise DiagnosticError(
            [
                Diagnostic(
                    "NNM0313",
                    "`zero_one` can be minimised or bounded above only",
                    node.origin.span,
                    help="write it with a positive factor under `minimize`, or on the small side of `<=`",
                )
            ]
        )
    assert node.network is not None and node.data is not None
    passed = apply_network(low, node.network, node.data)
    groups = label_groups(low.program.dataset(node.data), passed)
    signed = passed.scores.value.gather(groups.distinct) * groups.labels
    ends = np.stack([b[groups.distinct] * groups.labels for b in (passed.scores.bounds.lo, passed.scores.bounds.hi)])
    least, most = ends.min(axis=0), ends.max(axis=0)
    threshold = required(node, groups.labels)
    wrong, open_ = most < threshold, np.flatnonzero((least < threshold) & (most >= threshold))
    inner = signed.gather(open_)
    big_m = np.maximum(threshold[open_] - least[open_], TINY)

    def fill(x: FloatArray, choice: Choice) -> FloatArray:
        return (inner.value(x) < threshold[open_] - 1e-9).astype(np.float64)

    shape = groups.labels.shape
    errors = low.builder.binaries(f"{path}.error", shape, node.origin, fill, picked=open_)
    low.builder.note_big_m(big_m, node.origin)
    low.builder.rows(
        f"{path}.right", inner + errors * big_m, node.origin, lb=threshold[open_], shape=shape, picked=open_
    )
    return (errors * groups.share[open_]).sum() + float(groups.share[wrong].sum())


def required(node: Apply, labels: FloatArray) -> FloatArray:
    """The signed score that each group needs to count as right."""
    margin = node.option("margin")
    strict = node.option("strictness") if margin == 0.0 else margin
    return np.where(labels > 0, margin, strict)
