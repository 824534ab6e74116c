"""The last member of networks with several scores: linear programs over the output biases, each of whose multipliers
also bounds the other choices."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from nnmip.arrays import union
from nnmip.records import dataclass
from nnmip.search.biases import Biases
from nnmip.search.bound import Bounds
from nnmip.search.choices import Choices
from nnmip.search.loss import Shortfalls
from nnmip.search.master import DualProgram, Master, Relaxed
from nnmip.search.peel import Partial
from nnmip.search.problem import Members, Problem
from nnmip.search.record import Record

FloatArray = NDArray[np.float64]
NEAR = 400
LEAST_GAIN = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Leaf:
    """A network's value; what it cannot be better than (infinite where the value is exact but for roundings); and
    the multipliers of its best biases."""

    value: float
    bound: float
    multipliers: FloatArray


class SeveralScores:
    def __init__(self, problem: Problem, record: Record, master: Master, bounds: Bounds, biases: Biases) -> None:
        self._problem, self._record, self._master, self._bounds = problem, record, master, bounds
        self._biases = biases
        assert isinstance(problem.loss, Shortfalls)
        self._loss = problem.loss
        self._dual = DualProgram(problem.loss, biases, 0, 0.0)
        self.evaluated = 0

    def offer(self, members: Members) -> None:
        self._leaf(Partial(self._problem.scores(members), self._problem.cost(members), members))

    def biases(self, members: Members) -> FloatArray:
        return self._best(self._problem.scores(members))[1]

    def improve(self, root: Relaxed, count: int) -> None:
        """Swap members of a network, and of the best one known, until no single swap is better."""
        near = union(np.argsort(root.reduced)[:NEAR], root.key)
        choices = Choices.of(self._problem.pool, self._problem.heads, near)
        taken = np.searchsorted(choices.key, root.key)
        self._swap(choices, taken[:count].tolist())

    def _swap(self, choices: Choices, chosen: list[int]) -> None:
        idle, position = 0, 0
        while idle < len(chosen):
            rest = chosen[:position] + chosen[position + 1 :]
            better = self._exchange(choices, rest, chosen[position])
            idle = idle + 1 if better is None else 0
            chosen[position] = chosen[position] if better is None else better
            position = (position + 1) % len(chosen)

    def _exchange(self, choices: Choices, rest: list[int], last: int) -> int | None:
        """A better last member for the network with these."""
        partial = self._partial(choices, rest)
        before = self._leaf(partial.plus(choices, last)).value
        best = [before - LEAST_GAIN, -1]

        def take(leaf: Leaf, pick: int) -> None:
            if leaf.value < best[0]:
                best[:] = leaf.value, pick

        self._scan(partial, choices, lambda: best[0], take)
        return int(best[1]) if best[1] >= 0 else None

    def _partial(self, choices: Choices, chosen: list[int]) -> Partial:
        members = choices.members(*chosen)
        spare = self._problem.spare(len(chosen) + 1) - self._problem.spare(len(chosen))
        return Partial(self._problem.scores(members), self._problem.cost(members) + spare, members)

    def last(self, partial: Partial, choices: Choices) -> None:
        def settle(leaf: Leaf, pick: int) -> None:
            if leaf.value >= self._record.best:  # else it breaks a rule
                self._record.settle(leaf.bound)

        self._scan(partial, choices, lambda: self._record.goal, settle)

    def _scan(
        self, partial: Partial, choices: Choices, goal: Callable[[], float], take: Callable[[Leaf, int], None]
    ) -> None:
        """Solve the leaf of least bound until no other is better than the goal; each one's multipliers bound all."""
        node = self._master.solve(choices, partial.scores, partial.cost, np.array([1]), goal, self._record.check)
        bounds = node.bound.base + node.reduced
        places = np.arange(len(choices))
        while True:
            keep = bounds < goal()
            choices, bounds, places = choices.take(keep), bounds[keep], places[keep]
            if not len(choices):
                return
            self._record.check()
            pick = int(bounds.argmin())
            leaf = self._leaf(partial.plus(choices, pick))
            take(leaf, int(places[pick]))
            bound = self._bounds.of(leaf.multipliers, partial.scores, partial.cost, 1)
            bounds = np.maximum(bounds, bound.base + choices.priced(bound.slopes))
            bounds[pick] = math.inf

    def pairs(self, partial: Partial, choices: Choices, node: Relaxed, floor: Callable[[float], None]) -> bool:
        return False

    def _leaf(self, network: Partial) -> Leaf:
        """Evaluate a network."""
        value, _, multipliers = self._best(network.scores)
        value += network.cost
        bound = math.inf
        if not self._biases.listed:
            bound = self._bounds.of(multipliers, network.scores, network.cost, 0).base
        if len(network.members) in self._problem.counts:
            self._record.offer(np.array([value]), lambda place: network.members)
        return Leaf(value, bound, multipliers)

    def _best(self, scores: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        """The least loss over the biases, those biases and multipliers that prove it."""
        self.evaluated += 1
        loss = self._loss
        answer = self._dual.solve(scores, np.zeros(0, dtype=np.int64))
        if answer is None:
            raise ArithmeticError("a linear program over the output biases has no answer")
        multipliers = answer.x[: len(loss.row)]
        if self._biases.listed:
            vectors, cost = self._biases.vectors()
            values = loss.at_biases(scores, vectors) + cost
            best = int(values.argmin())
            return float(values[best]), vectors[best], multipliers
        biases = self._dual.best_biases(answer)
        return loss.value(scores + biases), biases, multipliers
