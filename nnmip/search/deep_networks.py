"""Networks with two hidden layers: their losses at the best output biases, many at once, and the way back to one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Assignment
from nnmip.records import dataclass
from nnmip.search.deep_links import Kind, head_cost, idle_cost, link_cost
from nnmip.search.deep_view import Deep, Shown
from nnmip.search.one_score import BestBias

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """The members of a network: columns [h1] of the first layer; of the second layer the weights that come in
    [h2, h1], biases [h2] and output weights [h2]."""

    columns: IntArray
    weights: FloatArray
    biases: FloatArray
    heads: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Options:
    """What one unit of the second layer can add to the score, [m, n], and what each costs; what it is made from."""

    scores: FloatArray
    cost: FloatArray
    weights: FloatArray
    biases: FloatArray
    heads: FloatArray


class Networks:
    """evaluated: how many were compared."""

    def __init__(self, deep: Deep, shown: Shown, best: BestBias) -> None:
        self.deep, self.shown, self._best = deep, shown, best
        self.evaluated = 0

    def losses(self, scores: FloatArray) -> FloatArray:
        """The loss of scores [m, n] at their best biases."""
        self.evaluated += len(scores)
        return self._best.values(np.zeros(scores.shape[1]), scores)

    def options(self, columns: IntArray, weights: FloatArray, heads: FloatArray) -> Options:
        """Units with weights [m, h1], output weights [m] and every bias."""
        second, many = self.deep.second, len(self.deep.second.biases)
        sums = weights @ self.shown.activations[columns]
        given = second.activation.of((sums[:, None] + second.biases[:, None]).reshape(-1, sums.shape[1]))
        weights, heads = np.repeat(weights, many, axis=0), np.repeat(heads, many)
        biases = np.tile(second.biases, len(sums))
        busy = (weights != 0).any(axis=1) | (biases != 0)
        paid = link_cost(self.deep, weights).sum(axis=1) + np.tile(second.bias_price, len(sums))
        paid = paid + second.used_price * busy + np.array([head_cost(self.deep, head) for head in heads])
        return Options(heads[:, None] * given, paid, weights, biases, heads)

    def of_links(self, columns: IntArray, kinds: tuple[Kind, ...], links: FloatArray) -> list[Options]:
        """What each unit of the second layer can add, where the links are known up to the sign of the output
        weight."""
        found = []
        for kind, own in zip(kinds, links, strict=True):
            heads = np.array(kind.heads)
            found.append(self.options(columns, np.sign(heads)[:, None] * own + 0.0, heads))
        return found

    def together(self, columns: IntArray, options: list[Options]) -> tuple[FloatArray, FloatArray]:
        """The values of all networks with one option of each unit, in the order of `made`, and their scores."""
        paid = self.shown.cost[columns].sum() + idle_cost(self.deep, len(columns), len(options))
        cost, scores = np.array([paid]), np.zeros((1, len(self.deep.rows)))
        for option in options:
            cost = (cost[:, None] + option.cost).reshape(-1)
            scores = (scores[:, None] + option.scores).reshape(len(cost), -1)
        return self.losses(scores) + cost, scores

    @staticmethod
    def made(columns: IntArray, options: list[Options], place: int) -> Made:
        """The network at a place of `together`."""
        places = np.unravel_index(place, tuple(len(option.cost) for option in options)) if options else ()
        weights = [option.weights[at] for option, at in zip(options, places, strict=True)]
        return Made(
            columns,
            np.array(weights).reshape(len(options), len(columns)),
            np.array([option.biases[at] for option, at in zip(options, places, strict=True)]),
            np.array([option.heads[at] for option, at in zip(options, places, strict=True)]),
        )

    def scores(self, made: Made) -> FloatArray:
        """[n], without the output bias."""
        sums = made.weights @ self.shown.activations[made.columns] + made.biases[:, None]
        return np.asarray(made.heads @ self.deep.second.activation.of(sums))

    def assignment(self, made: Made) -> Assignment:
        """The whole network: the members first, then units that do nothing."""
        deep, h1, h2 = self.deep, len(made.columns), len(made.heads)
        values = {d.path: np.zeros(d.shape) for d in deep.network.decisions}
        for dense, some in ((deep.first, h1), (deep.second, h2)):
            weights, bias = dense.idle
            values[f"{dense.layer.path}.weights"][some:] = weights
            if f"{dense.layer.path}.bias" in values:
                values[f"{dense.layer.path}.bias"][some:] = bias
        shown = self.shown
        values[f"{deep.first.layer.path}.weights"][:h1] = shown.weights[made.columns]
        values[f"{deep.second.layer.path}.weights"][:h2, :h1] = made.weights
        values[f"{deep.out.path}.weights"][0, :h2] = made.heads
        for dense, biases in ((deep.first, shown.bias[made.columns]), (deep.second, made.biases)):
            if f"{dense.layer.path}.bias" in values:
                values[f"{dense.layer.path}.bias"][: len(biases)] = biases
        if f"{deep.out.path}.bias" in values:
            values[f"{deep.out.path}.bias"][0] = self._best.bias(self.scores(made))
        return Assignment(values, {})
