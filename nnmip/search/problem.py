"""A training problem in arrays, and the networks that answer it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from nnmip.records import dataclass
from nnmip.search.biases import Biases
from nnmip.search.loss import Shortfalls
from nnmip.search.mistakes import Mistakes
from nnmip.search.pool import Heads, Pool

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Members = tuple[tuple[int, int], ...]
"""The units that do something, each as (unit of the pool, vector of output weights)."""


@dataclass(frozen=True, eq=False)
class Problem:
    """The cheapest network: its loss at the best output biases + the costs of its members and of its idle units.

    low, high [C]: between which the biases lie; both finite. listed: instead of them, for each score the values that
    its bias can have and what each costs. The biases are those of the activations as the pool has them: what `shift`
    took off them is not taken into account.
    idle: the cost of a unit that does nothing; None where all `units` have to be members. admits: whether a network
    keeps the rules that tie its units; asked about networks that are better than the best one (in the local search:
    than its own), in order of value. Bounds leave it out. allowed: which choices of one more member, given by their
    units and heads, keep those rules with some members: in the network of these where it is the last one, else in any
    that has them; None where that is not known.
    """

    pool: Pool
    heads: Heads
    loss: Shortfalls | Mistakes
    low: FloatArray
    high: FloatArray
    units: int
    idle: float | None = 0.0
    admits: Callable[[Members], bool] | None = None
    listed: tuple[tuple[FloatArray, FloatArray], ...] | None = None
    allowed: Callable[[Members, IntArray, IntArray, bool], NDArray[np.bool_] | None] | None = None

    @property
    def biases(self) -> Biases:
        if self.listed is None:
            return Biases.box(self.low, self.high)
        return Biases.among(tuple(values for values, _ in self.listed), tuple(cost for _, cost in self.listed))

    @property
    def size(self) -> int:
        """How many composite columns there are."""
        return self.pool.size * len(self.heads.cost)

    @property
    def counts(self) -> range:
        """How many members a network can have."""
        return range(self.units if self.idle is None else 0, self.units + 1)

    def spare(self, count: int) -> float:
        """What the units cost that are not among `count` members."""
        return (self.units - count) * (self.idle or 0.0)

    def scores(self, members: Members) -> FloatArray:
        """[n, C], before the bias."""
        total = np.zeros((self.loss.rows, self.loss.outputs))
        for unit, head in members:
            total += self.pool.activations[unit].T @ self.heads.vectors[head]
        return total

    def cost(self, members: Members) -> float:
        """All but the loss."""
        paid = sum(float(self.pool.cost[unit] + self.heads.cost[head]) for unit, head in members)
        return paid + self.spare(len(members))


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """The best network, None where there is none; its value and best output biases [C]; and what no network is better
    than. `finished`: whether the search came to its end."""

    value: float
    members: Members | None
    biases: FloatArray
    bound: float
    finished: bool
