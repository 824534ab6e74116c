"""Small changes that make a network better, one after the other: units and weights dropped, weights one value on."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from nnmip.hir.core import Assignment, Decision, Program
from nnmip.hir.evaluate import evaluate, without_removed
from nnmip.hir.order import Rank, is_better, rank
from nnmip.incumbents.budget import Budget
from nnmip.incumbents.known import ADMITTED

Move = Callable[[Assignment], Iterator[Assignment]]
"""What becomes of a network by one change, each way to make it."""


def climbed(program: Program, network: Assignment, budget: Budget) -> Assignment:
    """The network that no single change makes better, or the best one when time is over; never a worse one.

    A network that breaks less is better, whatever its goals.
    """
    best = without_removed(program, network)
    value, moves, idle = standing(program, best), _moves(program), 0
    while moves and idle < len(moves):
        for move in moves:
            idle += 1
            for changed in move(best):
                if budget.is_over:
                    return best
                found = standing(program, changed)
                if is_above(found, value):
                    best, value, idle = without_removed(program, changed), found, 0
                    break
    return best


def standing(program: Program, network: Assignment) -> tuple[float, Rank]:
    """By how much a network breaks the model, all constraints together, and its goals."""
    found = evaluate(program, network)
    broken = [found.domain_violation, *found.constraints.values(), *found.held]
    return sum(v for v in broken if v > ADMITTED), rank(program, found)


def is_above(first: tuple[float, Rank], second: tuple[float, Rank]) -> bool:
    """Whether the first of two networks is better."""
    if first[0] == second[0]:
        return is_better(first[1], second[1])
    return first[0] < second[0]


def _moves(program: Program) -> list[Move]:
    """Every change: first those that drop something."""
    layers = [layer for network in program.networks for layer in network.layers]
    units = [(la.path, place) for la in layers if la.kept_shape is not None for place in range(_size(la.kept_shape))]
    drops: list[Move] = [_dropped(path, place) for path, place in units]
    zeros = [_to_zero(d, place) for d in program.decisions if d.domain.has_zero for place in range(d.size)]
    steps = [_steps(d, place) for d in program.decisions if d.domain.is_finite for place in range(d.size)]
    return [*drops, *zeros, *steps]


def _size(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=np.int64))


def _dropped(path: str, place: int) -> Move:
    """A unit, or a layer, that is removed."""

    def move(network: Assignment) -> Iterator[Assignment]:
        if network.kept[path].reshape(-1)[place]:
            kept = network.kept[path].copy()
            kept.reshape(-1)[place] = False
            yield Assignment(network.values, {**network.kept, path: kept})

    return move


def _to_zero(decision: Decision, place: int) -> Move:
    """A weight that is 0."""

    def move(network: Assignment) -> Iterator[Assignment]:
        if network.values[decision.path].reshape(-1)[place]:
            yield _with(network, decision, place, 0.0)

    return move


def _steps(decision: Decision, place: int) -> Move:
    """A weight at the value before, and at the one after."""
    values = decision.domain.values

    def move(network: Assignment) -> Iterator[Assignment]:
        now = int(np.searchsorted(values, network.values[decision.path].reshape(-1)[place]))
        for other in (now - 1, now + 1):
            if 0 <= other < len(values):
                yield _with(network, decision, place, values[other])

    return move


def _with(network: Assignment, decision: Decision, place: int, value: float) -> Assignment:
    """The network with one number changed."""
    array = network.values[decision.path].copy()
    array.reshape(-1)[place] = value
    return Assignment({**network.values, decision.path: array}, network.kept)
