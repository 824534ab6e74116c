"""From a program to its best network by exact search, with a proved bound."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Assignment, Program
from nnmip.hir.evaluate import Evaluator, evaluate, without_removed
from nnmip.ops.scores import ROUNDING
from nnmip.records import dataclass
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
class Tied:
    """Networks that are equal for the first goal, all of them where `is_complete`; out of how many columns, at how many
    nodes."""

    networks: tuple[Assignment, ...]
    is_complete: bool
    columns: int
    nodes: int


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What the search found, in the sense of a minimum: the best network, its value, and what no network is below.

    columns, nodes, leaves: how much was looked at. tied: what was listed for a later goal.
    """

    assignment: Assignment | None
    value: float
    bound: float
    is_complete: bool
    columns: int
    nodes: int
    leaves: int
    tied: Tied | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What is told on the way: the best value and the bound, and every better network with its value."""

    progress: Callable[[float, float], None]
    better: Callable[[Assignment, float], None]


def search(
    view: View,
    allowance: Allowance,
    stop: Callable[[], bool],
    report: Report,
    start: Assignment | None = None,
    tied: Tied | None = None,
) -> Found:
    """Search the networks of a view; Refusal where a unit has no choice of weights.

    stop: asked now and then; Ctrl-C has the same effect. start: a network that satisfies the model. tied: what an
    earlier goal listed. Where an output bias ends up outside its domain, because columns that differ by a constant
    were taken as one, the search is done again with these apart.
    """
    if view.program.held:
        if tied is None or not tied.is_complete:
            tied = _Ties(view, allowance, stop, report).tied()
        return best_tied(view.program, tied, start)
    for merges in (True, False):
        columns = columns_of(view, allowance, merges=merges)
        found = _Run(view, columns, stop, report, start).run()
        if found is not None:
            break
    if found is None:
        raise ArithmeticError("rounding takes the output biases out of their domain")
    return found


class _Run:
    """One search over the columns of a view."""

    def __init__(
        self,
        view: View,
        columns: Columns,
        stop: Callable[[], bool],
        report: Report,
        start: Assignment | None,
    ) -> None:
        self.view, self.columns, self.report, self.start = view, columns, report, start
        self.shown = math.inf
        self.known = value_of(view.program, start) if start is not None else math.inf
        self.engine = self._engine(stop, self.known - columns.constant)

    def _engine(self, stop: Callable[[], bool], cutoff: float) -> Search:
        view, columns = self.view, self.columns
        reach = view.parts.units * columns.most_shift * np.abs(columns.heads.vectors).sum(axis=1).max(axis=0)
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
        self.report.progress(min(value + constant, self.known), bound + constant)
        if record.members is not None and value < self.shown and value + constant < self.known:
            self.shown = value
            biases = self.engine.ending.biases(record.members)
            self.report.better(assignment_of(self.view, self.columns, record.members, biases), value + constant)


class _Ties(_Run):
    """All networks within what the first goal is held at: the search keeps none of them as its best one, and goes on to
    the next."""

    def __init__(self, view: View, allowance: Allowance, stop: Callable[[], bool], report: Report) -> None:
        self.listed: list[Assignment] = []
        self.view = view
        super().__init__(view, columns_of(view, allowance), stop, report, None)

    def _engine(self, stop: Callable[[], bool], cutoff: float) -> Search:
        held = self.view.program.held[0]
        most = self.view.sign * held.value + held.room - self.columns.constant
        return super()._engine(stop, most + 2 * MARGIN * max(1.0, abs(most)))

    def tied(self) -> Tied:
        """All of them, or what is listed when the search is stopped; TooMany where they are more than `MOST_TIES`."""
        outcome = self.engine.run()
        return Tied(tuple(self.listed), outcome.finished, self.columns.pool.size, self.engine.nodes)

    def _admits(self) -> Callable[[Members], bool]:
        keeps = admits_of(self.view, self.columns)

        def admits(members: Members) -> bool:
            if keeps is None or keeps(members):
                if len(self.listed) == MOST_TIES:
                    raise TooMany
                biases = self.engine.ending.biases(members)
                self.listed.append(assignment_of(self.view, self.columns, members, biases))
            return False

        return admits

    def _progress(self, value: float, bound: float) -> None:
        """The networks that are listed have no order yet."""


def best_tied(program: Program, tied: Tied, start: Assignment | None) -> Found:
    """The network that is best for the present goal among those which keep the goals before."""
    assert program.goal is not None
    best, least = start, value_of(program, start) if start is not None else math.inf
    for network in tied.networks:
        evaluation = evaluate(program, network)
        value = program.goal.sign * evaluation.objectives[len(program.held)]
        if value < least and evaluation.max_violation <= MARGIN:
            best, least = network, value
    bound = least if tied.is_complete else -math.inf
    return Found(best, least, bound, tied.is_complete, tied.columns, tied.nodes, len(tied.networks), tied)


def value_of(program: Program, assignment: Assignment) -> float:
    """The goal of a network, in the sense of a minimum."""
    assert program.goal is not None
    return program.goal.sign * Evaluator(program, without_removed(program, assignment)).stage(program.goal)


def _centred(view: View, biases: FloatArray) -> FloatArray:
    """Biases in the middle of their domain, where only the differences between scores count."""
    if not view.loss.is_of_leads or not view.bias.is_interval:
        return biases
    low, high = view.bias.lo, view.bias.hi
    moved = biases + (low + high - biases.max() - biases.min()) / 2
    # As wide as the domain, they can be a rounding error outside.
    return np.asarray(np.clip(moved, low, high) if np.ptp(biases) <= high - low + ROUNDING else moved)


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
                values[out.path][view.output[:, None], view.parts.places[unit]] = vector.T
                shift += columns.pool.shift[column] @ vector
        values[weights.path].reshape(units, -1)[unit] = both[:-1]
        if bias is not None:
            values[bias.path][unit] = both[-1]
    path = f"{view.out.path}.bias"
    if path in values:
        values[path][view.output] = _centred(view, biases - shift)
    kept = {layer.path: is_kept.copy() for layer in view.chain if layer.kept_shape is not None}
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
