"""`fair` as comparisons of the mean predictions of groups, written in other expressions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, permutations

import numpy as np

from nnmip.data import Dataset
from nnmip.hir.core import (
    Apply,
    BoolArray,
    Choose,
    Compare,
    Constant,
    FloatArray,
    Fold,
    Gather,
    IntArray,
    Join,
    LayerOutput,
    Node,
    Not,
    Plus,
    Scale,
)
from nnmip.hir.grids import STATED
from nnmip.lowering.base import Lowering, Polarity
from nnmip.lowering.expressions import lower_expression
from nnmip.milp.affine import Affine

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
    answers = _answers(low, node, data)
    count, width = answers.shape
    found = list(_comparisons(node, data, width))
    if not found:  # Only where the rows have not been read.
        return Constant(np.asarray(1.0), node.origin, boolean=True)
    factors = np.stack([np.bincount(distinct.inverse, one.factor, count) for one in found]).astype(np.float64)
    columns = np.array([one.column for one in found])
    places = np.arange(count) * width + columns[:, None]
    weighted = Scale(factors, Gather(answers, places, node.origin), factors.shape, node.origin)
    means = Apply("sum", (weighted,), None, None, (), columns.shape, False, node.origin, batch=1)
    limits = Constant(np.array([one.limit for one in found]), node.origin)
    step = node.option("step")
    holds = Compare("<=", means, limits, columns.shape, node.origin, step or STATED, is_exact=step > 0)
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


# ---- predictions ---------------------------------------------------------------------------------------------------


def _answers(low: Lowering, node: Apply, data: Dataset) -> Node:
    """For every distinct row [g, k]: outputs, or 1 where the row is predicted k; made once for a network and data."""
    assert node.network is not None and node.data is not None
    key = (node.network, node.data)
    if key not in low.answers:
        network = low.program.network(node.network)
        result = network.layer(network.result_layer)
        shape = (data.row_count, *result.shape)
        output = LayerOutput(network.name, result.name, data.name, shape, node.origin)
        width = int(np.prod(result.shape, dtype=np.int64))
        places = low.known.over(*key).distinct[:, None] * width + network.result_index.reshape(-1)
        scores = Gather(output, places, node.origin)
        low.answers[key] = scores if data.label_name is None else _predicted(low, node, scores, result.path)
    return low.answers[key]


def _predicted(low: Lowering, node: Apply, scores: Gather, path: str) -> Node:
    """1 where a row is predicted +1, shape [g, 1]; for several classes where it is predicted k, [g, k]."""
    strictness, origin = node.option("strictness"), node.origin
    about = path if scores.shape[1] == 1 else f"{path}, the lead of a class over those after it"
    low.gaps[about] = strictness, node.option("strictness_exact")
    if scores.shape[1] == 1:
        chosen: Node = _at_least(scores, 0.0, strictness)
    else:
        chosen = _first_of_largest(scores, strictness)
    one, zero = Constant(np.ones(chosen.shape), origin), Constant(np.zeros(chosen.shape), origin)
    return Choose(chosen, one, zero, chosen.shape, origin)


def _at_least(left: Node, right: float, strictness: float) -> Compare:
    """`left >= right`; what is noted of its strictness is noted of the scores."""
    known = Constant(np.full(left.shape, right), left.origin)
    return Compare(">=", left, known, left.shape, left.origin, strictness, is_exact=True)


def _first_of_largest(scores: Gather, strictness: float) -> Node:
    """Class k is predicted where its score is above that of every class before it, and at least that of every later
    one: one comparison for every two classes."""
    rows, width = scores.shape
    pairs = np.array(list(combinations(range(width), 2)))
    earlier, later = (_columns(scores, pairs[:, side]) for side in (0, 1))
    shape = (rows, len(pairs))
    lead = Plus((earlier, Scale(np.asarray(-1.0), later, shape, scores.origin)), shape, scores.origin)
    ahead = _at_least(lead, 0.0, strictness)
    both = Join((ahead, Not(ahead, scores.origin)), scores.origin)
    at = np.empty((width, width - 1), dtype=np.int64)
    number = {(int(i), int(j)): place for place, (i, j) in enumerate(pairs)}
    for k in range(width):
        before = [rows * len(pairs) + number[i, k] for i in range(k)]
        at[k] = [*before, *(number[k, j] for j in range(k + 1, width))]
    places = np.arange(rows)[:, None, None] * len(pairs) + at
    return Fold("and", Gather(both, places, scores.origin), scores.origin, batch=2)


def _columns(scores: Gather, columns: IntArray) -> Gather:
    return Gather(scores.base, scores.index[:, columns], scores.origin)
