"""One stage of a run by a solver: solved, lifted, replayed, and its proof looked at by a second solver."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from dataclasses import replace

from nnmip.backends.confirm import Opinion, confirm
from nnmip.backends.process import Session
from nnmip.backends.protocol import Event, Incumbent, Progress, RawResult, SolveOptions, Termination
from nnmip.backends.review import proof_tolerance
from nnmip.hir.core import Assignment
from nnmip.incumbents.known import best_of
from nnmip.incumbents.look import Look, is_worth_it
from nnmip.lowering.lower import Lowered
from nnmip.solution.answer import RunFacts, fixed_integers, make_result, replay_raw
from nnmip.solution.replay import Replay, ReplayStatus, refuted_stage, replay
from nnmip.solution.result import Beginning, Formulation, How, Proof, Result
from nnmip.solution.rounds import MOST_LPS, Rounds
from nnmip.solution.tidy import tidied
from nnmip.solution.work import Work

POLISH_SECONDS = 5.0
"""An answer that fails the replay may be mended for this long, even after a limit or an interrupt."""

GLANCE_SECONDS = 0.5
"""Every claimed proof is looked at for this long by a second solver, or for a tenth of what the first one took."""

GLANCE_NONZEROS = 50_000
"""Larger models are looked at only where the user asks for it: handing them over takes longer than the glance."""

MENDED = "the numbers did not pass the replay; their integers were kept and the rest was solved again"


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


def _polish_limits(options: SolveOptions, spent: float, stop: threading.Event | None) -> SolveOptions:
    """What is left of the time limit, but enough for a small LP: an answer is worth a little more than the limit."""
    left = math.inf if options.time_limit is None else options.time_limit - spent
    if stop is not None and stop.is_set():
        left = 0.0
    limit = max(left, POLISH_SECONDS)
    return replace(options, start=None, gap=0.0, time_limit=limit if math.isfinite(limit) else None)


class Stage:
    """A stage and what its solver has said so far."""

    def __init__(self, work: Work, session: Session, lowered: Lowered, earlier: Sequence[Result], how: How) -> None:
        self.work, self.session, self.lowered, self.earlier, self.how = work, session, lowered, earlier, how
        self.program = lowered.program
        self.began = time.perf_counter()
        self.raw: RawResult | None = None
        self.start: Assignment | None = None
        self.beginning: Beginning | None = None
        self.rounds = Rounds(self.lowered, session, self._solve, work.limits)

    def solve(self) -> Result:
        try:
            raw, checked, proof = self._answer()
        except KeyboardInterrupt:
            raw, checked, proof = self._interrupted()
        if self.earlier and (checked is None or checked.status is not ReplayStatus.PASSED):
            raw, checked = self._network_before(raw, checked)
        refuted = refuted_stage(self.program, checked) if checked is not None else None
        if checked is not None and refuted is not None:
            return self._refuted(refuted, raw, checked)
        facts, rounds = self._facts(self.lowered), self.rounds.count
        result = make_result(self.lowered, raw, checked, proof, facts, self.earlier, rounds)
        return replace(result, start=self.beginning)

    def _interrupted(self) -> tuple[RawResult, Replay | None, Proof]:
        """What is there at Ctrl-C outside of the solver: before it began, what it ends with at once is the start."""
        if self.raw is None:
            if self.start is None:
                raise KeyboardInterrupt
            self.work.stop.set()
            return self._answer()
        if self.lowered.tangents:
            self.lowered = self.rounds.lowered
            return *self.rounds.answer(Termination.INTERRUPTED), Proof.NONE
        raw = replace(self.raw, termination=Termination.INTERRUPTED)
        return raw, replay_raw(self.lowered, raw), Proof.NONE

    def _facts(self, lowered: Lowered) -> RunFacts:
        facts = self.work.problem.facts(lowered)
        return replace(facts, times={**facts.times, "solve": self.work.seconds}, how=self.how)

    def _refuted(self, number: int, raw: RawResult, checked: Replay) -> Result:
        """The end of a run in which a later stage found a network that is better than a proof of stage `number`."""
        program = replace(self.program, held=self.program.held[: number - 1])
        claimed = self.program.held[number - 1].value
        message = f"{raw.solver} claimed {claimed:.9g} as the best value of this stage, and found a better one later"
        lowered = self.work.problem.lower(program)
        error = RawResult(Termination.SOLVER_ERROR, raw.solver, raw.version, message=message, log=raw.log)
        again = replay(program, checked.assignment, None, None)
        return make_result(lowered, error, again, Proof.NONE, self._facts(lowered), self.earlier[: number - 1])

    def _answer(self) -> tuple[RawResult, Replay | None, Proof]:
        work, start = self.work, self._start()
        if work.keeper is not None and start is not None:
            work.keeper.offer(self.program, start, None)
        if self.lowered.tangents:
            raw, checked = self.rounds.run([start] if start is not None else [])
            self.lowered = self.rounds.lowered
            return self.proved(raw, checked)
        options = replace(work.limits(), start=self.lowered.complete(start) if start is not None else None)
        raw = self._solve(self.lowered, options)
        raw, checked = replayed(self.lowered, self.session, raw, options, work.stop)
        return self.proved(raw, checked)

    def _solve(self, lowered: Lowered, options: SolveOptions) -> RawResult:
        """The answer of the solver, kept for the case that what follows is interrupted."""
        work = self.work
        self.raw = _if_it_ran(self.session.solve(lowered.milp, work.options.solver, options, self._on_event, work.stop))
        return self.raw

    def _start(self) -> Assignment | None:
        """The best network that is known; None where no such network satisfies the constraints.

        For the MILP of the weights a better one is looked for where that is worth its time.
        """
        if self.start is not None:
            return self.start
        work, limits, began = self.work, self.work.limits(), time.perf_counter()
        start, source = best_of(self.program, work.known), "known"
        is_first = self.how.formulation is Formulation.DIRECT and not self.program.held
        if work.looks and is_first and self.program.goal is not None and is_worth_it(self.lowered, limits):
            look = Look(self.lowered, self.session, limits, work.stop)
            try:
                found = look.best([start] if start is not None else [])
            except KeyboardInterrupt:
                work.stop.set()  # the solver then ends with what is known
                found = start
            source = "known" if found is start else "found"
            start = found
        if start is not None:
            self.start, value = start, replay(self.program, start, None, None).objective
            self.beginning = Beginning(value, source, time.perf_counter() - began)
            if source == "found" and work.progress is not None:
                work.progress(Progress("a network to start from", work.seconds, incumbent=value))
        return start

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
        sign, work = self.lowered.sign, self.work
        if isinstance(event, Incumbent):
            self._save_incumbent(event)
            return
        if work.progress is not None:
            incumbent = sign * event.incumbent if event.incumbent is not None else None
            bound = sign * event.dual_bound if event.dual_bound is not None else None
            phase = event.phase
            if self.lowered.tangents:
                incumbent, bound = self.rounds.progress(bound)
                phase = f"round {self.rounds.count + 1} {phase}"
            if len(self.program.stages) > 1:
                phase = f"stage {len(self.program.held) + 1} of {len(self.program.stages)} {phase}"
            seconds = self.began - work.began + event.seconds
            work.progress(replace(event, phase=phase, incumbent=incumbent, dual_bound=bound, seconds=seconds))

    def _on_confirming(self, event: Event) -> None:
        """Progress of the second solver, under a name of its own: its bound starts from nothing."""
        self._on_event(replace(event, phase=f"confirm {event.phase}") if isinstance(event, Progress) else event)

    def _save_incumbent(self, event: Incumbent) -> None:
        """Write a network to disk as soon as the solver lets it out, if its replay passes."""
        is_relaxed = bool(self.lowered.tangents)
        if self.work.keeper is None and not is_relaxed:
            return
        network = tidied(self.program, self.lowered.lift(event.x))
        if is_relaxed:
            self.rounds.offer(network)
        if self.work.keeper is not None:
            has_goal = self.program.goal is not None and not is_relaxed
            self.work.keeper.offer(self.program, network, self.lowered.sign * event.objective if has_goal else None)

    def _glance(self, raw: RawResult) -> SolveOptions | None:
        """How long a second solver looks at a claim unasked: solvers prove false optima of small models, rarely.

        None where no time is left, and for models that are large.
        """
        limits = self.work.limits()
        left = math.inf if limits.time_limit is None else limits.time_limit
        if left <= 0 or self.lowered.milp.num_nonzeros > GLANCE_NONZEROS:
            return None
        return replace(limits, time_limit=min(left, max(GLANCE_SECONDS, raw.seconds / 10)))

    def proved(self, raw: RawResult, checked: Replay | None) -> tuple[RawResult, Replay | None, Proof]:
        """The proof that the solver gives, or that a second solver confirms or refutes."""
        has_optimum = raw.termination is Termination.OPTIMAL and self.program.goal is not None
        passed = checked is not None and checked.status is ReplayStatus.PASSED
        claims = (has_optimum and passed) or raw.termination is Termination.INFEASIBLE
        asked = self.work.options.confirm
        limits = self.work.limits() if asked else self._glance(raw)
        if not claims or limits is None:
            return raw, checked, Proof.SOLVER
        milp = self.lowered.milp
        # Of a relaxation the bound is what is claimed, not the value of the network.
        first = replace(raw, objective=raw.dual_bound) if self.lowered.tangents and has_optimum else raw
        second = confirm(
            milp, first, None, limits, self._on_confirming if asked else None, self.work.stop, self.session
        )
        if second.stopped:
            self.work.stop.set()  # what is proved stays proved, and nothing more is asked
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
        if checked is not None and again is not None and not self._is_better(again, checked):
            # The value that refutes lies within what the tolerances let the second solver's columns err.
            message = f"{second.solver} found an answer of the same value, and no proof" if asked else raw.message
            return replace(raw, message=message), checked, Proof.SOLVER
        return refuted, again, Proof.NONE

    def _is_better(self, one: Replay, other: Replay) -> bool:
        """Whether an answer is worth more than another by the meaning, beyond what a proof leaves open."""
        if self.lowered.tangents or one.status is not ReplayStatus.PASSED:
            return True  # of a relaxation the bound is false, whatever its network is worth
        if one.objective is None or other.objective is None:
            return True
        return self.lowered.sign * (other.objective - one.objective) > proof_tolerance(other.objective)
