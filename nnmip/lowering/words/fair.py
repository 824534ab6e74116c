"""`fair` as comparisons of the mean predictions of groups, written in other expressions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import numpy as np

from nnmip.data import Dataset
from nnmip.hir.core import (
    Apply,
    BoolArray,
    Compare,
    Constant,
    FloatArray,
    Fold,
    Gather,
    IntArray,
    LayerOutput,
    Network,
    Node,
    Scale,
)
from nnmip.hir.grids import STATED
from nnmip.lowering.base import Lowering, Polarity
from nnmip.lowering.expressions import lower_expression
from nnmip.lowering.predictions import predicted_node
from nnmip.milp.affine import Affine
from nnmip.records import dataclass

_LIMITS = ("parity", "odds", "opportunity", "ratio")


def lower(low: Lowering, node: Apply, polarity: Polarity, path: str) -> Affine:
    """The truth of the rules, on the sides that are asked for."""
    return lower_expression(low, as_rules(low, node), polarity)


def as_rules(low: Lowering, node: Apply) -> Node:
    """For every two groups A, B and every answer k, with p = 1 where a row is predicted k (for targets: the output),

        mean of p over A - mean of p over B <= limit        ratio:  r * mean over B - mean over A <= 0

    over all rows, or over the rows of one label. The sizes of groups are known, so that each is one linear row
    (formulation: fairness). p is needed on both sides; equal rows share one.
    """
    assert node.network is not None and node.data is not None
    data, distinct = low.program.dataset(node.data), low.known.over(node.network, node.data)
    network = low.program.network(node.network)
    width = int(np.prod(network.output_shape, dtype=np.int64))
    found = list(_comparisons(node, data, width))
    if not found:  # Only where the rows have not been read.
        return Constant(np.asarray(1.0), node.origin, boolean=True)
    count = len(distinct.distinct)
    factors = np.stack([np.bincount(distinct.inverse, one.factor, count) for one in found]).astype(np.float64)
    wanted = np.arange(count) * width + np.array([one.column for one in found])[:, None]
    asked = np.unique(wanted[factors != 0])
    rows, columns = np.divmod(asked, width)
    if data.label_name is None:
        answers = _outputs(network, node, data, distinct.distinct[rows], columns)
    else:
        answers = _predicted(low, network, node, rows, columns)
    places = np.where(factors != 0, np.searchsorted(asked, wanted), 0)
    weighted = Scale(factors, Gather(answers, places, node.origin), factors.shape, node.origin)
    means = Apply("sum", (weighted,), None, None, (), (len(found),), False, node.origin, batch=1)
    limits = Constant(np.array([one.limit for one in found]), node.origin)
    step = node.option("step")
    holds = Compare("<=", means, limits, means.shape, node.origin, step or STATED, is_exact=step > 0)
    return Fold("and", holds, node.origin)


@dataclass(frozen=True, slots=True, eq=False)
class _Comparison:
    """sum over rows of factor [n] times what stands in `column` of the answers is at most `limit`."""

    factor: FloatArray
    column: int
    limit: float


def _comparisons(node: Apply, data: Dataset, width: int) -> Iterator[_Comparison]:
    """What the stated limits compare, for every ordered pair of groups."""
    _, members = data.members(node.option("group"))
    for name in _LIMITS:
        limit = node.option(name)
        if limit is None:
            continue
        for rows, columns in _compared(name, data, width):
            shares = members * rows * data.sample_weights
            shares = shares / shares.sum(axis=1, keepdims=True)
            for a, b in permutations(range(len(shares)), 2):
                factor = shares[a] - shares[b] if name != "ratio" else limit * shares[b] - shares[a]
                for column in columns:
                    yield _Comparison(factor, column, 0.0 if name == "ratio" else limit)


def _compared(name: str, data: Dataset, width: int) -> list[tuple[BoolArray, list[int]]]:
    """The rows that are looked at together, with the answers that are compared there."""
    right = [1.0] if width == 1 else [float(k) for k in range(width)]
    if name == "odds":
        return [(data.labels == label, list(range(width))) for label in np.unique(data.labels)]
    if name == "opportunity":
        return [(data.labels == label, [k]) for k, label in enumerate(right)]
    return [(np.ones(data.row_count, dtype=bool), list(range(width)))]


# ---- what is compared ----------------------------------------------------------------------------------------------


def _outputs(network: Network, node: Apply, data: Dataset, rows: IntArray, columns: IntArray) -> Node:
    """Some outputs of some rows of the table."""
    result = network.layer(network.result_layer)
    output = LayerOutput(network.name, result.name, data.name, (data.row_count, *result.shape), node.origin)
    width = int(np.prod(result.shape, dtype=np.int64))
    return Gather(output, rows * width + network.result_index.reshape(-1)[columns], node.origin)


def _predicted(low: Lowering, network: Network, node: Apply, rows: IntArray, columns: IntArray) -> Node:
    """1 where a distinct row is predicted the class of a column, of one score +1."""
    strictness, is_exact = node.option("strictness"), node.option("strictness_exact")
    is_score = network.output_shape == ()
    path = network.layer(network.result_layer).path
    about = path if is_score else f"{path}, the lead of a class over the predicted one after it"
    low.gaps[about] = strictness, is_exact
    answers, answer = (2, columns + 1) if is_score else (network.output_shape[0], columns)
    assert node.network is not None and node.data is not None
    return predicted_node(node.network, node.data, rows * answers + answer, strictness, is_exact, node.origin)
