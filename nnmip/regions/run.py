"""Training under rules over regions: train, verify, add what breaks a rule, train again.

A round solves the model with the rules at finitely many points, a relaxation, whose bound is one for the model; it
verifies the network that is found, and adds the points at which a rule is broken (counterexample-guided: Solar-Lezama
et al., "Combinatorial sketching for finite programs", 2006; cutting planes for semi-infinite programs: Blankenship and
Falk 1976). A network that is verified and optimal is optimal for the model itself.

With continuous weights the optimum lies on a rule, where no solver stays exactly. So, once no rule is broken by more
than `DELTA`, those that are not verified are tightened by it at all points. A network that is optimal then, and
verified for the rules as they are, is at least as good as every network that keeps the tightened rules: these satisfy
the tightened relaxation. Goals in stages have their turns one after the other, each with rounds of its own; what may be
concluded of them stands in `nnmip.regions.aim`.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import field, replace

from nnmip.backends.process import Session
from nnmip.backends.protocol import Progress, Termination
from nnmip.hir.core import Apply, Assignment, Program
from nnmip.hir.goals import Constraint
from nnmip.hir.order import is_better, rank
from nnmip.hir.stages import held_at
from nnmip.incumbents.known import trivial_assignment
from nnmip.records import dataclass
from nnmip.regions.aim import DELTA, NUDGE, Aim
from nnmip.regions.check import Checker, Finding
from nnmip.regions.claims import Conclusion, Proved, proved
from nnmip.regions.instances import Instances, Point
from nnmip.solution.answer import RunFacts
from nnmip.solution.keeper import Keeper
from nnmip.solution.options import RunOptions
from nnmip.solution.promise import RELAXED, START, TIGHTENED, Round
from nnmip.solution.replay import Replay, ReplayStatus, refuted_stage, replay
from nnmip.solution.result import Result, SolutionStatus
from nnmip.solution.run import Run
from nnmip.solution.users import UsersNetworks
from nnmip.solution.work import Problem, ProgressHandler
from nnmip.source import Origin
from nnmip.verification.milp import Solve
from nnmip.verification.verdict import Answer

SUFFICIENT_SHARE = 0.2
"""The share of the time limit for the best network under a condition that is enough for the rules."""

SUFFICIENT_SECONDS = 10.0
"""The same without a time limit."""

TRAINING_SHARE = 0.9
"""The share of the time left that a round may train, so that a network it ends with at the limit can be verified."""

RAISING_SHARE = 0.5
"""The share of the time left for a better bound of a goal, where other goals come after it."""

LAST_SECONDS = 5.0
"""How long the network that a round ends with may be verified after Ctrl-C."""


@dataclass(slots=True, eq=False)
class RegionRun:
    """One training under rules over regions. `problem` is that of the model without them; `program` has them.
    `verifying` solves the MILPs of a verification, by the solver of the given name. interrupted: when Ctrl-C ended a
    part of it, by the clock of `began`."""

    program: Program
    problem: Problem
    options: RunOptions
    verifying: Callable[[str], Solve]
    progress: ProgressHandler | None
    stop: threading.Event
    began: float = field(default_factory=time.perf_counter)
    points: dict[tuple[int, int, bytes], Point] = field(default_factory=dict)
    rounds: list[Round] = field(default_factory=list)
    best: Proved | None = None
    latest: Result | None = None
    keeper: Keeper | None = None
    remarks: list[str] = field(default_factory=list)
    earlier: list[Result] = field(default_factory=list)
    interrupted: float = math.inf
    aim: Aim = field(init=False)

    def __post_init__(self) -> None:
        self.aim = Aim(self.problem.program)

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
        while True:
            ended = self._train(session, instances, checker)
            if self.aim.is_tight and not self._is_closed():
                self._raise_bound(session, instances, checker)
            if ended is not Termination.OPTIMAL or self.aim.is_last:
                return ended
            self._hold()

    def _hold(self) -> None:
        """The turn of the next goal: this one is held at the value of the best network that keeps the rules."""
        best, aim = self.best, self.aim
        assert best is not None and best.checked.objective is not None
        result = self._result(Termination.OPTIMAL)
        assert result.promise is not None
        self.earlier.append(result)
        bound = None if result.solution is SolutionStatus.OPTIMAL else aim.bound
        program = held_at(aim.program, best.checked.objective, bound, result.promise.tolerance)
        self.aim = Aim(program, best.checked.assignment)
        self.best = replace(best, checked=replay(program, best.checked.assignment, None, None))

    def _train(self, session: Session, instances: Instances, checker: Checker) -> Termination:
        """Rounds until a network is the best and verified, or nothing more can be done; why they end."""
        aim = self.aim
        while (over := self._over()) is None:
            result, findings = self._round(session, instances, checker, bool(aim.tightened), self._left())
            self.latest = aim.last = result
            if findings is None or result.replay is None:
                return self._without_network(result, instances)
            if (number := refuted_stage(aim.program, result.replay)) is not None:
                return self._refuted(number, self._message(result))
            is_kept = all(found.answer is Answer.VERIFIED for found in findings)
            if not result.is_proved and self.program.goal is not None:
                aim.message = self._message(result)
                return result.termination or Termination.SOLVER_ERROR
            if is_kept:
                aim.is_proved, aim.is_tight = True, bool(aim.tightened)
                return Termination.OPTIMAL
            if not self._add(instances, findings, tightens=True) and not self._is_interrupted:
                aim.message = _stuck(findings)
                return Termination.GAP_LIMIT
        return over

    def _raise_bound(self, session: Session, instances: Instances, checker: Checker) -> None:
        """Rounds without tightening, for a better bound, until their networks break no rule by more than `DELTA`. One
        that is verified is the best of all."""
        left = self._left()
        end = math.inf if left is None or self.aim.is_last else time.perf_counter() + RAISING_SHARE * left
        while self._over() is None and (rest := end - time.perf_counter()) > 0:
            limit = rest if left is not None and math.isfinite(rest) else self._left()
            result, findings = self._round(session, instances, checker, False, limit)
            if findings is None or not result.is_proved or not self._add(instances, findings, tightens=False):
                return

    def _round(
        self, session: Session, instances: Instances, checker: Checker, is_tightened: bool, left: float | None
    ) -> tuple[Result, list[Finding] | None]:
        """The best network for the rules at all points, and what its verification says; None without a network."""
        kind = TIGHTENED if is_tightened else RELAXED
        result = self._solved(session, self._relaxation(instances, is_tightened), kind, left)
        if not is_tightened:
            self.aim.keep_bound(result)
        if result.replay is None or not result.has_answer:
            return result, None
        network = result.replay.assignment
        findings = checker.findings(network)
        self._record(kind, result.objective, findings)
        if all(found.answer is Answer.VERIFIED for found in findings):
            self._keep(network, findings)
        return result, findings

    def _relaxation(self, instances: Instances, is_tightened: bool) -> Program:
        """The goal in its turn, with the rules at all points."""
        points = list(self.points.values())
        program = instances.at(points, self.aim.deltas(instances, points, is_tightened))
        return replace(program, held=self.aim.program.held)

    def _solved(self, session: Session, program: Program, kind: str, left: float | None) -> Result:
        number = len([each for each in self.rounds if each.kind != START]) + 1
        limit = None if left is None else TRAINING_SHARE * left
        options = replace(self.options, save=None, resume=None, start=None, time_limit=limit)
        problem = replace(self.problem, program=program)
        starts = [] if self.best is None else [self.best.checked.assignment]

        def show(progress: Progress) -> None:
            if self.progress is not None:
                phase = f"round {number} {kind} {progress.phase}"
                self.progress(replace(progress, phase=phase, seconds=time.perf_counter() - self.began))

        run = Run(problem, options, show, self.stop, starts)
        return self._heeded(run.stage_in(session, explains=kind == RELAXED and self.best is None))

    def _heeded(self, result: Result) -> Result:
        """A run keeps what it has at Ctrl-C, and ends as usual: it is for this one to end, too."""
        if result.termination is Termination.INTERRUPTED:
            self.interrupted = min(self.interrupted, time.perf_counter())
        return result

    def _refuted(self, number: int, message: str) -> Termination:
        """Back to the turn of a goal of which a round has found a network that is better than what was proved of it:
        nothing of it and of those after it is proved any more."""
        before = self.aim.program
        self.aim = Aim(replace(before, held=before.held[: number - 1]), message=message)
        del self.earlier[number - 1 :]
        if self.best is not None:
            again = replay(self.aim.program, self.best.checked.assignment, None, None)
            self.best = replace(self.best, checked=again)
        return Termination.SOLVER_ERROR

    def _without_network(self, result: Result, instances: Instances) -> Termination:
        termination, aim = result.termination or Termination.SOLVER_ERROR, self.aim
        if termination is Termination.INFEASIBLE and aim.tightened:
            tightened = f"the rules tightened by {DELTA:g} at {len(self.points)} points"
            before = "" if aim.spare is None else " and the goals before"
            aim.message = f"no network keeps {tightened}{before}"
            return Termination.GAP_LIMIT
        if termination is Termination.INFEASIBLE and self.best is not None:
            lowered = self.problem.lower(self._relaxation(instances, False))
            if lowered.admits(self.best.checked.assignment):
                aim.message = f"{result.solver} finds no network that keeps the rules, but there is one"
                return Termination.SOLVER_ERROR
            aim.message = "the goal leaves out networks too near to its thresholds, and no others keep the rules"
            return termination
        aim.message = self._message(result)
        return termination

    def _message(self, result: Result) -> str:
        """What is said of a round, without the number of its goal, which the end adds."""
        return result.message.removeprefix(f"stage {self.aim.number}: ")

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
        result = self.latest = self._heeded(Run(problem, options, None, self.stop).run_in(session, explains=False))
        if result.replay is not None and result.has_answer:
            network = result.replay.assignment
            self._consider(network, replay(self.problem.program, network, None, None), checker)

    def _consider(self, network: Assignment, made: Replay, checker: Checker) -> bool:
        findings = checker.findings(network)
        self._record(START, made.objective, findings)
        is_proved = all(found.answer is Answer.VERIFIED for found in findings)
        if is_proved:
            self._keep(network, findings)
        return is_proved

    # ---- what is kept ------------------------------------------------------------------------------------------

    def _keep(self, network: Assignment, findings: Sequence[Finding]) -> None:
        """A network that keeps all rules and the goals before, if it is the best so far."""
        program = self.aim.program
        checked = replay(program, network, None, None)
        if checked.status is not ReplayStatus.PASSED:
            return
        ranks = rank(program, checked.evaluation)
        if self.best is None or is_better(ranks, rank(program, self.best.checked.evaluation)):
            findings = self._confirmed(network, findings)
            self.best = proved(self.program, checked, findings)
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

    def _add(self, instances: Instances, findings: Sequence[Finding], tightens: bool) -> bool:
        """Keep the points at which rules are broken, by more than `DELTA` where there are such; where not, the rules
        are to be tightened. Whether anything is new."""
        tightened = self.aim.tightened
        before = len(self.points), len(tightened)
        broken = [(f, f.point) for f in findings if f.point is not None and f.answer is not Answer.VERIFIED]
        chosen = [(found, point) for found, point in broken if found.violation > DELTA]
        if not chosen and tightens:
            tightened.update(found.rule for found, _ in broken)
            chosen = [(f, p) for f, p in broken if f.violation + self.aim.delta(instances, p) >= NUDGE]
        for _, point in chosen:
            self.points.setdefault(point.key, point)
        return (len(self.points), len(tightened)) != before

    def _record(self, kind: str, objective: float | None, findings: Sequence[Finding]) -> None:
        worst = max(findings, key=lambda f: (_WORSE[f.answer], f.violation))
        name = "" if worst.answer is Answer.VERIFIED else self.program.regions[worst.rule].name
        made = Round(
            kind,
            self.aim.number,
            len(self.points),
            objective,
            self.aim.bound,
            str(worst.answer),
            name,
            max(0.0, worst.violation),
            time.perf_counter() - self.began,
        )
        self.rounds.append(made)
        if self.progress is not None:
            number = len([each for each in self.rounds if each.kind != START])
            said = f"`{name}` broken by {made.violation:.3g}" if worst.answer is Answer.VIOLATED else made.verdict
            goals = len(self.program.stages)
            stage = f" stage {made.stage} of {goals}" if goals > 1 else ""
            phase = f"round {number}{stage} {kind}, {made.points} points: {said}"
            self.progress(Progress(phase, made.seconds, objective, self.aim.bound, is_milestone=True))

    # ---- the end -----------------------------------------------------------------------------------------------

    def _result(self, termination: Termination) -> Result:
        """What the goal in its turn ends with."""
        facts, latest = self.problem.facts(None), self.latest
        seconds = {"solve": time.perf_counter() - self.began}
        sizes = latest.sizes if latest is not None else {}
        how = latest.how if latest is not None else facts.how
        facts = RunFacts(sizes, {**facts.times, **seconds}, facts.seed, facts.versions, how)
        end = Conclusion(self.program, self.aim, self.best, tuple(self.earlier), tuple(self.rounds), latest)
        return end.result(termination, facts)

    def _is_closed(self) -> bool:
        """Whether the best network is as good as the bound of the relaxed rounds."""
        return self.aim.is_closed(None if self.best is None else self.best.checked)

    @property
    def _solver(self) -> str:
        return self.options.ways[0].solver

    def _left(self) -> float | None:
        limit = self.options.time_limit
        end = min(math.inf if limit is None else self.began + limit, self.interrupted + LAST_SECONDS)
        return None if math.isinf(end) else max(0.0, end - time.perf_counter())

    @property
    def _is_interrupted(self) -> bool:
        return self.stop.is_set() or math.isfinite(self.interrupted)

    def _over(self) -> Termination | None:
        if self._is_interrupted:
            return Termination.INTERRUPTED
        left = self._left()
        return Termination.TIME_LIMIT if left is not None and left <= 0 else None


def _stuck(findings: Sequence[Finding]) -> str:
    """Why nothing is left to be done."""
    reasons = [f.reason for f in findings if f.reason and f.answer is not Answer.VERIFIED]
    return reasons[0] if reasons else "no new point was found at which the network breaks a rule"


_WORSE = {Answer.VERIFIED: 0, Answer.UNKNOWN: 1, Answer.VIOLATED: 2}


def _sufficient(program: Program, place: int) -> Constraint | None:
    """A condition that is enough for a rule, None where there is none."""
    rule = program.regions[place]
    slopes = [cell.slopes[0] for cell in rule.cells if cell.is_slope]
    if len(slopes) < len(rule.cells) or not slopes:
        return None
    first = slopes[0]
    direction = "increasing" if first.sign > 0 else "decreasing"
    options = (("features", tuple(slope.feature for slope in slopes)), ("direction", direction))
    word = Apply("monotone", (), first.network, None, options, (), True, Origin(rule.origin.span, "monotone"))
    return Constraint(f"{rule.name}, sufficient", None, (word,), rule.origin, rule.condition)
