"""The front between two goals: what it means to ask for a network that is best in one within a limit on the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from math import ceil, floor, log10

import numpy as np

from nnmip.hir.core import Compare, Constant, Node, Plus, Program, Scale
from nnmip.hir.goals import Constraint, Stage
from nnmip.hir.stages import LEAST_STEP, goal_step
from nnmip.hir.walk import once
from nnmip.records import dataclass

POINTS = 20
"""Into how many steps the range of a goal without a grid is divided, if no step is asked for."""

MOST_ADDENDS = 10_000
"""A sum of more is shown as one term: named sums of named sums can have more than anyone reads."""

LIMIT = "limit"
"""The name of the constraint that keeps the limited goal below its value at the point before."""


@dataclass(frozen=True, slots=True, eq=False)
class Tradeoff:
    """Two goals of a program between which a front is traced.

    The first two stages of `program` are the goal that is `chosen` (the best value is sought) and the one that is
    `limited`; its later stages decide between networks that are equal in both. `labels` are the texts of the two.
    `term_is_limited` says which of them the user named: it is the limited one unless only the other lies on a grid.
    """

    program: Program
    labels: tuple[str, str]
    term_is_limited: bool

    @property
    def chosen(self) -> Stage:
        return self.program.stages[0]

    @property
    def limited(self) -> Stage:
        return self.program.stages[1]

    @property
    def steps(self) -> tuple[Fraction | None, Fraction | None]:
        """The steps of the grids of the two goals, None where there is none."""
        return goal_step(self.program, self.chosen), goal_step(self.program, self.limited)

    @property
    def other_end(self) -> Program:
        """The program whose optimum is the point at which the limited goal has its best value."""
        chosen, limited, *later = self.program.stages
        return replace(self.program, stages=(limited, chosen, *later))

    def within(self, limit: float) -> Program:
        """The program whose optimum is the best network whose limited goal is not worse than `limit`."""
        name = LIMIT
        while any(constraint.name == name for constraint in self.program.constraints):
            name += "_"
        stage = self.limited
        op = "<=" if stage.sense == "minimize" else ">="
        compared = Compare(op, _value(stage), Constant(np.asarray(limit), stage.origin), (), stage.origin)
        holds = Constraint(
            name, f"the next point of the front: {self.labels[1]} {op} {limit:.9g}", (compared,), stage.origin
        )
        return replace(self.program, constraints=(*self.program.constraints, holds))


def tradeoff_of(
    program: Program, chosen: Stage, limited: Stage, later: tuple[Stage, ...], labels: tuple[str, str]
) -> Tradeoff:
    """The trade-off between the goals `chosen` and `limited`, the second of which is what the user named.

    The two change places where only the first lies on a grid, since steps on a grid miss nothing.
    """
    swap = goal_step(program, limited) is None and goal_step(program, chosen) is not None
    if swap:
        return Tradeoff(replace(program, stages=(limited, chosen, *later), held=()), labels[::-1], False)
    return Tradeoff(replace(program, stages=(chosen, limited, *later), held=()), labels, True)


@dataclass(frozen=True, slots=True)
class Stride:
    """How far below a point (in the sense in which smaller is better) the limit of the next one lies.

    `width` is the least difference that two points can have, so that nothing nearer is sought; `room` is what the limit
    leaves above it: half a step of a grid, on which no value lies between.
    """

    width: float
    room: float

    @staticmethod
    def of(grid: Fraction | None, value: float, asked: float | None, extent: float) -> Stride:
        """On a grid one of its steps, or as many as `asked` has; elsewhere `asked`, or a part of `extent`.

        `value` is where the point lies: steps below 1e-5 of a larger value cannot be told apart, so they are not taken.
        """
        least = LEAST_STEP * max(1.0, abs(value))
        step = 0.0 if grid is None else float(grid)
        if step >= least:
            return Stride(step * max(1, ceil((asked or 0.0) / step - 1e-9)), step / 2)
        return Stride(max(least, asked if asked is not None else rounded_step(extent / POINTS)), 0.0)


def rounded_step(width: float) -> float:
    """The largest of 1, 2, 5 times a power of ten that is at most `width`; 0 where that is 0."""
    if width <= 0:
        return 0.0
    power = floor(log10(width))
    return float(max(m * 10.0**power for m in (1, 2, 5) if m * 10.0**power <= width * (1 + 1e-12)))


def addends(value: Node) -> Iterator[tuple[Node, float]]:
    """The addends of a scalar with their known coefficients; a part that has too many is one of them."""
    return _addends(value, 1.0, once(_count))


def _addends(value: Node, coefficient: float, count: Callable[[Node], int]) -> Iterator[tuple[Node, float]]:
    match value:
        case Plus(terms=terms) if count(value) <= MOST_ADDENDS:
            for term in terms:
                yield from _addends(term, coefficient, count)
        case Scale(factor=factor, operand=operand) if count(value) <= MOST_ADDENDS:
            yield from _addends(operand, float(coefficient * factor), count)
        case _:
            yield value, coefficient


def _count(value: Node, count: Callable[[Node], int]) -> int:
    match value:
        case Plus(terms=terms):
            return sum(map(count, terms))
        case Scale(operand=operand):
            return count(operand)
    return 1


def _value(stage: Stage) -> Node:
    """The goal of a stage as one expression."""
    scaled = [t.value if t.coefficient == 1 else _scaled(t.value, t.coefficient) for t in stage.terms]
    return scaled[0] if len(scaled) == 1 else Plus(tuple(scaled), (), stage.origin)


def _scaled(value: Node, factor: float) -> Node:
    return Scale(np.asarray(factor), value, (), value.origin)
