"""The last members of networks with one score: evaluated in closed form, thousands at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random

import numpy as np
from numpy.typing import NDArray

from nnmip.arrays import union
from nnmip.search.bound import Bounds
from nnmip.search.choices import Choices
from nnmip.search.climb import Climb
from nnmip.search.master import Relaxed
from nnmip.search.one_score import BestBias
from nnmip.search.peel import Partial
from nnmip.search.problem import Members, Problem
from nnmip.search.record import Record

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
MOST_PAIRS = 4_000_000
RECENT = 6
FEW = 50_000
"""Where the scores of all choices are fewer numbers than this, they are evaluated at once."""
MOST_TRIES = 3
CELLS = 2_000_000
"""How many numbers one batch of evaluations holds."""


class OneScore:
    def __init__(self, problem: Problem, record: Record, best: BestBias, bounds: Bounds) -> None:
        self._problem, self._record, self._best, self._bounds = problem, record, best, bounds
        self._roots: list[FloatArray] = []
        self._recent: deque[FloatArray] = deque(maxlen=RECENT)
        self.evaluated = 0

    def offer(self, members: Members) -> None:
        scores = self._problem.scores(members)[:, 0]
        value = self._best.values(scores, np.zeros((1, len(scores)))) + self._problem.cost(members)
        self._record.offer(value, lambda place: members)

    def biases(self, members: Members) -> FloatArray:
        return np.array([self.bias(self._problem.scores(members)[:, 0])])

    def bias(self, scores: FloatArray) -> float:
        """A bias of least loss for scores [n]."""
        return self._best.bias(scores)

    def multipliers(self, scores: FloatArray) -> FloatArray | None:
        """Multipliers [..., R] that prove the losses of scores [..., n], where they are easily found."""
        return self._best.multipliers(scores)

    def improve(self, root: Relaxed, count: int) -> None:
        """Local search from the columns that the relaxation takes."""
        self._roots.append(root.bound.multipliers)
        most = int(min(len(root.reduced), max(200, min(3000, 3_000_000 // self._problem.loss.rows))))
        near = np.argpartition(root.reduced, most - 1)[:most] if most < len(root.reduced) else np.arange(most)
        choices = Choices.of(self._problem.pool, self._problem.heads, union(near, root.key))
        climb = Climb(self._problem, self._record, choices, self.losses)
        taken = np.searchsorted(choices.key, root.key)
        climb.from_start(taken[:count].tolist(), count)
        chance = Random(0)
        for _ in range(5 if len(taken) > count else 0):
            climb.from_start(chance.sample(taken.tolist(), count), count)

    def losses(self, choices: FloatArray, scores: FloatArray) -> FloatArray:
        """The losses of networks with the scores [n] and one more column each, [m, n]."""
        step = max(1, CELLS // self._problem.loss.rows)
        parts = []
        for first in range(0, len(choices), step):
            self._record.check()
            parts.append(self._best.values(scores, choices[first : first + step]))
        self.evaluated += len(choices)
        return np.concatenate(parts) if parts else np.zeros(0)

    def last(self, partial: Partial, choices: Choices) -> None:
        assert choices.signed is not None
        values = choices.cost + partial.cost + self.losses(choices.signed, partial.scores[:, 0])
        self._record.offer(values, lambda place: (*partial.members, *choices.members(place)))

    def pairs(self, partial: Partial, choices: Choices, node: Relaxed, floor: Callable[[float], None]) -> bool:
        base = node.bound.base
        order = np.argsort(node.reduced, kind="stable")
        reduced = node.reduced[order]
        until = np.searchsorted(reduced, self._record.goal - base - reduced)
        if np.maximum(until - np.arange(len(reduced)), 0).sum() > MOST_PAIRS:
            return False
        choices = choices.take(order)
        proofs = self._proofs(partial, choices)
        self._recent.append(node.bound.multipliers)
        for first in range(len(reduced)):
            floor(base + 2 * reduced[first])
            goal = self._record.goal
            end = int(np.searchsorted(reduced, goal - base - reduced[first]))
            if end <= first:
                break
            left = np.ones(end - first, dtype=bool)
            for other, costs in proofs:
                left &= costs[first:end] < goal - other - costs[first]
            one = partial.plus(choices, first)
            rules = self._record.mask(one.members, choices, True)
            if rules is not None:
                left &= rules[first:end]
            self._with(one, choices, first + np.flatnonzero(left))
        return True

    def _proofs(self, partial: Partial, choices: Choices) -> list[tuple[float, FloatArray]]:
        """What the multipliers of the root and of the nodes before prove here: a base and reduced costs."""
        bounds = [self._bounds.of(u, partial.scores, partial.cost, 2) for u in (*self._roots, *self._recent)]
        return [(bound.base, choices.priced(bound.slopes)) for bound in bounds]

    def _with(self, partial: Partial, choices: Choices, others: IntArray) -> None:
        """The best network of one more member, one of these choices.

        What proves the value of one of them bounds the others, too, which costs far less than to evaluate them.
        """
        assert choices.signed is not None
        if not len(others):
            return
        scores = partial.scores[:, 0]
        for _ in range(MOST_TRIES if len(others) * len(scores) > FEW else 0):
            multipliers = self._best.multipliers(scores + choices.signed[others[0]])
            if multipliers is None:
                break
            bound = self._bounds.of(multipliers, partial.scores, partial.cost, 1)
            # a slice of the columns is no copy
            low, high = others.min(), others.max() + 1
            gains = choices.signed[low:high] @ bound.slopes[:, 0]
            least = bound.base + choices.cost[others] - gains[others - low]
            keep = least < self._record.goal
            others = others[keep][np.argsort(least[keep])]
            if len(others) * len(scores) <= FEW:
                break
        values = self.losses(choices.signed[others], scores) + (choices.cost[others] + partial.cost)
        self._record.offer(values, lambda place: (*partial.members, *choices.members(int(others[place]))))
