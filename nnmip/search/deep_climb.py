"""Local search for networks with two hidden layers: exchange a unit of the first or of the second one until nothing is
better."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from nnmip.search.deep_links import idle_cost, link_cost
from nnmip.search.deep_networks import Made, Networks
from nnmip.search.record import Standing

FloatArray = NDArray[np.float64]
LEAST_GAIN = 1e-12
STARTS = 4
MOST_TRIED = 100
"""Most choices of the links of one unit, or out of it, that are tried in one step."""


class DeepClimb:
    def __init__(self, networks: Networks, record: Standing[Made]) -> None:
        self._networks, self._record = networks, record
        self._rng = np.random.default_rng(0)

    def run(self, h1: int, h2: int) -> None:
        """Begin at some random networks with so many members."""
        for _ in range(STARTS if h1 and h2 else 0):
            made, value = self._start(h1, h2), math.inf
            while (better := self._better(made, value))[1] < value - LEAST_GAIN:
                made, value = better

    def _start(self, h1: int, h2: int) -> Made:
        deep, rng = self._networks.deep, self._rng
        return Made(
            rng.integers(len(self._networks.shown.cost), size=h1),
            rng.choice(deep.second.values, size=(h2, h1)),
            rng.choice(deep.second.biases, size=h2),
            rng.choice(deep.heads[deep.heads != 0], size=h2),
        )

    def _better(self, made: Made, value: float) -> tuple[Made, float]:
        for k in self._rng.permutation(len(made.columns)):
            made, value = self._exchange_first(made, value, int(k))
        for j in self._rng.permutation(len(made.heads)):
            made, value = self._exchange_second(made, value, int(j))
        return made, value

    def _some(self, values: FloatArray, length: int) -> FloatArray:
        """All vectors of values, or some of them."""
        if len(values) ** length <= MOST_TRIED:
            return np.array(list(product(values, repeat=length)))
        return self._rng.choice(values, size=(MOST_TRIED, length))

    def _exchange_first(self, made: Made, value: float, k: int) -> tuple[Made, float]:
        """Another column at place k, and other links out of it."""
        networks, deep, shown = self._networks, self._networks.deep, self._networks.shown
        rest = np.delete(made.weights, k, axis=1) @ shown.activations[np.delete(made.columns, k)]
        rest += made.biases[:, None]
        for links in self._some(deep.second.values, len(made.heads)):
            self._record.check()
            scores = np.zeros((len(shown.cost), len(deep.rows)))
            for j, head in enumerate(made.heads):
                scores += head * deep.second.activation.of(rest[j] + links[j] * shown.activations)
            weights = made.weights.copy()
            weights[:, k] = links
            paid = shown.cost + (self._cost(replace(made, weights=weights)) - shown.cost[made.columns[k]])
            paid = paid + idle_cost(deep, len(made.columns), len(made.heads))
            values = networks.losses(scores) + paid
            place = int(values.argmin())
            if values[place] < value - LEAST_GAIN:
                columns = made.columns.copy()
                columns[k] = place
                made, value = replace(made, columns=columns, weights=weights), float(values[place])
                self._offer(made, value)
        return made, value

    def _exchange_second(self, made: Made, value: float, j: int) -> tuple[Made, float]:
        """Other links into unit j, another bias of it, and another output weight."""
        networks, deep = self._networks, self._networks.deep
        self._record.check()
        others = [place for place in range(len(made.heads)) if place != j]
        rest = Made(made.columns, made.weights[others], made.biases[others], made.heads[others])
        heads, links = deep.heads[deep.heads != 0], self._some(deep.second.values, len(made.columns))
        options = networks.options(made.columns, np.tile(links, (len(heads), 1)), np.repeat(heads, len(links)))
        idle = idle_cost(deep, len(made.columns), len(made.heads))
        values = networks.losses(networks.scores(rest) + options.scores) + options.cost + (self._cost(rest) + idle)
        place = int(values.argmin())
        if values[place] < value - LEAST_GAIN:
            parts = [(made.weights, options.weights), (made.biases, options.biases), (made.heads, options.heads)]
            changed = [whole.copy() for whole, _ in parts]
            for part, (_, chosen) in zip(changed, parts, strict=True):
                part[j] = chosen[place]
            made, value = Made(made.columns, *changed), float(values[place])
            self._offer(made, value)
        return made, value

    def _cost(self, made: Made) -> float:
        """What the members cost."""
        deep = self._networks.deep
        second, used = deep.second, (made.weights != 0).any(axis=1) | (made.biases != 0)
        paid = link_cost(deep, made.weights).sum() + second.used_price * used.sum()
        paid += second.bias_price[np.searchsorted(second.biases, made.biases)].sum()
        paid += deep.head_price[np.searchsorted(deep.heads, made.heads)].sum()
        return float(paid + self._networks.shown.cost[made.columns].sum())

    def _offer(self, made: Made, value: float) -> None:
        self._record.offer(np.array([value]), lambda _: made)
