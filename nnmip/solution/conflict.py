"""Which constraints of an infeasible model cannot hold together: whole declarations of the source, not rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from nnmip.backends.process import Session
from nnmip.backends.protocol import Event, Progress, RawResult, SolveOptions, Termination
from nnmip.hir.core import Assignment, Program
from nnmip.hir.evaluate import evaluate
from nnmip.hir.goals import Constraint, Stage
from nnmip.hir.walk import sufficient_words
from nnmip.incumbents.known import trivial_assignment
from nnmip.lowering.lower import Lowered
from nnmip.records import dataclass
from nnmip.sema.regions import SUFFICIENT
from nnmip.sema.values import text_of
from nnmip.solution.answer import limits_after, replay_raw
from nnmip.solution.replay import TOLERANCE, ReplayStatus
from nnmip.solution.rounds import Rounds
from nnmip.solution.work import Work
from nnmip.source import Span

Lower = Callable[[Program], Lowered]
Solve = Callable[[Lowered, float, str], RawResult]
"""A lowered program, a time limit in seconds and what is being tested, for people, to the solver's answer."""

LEAST_SECONDS = 30.0
"""Without a time limit of the run, one test may take this long, or twice what the infeasibility took."""


@dataclass(frozen=True, slots=True, eq=False)
class Conflict:
    """Constraints that cannot hold together with the domains and the data, in the order of the source.

    Empty where domains and data alone contradict each other. `goal` is the goal where it is a member too: its encoding
    leaves out networks that are nearer to a threshold than the strictness that it states. `irreducible`: for each
    member a network is known (and replayed) that satisfies all the others.
    """

    constraints: tuple[Constraint, ...]
    irreducible: bool
    goal: Stage | None = None

    @property
    def sufficient(self) -> tuple[str, ...]:
        """The constraints among them that ask for a condition that is only sufficient."""
        return tuple(c.name for c in self.constraints if sufficient_words(c.parts))

    @property
    def members(self) -> list[tuple[str, Span, str]]:
        """The goal, if it is one, and the constraints: name with sentence, place and text on one line, for people."""
        goal = [] if self.goal is None else [("the goal", self.goal.origin.span, text_of(self.goal.origin.span))]
        quoted = [f' "{c.sentence}"' if c.sentence else "" for c in self.constraints]
        return goal + [
            (c.name + q, c.origin.span, condition_of(c)) for c, q in zip(self.constraints, quoted, strict=True)
        ]

    def to_json(self) -> dict[str, Any]:
        """Plain values: names, sentences, conditions and places."""
        return {
            "irreducible": self.irreducible,
            "goal": text_of(self.goal.origin.span) if self.goal is not None else None,
            "constraints": [
                {
                    "name": c.name,
                    "sentence": c.sentence,
                    "text": condition_of(c),
                    "sufficient": c.name in self.sufficient,
                    "file": c.origin.span.file.path,
                    "line": c.origin.span.line,
                    "column": c.origin.span.column,
                }
                for c in self.constraints
            ],
        }


def condition_of(constraint: Constraint) -> str:
    """What a constraint demands, as in the source, on one line; behind its annotation where that asks for more."""
    text = text_of(constraint.condition or constraint.origin.span)
    return f"@{SUFFICIENT} {text}" if constraint.condition and sufficient_words(constraint.parts) else text


def find_conflict(program: Program, lower: Lower, solve: Solve, spent: float, left: float | None) -> Conflict:
    """A conflict of a program that a solver found infeasible, by deletion of one constraint after the other.

    spent: the seconds of that proof; left: what is left of the time limit, None without one. A test that ends without
    an answer keeps its constraint, and the conflict is then not called irreducible. Ctrl-C ends the search in the same
    way. (Deletion filter: Chinneck and Dravnieks 1991, on groups instead of rows.)

    The goal is left out first. Only where the constraints can hold together without it does it come into question.
    """
    search = _Search(program, lower, solve, spent, left)
    found = search.delete(with_goal=False)
    if len(found.constraints) < len(program.constraints) or program.goal is None:
        return found
    alone = search.has_network(program.constraints, False, "without the goal")
    if alone is False:
        return found
    return search.delete(with_goal=True) if alone else replace(found, irreducible=False, goal=program.goal)


def conflict_of(work: Work, session: Session) -> Conflict:
    """Which constraints of the model of a run cannot hold together; every test is made by the solver of the run."""

    def solve(lowered: Lowered, limit: float, what: str) -> RawResult:
        def show(event: Event) -> None:
            if work.progress is not None and isinstance(event, Progress):
                work.progress(Progress(f"conflict {what}", work.seconds, nodes=event.nodes))

        options, began = replace(work.limits(), gap=0.0, time_limit=limit), time.perf_counter()

        def limits() -> SolveOptions:
            return limits_after(options, time.perf_counter() - began)

        def once(lowered: Lowered, options: SolveOptions) -> RawResult:
            return session.solve(lowered.milp, work.options.ways[0].solver, options, show, work.stop)

        if lowered.tangents:
            return Rounds(lowered, session, once, limits).run([])[0]
        return once(lowered, options)

    return find_conflict(work.problem.program, work.problem.lower, solve, work.seconds, work.limits().time_limit)


class _Search:
    """Tests of parts of a program, each within what is left of the time."""

    def __init__(self, program: Program, lower: Lower, solve: Solve, spent: float, left: float | None) -> None:
        self.program, self.lower, self.ask, self.spent = program, lower, solve, spent
        self.deadline = None if left is None else time.monotonic() + left
        self.witnesses: list[Assignment] = []
        self.is_stopped = False

    def delete(self, with_goal: bool) -> Conflict:
        """Leave out every constraint without which the rest stays infeasible, the last first."""
        kept = list(self.program.constraints)
        irreducible = True
        for constraint in reversed(self.program.constraints):
            others = [c for c in kept if c is not constraint]
            feasible = self.has_network(others, with_goal, f"without `{constraint.name}`")
            if feasible is False:
                kept = others
            irreducible = irreducible and feasible is not None
        return Conflict(tuple(kept), irreducible, self.program.goal if with_goal else None)

    def has_network(self, constraints: Sequence[Constraint], with_goal: bool, what: str) -> bool | None:
        """Whether there is a network that satisfies the constraints, None where that stays open."""
        limit = self._limit()
        if self.is_stopped or limit <= 0:
            return None
        stages = self.program.stages[:1] if with_goal else ()
        try:
            lowered = self.lower(replace(self.program, constraints=tuple(constraints), stages=stages, held=()))
            if self._has_witness(lowered):
                return True
            raw = self.ask(lowered, limit, what)
        except KeyboardInterrupt:
            self.is_stopped = True
            return None
        self.is_stopped = raw.termination is Termination.INTERRUPTED
        checked = replay_raw(lowered, raw)
        if checked is not None and checked.status is ReplayStatus.PASSED:
            self.witnesses.append(checked.assignment)
            return True
        return False if raw.termination is Termination.INFEASIBLE and checked is None else None

    def _has_witness(self, lowered: Lowered) -> bool:
        """Whether a network that is known already satisfies a program, and its encoding.

        The encoding leaves out networks that are nearer to a threshold than the stated strictness.
        """
        trivial = trivial_assignment(lowered.program)
        known = [*self.witnesses, *([trivial] if trivial is not None else [])]
        return any(
            evaluate(lowered.program, w, TOLERANCE).max_violation <= TOLERANCE and lowered.admits(w) for w in known
        )

    def _limit(self) -> float:
        if self.deadline is not None:
            return self.deadline - time.monotonic()
        return max(LEAST_SECONDS, 2 * self.spent)
