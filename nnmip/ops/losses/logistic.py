"""`logistic`: the weighted mean of the negative logarithms of the probabilities that a network gives the labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Apply
from nnmip.ops.base import Kind, Meaning, Role, Task, Word, scalar
from nnmip.ops.scores import REDUCE, TOLERANCE, leads, over_rows

FloatArray = NDArray[np.float64]


def evaluate(node: Apply, operands: tuple[FloatArray, ...], meaning: Meaning) -> FloatArray:
    """sum of v log(1 + sum over the other classes j of exp(-d_j)) / sum v (no division where `reduce` is `sum`).

    d_j is the lead y f of one score f and a label y in {-1, +1}, or f_own - f_j: logistic regression, and the cross
    entropy of the softmax of several scores. Computed without overflow for scores of any size.
    """
    assert node.network is not None and node.data is not None
    data = meaning.dataset(node.data)
    # Not a rational function: where scores are rational numbers, they are rounded here.
    behind = -leads(meaning.scores(node.network, node.data), data.labels).astype(np.float64)
    losses = np.logaddexp.reduce(np.concatenate([np.zeros((len(behind), 1)), behind], axis=1), axis=1)
    return over_rows(losses, data.sample_weights.astype(np.float64), node.option("reduce"))


WORD = Word(
    name="logistic",
    signature="logistic(net, data, reduce: mean, tolerance: 0.0001)",
    summary="the mean of log(1 + exp(-y f(x))) over the rows of `data`, of -log softmax(f(x))_own for several classes",
    parameters=(Kind.NETWORK, Kind.DATA),
    options=(REDUCE, TOLERANCE),
    boolean=False,
    role=Role.LOSS,
    task=Task.CLASSES,
    shape=scalar,
    evaluate=evaluate,
)
