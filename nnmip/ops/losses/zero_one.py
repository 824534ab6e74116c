"""`zero_one`: the weighted share of rows that are on the wrong side of the threshold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Apply
from nnmip.ops.base import Kind, Meaning, Option, Role, Word, scalar

FloatArray = NDArray[np.float64]


def thresholds(node: Apply, labels: FloatArray) -> FloatArray:
    """The signed score y f that each row needs to count as right, shape [n].

    With a positive margin: the margin. With margin 0: 0 for label +1, because a score of 0 predicts +1, and the
    strictness for label -1, because its score must be below 0.
    """
    margin = node.option("margin")
    if margin > 0:
        return np.full(len(labels), margin)
    return np.where(labels > 0, 0.0, node.option("strictness"))


def evaluate(node: Apply, operands: tuple[FloatArray, ...], meaning: Meaning) -> FloatArray:
    """sum of v over wrong rows / sum v; a score within the tolerance of its threshold counts as right."""
    assert node.network is not None and node.data is not None
    data = meaning.dataset(node.data)
    signed = data.labels * meaning.scores(node.network, node.data)
    wrong = signed < thresholds(node, data.labels) - meaning.tolerance
    return np.asarray(np.average(wrong, weights=data.sample_weights))


WORD = Word(
    name="zero_one",
    signature="zero_one(net, data, margin: 0)",
    summary="the share of rows of `data` on the wrong side of 0 or, with a margin, with y f(x) < margin",
    parameters=(Kind.NETWORK, Kind.DATA),
    options=(
        Option("margin", "number", default=0.0, least=0.0),
        Option("strictness", "number", default=None, least=1e-5),
    ),
    boolean=False,
    role=Role.LOSS,
    shape=scalar,
    evaluate=evaluate,
)
