"""What the search knows at every moment: the best network, and what no network is better than."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from nnmip.search.choices import Choices
from nnmip.search.problem import Members, Problem

FloatArray = NDArray[np.float64]
MARGIN = 1e-9
"""A network must be better than the best one by this much to be looked for."""


class Stopped(Exception):
    """The search was asked to end."""


class Record:
    """The incumbent and the live bound of a search.

    Every network that is not evaluated yet belongs to some number of members, and is not better than its floor there.
    """

    def __init__(
        self,
        problem: Problem,
        error: float,
        stop: Callable[[], bool] = lambda: False,
        progress: Callable[[float, float], None] = lambda value, bound: None,
        cutoff: float = math.inf,
    ) -> None:
        """cutoff: the value of a network that is known elsewhere, so that only better ones are looked for."""
        self._problem, self._stop, self._progress, self._cutoff = problem, stop, progress, cutoff
        self._error = error
        """By how much the value of an evaluated network can be off."""
        self._floors: dict[int, float] = dict.fromkeys(problem.counts, -math.inf)
        self._settled = math.inf
        self.value = math.inf
        self.members: Members | None = None

    # ---- the bound ------------------------------------------------------------------------------------------------

    @property
    def best(self) -> float:
        """The best value known, wherever it comes from."""
        return min(self.value, self._cutoff)

    @property
    def goal(self) -> float:
        """What a node must be better than to be looked at."""
        best = self.best
        return best - MARGIN * max(1.0, abs(best)) if math.isfinite(best) else math.inf

    @property
    def bound(self) -> float:
        """No network is better than this: not the ones looked at, nor those given up as not better than the goal."""
        return min(self.goal - self._error, self._settled, *self._floors.values())

    def floor(self, count: int) -> float:
        return self._floors[count]

    def raise_floor(self, count: int, bound: float) -> None:
        """No network with that many members that is still to be looked at is better than `bound`."""
        if bound > self._floors[count]:
            before = self.bound
            self._floors[count] = bound
            if self.bound > before:
                self._progress(self.value, self.bound)

    def close(self, count: int) -> None:
        """All networks with that many members have been looked at or given up."""
        self.raise_floor(count, math.inf)

    def settle(self, bound: float) -> None:
        """Some networks are done with that are proved not to be better than `bound` only."""
        self._settled = min(self._settled, bound)

    def check(self) -> None:
        """Asked at every node and between batches."""
        if self._stop():
            raise Stopped

    def allowed(self, members: Members, choices: Choices, is_last: bool) -> Choices:
        """The choices of one more member that rules on several units do not forbid: `Problem.allowed`."""
        mask = self.mask(members, choices, is_last)
        return choices if mask is None or mask.all() else choices.take(mask)

    def mask(self, members: Members, choices: Choices, is_last: bool) -> NDArray[np.bool_] | None:
        """Which choices these are; None for all."""
        if self._problem.allowed is None:
            return None
        return self._problem.allowed(members, choices.unit, choices.head, is_last)

    # ---- the incumbent --------------------------------------------------------------------------------------------

    def offer(self, values: FloatArray, members: Callable[[int], Members]) -> None:
        """Take the best of these networks that keeps the rules, where it is better than the best so far."""
        place = self.first(values, members, self.best)
        if place is not None:
            self.value, self.members = float(values[place]), members(place)
            self._progress(self.value, self.bound)

    def first(
        self, values: FloatArray, members: Callable[[int], Members], below: float, most: int | None = None
    ) -> int | None:
        """The best place of a value below something whose members keep the rules; at most so many are asked for."""
        admits = self._problem.admits
        if not len(values):
            return None
        if admits is None:
            place = int(values.argmin())
            return place if values[place] < below else None
        better = np.flatnonzero(values < below)
        for asked, place in enumerate(better[np.argsort(values[better], kind="stable")]):
            if asked == most:
                return None
            if asked % 256 == 255:
                self.check()
            if admits(members(int(place))):
                return int(place)
        return None
