"""Branch and bound over columns: take one, solve what is left with it exactly, ban it, repeat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nnmip.search.choices import Choices
from nnmip.search.master import Master, Relaxed
from nnmip.search.problem import Members
from nnmip.search.record import Record

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Partial:
    """The members chosen so far: their scores [n, C], and what they and the idle units cost."""

    scores: FloatArray
    cost: float
    members: Members = ()

    def plus(self, choices: Choices, pick: int) -> Partial:
        scores, cost = self.scores + choices.scores(pick), self.cost + float(choices.cost[pick])
        return Partial(scores, cost, (*self.members, *choices.members(pick)))


class Ending(Protocol):
    """How the last members are chosen. evaluated: how many networks were compared."""

    evaluated: int

    def offer(self, members: Members) -> None:
        """Evaluate one network."""

    def improve(self, root: Relaxed, count: int) -> None:
        """Look for good networks with that many members near what the relaxation takes."""

    def last(self, partial: Partial, choices: Choices) -> None:
        """Find the best network of one more member."""

    def pairs(self, partial: Partial, choices: Choices, node: Relaxed) -> bool:
        """Find the best network of two more members, unless that are too many; the choices are those of the node."""

    def biases(self, members: Members) -> FloatArray:
        """The best output biases, [C]."""


class Peel:
    """Finds every network better than the best that has what is fixed and `count` more of the choices."""

    def __init__(self, master: Master, record: Record, ending: Ending) -> None:
        self._master, self._record, self._ending = master, record, ending
        self.nodes = 0

    def search(self, partial: Partial, choices: Choices, count: int) -> None:
        record = self._record
        if count == 1 and len(choices):
            record.check()
            self._ending.last(partial, choices)
            return
        while len(choices):
            self.nodes += 1
            record.check()
            node = self._master.solve(choices, partial.scores, partial.cost, count, lambda: record.goal, record.check)
            if not partial.members:
                record.raise_floor(count, node.least(count))
            base, least = node.bound.base, float(node.reduced.min())
            keep = base + node.reduced + (count - 1) * least < record.goal
            node = Relaxed(node.bound, node.reduced[keep], node.key)
            choices = choices.take(keep)
            if not len(choices) or (count == 2 and self._ending.pairs(partial, choices, node)):
                return
            pick = self._pick(choices, node)
            child = choices.take(base + node.reduced + node.reduced[pick] + (count - 2) * least < record.goal)
            self.search(partial.plus(choices, pick), child, count - 1)
            choices = choices.take(np.arange(len(choices)) != pick)

    @staticmethod
    def _pick(choices: Choices, node: Relaxed) -> int:
        """The column that the relaxation takes most, else the one of least reduced cost."""
        taken = node.key[choices.holds(node.key)]
        return int(np.searchsorted(choices.key, taken[0])) if len(taken) else int(node.reduced.argmin())
