"""Bounds of networks with known weights by MILPs over all layers before a unit (MILP-OBBT), each certified.

The relaxation of `bounds.obbt` gets a phase s in [0, 1] for every entry that bends at 0 between bounds L < 0 < U: for
f(z) = a z below 0 and c z above it, a < c, to y >= a z and y >= c z come

    y <= a z + (c - a) U s        y <= c z - (c - a) L (1 - s)

(Tjeng, Xiao and Tedrake, "Evaluating robustness of neural networks with mixed integer programming", 2019). The largest
value of a unit is then sought by branching over the phases, the part with the greatest bound first, at the entry whose
y is furthest above f(z), weighed by the multipliers of its rows. The bound of a MILP solver would have to be believed;
here every part has the certificate of its linear program, by the multipliers of its optimum or, where it is empty, by
those that show it, so that the greatest bound of all open parts is proved wherever the search stops. Layers of other
kinds keep their relaxations.
"""

from __future__ import annotations

from dataclasses import replace
from heapq import heappop, heappush

import numpy as np

from nnmip.bounds.crown import Further
from nnmip.bounds.interval import FloatArray
from nnmip.bounds.obbt import Answer, Program, SolverMaker, Task, tightened
from nnmip.records import dataclass

BENT = 1e-7
"""By how much a y must be above its f(z) to be worth a branch."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """The points with some phases fixed (positions among the kinks, with 0 or 1), a proved bound of the wanted value
    there, and the kink to branch at; -1 where that is no use."""

    fixed: tuple[tuple[int, float], ...]
    bound: float
    worst: int


@dataclass(frozen=True, slots=True)
class Branching:
    """Solves tasks by at most `programs` linear programs for each bound."""

    programs: int

    def __call__(self, task: Task) -> FloatArray:
        found = [np.inf if task.is_over() else self._largest(task, int(column)) for column in task.columns]
        return np.array(found)

    def _largest(self, task: Task, column: int) -> float:
        task = replace(task, program=_freed(task.program, column))
        cost = np.zeros(len(task.program.lo))
        cost[column] = task.sign
        task.solver.set_cost(cost)
        waiting: list[tuple[float, int, Part]] = []
        solved = 0

        def add(part: Part | None) -> None:
            nonlocal solved
            solved += 1
            if part is not None:
                heappush(waiting, (-part.bound, solved, part))

        add(_solved(task, cost, Part((), np.inf, -1)))
        while waiting and solved + 2 <= self.programs and waiting[0][2].worst >= 0:
            _, _, part = heappop(waiting)
            for side in (0.0, 1.0):
                add(_solved(task, cost, replace(part, fixed=(*part.fixed, (part.worst, side)))))
        return -waiting[0][0] if waiting else -np.inf


def branched(make: SolverMaker, programs: int) -> Further:
    """Tightens bounds by branching wherever a relaxation depends on them."""
    return tightened(make, Branching(programs), has_phases=True, worth=None)


def _freed(program: Program, column: int) -> Program:
    """With room beyond the proved bounds of a column: an optimum at these would not say which rows hold it there."""
    lo, hi = program.lo.copy(), program.hi.copy()
    room = 1.0 + hi[column] - lo[column]
    lo[column], hi[column] = lo[column] - room, hi[column] + room
    return replace(program, lo=lo, hi=hi)


def _solved(task: Task, cost: FloatArray, part: Part) -> Part | None:
    """A part with the bound of its own program, at most the one that it has; None where it is proved to be empty."""
    program, kinks = task.program, task.kinks
    lo, hi = program.lo.copy(), program.hi.copy()
    for place, side in part.fixed:
        lo[kinks.phase[place]] = hi[kinks.phase[place]] = side
    task.solver.set_bounds(lo, hi)
    own, answer = replace(program, lo=lo, hi=hi), task.solver.solve()
    if answer is None:
        ray = task.solver.ray()
        is_empty = ray is not None and any(own.certified(0.0 * cost, sign * ray) < 0.0 for sign in (1.0, -1.0))
        return None if is_empty else replace(part, worst=-1)
    bound = min(part.bound, own.certified(cost, answer.multipliers))
    return replace(part, bound=bound, worst=_worst(task, answer, part))


def _worst(task: Task, answer: Answer, part: Part) -> int:
    """The kink whose y is furthest above f(z), as much as its rows count for the bound; where only bounds of columns
    hold the optimum, no row counts, and the distance alone decides."""
    kinks, program = task.kinks, task.program
    if not len(kinks.phase):
        return -1
    z, y = answer.x[kinks.inner], answer.x[kinks.outer]
    over = y - np.maximum(kinks.below * z, kinks.above * z)
    over[[place for place, _ in part.fixed]] = 0.0
    multipliers = np.where(np.isfinite(answer.multipliers), answer.multipliers, 0.0)
    shares = np.abs(program.value * multipliers[program.row])
    counting = over * np.bincount(program.column, shares, len(program.lo))[kinks.outer]
    found = counting if counting.max() > BENT else over
    return int(found.argmax()) if found.max() > BENT else -1
