"""Which constraints of an infeasible model cannot hold together: whole declarations of the source, not rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nnmip.backends.protocol import RawResult, Termination
from nnmip.hir.core import Assignment, Constraint, Program
from nnmip.hir.evaluate import evaluate
from nnmip.lowering.lower import Lowered
from nnmip.solution.answer import replay_raw
from nnmip.solution.replay import TOLERANCE, ReplayStatus
from nnmip.solution.start import trivial_assignment

Lower = Callable[[Program], Lowered]
Solve = Callable[[Lowered, float], RawResult]
"""A lowered program and a time limit in seconds to the solver's answer."""

LEAST_SECONDS = 30.0
"""Without a time limit of the run, one test may take this long, or twice what the infeasibility took."""


@dataclass(frozen=True, slots=True, eq=False)
class Conflict:
    """Constraints that cannot hold together with the domains and the data, in the order of the source.

    Empty where domains and data alone contradict each other. `irreducible`: for each constraint a network is known
    (and replayed) that satisfies all the others.
    """

    constraints: tuple[Constraint, ...]
    irreducible: bool

    def to_json(self) -> dict[str, Any]:
        """Plain values: names, sentences and places."""
        return {
            "irreducible": self.irreducible,
            "constraints": [
                {
                    "name": c.name,
                    "sentence": c.sentence,
                    "text": " ".join(c.origin.span.text.split()),
                    "file": c.origin.span.file.path,
                    "line": c.origin.span.line,
                    "column": c.origin.span.column,
                }
                for c in self.constraints
            ],
        }


def find_conflict(program: Program, lower: Lower, solve: Solve, spent: float, left: float | None) -> Conflict:
    """A conflict of a program that a solver found infeasible, by deletion of one constraint after the other.

    spent: the seconds of that proof; left: what is left of the time limit, None without one. A test that ends without
    an answer keeps its constraint, and the conflict is then not called irreducible. (Deletion filter: Chinneck and
    Dravnieks 1991, on groups instead of rows.)
    """
    search = _Search(replace(program, stages=(), held=()), lower, solve, spent, left)
    return search.run()


class _Search:
    def __init__(self, program: Program, lower: Lower, solve: Solve, spent: float, left: float | None) -> None:
        self.program, self.lower, self.ask, self.spent = program, lower, solve, spent
        self.deadline = None if left is None else time.monotonic() + left
        self.witnesses: list[Assignment] = []
        self.is_stopped = False

    def run(self) -> Conflict:
        kept = list(self.program.constraints)
        irreducible = True
        for constraint in reversed(self.program.constraints):
            others = [c for c in kept if c is not constraint]
            feasible = self._is_feasible(others)
            if feasible is False:
                kept = others
            irreducible = irreducible and feasible is not None
        return Conflict(tuple(kept), irreducible)

    def _is_feasible(self, constraints: Sequence[Constraint]) -> bool | None:
        """Whether the constraints can hold together, None where that stays open."""
        program = replace(self.program, constraints=tuple(constraints))
        if self._has_witness(program):
            return True
        limit = self._limit()
        if self.is_stopped or limit <= 0:
            return None
        lowered = self.lower(program)
        raw = self.ask(lowered, limit)
        self.is_stopped = raw.termination is Termination.INTERRUPTED
        checked = replay_raw(lowered, raw)
        if checked is not None and checked.status is ReplayStatus.PASSED:
            self.witnesses.append(checked.assignment)
            return True
        return False if raw.termination is Termination.INFEASIBLE and checked is None else None

    def _has_witness(self, program: Program) -> bool:
        """Whether a network that is known already satisfies a program."""
        known = any(evaluate(program, w, TOLERANCE).max_violation <= TOLERANCE for w in self.witnesses)
        return known or trivial_assignment(program) is not None

    def _limit(self) -> float:
        if self.deadline is not None:
            return self.deadline - time.monotonic()
        return max(LEAST_SECONDS, 2 * self.spent)
