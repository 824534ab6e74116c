"""Training under rules over regions: train, verify, add what breaks a rule, train again.

A round solves the model with the rules at finitely many points, a relaxation, whose bound is one for the model; it
verifies the network that is found, and adds the points at which a rule is broken (counterexample-guided: Solar-Lezama
et al., "Combinatorial sketching for finite programs", 2006; cutting planes for semi-infinite programs: Blankenship and
Falk 1976). A network that is verified and optimal is optimal for the model itself.

With continuous weights the optimum lies on a rule, where no solver stays exactly. So, once no rule is broken by more
than `DELTA`, those that are not verified are tightened by it at all points. A network that is optimal then, and
verified for the rules as they are, is at least as good as every network that keeps the tightened rules: these satisfy
the tightened relaxation.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import field, replace

from nnmip.backends.process import Session
from nnmip.backends.protocol import Progress, RawResult, Termination
from nnmip.backends.review import proof_tolerance
from nnmip.hir.core import Apply, Assignment, Program
from nnmip.hir.goals import Constraint
from nnmip.hir.order import is_better, rank
from nnmip.incumbents.known import trivial_assignment
from nnmip.records import dataclass
from nnmip.regions.check import Checker, Finding
from nnmip.regions.instances import Instances, Point
from nnmip.solution.answer import RunFacts, Unencoded, make_result
from nnmip.solution.keeper import Keeper
from nnmip.solution.options import RunOptions
from nnmip.solution.promise import RELAXED, START, TIGHTENED, Kept, Promise, Round
from nnmip.solution.replay import Replay, ReplayStatus, replay
from nnmip.solution.result import Proof, Result, SolutionStatus
from nnmip.solution.run import Run
from nnmip.solution.users import UsersNetworks
from nnmip.solution.work import Problem, ProgressHandler
from nnmip.source import Origin
from nnmip.verification.milp import Solve
from nnmip.verification.verdict import Answer

DELTA = 1e-5
"""By how much a rule is tightened, in units of its scores; for `monotone` per width of the input domain."""

SUFFICIENT_SHARE = 0.2
"""The share of the time limit for the best network under a condition that is enough for the rules."""

SUFFICIENT_SECONDS = 10.0
"""The same without a time limit."""

TRAINING_SHARE = 0.9
"""The share of the time left that a round may train, so that a network it ends with at the limit can be verified."""


@dataclass(frozen=True, slots=True, eq=False)
class Proved:
    """A network that keeps all rules, with its replay and how each rule is proved. notes: which rules say nothing."""

    checked: Replay
    rules: tuple[Kept, ...]
    notes: tuple[str, ...]


@dataclass(slots=True, eq=False)
class RegionRun:
    """One training under rules over regions. `problem` is that of the model without them; `program` has them.
    `verifying` solves the MILPs of a verification, by the solver of the given name."""

    program: Program
    problem: Problem
    options: RunOptions
    verifying: Callable[[str], Solve]
    progress: ProgressHandler | None
    stop: threading.Event
    began: float = field(default_factory=time.perf_counter)
    points: dict[tuple[int, int, bytes], Point] = field(default_factory=dict)
    tightened: set[int] = field(default_factory=set)
    rounds: list[Round] = field(default_factory=list)
    best: Proved | None = None
    bound: float | None = None
    bound_proof: Proof = Proof.NONE
    last: Result | None = None
    keeper: Keeper | None = None
    remarks: list[str] = field(default_factory=list)
    message: str = ""
    is_tight: bool = False

    def run(self) -> Result:
        """The best network that is proved to keep the rules, with what is proved of it."""
        users = UsersNetworks(self.problem.program, self.options)
        if self.options.save is not None:
            self.keeper = Keeper(
                self.options.save, self.problem.program, self.problem.fingerprint(), self.options.resume
            )
        try:
            with Session() as session:
                termination = self._rounds(session, users)
        except KeyboardInterrupt:
            self.stop.set()
            termination = Termination.INTERRUPTED
        result = self._result(termination)
        said = () if self.best is None else self.best.notes
        result = replace(result, notes=(*result.notes, *said, *users.remarks, *self.remarks))
        if self.keeper is None:
            return result
        remark = self.keeper.finish(result, self.problem.describe(result))
        return replace(result, notes=(*result.notes, remark)) if remark else replace(result, saved=True)

    # ---- the rounds --------------------------------------------------------------------------------------------

    def _rounds(self, session: Session, users: UsersNetworks) -> Termination:
        instances = Instances(self.program)
        checker = Checker(instances, self.verifying(self._solver), self.stop, self.options.seed, self._left)
        self._known_before(session, users, checker)
        self._under_sufficient(session, checker)
        ended = self._train(session, instances, checker)
        if self.is_tight and not self._is_closed():
            self._raise_bound(session, instances, checker)
        return ended

    def _train(self, session: Session, instances: Instances, checker: Checker) -> Termination:
        """Rounds until a network is the best and verified, or nothing more can be done; why they end."""
        while (over := self._over()) is None:
            result, findings = self._round(session, instances, checker, self.tightened)
            self.last = result
            if findings is None or result.replay is None:
                return self._without_network(result)
            is_proved = all(found.answer is Answer.VERIFIED for found in findings)
            if not result.is_proved and self.program.goal is not None:
                return result.termination or Termination.SOLVER_ERROR
            if is_proved:
                self.is_tight = bool(self.tightened)
                return Termination.OPTIMAL
            if not self._add(findings, tightens=True):
                self.message = _stuck(findings)
                return Termination.GAP_LIMIT
        return over

    def _raise_bound(self, session: Session, instances: Instances, checker: Checker) -> None:
        """Rounds without tightening, for a better bound, until their networks break no rule by more than `DELTA`. One
        that is verified is the best of all."""
        while self._over() is None:
            result, findings = self._round(session, instances, checker, ())
            if findings is None or not result.is_proved or not self._add(findings, tightens=False):
                return

    def _round(
        self, session: Session, instances: Instances, checker: Checker, tightened: Collection[int]
    ) -> tuple[Result, list[Finding] | None]:
        """The best network for the rules at all points, and what its verification says; None without a network."""
        kind = TIGHTENED if tightened else RELAXED
        program = instances.at(list(self.points.values()), dict.fromkeys(tightened, DELTA))
        result = self._solved(session, program, kind)
        if not tightened:
            self._keep_bound(result)
        if result.replay is None or not result.has_answer:
            return result, None
        network = result.replay.assignment
        findings = checker.findings(network)
        self._record(kind, result.objective, findings)
        if all(found.answer is Answer.VERIFIED for found in findings):
            self._keep(network, findings)
        return result, findings

    def _solved(self, session: Session, program: Program, kind: str) -> Result:
        number = len([each for each in self.rounds if each.kind != START]) + 1
        left = self._left()
        limit = None if left is None else TRAINING_SHARE * left
        options = replace(self.options, save=None, resume=None, start=None, time_limit=limit)
        problem = replace(self.problem, program=program)
        starts = [] if self.best is None else [self.best.checked.assignment]

        def show(progress: Progress) -> None:
            if self.progress is not None:
                phase = f"round {number} {kind} {progress.phase}"
                self.progress(replace(progress, phase=phase, seconds=time.perf_counter() - self.began))

        return Run(problem, options, show, self.stop, starts).run_in(session, explains=kind == RELAXED)

    def _keep_bound(self, result: Result) -> None:
        """A bound of a relaxation is one for the model."""
        goal, bound = self.program.goal, result.dual_bound
        if goal is None or bound is None:
            return
        if self.bound is None or goal.sign * (bound - self.bound) > 0:
            self.bound = bound
            self.bound_proof = result.proof if result.is_proved else Proof.SOLVER

    def _without_network(self, result: Result) -> Termination:
        termination = result.termination or Termination.SOLVER_ERROR
        if termination is Termination.INFEASIBLE and self.tightened:
            self.message = f"no network keeps the rules tightened by {DELTA:g} at {len(self.points)} points"
            return Termination.GAP_LIMIT
        self.message = result.message
        return termination

    # ---- networks that are known before ------------------------------------------------------------------------

    def _known_before(self, session: Session, users: UsersNetworks, checker: Checker) -> None:
        from nnmip.solution.work import Work

        limits = Work(self.problem, self.options, None, self.stop).limits()
        given = users.networks(self.problem.program, session, limits, self.stop)
        stored = self.keeper.stored if self.keeper is not None else None
        trivial = trivial_assignment(self.problem.program)
        known = [network for network in (*given, stored, trivial) if network is not None]
        replays = [(network, replay(self.problem.program, network, None, None)) for network in known]
        passed = [(network, made) for network, made in replays if made.status is ReplayStatus.PASSED]
        passed.sort(key=lambda pair: rank(self.problem.program, pair[1].evaluation))
        for network, made in passed:
            if self._over() is not None or self._consider(network, made, checker):
                return

    def _under_sufficient(self, session: Session, checker: Checker) -> None:
        """The best network under conditions that are enough for the rules, where all of them have such a condition."""
        conditions = [_sufficient(self.program, place) for place in range(len(self.program.regions))]
        known = [condition for condition in conditions if condition is not None]
        if len(known) < len(conditions) or self.program.goal is None or self._over() is not None:
            return
        left = self._left()
        limit = SUFFICIENT_SECONDS if left is None else SUFFICIENT_SHARE * left
        program = replace(self.problem.program, constraints=(*self.problem.program.constraints, *known))
        problem = replace(self.problem, program=program)
        options = replace(self.options, save=None, resume=None, start=None, confirm=False, time_limit=limit)
        result = Run(problem, options, None, self.stop).run_in(session, explains=False)
        if result.replay is not None and result.has_answer:
            self._consider(result.replay.assignment, result.replay, checker)

    def _consider(self, network: Assignment, made: Replay, checker: Checker) -> bool:
        findings = checker.findings(network)
        self._record(START, made.objective, findings)
        is_proved = all(found.answer is Answer.VERIFIED for found in findings)
        if is_proved:
            self._keep(network, findings)
        return is_proved

    # ---- what is kept ------------------------------------------------------------------------------------------

    def _keep(self, network: Assignment, findings: Sequence[Finding]) -> None:
        """A network that keeps all rules, if it is the best so far."""
        program = self.problem.program
        checked = replay(program, network, None, None)
        if checked.status is not ReplayStatus.PASSED:
            return
        ranks = rank(program, checked.evaluation)
        if self.best is None or is_better(ranks, rank(program, self.best.checked.evaluation)):
            findings = self._confirmed(network, findings)
            self.best = Proved(checked, _kept(self.program, findings), _vacuous(self.program, findings))
            if self.keeper is not None:
                self.keeper.offer(program, network, None)

    def _confirmed(self, network: Assignment, findings: Sequence[Finding]) -> Sequence[Finding]:
        """What a solver proved, proved again by another one where that is asked for."""
        if not self.options.confirm or all(found.proof == "certified" for found in findings):
            return findings
        other = "highs" if self._solver == "cbc" else "cbc"
        second = Checker(Instances(self.program), self.verifying(other), self.stop, self.options.seed, self._left)
        again = second.findings(network)
        if not all(found.answer is Answer.VERIFIED for found in again):
            return findings
        return [replace(f, proof="confirmed") if f.proof != "certified" else f for f in findings]

    def _add(self, findings: Sequence[Finding], tightens: bool) -> bool:
        """Keep the points at which rules are broken, by more than `DELTA` where there are such; where not, the rules
        are to be tightened. Whether anything is new."""
        before = len(self.points), len(self.tightened)
        broken = [found for found in findings if found.point is not None and found.answer is not Answer.VERIFIED]
        clearly = [found for found in broken if found.violation > DELTA]
        if not clearly and tightens:
            self.tightened.update(found.rule for found in broken)
        for found in clearly or (broken if tightens else []):
            assert found.point is not None
            self.points.setdefault(found.point.key, found.point)
        return (len(self.points), len(self.tightened)) != before

    def _record(self, kind: str, objective: float | None, findings: Sequence[Finding]) -> None:
        worst = max(findings, key=lambda f: (_WORSE[f.answer], f.violation))
        name = "" if worst.answer is Answer.VERIFIED else self.program.regions[worst.rule].name
        made = Round(
            kind,
            len(self.points),
            objective,
            self.bound,
            str(worst.answer),
            name,
            max(0.0, worst.violation),
            time.perf_counter() - self.began,
        )
        self.rounds.append(made)
        if self.progress is not None:
            number = len([each for each in self.rounds if each.kind != START])
            said = f"`{name}` broken by {made.violation:.3g}" if worst.answer is Answer.VIOLATED else made.verdict
            phase = f"round {number} {kind}, {made.points} points: {said}"
            self.progress(Progress(phase, made.seconds, objective, self.bound, is_milestone=True))

    # ---- the end -----------------------------------------------------------------------------------------------

    def _result(self, termination: Termination) -> Result:
        """The best network that is proved, the bound of the relaxation, and the claim that both give."""
        last, goal = self.last, self.program.goal
        checked = self.best.checked if self.best is not None else None
        sign = 1.0 if goal is None else goal.sign
        bound = -float("inf") if self.bound is None else sign * self.bound
        raw = RawResult(
            termination,
            last.solver if last is not None else "",
            last.solver_version if last is not None else "",
            dual_bound=bound if goal is not None else -float("inf"),
            message=self.message,
        )
        facts = self.problem.facts(None)
        seconds = {"solve": time.perf_counter() - self.began}
        sizes = last.sizes if last is not None else {}
        how = last.how if last is not None else facts.how
        facts = RunFacts(sizes, {**facts.times, **seconds}, facts.seed, facts.versions, how)
        proof = Proof.NONE if last is None else last.proof
        result = make_result(Unencoded(self.problem.program), raw, checked, proof, facts)
        rules = self.best.rules if self.best is not None else ()
        tightened = tuple(self.program.regions[place].name for place in sorted(self.tightened))
        is_tight = self.is_tight and self.best is not None
        bracket = None if last is None or last.solution is SolutionStatus.OPTIMAL else last.bracket
        tolerance = 0.0 if bracket is None else bracket.tolerance
        promise = Promise(rules, tuple(self.rounds), DELTA, tightened, is_tight, tolerance)
        result = replace(result, promise=promise, conflict=last.conflict if last is not None else None)
        return self._claimed(result, termination)

    def _claimed(self, result: Result, termination: Termination) -> Result:
        """With the proof of the rules, and the claim for rules that are tightened."""
        promise = result.promise
        assert promise is not None
        if self.best is None:
            return replace(result, proof=result.proof if termination is Termination.INFEASIBLE else Proof.NONE)
        solved = Proof.NONE if self.last is None else self.last.proof
        if result.solution is SolutionStatus.OPTIMAL:
            proof = _weakest(self.bound_proof, promise.proof)
        elif promise.is_tight:
            proof = _weakest(solved, promise.proof)
        else:
            proof = Proof(promise.proof) if self.program.goal is None else Proof.NONE
        ended = Termination.OPTIMAL if promise.is_tight else result.termination
        return replace(result, termination=ended, proof=proof)

    def _is_closed(self) -> bool:
        """Whether the best network is as good as the bound of the relaxation."""
        value = None if self.best is None else self.best.checked.objective
        return value is not None and self.bound is not None and abs(value - self.bound) <= proof_tolerance(value)

    @property
    def _solver(self) -> str:
        return self.options.ways[0].solver

    def _left(self) -> float | None:
        limit = self.options.time_limit
        return None if limit is None else max(0.0, limit - (time.perf_counter() - self.began))

    def _over(self) -> Termination | None:
        if self.stop.is_set():
            return Termination.INTERRUPTED
        left = self._left()
        return Termination.TIME_LIMIT if left is not None and left <= 0 else None


def _stuck(findings: Sequence[Finding]) -> str:
    """Why nothing is left to be done."""
    reasons = [f.reason for f in findings if f.reason and f.answer is not Answer.VERIFIED]
    return reasons[0] if reasons else "no new point was found at which the network breaks a rule"


_WORSE = {Answer.VERIFIED: 0, Answer.UNKNOWN: 1, Answer.VIOLATED: 2}

_STRENGTH = (Proof.NONE, Proof.SOLVER, Proof.CONFIRMED, Proof.CERTIFIED)


def _weakest(solved: Proof, verified: str) -> Proof:
    return min(solved, Proof(verified), key=_STRENGTH.index)


def _kept(program: Program, findings: Sequence[Finding]) -> tuple[Kept, ...]:
    """How each rule is proved, over all its cells."""
    found = []
    for place, rule in enumerate(program.regions):
        own = [finding for finding in findings if finding.rule == place]
        margins = [finding.margin for finding in own if finding.margin is not None]
        by = ", ".join(dict.fromkeys(finding.by for finding in own))
        proofs = {finding.proof for finding in own}
        proof = next((name for name in ("solver", "confirmed") if name in proofs), "certified")
        found.append(Kept(rule.name, rule.sentence, by, proof, min(margins) if margins else None))
    return tuple(found)


def _vacuous(program: Program, findings: Sequence[Finding]) -> tuple[str, ...]:
    """Notes on rules whose assumptions no point obeys, in any of their cells: they are kept, and ask for nothing."""
    found = []
    for place, rule in enumerate(program.regions):
        notes = [finding.note for finding in findings if finding.rule == place]
        if notes and all(notes):
            found.append(f"`{rule.name}`: {', '.join(dict.fromkeys(notes))}")
    return tuple(found)


def _sufficient(program: Program, place: int) -> Constraint | None:
    """A condition that is enough for a rule, None where there is none."""
    rule = program.regions[place]
    slopes = [cell.slope for cell in rule.cells if cell.slope is not None]
    if len(slopes) < len(rule.cells) or not slopes:
        return None
    first = slopes[0]
    direction = "increasing" if first.sign > 0 else "decreasing"
    options = (("features", tuple(slope.feature for slope in slopes)), ("direction", direction))
    word = Apply("monotone", (), first.network, None, options, (), True, Origin(rule.origin.span, "monotone"))
    return Constraint(f"{rule.name}, sufficient", None, (word,), rule.origin, rule.condition)
