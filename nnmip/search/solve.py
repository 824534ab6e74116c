"""From a program to its best network by exact search, with a proved bound."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Assignment, Program
from nnmip.hir.evaluate import Evaluator, evaluate, without_removed
from nnmip.ops.scores import ROUNDING
from nnmip.search.engine import Search
from nnmip.search.enumerate import Columns, columns_of
from nnmip.search.mistake_search import MistakeSearch
from nnmip.search.mistakes import Mistakes
from nnmip.search.parts import Batch
from nnmip.search.problem import Members, Problem
from nnmip.search.record import MARGIN
from nnmip.search.view import View, reads_data
from nnmip.sizes import Allowance

FloatArray = NDArray[np.float64]


MOST_TIES = 20_000
"""Most networks that are equal for the first goal and compared for a later one."""


class TooMany(Exception):
    """More networks are equal for the first goal than are compared for a later one."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What the search found, in the sense of a minimum: the best network, its value, and what no network is below.

    columns, nodes, leaves: how much was looked at.
    """

    assignment: Assignment | None
    value: float
    bound: float
    is_complete: bool
    columns: int
    nodes: int
    leaves: int


def search(
    view: View,
    allowance: Allowance,
    stop: Callable[[], bool],
    progress: Callable[[float, float], None],
    offer: Callable[[Assignment, float], None],
    start: Assignment | None = None,
) -> Found:
    """Search the networks of a view; Refusal where a unit has no choice of weights.

    stop: asked now and then; Ctrl-C has the same effect. progress: told the best value and the bound. offer: given
    every better network with its value. start: a network that satisfies the model. Where an output bias ends up
    outside its domain, because columns that differ by a constant were taken as one, the search is done again with
    these apart.
    """
    if view.program.held:
        return Ties(view, columns_of(view, allowance), stop, progress, offer, start).run()
    for merges in (True, False):
        columns = columns_of(view, allowance, merges=merges)
        found = _Run(view, columns, stop, progress, offer, start).run()
        if found is not None:
            break
    assert found is not None
    return found


class _Run:
    """One search over the columns of a view."""

    def __init__(
        self,
        view: View,
        columns: Columns,
        stop: Callable[[], bool],
        progress: Callable[[float, float], None],
        offer: Callable[[Assignment, float], None],
        start: Assignment | None,
    ) -> None:
        self.view, self.columns, self.offer, self.start = view, columns, offer, start
        self.report, self.shown = progress, math.inf
        self.known = value_of(view.program, start) if start is not None else math.inf
        self.engine = self._engine(stop, self.known - columns.constant)

    def _engine(self, stop: Callable[[], bool], cutoff: float) -> Search:
        view, columns = self.view, self.columns
        reach = view.parts.units * columns.most_shift * np.abs(columns.heads.vectors).max(axis=0)
        listed = None
        if view.bias.is_finite:
            values = np.array(view.bias.values)
            listed = ((values, np.zeros(len(values))),) * len(view.output)
        problem = Problem(
            pool=columns.pool,
            heads=columns.heads,
            loss=view.loss,
            low=view.bias.lo - reach,
            high=view.bias.hi + reach,
            units=view.parts.units,
            idle=columns.idle,
            admits=self._admits(),
            listed=listed,
        )
        engine = MistakeSearch if isinstance(view.loss, Mistakes) else Search
        return engine(problem, (), stop, self._progress, cutoff=cutoff)

    def _admits(self) -> Callable[[Members], bool] | None:
        return admits_of(self.view, self.columns)

    def run(self) -> Found | None:
        """None where its best network has an output bias outside the domain."""
        outcome = self.engine.run()
        constant = self.columns.constant
        assignment, value = self.start, self.known
        if outcome.members is not None and outcome.value + constant < self.known:
            assignment = assignment_of(self.view, self.columns, outcome.members, outcome.biases)
            value = outcome.value + constant
            bias = assignment.values.get(f"{self.view.out.path}.bias")
            if bias is not None and (self.view.bias.distance(bias) > 0).any():
                return None
        engine = self.engine
        bound = min(outcome.bound + constant, value)
        leaves = engine.ending.evaluated
        return Found(assignment, value, bound, outcome.finished, self.columns.pool.size, engine.nodes, leaves)

    def _progress(self, value: float, bound: float) -> None:
        constant, record = self.columns.constant, self.engine.record
        self.report(min(value + constant, self.known), bound + constant)
        if record.members is not None and value < self.shown and value + constant < self.known:
            self.shown = value
            biases = self.engine.ending.biases(record.members)
            self.offer(assignment_of(self.view, self.columns, record.members, biases), value + constant)


class Ties(_Run):
    """The best network for a later goal, among all that the search finds within what the first goal is held at.

    The search keeps none of them as its best one, so that it goes on to the next.
    """

    def __init__(
        self,
        view: View,
        columns: Columns,
        stop: Callable[[], bool],
        progress: Callable[[float, float], None],
        offer: Callable[[Assignment, float], None],
        start: Assignment | None,
    ) -> None:
        self.count = 0
        super().__init__(view, columns, stop, progress, offer, start)

    def _engine(self, stop: Callable[[], bool], cutoff: float) -> Search:
        held = self.view.program.held[0]
        most = self.view.sign * held.value + held.room - self.columns.constant
        return super()._engine(stop, most + 2 * MARGIN * max(1.0, abs(most)))

    def run(self) -> Found:
        """The best network; TooMany where there are more of them than `MOST_TIES`."""
        outcome = self.engine.run()
        bound = self.known if outcome.finished else -math.inf
        engine = self.engine
        return Found(self.start, self.known, bound, outcome.finished, self.columns.pool.size, engine.nodes, self.count)

    def _admits(self) -> Callable[[Members], bool]:
        keeps = admits_of(self.view, self.columns)

        def admits(members: Members) -> bool:
            if keeps is None or keeps(members):
                self._compare(members)
            return False

        return admits

    def _compare(self, members: Members) -> None:
        """Take the network if it is better than the best one and keeps the goals before."""
        self.count += 1
        if self.count > MOST_TIES:
            raise TooMany
        program = self.view.program
        network = assignment_of(self.view, self.columns, members, self.engine.ending.biases(members))
        evaluation = evaluate(program, network)
        assert program.goal is not None
        value = program.goal.sign * evaluation.objectives[len(program.held)]
        if value < self.known and evaluation.max_violation <= MARGIN:
            self.start, self.known = network, value
            self.offer(network, value)

    def _progress(self, value: float, bound: float) -> None:
        self.report(self.known, -math.inf)


def value_of(program: Program, assignment: Assignment) -> float:
    """The goal of a network, in the sense of a minimum."""
    assert program.goal is not None
    return program.goal.sign * Evaluator(program, without_removed(program, assignment)).stage(program.goal)


def assignment_of(view: View, columns: Columns, members: Members, biases: FloatArray) -> Assignment:
    """The network that has some columns as its hidden units."""
    network, units = view.network, view.parts.units
    values = {d.path: np.zeros(d.shape) for d in network.decisions}
    weights, bias = view.hidden.decision("weights"), view.hidden.decision("bias")
    out = view.out.decision("weights")
    assert weights is not None and out is not None
    shift, is_kept = np.zeros(len(view.output)), np.zeros(units, dtype=bool)
    for unit in range(units):
        both = columns.idle_weights
        is_kept[unit] = both.any()
        if unit < len(members):
            column, head = members[unit]
            both = np.concatenate([columns.pool.weights[column], columns.pool.bias[column : column + 1]])
            is_kept[unit] = column != columns.removed
            if column < columns.others:
                vector = columns.heads.vectors[head]
                values[out.path][view.output, unit] = vector
                shift += columns.pool.shift[column] * vector
        values[weights.path].reshape(units, -1)[unit] = both[:-1]
        if bias is not None:
            values[bias.path][unit] = both[-1]
    path = f"{view.out.path}.bias"
    if path in values:
        values[path][view.output] = biases - shift
    kept = {layer.path: is_kept.copy() for layer in view.activations if layer.kept_shape is not None}
    return Assignment(values, kept)


def admits_of(view: View, columns: Columns) -> Callable[[Members], bool] | None:
    """Whether a network satisfies the conditions on several of its units; None without any."""
    if not view.coupling:
        return None

    nowhere = np.zeros(len(view.output))
    of_rows = [node for node in view.coupling if reads_data(node)]
    others = [node for node in view.coupling if not reads_data(node)]

    def admits(members: Members) -> bool:
        network = assignment_of(view, columns, members, nowhere)
        batch = Batch(view.parts, {path: value[None] for path, value in network.values.items()}, ROUNDING)
        if not all(bool((batch.value(node) > 0.5).all()) for node in others):
            return False
        evaluator = Evaluator(view.program, network)
        return all(bool((evaluator.value(node) > 0.5).all()) for node in of_rows)

    return admits
