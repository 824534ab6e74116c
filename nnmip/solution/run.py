"""One solve: stage after stage, each proved, lifted, replayed and kept, to the result of the run.

What only some runs need (a folder, a conflict, a solver, its MILP) is imported by those: a search is over before.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from nnmip.backends.process import Session
from nnmip.backends.protocol import Termination
from nnmip.hir.core import Assignment, Program
from nnmip.hir.stages import held_at
from nnmip.incumbents.known import trivial_assignment
from nnmip.solution.options import RunOptions
from nnmip.solution.result import Result
from nnmip.solution.users import UsersNetworks
from nnmip.solution.way import Way
from nnmip.solution.work import Problem, ProgressHandler, Work

if TYPE_CHECKING:
    from nnmip.solution.race import Race


class Run:
    """One solve, from the start to the saved result. `starts` are networks to start from, besides those it finds."""

    def __init__(
        self,
        problem: Problem,
        options: RunOptions,
        progress: ProgressHandler | None,
        stop: threading.Event | None,
        starts: Sequence[Assignment] = (),
    ) -> None:
        self.problem, self.options, self.starts = problem, options, starts
        self.users = UsersNetworks(problem.program, options)
        self.work = Work(problem, options, progress, stop if stop is not None else threading.Event())
        self.work.looks = not starts  # a front has too many points for a look at each
        if options.save is not None:
            from nnmip.solution.keeper import Keeper

            self.work.keeper = Keeper(options.save, problem.program, problem.fingerprint(), options.resume)

    def run(self) -> Result:
        """Solve the stages in their order, each only after the one before it is proved."""
        with Session() as session:
            return self.run_in(session)

    def run_in(self, session: Session, explains: bool = True) -> Result:
        """The same with a solver process that goes on; `explains` says whether an infeasible model needs a conflict."""
        work, result = self.work, self._solved(self._solve_stages, session, explains)
        result = replace(result, notes=(*result.notes, *self.users.remarks))
        if work.keeper is None:
            return result
        remark = work.keeper.finish(result, self.problem.describe(result))
        return replace(result, notes=(*result.notes, remark)) if remark else replace(result, saved=True)

    def stage_in(self, session: Session, explains: bool) -> Result:
        """The stage that the program is at alone; nothing is kept of it."""
        return self._solved(lambda way, session: way.solve(session, self.problem.program, ()), session, explains)

    def _solved(self, solve: Callable[[Way | Race, Session], Result], session: Session, explains: bool) -> Result:
        work = self.work
        work.known = self._first_networks(session)
        with closing(self._way()) as way:
            result = solve(way, session)
        if explains and result.termination is Termination.INFEASIBLE and not result.has_answer:
            from nnmip.solution.conflict import conflict_of

            return replace(result, conflict=conflict_of(work, session))
        return result

    def _way(self) -> Way | Race:
        ways = self.options.ways
        if len(ways) == 1:
            return Way(self.work)
        from nnmip.solution.race import Race

        return Race(self.work, ways)

    def _solve_stages(self, way: Way | Race, session: Session) -> Result:
        program, results = self.problem.program, list[Result]()
        while True:
            result = way.solve(session, program, results)
            results.append(result)
            is_last = len(program.held) + 1 >= len(program.stages)
            if is_last or not result.is_proved:
                return result
            assert result.objective is not None and result.replay is not None
            program = _held(program, result)
            self.work.known.insert(0, result.replay.assignment)

    def _first_networks(self, session: Session) -> list[Assignment]:
        """Those that the user starts from, a constant one, and that of the folder to save in."""
        program, work = self.problem.program, self.work
        users = self.users.networks(program, session, work.limits(), work.stop)
        stored = work.keeper.stored if work.keeper is not None else None
        others = (trivial_assignment(program), stored)
        return [*users, *self.starts, *(network for network in others if network is not None)]


def _held(program: Program, result: Result) -> Program:
    """The program at its next stage, the present one held at what was proved for it."""
    assert result.objective is not None
    if result.is_certified and result.bracket is not None:
        return held_at(program, result.objective, result.dual_bound, result.bracket.tolerance)
    return held_at(program, result.objective)
