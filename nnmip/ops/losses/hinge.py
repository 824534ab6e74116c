"""`hinge`: the weighted mean of max(0, margin - lead) over the rows of a data set."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Apply
from nnmip.ops.base import Kind, Meaning, Option, Role, Task, Word, scalar
from nnmip.ops.scores import REDUCE, leads, over_rows

FloatArray = NDArray[np.float64]


def evaluate(node: Apply, operands: tuple[FloatArray, ...], meaning: Meaning) -> FloatArray:
    """sum of v max(0, margin - d) / sum v (without the division where `reduce` is `sum`).

    d is the signed score y f of one score f and a label y in {-1, +1}, or the least lead f_own - f_j of the row's class
    over another (Crammer and Singer 2001); v are the row weights.
    """
    assert node.network is not None and node.data is not None
    data = meaning.dataset(node.data)
    least = leads(meaning.scores(node.network, node.data), data.labels).min(axis=1)
    return over_rows(np.maximum(0.0, node.option("margin") - least), data.sample_weights, node.option("reduce"))


WORD = Word(
    name="hinge",
    signature="hinge(net, data, margin: 1, reduce: mean)",
    summary="the mean of max(0, margin - d) over the rows of `data`, d = y f(x) or f_own(x) - f_other(x) of classes",
    parameters=(Kind.NETWORK, Kind.DATA),
    options=(Option("margin", "number", default=1.0, least=0.0), REDUCE),
    boolean=False,
    role=Role.LOSS,
    task=Task.CLASSES,
    shape=scalar,
    evaluate=evaluate,
)
