"""Every multiset of columns but those whose matched rows prove too many mistakes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnmip.search.choices import Choices
from nnmip.search.ending_one import OneScore
from nnmip.search.mistakes import Matching, Mistakes, matching
from nnmip.search.peel import Partial
from nnmip.search.problem import Members, Problem
from nnmip.search.record import Record

FloatArray = NDArray[np.float64]
SingleArray = NDArray[np.float32]
IntArray = NDArray[np.int64]
SLACK = 1e-4
"""What float32 may be off by, and far more, relative to the largest distance."""
CELLS = 200_000
WAITING = 20_000
FEW = 12
"""So many matched pairs are looked at for all choices, the others for those that are left."""


class Enumeration:
    """Every multiset of `count` choices, by increasing cost, whose matched rows do not prove too many mistakes."""

    def __init__(
        self, problem: Problem, record: Record, ending: OneScore, choices: Choices, samples: FloatArray
    ) -> None:
        self._problem, self._record, self._ending = problem, record, ending
        self._choices = choices.take(np.argsort(choices.cost, kind="stable"))
        loss = problem.loss
        assert isinstance(loss, Mistakes) and self._choices.signed is not None
        self._pairs: Matching = matching(loss, samples)
        apart = self._pairs.apart(self._choices.signed)
        far = float(np.abs(apart).max(initial=0.0) + np.abs(self._pairs.need).max(initial=0.0))
        self._need = (self._pairs.need - SLACK * max(1.0, far)).astype(np.float32)
        self._few = min(FEW, len(self._pairs.need))
        self._apart = np.ascontiguousarray(apart.T.astype(np.float32))
        self._most = self._apart.max(axis=1)
        self._weight = float(self._pairs.weight.min()) if len(self._pairs.weight) else 0.0
        self._bias_cost = problem.biases.least_cost
        self.nodes = 0

    @property
    def _goal(self) -> float:
        """What costs and mistakes without the bias must stay below."""
        return self._record.goal - self._bias_cost

    def search(self, partial: Partial, count: int) -> None:
        self._extend(partial, self._need, 0, count)

    def _floor(self, partial: Partial, count: int, least: float) -> None:
        if not partial.members:
            self._record.raise_floor(count, least + self._bias_cost)

    def _extend(self, partial: Partial, need: SingleArray, first: int, count: int) -> None:
        """Add `count` more choices from the first on; need [M]: how far apart the pairs must still be moved."""
        choices, record = self._choices, self._record
        if count == 1:
            self._ending.last(partial, choices.take(np.arange(first, len(choices))))
            return
        if count == 2:
            self._last_two(partial, need, first)
            return
        for pick in range(first, len(choices)):
            self.nodes += 1
            record.check()
            least = partial.cost + count * float(choices.cost[pick])
            self._floor(partial, count, least)
            if least >= self._goal:
                return
            rest = need - self._apart[:, pick]
            missed = int((rest > (count - 1) * self._most).sum())
            if least + missed * self._weight < self._goal:
                self._extend(partial.plus(choices, pick), rest, pick, count - 1)

    def _last_two(self, partial: Partial, need: SingleArray, first: int) -> None:
        choices = self._choices
        waiting: list[IntArray] = []
        step = max(1, CELLS // max(1, len(choices) - first))
        for start in range(first, len(choices), step):
            self._record.check()
            least = partial.cost + 2 * float(choices.cost[start])
            self._floor(partial, 2, least)
            if least >= self._goal:
                break
            block = self._promising(partial, need, np.arange(start, min(start + step, len(choices))))
            end = int(np.searchsorted(choices.cost, self._goal - partial.cost - choices.cost[start]))
            waiting.append(self._left(partial, need, block, start, end))
            if sum(len(some) for some in waiting) >= WAITING:
                self._evaluate(partial, np.concatenate(waiting))
                waiting = []
        if waiting:
            self._evaluate(partial, np.concatenate(waiting))

    def _promising(self, partial: Partial, need: SingleArray, block: IntArray) -> IntArray:
        """The choices that can be saved by one more."""
        missed = (need[:, None] - self._apart[:, block] > self._most[:, None]).sum(axis=0)
        least = partial.cost + 2 * self._choices.cost[block] + missed * self._weight
        return np.asarray(block[least < self._goal])

    def _left(self, partial: Partial, need: SingleArray, block: IntArray, start: int, end: int) -> IntArray:
        """The pairs (one of the block, one from `start` to `end`) that the matched rows leave, [p, 2]."""
        if not len(block) or end <= start:
            return np.zeros((0, 2), dtype=np.int64)
        cost, few = self._choices.cost, self._few
        rest = need[:, None] - self._apart[:, block]
        missed = np.zeros((len(block), end - start), dtype=np.uint8)
        for lacking, apart in zip(rest[:few], self._apart[:few, start:end], strict=True):
            missed += lacking[:, None] > apart
        room = (self._goal - partial.cost - cost[block])[:, None] - cost[start:end]
        later = block[:, None] <= np.arange(start, end)
        one, other = np.nonzero((missed * self._weight < room) & later)
        left = np.stack([block[one], other + start], axis=1)
        rest_missed = (rest[few:, one] > self._apart[few:, other + start]).sum(axis=0)
        return np.asarray(left[(missed[one, other] + rest_missed) * self._weight < room[one, other]])

    def _evaluate(self, partial: Partial, pairs: IntArray) -> None:
        choices = self._choices
        assert choices.signed is not None
        for start in range(0, len(pairs), WAITING):
            one, other = pairs[start : start + WAITING].T
            losses = self._ending.losses(choices.signed[one] + choices.signed[other], partial.scores[:, 0])
            values = losses + (choices.cost[one] + choices.cost[other] + partial.cost)
            self._offer(partial, values, one, other)

    def _offer(self, partial: Partial, values: FloatArray, one: IntArray, other: IntArray) -> None:
        def members(place: int) -> Members:
            return (*partial.members, *self._choices.members(int(one[place]), int(other[place])))

        self._record.offer(values, members)
