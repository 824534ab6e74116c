"""`sat_margin`: the weighted mean number of outputs that are not clearly on their side of 0."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Apply
from nnmip.ops.base import Kind, Meaning, Option, Role, Task, Word, scalar
from nnmip.ops.losses.zero_one import step
from nnmip.ops.scores import REDUCE, over_rows

FloatArray = NDArray[np.float64]


def wanted_signs(labels: FloatArray, outputs: int) -> FloatArray:
    """The side of 0 on which every output of a row belongs, shape [n, outputs].

    One output belongs on the side of its label, -1 or +1. Of several, that of the own class belongs above 0 and all
    others below.
    """
    if outputs == 1:
        return labels[:, None]
    return np.where(np.arange(outputs) == labels[:, None], 1.0, -1.0)


def evaluate(node: Apply, operands: tuple[FloatArray, ...], meaning: Meaning) -> FloatArray:
    """sum of v times the wrong outputs of a row / sum v (without the division where `reduce` is `sum`).

    An output is wrong where it is less than `margin` times its reach on its own side of 0; one within the tolerance of
    that counts as right (Thorbjarnarson and Yorke-Smith 2023).
    """
    assert node.network is not None and node.data is not None
    data = meaning.dataset(node.data)
    scores = meaning.scores(node.network, node.data)
    scores = scores.reshape(len(scores), -1)
    signed = wanted_signs(data.labels, scores.shape[1]) * scores
    wrong = signed < np.array(node.option("required")) - meaning.tolerance
    return over_rows(wrong.sum(axis=1).astype(np.float64), data.sample_weights, node.option("reduce"))


WORD = Word(
    name="sat_margin",
    signature="sat_margin(net, data, margin: 0.5, reduce: mean)",
    summary="the mean number of outputs per row that are not on their side of 0 by the share `margin` of their reach",
    parameters=(Kind.NETWORK, Kind.DATA),
    options=(Option("margin", "number", default=0.5, least=0.001, most=1.0), REDUCE),
    boolean=False,
    role=Role.LOSS,
    task=Task.CLASSES,
    shape=scalar,
    evaluate=evaluate,
    step=step,
)
