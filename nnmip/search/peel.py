"""Branch and bound over columns: take one, solve what is left with it exactly, ban it, repeat."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nnmip.arrays import is_among
from nnmip.records import dataclass
from nnmip.search.choices import Choices
from nnmip.search.master import Master, Relaxed
from nnmip.search.problem import Members
from nnmip.search.record import Record

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


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

    def pairs(self, partial: Partial, choices: Choices, node: Relaxed, floor: Callable[[float], None]) -> bool:
        """Find the best network of two more members, unless that are too many; the choices are those of the node."""

    def biases(self, members: Members) -> FloatArray:
        """The best output biases, [C]."""


class Peel:
    """Finds every better network that has what is fixed and `wanted` more of the choices of every kind."""

    def __init__(self, master: Master, record: Record, ending: Ending) -> None:
        self._master, self._record, self._ending = master, record, ending
        self.nodes = 0

    def search(
        self,
        partial: Partial,
        choices: Choices,
        wanted: IntArray,
        floor: Callable[[float], None] = lambda bound: None,
    ) -> None:
        """floor: told what no network is better than that is still to be looked at."""
        record, count = self._record, int(wanted.sum())
        choices = record.allowed(partial.members, choices, count == 1)
        if count == 1 and len(choices):
            record.check()
            self._ending.last(partial, choices)
            return
        while len(choices):
            self.nodes += 1
            node = self._master.solve(choices, partial.scores, partial.cost, wanted, lambda: record.goal, record.check)
            floor(node.value(wanted))
            kind = choices.kind(self._master.apart)
            keep = node.reduced + node.others(wanted, kind) < record.goal
            node = replace(node, reduced=node.reduced[keep])
            choices, kind = choices.take(keep), kind[keep]
            if not len(choices) or (count == 2 and self._ending.pairs(partial, choices, node, floor)):
                return
            pick = self._pick(choices, node, kind)
            rest = wanted.copy()
            rest[kind[pick]] -= 1
            child = choices.take(node.reduced + (node.reduced[pick] + node.others(rest, kind)) < record.goal)
            self.search(partial.plus(choices, pick), child, rest)
            choices = choices.take(np.arange(len(choices)) != pick)

    @staticmethod
    def _pick(choices: Choices, node: Relaxed, kind: IntArray) -> int:
        """Of the kind with the fewest choices the column that the relaxation takes most, else the one of least reduced
        cost."""
        fewest = kind == np.argmin(
            np.where(np.isfinite(node.least), np.bincount(kind, minlength=len(node.least)), np.inf)
        )
        places = np.flatnonzero(fewest)
        taken = node.key[is_among(node.key, choices.key[places])]
        if len(taken):
            return int(np.searchsorted(choices.key, taken[0]))
        return int(places[node.reduced[places].argmin()])
