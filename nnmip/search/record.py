"""What the search knows at every moment: the best network, and what no network is better than."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from nnmip.search.choices import Choices
from nnmip.search.problem import Members, Problem

FloatArray = NDArray[np.float64]
M = TypeVar("M")
"""What a network is known by."""

MARGIN = 1e-9
"""A network must be better than the best one by this much to be looked for."""


class Stopped(Exception):
    """The search was asked to end."""


class Standing(Generic[M]):
    """The incumbent and the live bound of a search.

    Every network that is not evaluated yet belongs to one part of the search, and is not better than its floor there.
    admits: whether a network keeps the rules.
    """

    def __init__(
        self,
        parts: Iterable[int],
        admits: Callable[[M], bool] | None,
        error: float,
        stop: Callable[[], bool] = lambda: False,
        progress: Callable[[float, float], None] = lambda value, bound: None,
        cutoff: float = math.inf,
    ) -> None:
        """cutoff: the value of a network that is known elsewhere, so that only better ones are looked for."""
        self._admits, self._stop, self._progress, self._cutoff = admits, stop, progress, cutoff
        self._error = error
        """By how much the value of an evaluated network can be off."""
        self._floors: dict[int, float] = dict.fromkeys(parts, -math.inf)
        self._settled = math.inf
        self.value = math.inf
        self.members: M | None = None

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

    @property
    def least_floor(self) -> float:
        """What no network that is still to be looked at is better than."""
        return min(self._floors.values(), default=math.inf)

    def floor(self, part: int) -> float:
        return self._floors[part]

    def raise_floor(self, part: int, bound: float) -> None:
        """No network of that part that is still to be looked at is better than `bound`."""
        if bound > self._floors[part]:
            before = self.bound
            self._floors[part] = bound
            if self.bound > before:
                self._progress(self.value, self.bound)

    def close(self, part: int) -> None:
        """All networks of that part have been looked at or given up."""
        self.raise_floor(part, math.inf)

    def settle(self, bound: float) -> None:
        """Some networks are done with that are proved not to be better than `bound` only."""
        self._settled = min(self._settled, bound)

    def check(self) -> None:
        """Asked at every node and between batches."""
        if self._stop():
            raise Stopped

    # ---- the incumbent --------------------------------------------------------------------------------------------

    def offer(self, values: FloatArray, members: Callable[[int], M]) -> None:
        """Take the best of these networks that keeps the rules, where it is better than the best so far."""
        place = self.first(values, members, self.best)
        if place is not None:
            self.value, self.members = float(values[place]), members(place)
            self._progress(self.value, self.bound)

    def first(
        self, values: FloatArray, members: Callable[[int], M], below: float, most: int | None = None
    ) -> int | None:
        """The best place of a value below something whose members keep the rules; at most so many are asked for."""
        admits = self._admits
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


class Record(Standing[Members]):
    """That of the search over columns, whose parts are the numbers of members."""

    def __init__(
        self,
        problem: Problem,
        error: float,
        stop: Callable[[], bool] = lambda: False,
        progress: Callable[[float, float], None] = lambda value, bound: None,
        cutoff: float = math.inf,
    ) -> None:
        super().__init__(problem.counts, problem.admits, error, stop, progress, cutoff)
        self._problem = problem

    def allowed(self, members: Members, choices: Choices, is_last: bool) -> Choices:
        """The choices of one more member that rules on several units do not forbid: `Problem.allowed`."""
        mask = self.mask(members, choices, is_last)
        return choices if mask is None or mask.all() else choices.take(mask)

    def mask(self, members: Members, choices: Choices, is_last: bool) -> NDArray[np.bool_] | None:
        """Which choices these are; None for all."""
        if self._problem.allowed is None:
            return None
        return self._problem.allowed(members, choices.unit, choices.head, is_last)
