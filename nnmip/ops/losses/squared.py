"""`squared`: the weighted mean of the squared errors over the rows of a data set."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Apply
from nnmip.ops.base import Kind, Meaning, Role, Task, Word, scalar
from nnmip.ops.scores import REDUCE, TOLERANCE, over_rows

FloatArray = NDArray[np.float64]


def evaluate(node: Apply, operands: tuple[FloatArray, ...], meaning: Meaning) -> FloatArray:
    """sum of v (o - y)^2 / sum v (without the division where `reduce` is `sum`), summed over the outputs."""
    assert node.network is not None and node.data is not None
    data = meaning.dataset(node.data)
    errors = meaning.scores(node.network, node.data).reshape(data.targets.shape) - data.targets
    return over_rows((errors**2).sum(axis=1), data.sample_weights, node.option("reduce"))


WORD = Word(
    name="squared",
    signature="squared(net, data, reduce: mean, tolerance: 0.0001)",
    summary="the mean of (f(x) - y)^2 over the rows of `data`, with targets y, summed over the outputs",
    parameters=(Kind.NETWORK, Kind.DATA),
    options=(REDUCE, TOLERANCE),
    boolean=False,
    role=Role.LOSS,
    task=Task.VALUES,
    shape=scalar,
    evaluate=evaluate,
)
