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
from nnmip.search.networks import assignment_of
from nnmip.search.parts import Batch
from nnmip.search.problem import Members, Problem
from nnmip.search.record import MARGIN
from nnmip.search.rules import Rules
from nnmip.search.view import View, reads_data
from nnmip.sizes import Allowance

FloatArray = NDArray[np.float64]


NEAR = 1e-6
"""How far beyond its room a goal may be that is held, for a network that is looked at more closely."""

MOST_TIES = 20_000
"""Most networks that are equal for the first goal and compared for a later one."""


class TooMany(Exception):
    """More networks are equal for the first goal than are compared for a later one."""


@dataclass(frozen=True, slots=True, eq=False)
class Tied:
    """Networks that are equal for the first goal, all of them where `is_complete`; out of how many columns, at how many
    nodes. One stands for all that the first `goals` do not tell apart."""

    networks: tuple[Assignment, ...]
    is_complete: bool
    columns: int
    nodes: int
    goals: int


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What the search found, in the sense of a minimum: the best network, its value, and what no network is below.

    columns, nodes, leaves: how much was looked at. root: what was proved before anything was branched on. tied: what
    was listed for a later goal.
    """

    assignment: Assignment | None
    value: float
    bound: float
    is_complete: bool
    columns: int
    nodes: int
    leaves: int
    tied: Tied | None = None
    root: float = -math.inf


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
        if tied is None or not tied.is_complete or tied.goals <= len(view.program.held):
            tied = tied_of(view, allowance, stop, report)
        return best_tied(view, tied, start)
    for merges in (True, False):
        columns = columns_of(view, allowance, merges=merges)
        found = _Run(view, columns, stop, report, start).run()
        if found is not None:
            break
    if found is None:
        raise ArithmeticError("rounding takes the output biases out of their domain")
    return found


def tied_of(view: View, allowance: Allowance, stop: Callable[[], bool], report: Report) -> Tied:
    """All networks that are equal for the first goal; TooMany where they are more than `MOST_TIES`.

    Of those that no goal up to the present one tells apart, one stands for all.
    """
    for merges in (True, False):
        tied = _Ties(view, columns_of(view, allowance, merges=merges), stop, report).tied()
        if tied is not None:
            return tied
    raise ArithmeticError("rounding takes the output biases out of their domain")


@dataclass(frozen=True, slots=True, eq=False)
class Root:
    """Networks of so many members: what none is below, and what none is below that has a column, [columns * heads]."""

    count: int
    bound: float
    least: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Roots:
    """The relaxations for all numbers of members, and the best network found near them with its value: None and
    infinite without one."""

    roots: tuple[Root, ...]
    network: Assignment | None
    value: float


def roots_of(view: View, columns: Columns) -> Roots:
    """What is proved of the columns of a view before any branching, in the sense of a minimum, and a good network."""
    run = _Run(view, columns, lambda: False, Report(lambda value, bound: None, lambda network, value: None), None)
    engine, record, constant, found = run.engine, run.engine.record, columns.constant, []
    if 0 in engine.problem.counts:
        engine.ending.offer(())
    if math.isfinite(record.value):
        found.append(Root(0, record.value - NEAR + constant, np.full(engine.problem.size, math.inf)))
    for count, root in engine.relax().items() if columns.pool.size else ():
        least = root.bound.base + root.reduced + (count - 1) * float(root.least[0]) + constant
        found.append(Root(count, record.floor(count) + constant, least))
    network = None
    if record.members is not None:
        network = assignment_of(view, columns, record.members, engine.ending.biases(record.members))
    return Roots(tuple(found), network, record.value + constant)


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
        self.rules = Rules(view, columns) if view.coupling else None
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
            allowed=self.rules.allowed if self.rules is not None else None,
            listed=listed,
        )
        engine = MistakeSearch if isinstance(view.loss, Mistakes) else Search
        return engine(problem, (), stop, self._progress, cutoff=cutoff)

    def _admits(self) -> Callable[[Members], bool] | None:
        return self.rules.admits if self.rules is not None else None

    def run(self) -> Found | None:
        """None where its best network has an output bias outside the domain."""
        outcome = self.engine.run()
        constant = self.columns.constant
        assignment, value = self.start, self.known
        if outcome.members is not None and outcome.value + constant < self.known:
            assignment = assignment_of(self.view, self.columns, outcome.members, outcome.biases)
            value = outcome.value + constant
            if is_outside(self.view, assignment):
                return None
        engine = self.engine
        bound = min(outcome.bound + constant, value)
        leaves = engine.ending.evaluated
        root = min(engine.root + constant, value)
        pool = self.columns.pool
        return Found(assignment, value, bound, outcome.finished, pool.size, engine.nodes, leaves, root=root)

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

    def __init__(self, view: View, columns: Columns, stop: Callable[[], bool], report: Report) -> None:
        self.listed: list[Assignment] = []
        self.is_outside = False
        super().__init__(view, columns, stop, report, None)

    def _engine(self, stop: Callable[[], bool], cutoff: float) -> Search:
        held = self.view.program.held[0]
        most = self.view.sign * held.value + held.room - self.columns.constant
        return super()._engine(lambda: self.is_outside or stop(), most + 2 * MARGIN * max(1.0, abs(most)))

    def tied(self) -> Tied | None:
        """All of them, or what is listed when the search is stopped; None where one has output biases outside their
        domain."""
        outcome = self.engine.run()
        if self.is_outside:
            return None
        goals = len(self.view.program.held) + 1
        return Tied(tuple(self.listed), outcome.finished, self.columns.pool.size, self.engine.nodes, goals)

    def _admits(self) -> Callable[[Members], bool]:
        keeps = super()._admits()

        def admits(members: Members) -> bool:
            if keeps is None or keeps(members):
                if len(self.listed) == MOST_TIES:
                    raise TooMany
                network = assignment_of(self.view, self.columns, members, self.engine.ending.biases(members))
                self.is_outside = self.is_outside or is_outside(self.view, network)
                self.listed.append(network)
            return False

        return admits

    def _progress(self, value: float, bound: float) -> None:
        """The networks that are listed have no order yet."""


def is_outside(view: View, network: Assignment) -> bool:
    """Whether an output bias is outside its domain."""
    bias = network.values.get(f"{view.out.path}.bias")
    return bias is not None and bool((view.bias.distance(bias) > 0).any())


def best_tied(view: View, tied: Tied, start: Assignment | None) -> Found:
    """The network that is best for the present goal among those which keep the goals before."""
    program, goal = view.program, view.program.goal
    assert goal is not None
    best, least = start, value_of(program, start) if start is not None else math.inf
    near = _values_near(view, tied.networks)
    rest = math.inf
    for place in np.argsort(near, kind="stable"):
        if near[place] > least - MARGIN * max(1.0, abs(least)):
            rest = float(near[place])
            break
        evaluation = evaluate(program, tied.networks[place])
        value = goal.sign * evaluation.objectives[len(program.held)]
        if value < least and evaluation.max_violation <= MARGIN:
            best, least = tied.networks[place], value
    bound = min(least, rest) if tied.is_complete else -math.inf
    return Found(best, least, bound, tied.is_complete, tied.columns, tied.nodes, len(tied.networks), tied)


def _values_near(view: View, networks: tuple[Assignment, ...]) -> FloatArray:
    """The present goal of networks, up to roundings and in the sense of a minimum, infinite where a goal between it and
    the first is surely not kept; -inf where goals read the data."""
    program = view.program
    stages = program.stages[1 : len(program.held) + 1]
    if not networks or any(reads_data(term.value) for stage in stages for term in stage.terms):
        return np.full(len(networks), -math.inf)
    values = {path: np.stack([network.values[path] for network in networks]) for path in networks[0].values}
    batch = Batch(view.parts, values, ROUNDING)
    found = [
        sum((term.coefficient * batch.value(term.value) for term in s.terms), np.zeros(1)) * s.sign for s in stages
    ]
    near = np.array(np.broadcast_to(found[-1], len(networks)))
    for stage, held, value in zip(stages, program.held[1:], found, strict=False):
        near[np.broadcast_to(value - stage.sign * held.value > held.room + NEAR * held.scale, len(near))] = math.inf
    return near


def value_of(program: Program, assignment: Assignment) -> float:
    """The goal of a network, in the sense of a minimum."""
    assert program.goal is not None
    return program.goal.sign * Evaluator(program, without_removed(program, assignment)).stage(program.goal)
