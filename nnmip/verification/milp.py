"""A way to break a property as a MILP, solved for its sign only.

The largest row is minimised over the region. The run ends as soon as the dual bound is above 0, by more than a solver's
tolerances, or a point is found that breaks the property when it is replayed (`semantics`: a solver's bound needs 1e-6).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nnmip.hir.core import Apply, Compare, Constant, FloatArray, Gather, Join, Node, Program, Scale
from nnmip.hir.goals import Constraint, Property
from nnmip.records import dataclass
from nnmip.sema.goals import stage_of
from nnmip.source import Origin
from nnmip.verification.claims import Row
from nnmip.verification.composite import entries_of
from nnmip.verification.region import Region, Task

if TYPE_CHECKING:
    from nnmip.backends.protocol import Progress
    from nnmip.solution.result import Contender, Result

Solve = Callable[[Program, "float | None", "Callable[[Progress], None]", threading.Event], "Result"]
"""Solves a program within a time limit, calls back with its progress, and ends as soon as the event is set."""

MARGIN = 1e-6
"""What a solver's bound must exceed 0 by, of the size of the numbers around it."""


@dataclass(frozen=True, slots=True, eq=False)
class Solved:
    """What a MILP said: a lower bound of the largest row, `inf` where no point is left, and a point [entries].

    is_interrupted: whether the user ended it. first: the solver that decided it, of several side by side.
    """

    bound: float
    point: FloatArray | None
    message: str
    is_interrupted: bool = False
    first: str = ""


def least_of(
    program: Program,
    property: Property,
    region: Region,
    task: Task,
    solve: Solve,
    time_limit: float | None,
    is_over: Callable[[], bool],
) -> Solved:
    """Minimise the largest row of a way to break a property over a region, until its sign is known or `is_over`."""
    from nnmip.backends.protocol import Termination

    model, margin = _program(program, property, region, task), MARGIN * task.size

    def solved(ends_at_points: bool) -> tuple[Result, threading.Event]:
        stop = threading.Event()

        def watch(progress: Progress) -> None:
            bound, value = progress.dual_bound, progress.incumbent if ends_at_points else None
            if is_over() or (bound is not None and bound > margin) or (value is not None and value < -margin):
                stop.set()

        return solve(model, time_limit, watch, stop), stop

    result, stop = solved(ends_at_points=True)
    if stop.is_set() and not _has_sign(result, margin) and not is_over():
        # CBC loses a point that it has reported when it is stopped.
        result, stop = solved(ends_at_points=False)
    first = next((way.solver for way in result.portfolio if way.has_won or _has_sign(way, margin)), "")
    if result.termination is Termination.INFEASIBLE:
        return Solved(np.inf, None, "", first=first)
    point = None
    if result.values:
        names = [p.decision.path for p in property.points]
        point = np.concatenate(
            [np.asarray(result.values[name].entries, dtype=np.float64).reshape(-1) for name in names]
        )
    bound = -np.inf if result.dual_bound is None else result.dual_bound
    is_interrupted = result.termination is Termination.INTERRUPTED and not stop.is_set()
    return Solved(bound, point, result.message, is_interrupted, first)


def _has_sign(found: Result | Contender, margin: float) -> bool:
    """Whether a bound or a value tells the sign of the optimum."""
    bound, value = found.dual_bound, found.objective
    return (bound is not None and bound > margin) or (value is not None and value < -margin)


def _program(program: Program, property: Property, region: Region, task: Task) -> Program:
    """Minimise the largest row of a task where all rows of the region hold."""
    origin = property.origin
    zero = Constant(np.zeros(()), origin)
    assumed = tuple(Compare("<=", _value(row), zero, (), origin) for row in region.rows) + _bounds(property, region)
    values = tuple(_value(row) for row in task.rows)
    stages = (stage_of(_largest(values, origin), "minimize", origin.span),) if values else ()
    constraints = (Constraint("assumptions", None, assumed, origin),) if assumed else ()
    return replace(
        program,
        networks=(),
        datasets=(),
        bindings=(),
        stages=stages,
        constraints=constraints,
        variables=property.points,
        properties=(),
        lets=(),
    )


def _bounds(property: Property, region: Region) -> tuple[Node, ...]:
    """The box of a region where it is narrower than the domains of the points."""
    found: list[Node] = []
    ends = [entries_of(property.points, side[0]) for side in (region.box.lo, region.box.hi)]
    for point in property.points:
        decision, origin = point.decision, point.origin
        for op, side, own in ((">=", ends[0], decision.domain.lo), ("<=", ends[1], decision.domain.hi)):
            values = side[decision.path]
            if (values != own).any():
                found.append(Compare(op, point, Constant(values, origin), decision.shape, origin))
    return tuple(found)


def _largest(values: tuple[Node, ...], origin: Origin) -> Node:
    if len(values) == 1:
        return values[0]
    return Apply("max", (Join(values, origin),), None, None, (), (), False, origin)


def _value(row: Row) -> Node:
    entry = row.value if row.value.shape == () else Gather(row.value, np.asarray(row.entry), row.value.origin)
    return entry if row.sign == 1.0 else Scale(np.asarray(row.sign), entry, (), row.value.origin)
