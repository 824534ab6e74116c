"""Local search for networks with one score: add, drop and swap one member until nothing is better."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from nnmip.search.choices import Choices
from nnmip.search.problem import Members, Problem
from nnmip.search.record import Record

FloatArray = NDArray[np.float64]
LEAST_GAIN = 1e-12
MOST_ASKED = 100
"""How many networks of one step the rules are asked about."""


class Climb:
    """`losses(columns, scores)`: the losses of scores + each column."""

    def __init__(
        self,
        problem: Problem,
        record: Record,
        choices: Choices,
        losses: Callable[[FloatArray, FloatArray], FloatArray],
    ) -> None:
        self._problem, self._record, self._choices, self._losses = problem, record, choices, losses

    def from_start(self, chosen: list[int], count: int) -> None:
        """Improve a network of at most `count` members."""
        value = math.inf
        while (better := self._step(chosen, count, value)) is not None:
            chosen, value = better

    def _step(self, chosen: list[int], count: int, value: float) -> tuple[list[int], float] | None:
        if len(chosen) < count and (better := self._swap(chosen, value)):
            return better
        if len(chosen) not in self._problem.counts:
            return None
        for position in range(len(chosen)):
            if better := self._swap(chosen[:position] + chosen[position + 1 :], value):
                return better
        return None

    def _swap(self, rest: list[int], value: float) -> tuple[list[int], float] | None:
        """The best network with one more member than these, if it is better than the value."""
        choices, problem = self._choices, self._problem
        assert choices.signed is not None
        scores = choices.signed[rest].sum(axis=0) if rest else np.zeros(problem.loss.rows)
        cost = float(choices.cost[rest].sum()) + problem.spare(len(rest) + 1)
        values = choices.cost + cost + self._losses(choices.signed, scores)
        complete = len(rest) + 1 in problem.counts
        allowed = self._record.mask(choices.members(*rest), choices, complete)
        if allowed is not None:
            values = np.where(allowed, values, math.inf)
            if not allowed.any():
                return None
        if not complete:
            return [*rest, int(values.argmin())], math.inf

        def members(place: int) -> Members:
            return choices.members(*rest, place)

        place = self._record.first(values, members, value - LEAST_GAIN, MOST_ASKED)
        if place is None:
            return None
        self._record.offer(values[place : place + 1], lambda _: members(place))
        return [*rest, place], float(values[place])
