"""What a training under rules over regions ends with: its network, how the rules are proved, and what is claimed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nnmip.backends.protocol import RawResult, Termination
from nnmip.hir.core import Program
from nnmip.records import dataclass
from nnmip.regions.aim import DELTA, Aim
from nnmip.regions.check import Finding
from nnmip.solution.answer import RunFacts, Unencoded, make_result
from nnmip.solution.promise import Kept, Promise, Round
from nnmip.solution.replay import Replay
from nnmip.solution.result import Bracket, Proof, Result, SolutionStatus


@dataclass(frozen=True, slots=True, eq=False)
class Proved:
    """A network that keeps all rules, with its replay and how each rule is proved. notes: which rules say nothing."""

    checked: Replay
    rules: tuple[Kept, ...]
    notes: tuple[str, ...]


def proved(program: Program, checked: Replay, findings: Sequence[Finding]) -> Proved:
    """What is kept of a network whose rules are all verified."""
    return Proved(checked, _kept(program, findings), _vacuous(program, findings))


@dataclass(frozen=True, slots=True, eq=False)
class Conclusion:
    """The end of a goal: of the rules of `program`, with the best network that is proved to keep them, the results of
    the goals before, and all rounds so far, of which the last one said `latest`."""

    program: Program
    aim: Aim
    best: Proved | None
    earlier: Sequence[Result]
    rounds: Sequence[Round]
    latest: Result | None

    def result(self, termination: Termination, facts: RunFacts) -> Result:
        """The best network that is proved, the bound of the relaxed rounds, and the claim that both give."""
        aim, checked = self.aim, self.best.checked if self.best is not None else None
        last, latest, goal = aim.last, self.latest, aim.program.goal
        is_empty = termination is Termination.INFEASIBLE and self.best is None
        bound = aim.bound if self._is_bound and not is_empty else None
        raw = RawResult(
            termination,
            latest.solver if latest is not None else "",
            latest.solver_version if latest is not None else "",
            dual_bound=-float("inf") if goal is None or bound is None else goal.sign * bound,
            message=aim.message,
        )
        solved = Proof.NONE if last is None else last.proof
        result = make_result(Unencoded(aim.program), raw, checked, solved, facts, self.earlier)
        conflict = last.conflict if last is not None and is_empty else None
        result = replace(result, promise=self._promise, conflict=conflict)
        if aim.is_proved and not self._promise.is_tight:
            result = replace(result, bracket=self._bracket())
        return self._claimed(result)

    def _claimed(self, result: Result) -> Result:
        """With the proof of the rules, and the claim for rules that are tightened."""
        promise, is_infeasible = self._promise, result.termination is Termination.INFEASIBLE
        if self.best is None:
            return self._with_proof(result, result.proof if is_infeasible else Proof.NONE)
        if promise.is_tight:
            result = replace(result, termination=Termination.OPTIMAL)
        if self.aim.program.goal is None:
            return self._with_proof(result, Proof(promise.proof))
        is_reached = result.bracket is not None and result.bracket.is_reached
        is_claimed = promise.is_tight or is_reached or result.solution is SolutionStatus.OPTIMAL
        return self._with_proof(result, _weakest(self._solved, Proof(promise.proof)) if is_claimed else Proof.NONE)

    def _with_proof(self, result: Result, proof: Proof) -> Result:
        """With a proof of this goal; that of the run is the weakest of all goals."""
        now = self.aim.number - 1
        stages = [
            replace(
                stage,
                proof=proof,
                is_tight=self._is_tight,
                termination=result.termination,
                bracket=result.bracket,
            )
            if number == now
            else stage
            for number, stage in enumerate(result.stages)
        ]
        whole = _weakest(proof, *(past.proof for past in self.earlier))
        return replace(result, proof=whole, stages=tuple(stages))

    @property
    def _solved(self) -> Proof:
        """How the value of this goal is proved."""
        aim = self.aim
        if aim.is_tight and not aim.is_closed(self.best.checked if self.best else None):
            return Proof.NONE if aim.last is None else aim.last.proof
        return aim.bound_proof

    @property
    def _is_bound(self) -> bool:
        """Whether the bound holds for the best network: see `nnmip.regions.aim`."""
        return not any(past.is_tightened for past in self.earlier[:-1])

    @property
    def _is_tight(self) -> bool:
        """Whether this goal is proved for tightened rules only."""
        return self.aim.is_tight and self.best is not None and not self.aim.is_closed(self.best.checked)

    @property
    def _promise(self) -> Promise:
        aim, before = self.aim, self.earlier[-1].promise if self.earlier else None
        own = tuple(self.program.regions[place].name for place in sorted(aim.tightened))
        names = own if before is None else tuple(dict.fromkeys((*before.tightened, *own)))
        is_tight = aim.is_tight or any(past.is_tightened for past in self.earlier)
        bracket = None if aim.last is None or aim.last.solution is SolutionStatus.OPTIMAL else aim.last.bracket
        tolerance = max(0.0 if bracket is None else bracket.tolerance, 0.0 if before is None else before.tolerance)
        rules = self.best.rules if self.best is not None else ()
        holds = is_tight and aim.is_proved and self.best is not None
        return Promise(rules, tuple(self.rounds), DELTA, names, holds, tolerance)

    def _bracket(self) -> Bracket | None:
        """What is proved where losses are solved within a tolerance; None where they are not."""
        last, bound = self.aim.last, self.aim.bound
        value = None if self.best is None else self.best.checked.objective
        if last is None or last.bracket is None or bound is None or value is None:
            return None
        return replace(last.bracket, lower=min(value, bound), upper=max(value, bound))


def _weakest(*proofs: Proof) -> Proof:
    return min(proofs, key=list(Proof).index)


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
