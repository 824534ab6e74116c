"""One solve: stage after stage, each proved, lifted, replayed and kept, to the result of the run."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace

from nnmip.backends.process import Session
from nnmip.backends.protocol import Event, Progress, RawResult, SolveOptions, Termination
from nnmip.hir.core import Assignment, Program
from nnmip.hir.stages import held_at
from nnmip.lowering.lower import Lowered
from nnmip.solution.answer import limits_after
from nnmip.solution.conflict import Conflict, find_conflict
from nnmip.solution.keeper import Keeper
from nnmip.solution.options import RunOptions
from nnmip.solution.race import Race
from nnmip.solution.result import Result
from nnmip.solution.rounds import Rounds
from nnmip.solution.start import trivial_assignment
from nnmip.solution.users import UsersNetworks
from nnmip.solution.way import Way
from nnmip.solution.work import Problem, ProgressHandler, Work


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
        if options.save is not None:
            self.work.keeper = Keeper(options.save, problem.program, problem.fingerprint(), options.resume)

    def run(self) -> Result:
        """Solve the stages in their order, each only after the one before it is proved."""
        with Session() as session:
            return self.run_in(session)

    def run_in(self, session: Session, explains: bool = True) -> Result:
        """The same with a solver process that goes on; `explains` says whether an infeasible model needs a conflict."""
        work = self.work
        work.known = self._first_networks(session)
        ways = self.options.ways
        with closing(Race(work, ways) if len(ways) > 1 else Way(work)) as way:
            result = self._solve_stages(way, session)
        if explains and result.termination is Termination.INFEASIBLE and not result.has_answer:
            result = replace(result, conflict=self._conflict(session))
        result = replace(result, notes=(*result.notes, *self.users.remarks))
        if work.keeper is None:
            return result
        remark = work.keeper.finish(result, self.problem.describe(result))
        return replace(result, notes=(*result.notes, remark)) if remark else replace(result, saved=True)

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

    def _conflict(self, session: Session) -> Conflict:
        """Which constraints of the model cannot hold together."""
        work, solver = self.work, self.options.ways[0].solver

        def solve(lowered: Lowered, limit: float, what: str) -> RawResult:
            def show(event: Event) -> None:
                if work.progress is not None and isinstance(event, Progress):
                    work.progress(Progress(f"conflict {what}", work.seconds, nodes=event.nodes))

            options, began = replace(work.limits(), gap=0.0, time_limit=limit), time.perf_counter()

            def limits() -> SolveOptions:
                return limits_after(options, time.perf_counter() - began)

            def once(lowered: Lowered, options: SolveOptions) -> RawResult:
                return session.solve(lowered.milp, solver, options, show, work.stop)

            if lowered.tangents:
                return Rounds(lowered, session, once, limits).run([])[0]
            return once(lowered, options)

        return find_conflict(self.problem.program, self.problem.lower, solve, work.seconds, work.limits().time_limit)


def _held(program: Program, result: Result) -> Program:
    """The program at its next stage, the present one held at what was proved for it."""
    assert result.objective is not None
    if result.is_certified and result.bracket is not None:
        return held_at(program, result.objective, result.dual_bound, result.bracket.tolerance)
    return held_at(program, result.objective)
