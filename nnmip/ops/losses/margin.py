"""`margin`: the smallest signed margin over the rows of a data set."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Apply
from nnmip.ops.base import Kind, Meaning, Role, Task, Word, scalar
from nnmip.ops.scores import leads

FloatArray = NDArray[np.float64]


def evaluate(node: Apply, operands: tuple[FloatArray, ...], meaning: Meaning) -> FloatArray:
    """min over rows of y f, or of the least lead f_own - f_j over another class; rows of weight 0 do not count."""
    assert node.network is not None and node.data is not None
    data = meaning.dataset(node.data)
    least = leads(meaning.scores(node.network, node.data), data.labels).min(axis=1)
    return np.asarray(least[data.sample_weights > 0].min())


WORD = Word(
    name="margin",
    signature="margin(net, data)",
    summary="the smallest y f(x) over the rows of `data`, or the smallest f_own(x) - f_other(x) of classes",
    parameters=(Kind.NETWORK, Kind.DATA),
    options=(),
    boolean=False,
    role=Role.LOSS,
    task=Task.CLASSES,
    shape=scalar,
    evaluate=evaluate,
)
