"""One solve: stage after stage, each proved, lifted, replayed and kept, to the result of the run."""

from __future__ import annotations

import math
import numbers
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np

from nnmip.backends.confirm import Opinion, confirm
from nnmip.backends.process import Session
from nnmip.backends.protocol import Event, Incumbent, Progress, RawResult, SolveOptions, Termination
from nnmip.backends.registry import names
from nnmip.diagnostics import DiagnosticError
from nnmip.hir.core import Assignment, Program
from nnmip.hir.stages import held_at
from nnmip.lowering.lower import Lowered
from nnmip.records import dataclass
from nnmip.search.solve import Tied, TooMany
from nnmip.search.view import View
from nnmip.sizes import UNASKED, Allowance
from nnmip.solution.answer import RunFacts, Unencoded, fixed_integers, limits_after, make_result, replay_raw
from nnmip.solution.conflict import Conflict, find_conflict
from nnmip.solution.formulations import Choice
from nnmip.solution.keeper import Keeper
from nnmip.solution.replay import Replay, ReplayStatus, refuted_stage, replay
from nnmip.solution.result import DIRECT, Formulation, How, Proof, Result, SolutionStatus
from nnmip.solution.rounds import MOST_LPS, Rounds
from nnmip.solution.searching import SearchedStage
from nnmip.solution.start import best_of, trivial_assignment
from nnmip.solution.store import RunFolder
from nnmip.solution.tidy import tidied

ProgressHandler = Callable[[Progress], None]

POLISH_SECONDS = 5.0
"""An answer that fails the replay may be mended for this long, even after a limit or an interrupt."""

GLANCE_SECONDS = 0.5
"""Every claimed proof is looked at for this long by a second solver, or for a tenth of what the first one took."""

GLANCE_NONZEROS = 50_000
"""Larger models are looked at only where the user asks for it: handing them over takes longer than the glance."""

MENDED = "the numbers did not pass the replay; their integers were kept and the rest was solved again"


