"""`hinge`: the weighted mean of max(0, margin - y f(x)) over the rows of a data set."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Apply
from nnmip.ops.base import Kind, Meaning, Option, Role, Word, scalar

FloatArray = NDArray[np.float64]


def evaluate(node: Apply, operands: tuple[FloatArray, ...], meaning: Meaning) -> FloatArray:
    """Scores f [n], labels y in {-1, +1}, row weights v: sum v max(0, margin - y f) / sum v."""
    assert node.network is not None and node.data is not None
    data = meaning.dataset(node.data)
    scores = meaning.scores(node.network, node.data)
    losses = np.maximum(0.0, node.option("margin") - data.labels * scores)
    return np.asarray(np.average(losses, weights=data.sample_weights))


WORD = Word(
    name="hinge",
    signature="hinge(net, data, margin: 1)",
    summary="the mean of max(0, margin - y f(x)) over the rows of `data`, with labels y of -1 and +1",
    parameters=(Kind.NETWORK, Kind.DATA),
    options=(Option("margin", "number", default=1.0, least=0.0),),
    boolean=False,
    role=Role.LOSS,
    shape=scalar,
    evaluate=evaluate,
)
