"""`zero_one`: the weighted share of rows that are predicted wrong."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from nnmip.data import Dataset, decimal_grid
from nnmip.hir.core import Apply
from nnmip.ops.base import Kind, Meaning, Option, Role, Task, Word, scalar
from nnmip.ops.scores import REDUCE, leads, over_rows, ties_are_wrong

FloatArray = NDArray[np.float64]


def thresholds(node: Apply, scores: FloatArray, labels: FloatArray) -> FloatArray:
    """The lead over each other class that a row needs to count as right, shape [n, classes - 1].

    With a positive margin: the margin. With margin 0: the strictness where a tie is wrong, else 0.
    """
    wrong = ties_are_wrong(scores, labels)
    margin = node.option("margin")
    return np.full(wrong.shape, margin) if margin > 0 else np.where(wrong, node.option("strictness"), 0.0)


def evaluate(node: Apply, operands: tuple[FloatArray, ...], meaning: Meaning) -> FloatArray:
    """sum of v over wrong rows / sum v (without the division where `reduce` is `sum`).

    A lead within the tolerance of its threshold counts as reaching it.
    """
    assert node.network is not None and node.data is not None
    data = meaning.dataset(node.data)
    scores = meaning.scores(node.network, node.data)
    short = leads(scores, data.labels) < thresholds(node, scores, data.labels) - meaning.tolerance
    wrong = np.asarray(short.any(axis=1), dtype=np.float64)
    return over_rows(wrong, data.sample_weights, node.option("reduce"))


def step(node: Apply, steps: tuple[Fraction | None, ...], data: Dataset | None) -> Fraction | None:
    """The largest weight of which all weights are multiples, for a mean as a share of the total: 1/n for n rows."""
    assert data is not None
    grid = decimal_grid(data.sample_weights)
    if grid is None or node.option("reduce") == "sum":
        return grid
    return grid / sum(Fraction(repr(float(w))) for w in data.sample_weights)


WORD = Word(
    name="zero_one",
    signature="zero_one(net, data, margin: 0, reduce: mean)",
    summary="the share of rows of `data` that are predicted wrong or, with a margin, whose lead is below it",
    parameters=(Kind.NETWORK, Kind.DATA),
    options=(
        Option("margin", "number", default=0.0, least=0.0),
        Option("strictness", "number", default=None, least=1e-5),
        REDUCE,
    ),
    boolean=False,
    role=Role.LOSS,
    task=Task.CLASSES,
    shape=scalar,
    evaluate=evaluate,
    step=step,
)
