"""`eps_insensitive`: the weighted mean of what absolute errors have beyond `eps`, over the rows of a data set."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Apply
from nnmip.ops.base import Kind, Meaning, Option, Role, Task, Word, scalar
from nnmip.ops.scores import REDUCE, over_rows

FloatArray = NDArray[np.float64]


def evaluate(node: Apply, operands: tuple[FloatArray, ...], meaning: Meaning) -> FloatArray:
    """sum of v max(0, |o - y| - eps) / sum v (without the division where `reduce` is `sum`), summed over the outputs.

    The loss of support vector regression (Vapnik 1995).
    """
    assert node.network is not None and node.data is not None
    data = meaning.dataset(node.data)
    errors = np.abs(meaning.scores(node.network, node.data).reshape(data.targets.shape) - data.targets)
    beyond = np.maximum(0.0, errors - node.option("eps"))
    return over_rows(beyond.sum(axis=1), data.sample_weights, node.option("reduce"))


WORD = Word(
    name="eps_insensitive",
    signature="eps_insensitive(net, data, eps: e, reduce: mean)",
    summary="the mean of max(0, |f(x) - y| - e) over the rows of `data`, with targets y, summed over the outputs",
    parameters=(Kind.NETWORK, Kind.DATA),
    options=(Option("eps", "number", required=True, least=0.0), REDUCE),
    boolean=False,
    role=Role.LOSS,
    task=Task.VALUES,
    shape=scalar,
    evaluate=evaluate,
)
