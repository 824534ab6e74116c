"""From a solver's raw answer to a result that can be believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nnmip.backends.protocol import RawResult, SolveOptions, Termination
from nnmip.backends.review import proof_tolerance
from nnmip.hir.core import Apply, Assignment, Program, Units
from nnmip.hir.evaluate import Evaluation, Evaluator
from nnmip.hir.walk import roots, strengthened, walk
from nnmip.milp.model import FloatArray, Milp
from nnmip.records import dataclass
from nnmip.solution.metrics import metrics, read_parts
from nnmip.solution.nearness import nearness
from nnmip.solution.network import trained_network
from nnmip.solution.replay import Replay, ReplayStatus, rationally, replay
from nnmip.solution.result import (
    DIRECT,
    Bracket,
    How,
    Proof,
    Result,
    SolutionStatus,
    StageResult,
    TermValue,
    VariableValue,
    finite,
)
from nnmip.solution.tidy import tidied

if TYPE_CHECKING:
    from nnmip.lowering.convex import Tangents
    from nnmip.lowering.lower import Lowered

OUTSIDE = 1e-9
"""How far a feature may be outside the input domain without being called so."""


@dataclass(frozen=True, slots=True, eq=False)
class RunFacts:
    """What a result reports besides the answer itself."""

    sizes: Mapping[str, int | float]
    times: Mapping[str, float]
    seed: int
    versions: Mapping[str, str]
    how: How = DIRECT


@dataclass(frozen=True, slots=True, eq=False)
class Unencoded:
    """A stage that was solved without its MILP: what a result asks of an encoding."""

    program: Program
    tangents: tuple[Tangents, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def sign(self) -> float:
        assert self.program.goal is not None
        return self.program.goal.sign

    def tolerance(self, evaluation: Evaluation) -> float:
        return 0.0


def replay_raw(lowered: Lowered, raw: RawResult) -> Replay | None:
    """Lift and replay the solution of a raw result, None where it has none; a relaxation claims no objective."""
    if raw.x is None:
        return None
    has_goal, is_exact = lowered.program.goal is not None, not lowered.tangents
    claimed = lowered.sign * raw.objective if has_goal and is_exact and raw.objective is not None else None
    bound = finite(lowered.sign * raw.dual_bound) if has_goal else None
    checked = replay(lowered.program, tidied(lowered.program, lowered.lift(raw.x)), claimed, bound)
    return rationally(lowered.program, checked)


def fixed_integers(milp: Milp, x: FloatArray) -> Milp:
    """The LP that is left when every integer column is fixed at its rounded value in `x`."""
    rounded = np.clip(np.round(x), milp.col_lb, milp.col_ub)
    return replace(
        milp,
        col_lb=np.where(milp.integer, rounded, milp.col_lb),
        col_ub=np.where(milp.integer, rounded, milp.col_ub),
        integer=np.zeros_like(milp.integer),
    )


def make_result(
    lowered: Lowered | Unencoded,
    raw: RawResult,
    checked: Replay | None,
    proof: Proof,
    facts: RunFacts,
    earlier: Sequence[Result] = (),
    rounds: int = 1,
) -> Result:
    """Put together termination, solution, replay and proof.

    The objective is the recomputed one. An optimum is claimed only where the solver ended with one, the replay passed
    and the gap between the recomputed objective and the bound is closed; where losses are relaxed, `bracket` says
    whether it is within their tolerance, and the proof is one of that. `earlier` are the results of the stages that
    were proved before; the proof is that of the weakest of them.
    """
    program = lowered.program
    passed = checked if checked is not None and checked.status is ReplayStatus.PASSED else None
    claim = _claim(lowered, raw, checked, proof, earlier, rounds)
    weakest = min((claim.proof, *(past.proof for past in earlier)), key=list(Proof).index)
    assignment = passed.assignment if passed is not None else None
    message = checked.message if checked is not None and passed is None else raw.message
    remarks = [past.message for past in earlier if past.message]
    result = Result(
        model=program.source.path,
        sense=program.goal.sense if program.goal is not None else None,
        termination=claim.termination,
        solution=claim.solution,
        replay=checked,
        proof=weakest,
        objective=claim.objective,
        dual_bound=claim.bound,
        terms=_terms(program, passed) if passed is not None else (),
        metrics=metrics(program, Evaluator(program, assignment)) if assignment else (),
        networks={n.name: trained_network(program, n, assignment) for n in program.networks} if assignment else {},
        used_units=used_units(program, assignment) if assignment else {},
        sizes=facts.sizes,
        times=facts.times,
        solver=raw.solver,
        solver_version=raw.version,
        seed=facts.seed,
        versions=facts.versions,
        message=f"stage {len(program.held) + 1}: {message}" if message and len(program.stages) > 1 else message,
        notes=(*_notes(program, assignment), *lowered.notes, *remarks),
        documentation=dict(program.documentation),
        log=raw.log,
        bracket=claim.bracket,
        how=facts.how,
        sufficient=strengthened(program),
        values=_values(program, assignment) if assignment else {},
        subject="network" if program.networks else "answer",
    )
    return replace(result, stages=_stages(program, result, claim.proof, earlier))


@dataclass(frozen=True, slots=True, eq=False)
class _Claim:
    """What may be said of a stage: how it ended, the ends of its value, and how far they are proved."""

    termination: Termination
    solution: SolutionStatus
    objective: float | None
    bound: float | None
    bracket: Bracket | None
    proof: Proof


def _claim(
    lowered: Lowered | Unencoded,
    raw: RawResult,
    checked: Replay | None,
    proof: Proof,
    earlier: Sequence[Result],
    rounds: int,
) -> _Claim:
    """What a raw answer may claim, given its replay; `proof` is that of an answer which is settled."""
    has_goal, termination = lowered.program.goal is not None, raw.termination
    passed = checked if checked is not None and checked.status is ReplayStatus.PASSED else None
    solution = SolutionStatus.NONE if passed is None else SolutionStatus.FEASIBLE
    objective = passed.objective if passed is not None else None
    is_refuted = checked is not None and passed is None
    bound = finite(lowered.sign * raw.dual_bound) if has_goal and not is_refuted else None
    if termination is Termination.OPTIMAL and passed is not None and has_goal:
        assert objective is not None
        closed = bound is not None and abs(objective - bound) <= proof_tolerance(objective)
        closed = closed and all(past.solution is SolutionStatus.OPTIMAL for past in earlier)
        solution = SolutionStatus.OPTIMAL if closed else SolutionStatus.FEASIBLE
        termination = termination if closed else Termination.GAP_LIMIT
    bracket = _bracket(lowered, passed, bound, rounds) if passed is not None else None
    settled = (
        solution is SolutionStatus.OPTIMAL
        or (termination is Termination.INFEASIBLE and checked is None)
        or (raw.termination is Termination.OPTIMAL and bracket is not None and bracket.is_reached)
    )
    if not has_goal and passed is not None:
        proof, settled = Proof.CERTIFIED, True
    return _Claim(termination, solution, objective, bound, bracket, proof if settled else Proof.NONE)


def _values(program: Program, assignment: Assignment) -> dict[str, VariableValue]:
    paths = {variable.decision.path: variable.boolean for variable in program.variables}
    return {path: VariableValue(assignment.values[path], boolean) for path, boolean in paths.items()}


def _bracket(lowered: Lowered | Unencoded, checked: Replay, bound: float | None, rounds: int) -> Bracket | None:
    """What is proved where losses of the model are relaxed; None where none is."""
    if not lowered.tangents:
        return None
    ends = [end for end in (checked.objective, bound) if end is not None]
    lower, upper = (min(ends), max(ends)) if len(ends) == 2 else (None, None)
    tolerance = lowered.tolerance(checked.evaluation)
    return Bracket(lower, upper, tolerance, rounds, sum(tangents.count for tangents in lowered.tangents))


def _stages(program: Program, result: Result, proof: Proof, earlier: Sequence[Result]) -> tuple[StageResult, ...]:
    """An entry for every goal: those before (held), that of `result` with its own `proof`, those not reached."""
    checked = result.replay if result.has_answer else None
    now = len(program.held)
    ended = dict(enumerate(earlier)) | {now: result}
    found = []
    for number, stage in enumerate(program.stages):
        ran, past = ended.get(number), earlier[number].stages[number] if number < len(earlier) else None
        held = program.held[number] if number < now else None
        found.append(
            StageResult(
                sense=stage.sense,
                objective=checked.evaluation.objectives[number] if checked is not None else None,
                dual_bound=ran.dual_bound if ran is not None else None,
                proof=past.proof if past is not None else proof if number == now else Proof.NONE,
                termination=ran.termination if ran is not None else None,
                held=held.value if held is not None else None,
                slack=held.slack if held is not None else None,
                terms=term_values(program, number, checked) if checked is not None else (),
                bracket=ran.bracket if ran is not None else None,
                is_tight=past is not None and past.is_tight,
            )
        )
    return tuple(found)


def limits_after(options: SolveOptions, spent: float) -> SolveOptions:
    """The options with what is left of the time limit."""
    if options.time_limit is None:
        return options
    return replace(options, time_limit=max(0.0, options.time_limit - spent))


def used_units(program: Program, assignment: Assignment) -> dict[str, dict[str, tuple[int, ...]]]:
    """For each network and hidden layer the units that are used, in the sense of the word `used`."""
    evaluator = Evaluator(program, assignment)
    found: dict[str, dict[str, tuple[int, ...]]] = {}
    for network in program.networks:
        layers = found.setdefault(network.name, {})
        wiring = evaluator.wiring(network.name)
        for layer in map(wiring.shown, wiring.hidden):
            units = Units(network.name, layer.name, np.arange(layer.units), layer.origin)
            word = Apply("used", (units,), None, None, (), units.shape, True, layer.origin)
            layers[layer.name] = tuple(int(j) for j in np.flatnonzero(evaluator.value(word)))
    return found


def _terms(program: Program, checked: Replay) -> tuple[TermValue, ...]:
    if program.goal is None:
        return ()
    return term_values(program, len(program.held), checked)


def term_values(program: Program, stage: int, checked: Replay) -> tuple[TermValue, ...]:
    """The addends of a stage for a network."""
    values = checked.evaluation.terms[stage]
    return tuple(TermValue(t.label, t.role, t.coefficient, values[t.label]) for t in program.stages[stage].terms)


def _notes(program: Program, assignment: Assignment | None) -> tuple[str, ...]:
    """What a reader must know: the strictness of every `zero_one` with margin 0, networks that are near those of their
    files, and test rows outside the domain."""
    notes = [
        f"{name}: the condition is sufficient for {' and '.join(f'`{word}`' for word in words)}, not necessary; "
        "networks that break it and have the property all the same are left out"
        for name, words in strengthened(program).items()
    ]
    notes.extend(f"{known.name}: {known.smoothed}" for known in program.known if known.smoothed is not None)
    notes.extend(nearness(program, assignment) if assignment else ())
    for node in (found for root in roots(program) for found in walk(root)):
        if not isinstance(node, Apply) or node.word != "zero_one" or node.option("margin") != 0:
            continue
        text, strictness = " ".join(node.origin.span.text.split()), node.option("strictness")
        if node.option("strictness_exact"):
            notes.append(f"{text}: scores lie on a grid of step {strictness:g}, so nothing is lost")
        elif program.network(node.network or "").output_shape == ():
            notes.append(f"{text}: a score counts as negative from -{strictness:g} on")
        else:
            notes.append(f"{text}: a class counts as ahead of those before it from {strictness:g} on")
    for network, data in read_parts(program):
        outside = (program.network(network).input_domain.distance(data.features) > OUTSIDE).any(axis=1)
        if data.name.endswith(".test") and outside.any():
            count = int(outside.sum())
            lie = "lies" if count == 1 else "lie"
            notes.append(f"{count} of {data.row_count} rows of {data.name} {lie} outside the input domain of {network}")
    return tuple(dict.fromkeys(notes))
