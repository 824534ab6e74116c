"""What single units show and cost, for one unit of each of many networks, step after step: by tables, not by layers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnmip.search.enumerate import Prices, activated, sums_of
from nnmip.search.view import View

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

SAMPLES = 256
"""Units at random whose cost tells whether every weight costs something of its own."""


class UnitTables:
    """The sums of a unit are linear in its weights and its bias: one product with what each of them alone gives.

    What a unit costs is looked up weight by weight where that is the same for units at random and none of them is
    forbidden; else the goal and the conditions are read. A cost that is off leads a search astray, no more: what a
    network is worth is never taken from here.
    """

    def __init__(self, view: View, prices: Prices, values: FloatArray, biases: FloatArray, nothing: FloatArray) -> None:
        """values, biases: of a weight and of a bias, in order. nothing: weights and bias of an idle unit."""
        self._view, self._prices, self._values, self._biases = view, prices, values, biases
        each = sums_of(view, np.eye(len(nothing) - 1))
        self._shape = each.shape[1:]
        self._given = np.concatenate([each, np.ones((1, *self._shape))]).reshape(len(nothing), -1)
        self._base = float(prices.own(nothing[None])[1][0])
        self._cost: FloatArray | None = self._costs(nothing)
        if not self._serves(nothing):
            self._cost = None

    @property
    def looks_up(self) -> bool:
        """Whether costs are looked up weight by weight."""
        return self._cost is not None

    def shown(self, both: FloatArray) -> FloatArray:
        """What units with these weights and biases [k, d + 1] show, [k, positions, rows]."""
        return activated(self._view, (both @ self._given).reshape(len(both), *self._shape))

    def own(self, both: FloatArray) -> tuple[BoolArray, FloatArray]:
        """Whether the conditions allow units, and what they cost with the first head."""
        if self._cost is None:
            allowed, cost, _ = self._prices.own(both)
            return allowed, cost
        return np.ones(len(both), dtype=bool), self._base + self._looked_up(self._cost, both)

    def _looked_up(self, cost: FloatArray, both: FloatArray) -> FloatArray:
        """cost [d + 1, values]: what another value than that of an idle unit costs more."""
        width = both.shape[1] - 1
        weights = np.searchsorted(self._values, both[:, :-1]) + cost.shape[1] * np.arange(width)
        biases = np.searchsorted(self._biases, both[:, -1])
        return np.asarray(cost.take(weights).sum(axis=1) + cost[-1].take(biases))

    def _costs(self, nothing: FloatArray) -> FloatArray:
        found = np.zeros((len(nothing), max(len(self._values), len(self._biases))))
        for place in range(len(nothing)):
            values = self._biases if place == len(nothing) - 1 else self._values
            both = np.tile(nothing, (len(values), 1))
            both[:, place] = values
            found[place, : len(values)] = self._prices.own(both)[1] - self._base
        return found

    def _serves(self, nothing: FloatArray) -> bool:
        assert self._cost is not None
        chance = np.random.default_rng(0)
        both = np.tile(nothing, (SAMPLES, 1))
        # few weights that are not 0, and many
        other = chance.random(both.shape) < chance.random((SAMPLES, 1))
        both = np.where(other, chance.choice(self._values, both.shape), both)
        both[:, -1] = chance.choice(self._biases, SAMPLES)
        allowed, cost, _ = self._prices.own(both)
        return bool(allowed.all()) and bool(
            np.allclose(self._base + self._looked_up(self._cost, both), cost, rtol=0.0, atol=1e-12)
        )
