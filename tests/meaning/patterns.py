"""The optimum of a network with one hidden layer of continuous weights, by an LP for every activation pattern.

Independent of the encodings: a pattern fixes which units are on in which rows, which weights are nonzero, which units
are removed and every value of the second layer; what is left is linear.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import highspy
import numpy as np

from nnmip.hir.core import FloatArray

Piece = tuple[float, float]


@dataclass(frozen=True)
class Network:
    """`units` hidden ReLU units on `rows` [n, d]; each entry of a domain's `Piece`s is an interval, (0, 0) is zero.

    An interval around zero is listed with (0, 0) beside it: the first counts as nonzero. `bias` None means none.
    `weight_l0`, `weight_used` are goal coefficients beside the mean hinge loss; `least_l0` and `least_used` are
    lower limits on the number of nonzero weights and used units.
    """

    rows: FloatArray
    labels: FloatArray
    units: int
    weights: tuple[Piece, ...]
    bias: tuple[Piece, ...] | None
    levels: tuple[float, ...]
    result_bias: Piece
    prune: bool = False
    weight_l0: float = 0.0
    weight_used: float = 0.0
    least_l0: int = 0
    least_used: int = 0

    @property
    def inputs(self) -> int:
        return self.rows.shape[1]


@dataclass(frozen=True)
class Pattern:
    """kept [k], incoming pieces [k][d + bias], outgoing values [k], phases [n, k]."""

    kept: tuple[bool, ...]
    pieces: tuple[tuple[Piece, ...], ...]
    values: tuple[float, ...]
    phases: FloatArray


def optimum(network: Network) -> float | None:
    """The least goal value, None if no network satisfies the limits."""
    best: float | None = None
    for pattern in _patterns(network):
        nonzero = np.array([[piece != (0.0, 0.0) for piece in unit] for unit in pattern.pieces])
        outgoing = np.array(pattern.values) != 0
        l0 = int(nonzero[:, : network.inputs].sum() + outgoing.sum())
        used = int((nonzero.any(axis=1) & outgoing).sum())
        if l0 < network.least_l0 or used < network.least_used:
            continue
        fixed = network.weight_l0 * l0 + network.weight_used * used
        if best is not None and fixed >= best:
            continue
        loss = _least_loss(network, pattern)
        if loss is not None and (best is None or fixed + loss < best):
            best = fixed + loss
    return best


def _patterns(network: Network) -> Iterator[Pattern]:
    n, k = len(network.rows), network.units
    zero = (0.0, 0.0)
    incoming = [network.weights] * network.inputs + ([network.bias] if network.bias is not None else [])
    for kept in product((True, False), repeat=k) if network.prune else [(True,) * k]:
        pieces = [list(product(*incoming)) if on else [(zero,) * len(incoming)] for on in kept]
        values = [network.levels if on else (0.0,) for on in kept]
        for chosen, outgoing in product(product(*pieces), product(*values)):
            for phases in product((0.0, 1.0), repeat=n * k):
                yield Pattern(kept, chosen, outgoing, np.array(phases).reshape(n, k))


def _least_loss(network: Network, pattern: Pattern) -> float | None:
    """The least mean hinge loss (margin 1) under a pattern; columns are weights and bias by unit, c, then losses."""
    n, k = len(network.rows), network.units
    data = np.hstack([network.rows, np.ones((n, 1))]) if network.bias is not None else network.rows
    width = data.shape[1]
    ends = [piece for unit in pattern.pieces for piece in unit]
    columns = k * width + 1 + n
    matrix, lower, upper = [], [], []
    for j in range(k):
        for row in range(n):
            z = np.zeros(columns)
            z[j * width : (j + 1) * width] = data[row]
            on = pattern.phases[row, j] == 1
            matrix.append(z)
            lower.append(0.0 if on else -np.inf)
            upper.append(np.inf if on else 0.0)
    for row in range(n):
        e = np.zeros(columns)
        for j in range(k):
            e[j * width : (j + 1) * width] = (
                network.labels[row] * pattern.values[j] * pattern.phases[row, j] * data[row]
            )
        e[k * width] = network.labels[row]
        e[k * width + 1 + row] = 1.0
        matrix.append(e)
        lower.append(1.0)
        upper.append(np.inf)
    low = np.array([lo for lo, _ in ends] + [network.result_bias[0]] + [0.0] * n)
    high = np.array([hi for _, hi in ends] + [network.result_bias[1]] + [np.inf] * n)
    cost = np.array([0.0] * (k * width + 1) + [1.0 / n] * n)
    return _solve_lp(np.array(matrix), np.array(lower), np.array(upper), low, high, cost)


def _solve_lp(
    matrix: FloatArray, lower: FloatArray, upper: FloatArray, low: FloatArray, high: FloatArray, cost: FloatArray
) -> float | None:
    lp = highspy.HighsLp()
    rows, columns = matrix.shape
    lp.num_row_, lp.num_col_ = rows, columns
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = cost, low, high
    lp.row_lower_, lp.row_upper_ = lower, upper
    places = np.nonzero(matrix)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.concatenate([[0], np.cumsum(np.bincount(places[0], minlength=rows))]).astype(np.int32)
    lp.a_matrix_.index_ = places[1].astype(np.int32)
    lp.a_matrix_.value_ = matrix[places]
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.passModel(lp)
    highs.run()
    if highs.getModelStatus() == highspy.HighsModelStatus.kInfeasible:
        return None
    assert highs.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return float(highs.getObjectiveValue())
