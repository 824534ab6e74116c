"""From a program to its best network by exact search, with a proved bound."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Assignment
from nnmip.hir.evaluate import Evaluator, without_removed
from nnmip.search.engine import Search
from nnmip.search.enumerate import Columns, columns_of
from nnmip.search.mistake_search import MistakeSearch
from nnmip.search.mistakes import Mistakes
from nnmip.search.problem import Members, Problem
from nnmip.search.view import View
from nnmip.sizes import Allowance

FloatArray = NDArray[np.float64]


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
        program = view.program
        assert program.goal is not None
        self.known = math.inf
        if start is not None:
            self.known = view.sign * Evaluator(program, without_removed(program, start)).stage(program.goal)
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
            admits=admits_of(view, columns),
            listed=listed,
        )
        engine = MistakeSearch if isinstance(view.loss, Mistakes) else Search
        self.engine = engine(problem, (), stop, self._progress, cutoff=self.known - columns.constant)

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

    def admits(members: Members) -> bool:
        evaluator = Evaluator(view.program, assignment_of(view, columns, members, nowhere))
        return all(bool((evaluator.value(node) > 0.5).all()) for node in view.coupling)

    return admits
