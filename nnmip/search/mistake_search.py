"""Exact search for networks with one score and the fewest mistakes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnmip.search.biases import Biases
from nnmip.search.choices import Choices
from nnmip.search.ending_one import OneScore
from nnmip.search.engine import Search
from nnmip.search.enumeration import Enumeration
from nnmip.search.master import Relaxed
from nnmip.search.mistakes import FewestMistakes, Mistakes
from nnmip.search.peel import Partial

FloatArray = NDArray[np.float64]
SAMPLES = 200
ERROR = 1e-12
"""What sums of weights and costs can be off by."""


class MistakeSearch(Search):
    """The relaxation of the hinge loss leads to good networks, but bounds nothing: costs and matched rows do."""

    ending: OneScore

    def _evaluation_error(self) -> float:
        return ERROR

    def _know(self, root: Relaxed, count: int) -> None:
        """Nothing of its value."""

    def _ending(self, biases: Biases) -> OneScore:
        loss = self.problem.loss
        assert isinstance(loss, Mistakes)
        return OneScore(self.problem, self.record, FewestMistakes(loss, biases), self._bounds)

    def _floors(self, counts: list[int]) -> None:
        pool, heads = self.problem.pool, self.problem.heads
        least = float(pool.cost.min() + heads.cost.min())
        for count in counts:
            paid = self.problem.spare(count) + self.problem.biases.least_cost
            self.record.raise_floor(count, paid + count * least - ERROR)

    def _finish(self, root: Relaxed, count: int) -> None:
        if self.record.floor(count) < self.record.goal:
            every = np.arange(self.problem.pool.size * len(self.problem.heads.cost))
            choices = Choices.of(self.problem.pool, self.problem.heads, every)
            enumeration = Enumeration(self.problem, self.record, self.ending, choices, self._samples(choices))
            enumeration.search(Partial(self._nothing(), self.problem.spare(count)), count)
            self._peel.nodes += enumeration.nodes
            self._log(f"h {count}: {enumeration.nodes} nodes, evaluated {self.ending.evaluated}")
        self.record.close(count)

    def _samples(self, choices: Choices) -> FloatArray:
        """The scores of good networks: the best one with each member exchanged."""
        assert choices.signed is not None
        members = self.record.members or ()
        found, losses = [], []
        for position in range(max(1, len(members))):
            rest = self.problem.scores((*members[:position], *members[position + 1 :]))[:, 0]
            values = self.ending.losses(choices.signed, rest) + choices.cost
            near = np.argsort(values, kind="stable")[:SAMPLES]
            found.append(choices.signed[near] + rest)
            losses.append(values[near])
        order = np.argsort(np.concatenate(losses), kind="stable")[:SAMPLES]
        return np.asarray(np.concatenate(found)[order])
