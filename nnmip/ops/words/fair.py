"""`fair`: whether a network treats the groups of a table alike, by its predictions for the rows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from nnmip.arrays import distinct
from nnmip.data import Dataset
from nnmip.hir.core import Apply, BoolArray
from nnmip.ops.base import Kind, Meaning, Option, Role, Task, Word, scalar
from nnmip.ops.scores import ROUNDING, predicted_codes

FloatArray = NDArray[np.float64]

LIMITS = ("parity", "ratio", "odds", "opportunity")
"""The options that limit something: `ratio` a quotient, the others a difference."""


def compared_rows(limit: str, labels: FloatArray, codes: FloatArray) -> Iterator[tuple[BoolArray, NDArray[np.int64]]]:
    """Which rows [n] a limit looks at together, and which of the answers `codes` [k] it compares there.

    All rows and all answers for `parity` and `ratio`; the rows of each label for `odds`; the rows of a label and the
    answer that is right for them, for each answer, for `opportunity`.
    """
    every = np.arange(len(codes))
    match limit:
        case "odds":
            for label in distinct(labels):
                yield labels == label, every
        case "opportunity":
            for k in every:
                yield labels == codes[k], every[k : k + 1]
        case _:
            yield np.ones(len(labels), dtype=bool), every


def evaluate(node: Apply, operands: tuple[FloatArray, ...], meaning: Meaning) -> FloatArray:
    """1.0 where every stated limit holds for every two groups.

    Predictions are those that are reported and exported, without any tolerance beyond rounding. Of targets only the
    means are compared, with the tolerance.
    """
    assert node.network is not None and node.data is not None
    data = meaning.dataset(node.data)
    scores = meaning.scores(node.network, node.data)
    answers, codes = answers_of(data, scores)
    tolerance = ROUNDING if data.label_name is not None else meaning.tolerance
    _, members = data.members(node.option("group"))
    for name in LIMITS:
        limit = node.option(name)
        if limit is None:
            continue
        for rows, columns in compared_rows(name, data.labels, codes):
            for one, other in permutations(members, 2):
                a = np.average(answers[one & rows][:, columns], axis=0, weights=data.sample_weights[one & rows])
                b = np.average(answers[other & rows][:, columns], axis=0, weights=data.sample_weights[other & rows])
                excess = limit * b - a if name == "ratio" else a - b - limit
                if (excess > tolerance).any():
                    return np.asarray(0.0)
    return np.asarray(1.0)


def answers_of(data: Dataset, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """What is compared, [n, k], and the code of each column [k]: 1 where a row gets this prediction, the first of two
    classes left out; the outputs themselves for targets."""
    if data.label_name is None:
        outputs = scores.reshape(len(scores), -1)
        return outputs, np.zeros(outputs.shape[1])
    codes = np.array([1.0]) if scores.ndim == 1 else np.arange(scores.shape[1], dtype=np.float64)
    return (predicted_codes(scores)[:, None] == codes).astype(np.float64), codes


WORD = Word(
    name="fair",
    signature="fair(net, data, group: column, parity: ..., ratio: ..., odds: ..., opportunity: ...)",
    summary="whether the groups of a column of `data` get each prediction about equally often",
    parameters=(Kind.NETWORK, Kind.DATA),
    options=(
        Option("group", "column", required=True),
        Option("parity", "number", least=0.0),
        Option("ratio", "number", least=0.0, most=1.0),
        Option("odds", "number", least=0.0, most=1.0),
        Option("opportunity", "number", least=0.0, most=1.0),
    ),
    boolean=True,
    role=Role.OTHER,
    task=Task.EITHER,
    shape=scalar,
    evaluate=evaluate,
)
