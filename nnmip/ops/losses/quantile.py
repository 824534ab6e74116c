"""`quantile`: the weighted mean of the pinball loss over the rows of a data set."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Apply
from nnmip.ops.base import Kind, Meaning, Option, Role, Task, Word, scalar
from nnmip.ops.scores import REDUCE, over_rows

FloatArray = NDArray[np.float64]


def evaluate(node: Apply, operands: tuple[FloatArray, ...], meaning: Meaning) -> FloatArray:
    """sum of v l / sum v (without the division where `reduce` is `sum`), l summed over the outputs.

    l = level (y - o) where the output o is below the target y, else (1 - level) (o - y) (Koenker and Bassett 1978).
    """
    assert node.network is not None and node.data is not None
    data, level = meaning.dataset(node.data), node.option("level")
    short = data.targets - meaning.scores(node.network, node.data).reshape(data.targets.shape)
    losses = np.maximum(level * short, (level - 1.0) * short)
    return over_rows(losses.sum(axis=1), data.sample_weights, node.option("reduce"))


WORD = Word(
    name="quantile",
    signature="quantile(net, data, level: t, reduce: mean)",
    summary="the mean of t (y - f(x)) below the targets y and of (1 - t) (f(x) - y) above, summed over the outputs",
    parameters=(Kind.NETWORK, Kind.DATA),
    options=(Option("level", "number", required=True, least=0.0, most=1.0), REDUCE),
    boolean=False,
    role=Role.LOSS,
    task=Task.VALUES,
    shape=scalar,
    evaluate=evaluate,
)
