"""`max_error`: the largest absolute error over the rows of a data set."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Apply
from nnmip.ops.base import Kind, Meaning, Role, Task, Word, scalar

FloatArray = NDArray[np.float64]


def evaluate(node: Apply, operands: tuple[FloatArray, ...], meaning: Meaning) -> FloatArray:
    """max of |o - y| over rows and outputs; rows of weight 0 do not count."""
    assert node.network is not None and node.data is not None
    data = meaning.dataset(node.data)
    errors = np.abs(meaning.scores(node.network, node.data).reshape(data.targets.shape) - data.targets)
    return np.asarray(errors[data.sample_weights > 0].max())


WORD = Word(
    name="max_error",
    signature="max_error(net, data)",
    summary="the largest |f(x) - y| over the rows of `data` and the outputs, with targets y",
    parameters=(Kind.NETWORK, Kind.DATA),
    options=(),
    boolean=False,
    role=Role.LOSS,
    task=Task.VALUES,
    shape=scalar,
    evaluate=evaluate,
)