_TYPES: tuple[tuple[str, Any, str], ...] = (
    ("time_limit", (numbers.Real, NoneType), "a number of seconds or None"),
    ("gap", numbers.Real, "a number"),
    ("threads", numbers.Integral, "a whole number"),
    ("seed", numbers.Integral, "a whole number"),
)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to solve. `solver`: auto, highs, cbc or gurobi. formulation: auto, direct, columns or search.

    time_limit: seconds.

    gap: relative gap at which to stop.
    confirm: prove again with a second solver. save: folder for the run. resume: folder of an earlier run to start from.
    allowance: how large that may be.
    Raises TypeError for a number that is none, ValueError for an unknown solver or formulation, and for a limit, gap,
    number of threads or seed that makes no sense.
    """

    solver: str = "auto"
    formulation: str = "auto"
    time_limit: float | None = None
    gap: float = 0.0
    threads: int = 1
    seed: int = 0
    confirm: bool = False
    save: Path | None = None
    resume: Path | None = None
    allowance: Allowance = UNASKED

    def __post_init__(self) -> None:
        for name, kinds, wanted in _TYPES:
            value = getattr(self, name)
            if isinstance(value, bool | np.bool_) or not isinstance(value, kinds):
                raise TypeError(f"{name} must be {wanted}, not {value!r}")
            if isinstance(value, np.generic):
                object.__setattr__(self, name, value.item())
        if self.time_limit is not None and not 0 <= self.time_limit < math.inf:
            raise ValueError(f"time_limit must be a number of seconds or None, not {self.time_limit!r}")
        if not 0 <= self.gap < math.inf:
            raise ValueError(f"gap must be a finite number from 0 on, not {self.gap!r}")
        if self.formulation not in tuple(Formulation):
            known = ", ".join(Formulation)
            raise ValueError(f"formulation must be one of {known}, not {self.formulation!r}")
        if self.solver not in names():
            raise ValueError(f"solver must be one of {', '.join(names())}, not {self.solver!r}")
        if self.threads < 1:
            raise ValueError(f"threads must be at least 1, not {self.threads!r}")
        if self.seed < 0:
            raise ValueError(f"seed must be at least 0, not {self.seed!r}")


def replayed(
    lowered: Lowered, session: Session, raw: RawResult, options: SolveOptions, stop: threading.Event | None = None
) -> tuple[RawResult, Replay | None]:
    """Replay an answer; if it fails, fix its integers, solve the LP that is left, and replay that once.

    The answer to a relaxation is mended by one LP after the other, each with the tangents that the one before lacked.
    """
    checked = replay_raw(lowered, raw)
    if checked is None or checked.status is ReplayStatus.PASSED or raw.x is None:
        return raw, checked
    limits, x, closer = _polish_limits(options, raw.seconds, stop), raw.x, lowered
    for _ in range(MOST_LPS if lowered.tangents else 1):
        closer = closer.refined([closer.lift(x)])
        polished = session.solve(fixed_integers(closer.milp, raw.x), "highs", limits)
        if polished.x is None:
            break
        message = "; ".join(part for part in (raw.message, MENDED) if part)
        mended = replace(raw, x=polished.x, objective=polished.objective, message=message)
        again = replay_raw(lowered, mended)
        if again is not None and again.status is ReplayStatus.PASSED:
            return mended, again
        x = polished.x
    return raw, checked


def _if_it_ran(raw: RawResult) -> RawResult:
    """The result without a solution where the solver did not start: what it holds is only the start it was given."""
    if raw.termination in (Termination.BACKEND_MISSING, Termination.LICENCE_ERROR):
        return replace(raw, x=None, objective=None)
    return raw


def _held(program: Program, result: Result) -> Program:
    """The program at its next stage, the present one held at what was proved for it."""
    assert result.objective is not None
    if result.is_certified and result.bracket is not None:
        return held_at(program, result.objective, result.dual_bound, result.bracket.tolerance)
    return held_at(program, result.objective)


def _doubt(program: Program, result: Result) -> str:
    """Why what a search found is not to be believed; empty where nothing speaks against it."""
    if result.replay is None:
        return ""
    if result.replay.status is ReplayStatus.FAILED:
        return "what the search found did not pass the replay"
    if refuted_stage(program, result.replay) is not None:
        return "the search found a network that refutes the proof of an earlier goal"
    return ""


def _polish_limits(options: SolveOptions, spent: float, stop: threading.Event | None) -> SolveOptions:
    """What is left of the time limit, but enough for a small LP: an answer is worth a little more than the limit."""
    left = math.inf if options.time_limit is None else options.time_limit - spent
    if stop is not None and stop.is_set():
        left = 0.0
    limit = max(left, POLISH_SECONDS)
    return replace(options, start=None, gap=0.0, time_limit=limit if math.isfinite(limit) else None)


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """What a run solves: the model, the formulation of each stage for what was asked for and its solver, its encoding
    in each formulation (DiagnosticError NNM0406 where it does not fit), what reports add (of an encoding, if there is
    one), and networks in words."""

    program: Program
    fingerprint: Callable[[], str]
    choose: Callable[[Program, str, str], Choice]
    encode: Callable[[Program, str], Lowered]
    facts: Callable[[Lowered | None], RunFacts]
    describe: Callable[[Result], str]

    def lower(self, program: Program) -> Lowered:
        """The MILP of the weights."""
        return self.encode(program, Formulation.DIRECT)


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
        self.problem, self.options, self.progress = problem, options, progress
        self.stop = stop if stop is not None else threading.Event()
        self.starts = starts
        self.began = time.perf_counter()
        self.known: list[Assignment] = []
        self.tied: Tied | None = None
        self.keeper = self._keeper(options)

    def _keeper(self, options: RunOptions) -> Keeper | None:
        if options.save is None:
            return None
        return Keeper(options.save, self.problem.program, self.problem.fingerprint(), options.resume)

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.began

    def run(self) -> Result:
        """Solve the stages in their order, each only after the one before it is proved."""
        with Session() as session:
            return self.run_in(session)

    def run_in(self, session: Session, explains: bool = True) -> Result:
        """The same with a solver process that goes on; `explains` says whether an infeasible model needs a conflict."""
        program = self.problem.program
        self.known = self._first_networks()
        results: list[Result] = []
        while True:
            result = self._solve_stage(session, program, results)
            results.append(result)
            is_last = len(program.held) + 1 >= len(program.stages)
            if is_last or not result.is_proved:
                break
            assert result.objective is not None and result.replay is not None
            program = _held(program, result)
            self.known.insert(0, result.replay.assignment)
        if explains and result.termination is Termination.INFEASIBLE and not result.has_answer:
            result = replace(result, conflict=self._conflict(session))
        if self.keeper is None:
            return result
        remark = self.keeper.finish(result, self.problem.describe(result))
        return replace(result, notes=(*result.notes, remark)) if remark else replace(result, saved=True)

    def _solve_stage(self, session: Session, program: Program, earlier: list[Result]) -> Result:
        """One stage; Ctrl-C before its solver runs leaves the network and the proofs of the stages before."""
        options = self.options
        choice = self.problem.choose(program, options.formulation, options.solver)
        try:
            how = choice.how
            if choice.view is not None:
                try:
                    result = self._searched(session, choice.view, earlier)
                except TooMany:
                    why = "too many networks are equal for the first goal"
                except ArithmeticError as error:
                    why = str(error)
                else:
                    why = _doubt(program, result)
                    if not why or options.formulation == Formulation.SEARCH:
                        return result
                how = How(Formulation.DIRECT, why)
            return _Stage(self, session, self.problem.encode(program, how.formulation), earlier, how).solve()
        except KeyboardInterrupt:
            if not earlier:
                raise
            return replace(
                earlier[-1],
                termination=Termination.INTERRUPTED,
                solution=SolutionStatus.FEASIBLE,
                proof=Proof.NONE,
                message="",
            )

    def _searched(self, session: Session, view: View, earlier: list[Result]) -> Result:
        """A stage by search over columns, with the opinion of a second solver where that is asked for."""
        program, limit = view.program, self.limits().time_limit
        start = best_of(program, self.known)
        offer = partial(self.keeper.offer, program) if self.keeper is not None else None
        if offer is not None and start is not None:
            offer(start, None)
        exact = SearchedStage(view, start, self.tied, self.stop.is_set, self.progress, offer)
        found = exact.search(self.options.allowance, math.inf if limit is None else limit, self.seconds)
        self.tied = found.tied
        raw, checked, proof = replace(found.raw, message=self._unused(program)), found.checked, Proof.CERTIFIED
        if self.options.confirm:
            stage = _Stage(self, session, self._second_opinion(program), earlier, DIRECT)
            raw, checked, proof = stage.proved(raw, checked)
            proof = Proof.CERTIFIED if proof is Proof.SOLVER else proof
        facts = self.problem.facts(None)
        facts = replace(facts, times={**facts.times, "solve": self.seconds}, how=found.how)
        return make_result(Unencoded(program, notes=view.notes), raw, checked, proof, facts, earlier)

    def _second_opinion(self, program: Program) -> Lowered:
        """The MILP for a second solver: that of columns, whose proofs end, or the direct one where there is none."""
        try:
            return self.problem.encode(program, Formulation.COLUMNS)
        except DiagnosticError:
            return self.problem.lower(program)

    def _unused(self, program: Program) -> str:
        """Why the network of the run to resume is no start; empty where it is one, or there is none."""
        if self.options.resume is None:
            return ""
        checked = replay(program, self.known[0], None, None)
        return "" if checked.status is ReplayStatus.PASSED else f"the start was not used: {checked.message}"

    def limits(self) -> SolveOptions:
        """What the solver is told, with what is left of the time limit."""
        given = self.options
        options = SolveOptions(time_limit=given.time_limit, gap=given.gap, threads=given.threads, seed=given.seed)
        return limits_after(options, self.seconds)

    def _first_networks(self) -> list[Assignment]:
        """The network of the run to resume, else a constant one, and that of the folder to save in."""
        program, resume = self.problem.program, self.options.resume
        start = (
            RunFolder(resume, self.options.allowance).load_assignment(program)
            if resume is not None
            else trivial_assignment(program)
        )
        stored = self.keeper.stored if self.keeper is not None else None
        return [a for a in (start, stored, *self.starts) if a is not None]

    def _conflict(self, session: Session) -> Conflict:
        """Which constraints of the model cannot hold together."""

        def solve(lowered: Lowered, limit: float, what: str) -> RawResult:
            def show(event: Event) -> None:
                if self.progress is not None and isinstance(event, Progress):
                    self.progress(Progress(f"conflict {what}", self.seconds, nodes=event.nodes))

            options, began = replace(self.limits(), gap=0.0, time_limit=limit), time.perf_counter()

            def limits() -> SolveOptions:
                return limits_after(options, time.perf_counter() - began)

            def once(lowered: Lowered, options: SolveOptions) -> RawResult:
                return session.solve(lowered.milp, self.options.solver, options, show, self.stop)

            if lowered.tangents:
                return Rounds(lowered, session, once, limits).run([])[0]
            return once(lowered, options)

        return find_conflict(self.problem.program, self.problem.lower, solve, self.seconds, self.limits().time_limit)


class _Stage:
    """One stage of a run: solved, replayed, and proved once more where that is asked for."""

    def __init__(self, run: Run, session: Session, lowered: Lowered, earlier: list[Result], how: How) -> None:
        self.run, self.session, self.lowered, self.earlier, self.how = run, session, lowered, earlier, how
        self.program = lowered.program
        self.began = time.perf_counter()
        self.raw: RawResult | None = None
        self.rounds = Rounds(self.lowered, session, self._solve, run.limits)

    def solve(self) -> Result:
        try:
            raw, checked, proof = self._answer()
        except KeyboardInterrupt:
            if self.raw is None:
                raise
            raw, proof = replace(self.raw, termination=Termination.INTERRUPTED), Proof.NONE
            if self.lowered.tangents:
                self.lowered = self.rounds.lowered
                raw, checked = self.rounds.answer(Termination.INTERRUPTED)
            else:
                checked = replay_raw(self.lowered, raw)
        if self.earlier and (checked is None or checked.status is not ReplayStatus.PASSED):
            raw, checked = self._network_before(raw, checked)
        refuted = refuted_stage(self.program, checked) if checked is not None else None
        if checked is not None and refuted is not None:
            return self._refuted(refuted, raw, checked)
        facts, rounds = self._facts(self.lowered), self.rounds.count
        return make_result(self.lowered, raw, checked, proof, facts, self.earlier, rounds)

    def _facts(self, lowered: Lowered) -> RunFacts:
        facts = self.run.problem.facts(lowered)
        return replace(facts, times={**facts.times, "solve": self.run.seconds}, how=self.how)

    def _refuted(self, number: int, raw: RawResult, checked: Replay) -> Result:
        """The end of a run in which a later stage found a network that is better than a proof of stage `number`."""
        program = replace(self.program, held=self.program.held[: number - 1])
        claimed = self.program.held[number - 1].value
        message = f"{raw.solver} claimed {claimed:.9g} as the best value of this stage, and found a better one later"
        lowered = self.run.problem.lower(program)
        error = RawResult(Termination.SOLVER_ERROR, raw.solver, raw.version, message=message, log=raw.log)
        again = replay(program, checked.assignment, None, None)
        return make_result(lowered, error, again, Proof.NONE, self._facts(lowered), self.earlier[: number - 1])

    def _answer(self) -> tuple[RawResult, Replay | None, Proof]:
        run, start = self.run, self._start()
        if run.keeper is not None and start is not None:
            run.keeper.offer(self.program, start, None)
        if self.lowered.tangents:
            raw, checked = self.rounds.run([start] if start is not None else [])
            self.lowered = self.rounds.lowered
            return self.proved(raw, checked)
        options = replace(run.limits(), start=self.lowered.complete(start) if start is not None else None)
        raw = self._solve(self.lowered, options)
        raw, checked = replayed(self.lowered, self.session, raw, options, run.stop)
        return self.proved(raw, checked)

    def _solve(self, lowered: Lowered, options: SolveOptions) -> RawResult:
        """The answer of the solver, kept for the case that what follows is interrupted."""
        run = self.run
        self.raw = _if_it_ran(self.session.solve(lowered.milp, run.options.solver, options, self._on_event, run.stop))
        return self.raw

    def _start(self) -> Assignment | None:
        """The best network that is known; None where no such network satisfies the constraints."""
        # A network to resume from that breaks the model still goes to the solver, which says by how much.
        return best_of(self.program, self.run.known) or next(iter(self.run.known), None)

    def _network_before(self, raw: RawResult, checked: Replay | None) -> tuple[RawResult, Replay]:
        """The network of the stage before, where this stage has no better answer; nothing is claimed of a bound."""
        before = self.earlier[-1].replay
        assert before is not None
        message = checked.message if checked is not None else raw.message
        termination = raw.termination
        if termination is Termination.INFEASIBLE and not self.lowered.admits(before.assignment):
            message = "the goal leaves out networks too near to its thresholds, and no others keep the stages before"
        elif termination in (Termination.OPTIMAL, Termination.INFEASIBLE):
            message = message or f"{raw.solver} finds no network that keeps the stages before, but there is one"
            termination = Termination.SOLVER_ERROR
        again = replay(self.program, before.assignment, None, None)
        return replace(raw, termination=termination, dual_bound=-math.inf, message=message), again

    def _on_event(self, event: Event) -> None:
        sign, run = self.lowered.sign, self.run
        if isinstance(event, Incumbent):
            self._save_incumbent(event)
            return
        if run.progress is not None:
            incumbent = sign * event.incumbent if event.incumbent is not None else None
            bound = sign * event.dual_bound if event.dual_bound is not None else None
            phase = event.phase
            if self.lowered.tangents:
                incumbent, bound = self.rounds.progress(bound)
                phase = f"round {self.rounds.count + 1} {phase}"
            if len(self.program.stages) > 1:
                phase = f"stage {len(self.program.held) + 1} of {len(self.program.stages)} {phase}"
            seconds = self.began - run.began + event.seconds
            run.progress(replace(event, phase=phase, incumbent=incumbent, dual_bound=bound, seconds=seconds))

    def _on_confirming(self, event: Event) -> None:
        """Progress of the second solver, under a name of its own: its bound starts from nothing."""
        self._on_event(replace(event, phase=f"confirm {event.phase}") if isinstance(event, Progress) else event)

    def _save_incumbent(self, event: Incumbent) -> None:
        """Write a network to disk as soon as the solver lets it out, if its replay passes."""
        is_relaxed = bool(self.lowered.tangents)
        if self.run.keeper is None and not is_relaxed:
            return
        network = tidied(self.program, self.lowered.lift(event.x))
        if is_relaxed:
            self.rounds.offer(network)
        if self.run.keeper is not None:
            has_goal = self.program.goal is not None and not is_relaxed
            self.run.keeper.offer(self.program, network, self.lowered.sign * event.objective if has_goal else None)

    def _glance(self, raw: RawResult) -> SolveOptions | None:
        """How long a second solver looks at a claim unasked: solvers prove false optima of small models, rarely.

        None where no time is left, and for models that are large.
        """
        limits = self.run.limits()
        left = math.inf if limits.time_limit is None else limits.time_limit
        if left <= 0 or self.lowered.milp.num_nonzeros > GLANCE_NONZEROS:
            return None
        return replace(limits, time_limit=min(left, max(GLANCE_SECONDS, raw.seconds / 10)))

    def proved(self, raw: RawResult, checked: Replay | None) -> tuple[RawResult, Replay | None, Proof]:
        """The proof that the solver gives, or that a second solver confirms or refutes."""
        has_optimum = raw.termination is Termination.OPTIMAL and self.program.goal is not None
        passed = checked is not None and checked.status is ReplayStatus.PASSED
        claims = (has_optimum and passed) or raw.termination is Termination.INFEASIBLE
        asked = self.run.options.confirm
        limits = self.run.limits() if asked else self._glance(raw)
        if not claims or limits is None:
            return raw, checked, Proof.SOLVER
        milp = self.lowered.milp
        # Of a relaxation the bound is what is claimed, not the value of the network.
        first = replace(raw, objective=raw.dual_bound) if self.lowered.tangents and has_optimum else raw
        second = confirm(milp, first, None, limits, self._on_confirming if asked else None, self.run.stop, self.session)
        if second.stopped:
            self.run.stop.set()  # what is proved stays proved, and nothing more is asked
        if second.status is not Opinion.REFUTED:
            # What a glance confirms depends on the machine: it is not said, so that a run prints the same everywhere.
            is_confirmed = asked and second.status is Opinion.CONFIRMED
            message = second.message if asked else raw.message
            return replace(raw, message=message), checked, Proof.CONFIRMED if is_confirmed else Proof.SOLVER
        refuted = replace(
            raw,
            termination=Termination.SOLVER_ERROR,
            x=second.x,
            objective=milp.objective(second.x) if second.x is not None else None,
            dual_bound=second.bound,
            message=second.message,
        )
        again = replay_raw(self.lowered, refuted)
        if not asked and (again is None or again.status is not ReplayStatus.PASSED):
            return raw, checked, Proof.SOLVER  # what a solver leaves behind at a short limit refutes nothing
        return refuted, again, Proof.NONE
