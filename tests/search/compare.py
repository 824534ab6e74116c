"""The search over columns against everything else that knows the optimum of a model."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from nnmip.backends.process import Session
from nnmip.backends.protocol import SolveOptions, Termination
from nnmip.backends.review import proof_tolerance
from nnmip.hir.core import Program
from nnmip.incumbents.known import best_of, trivial_assignment
from nnmip.lowering.lower import lower_program
from nnmip.milp.model import Milp
from nnmip.search.enumerate import check_columns
from nnmip.search.view import Refusal, view_of
from nnmip.sizes import UNASKED
from nnmip.solution.exact import ExactAnswer
from nnmip.solution.replay import ReplayStatus
from nnmip.solution.searching import SearchedStage
from tests.meaning.generator import Model
from tests.meaning.harness import Answer, load, solve_in_rounds
from tests.meaning.oracle import enumerate_optimum

MOST_ASSIGNMENTS = 3000
SECONDS = 8.0
TOO_SLOW = "too slow for a solver"
TOLERANCE = 1e-6


@dataclass
class Comparison:
    """Why the model was refused, else its best value (None where it has no network) and in what the answers differ."""

    refusal: str | None = None
    truth: float | None = None
    is_small: bool = False
    is_coupled: bool = False
    problems: list[str] = field(default_factory=list)


def compare(model: Model, folder: Path, session: Session, solvers: tuple[str, ...] = ()) -> Comparison:
    """Search a model and find its optimum by enumeration where it is small, else by HiGHS and the direct encoding; by
    `solvers` as well."""
    program = load(model, folder)
    try:
        found = searched(program)
    except Refusal as refusal:
        return Comparison(refusal=str(refusal))
    result = Comparison(is_small=is_small(program), is_coupled=bool(view_of(program).coupling))
    try:
        answers = {solver: direct(program, session, solver) for solver in solvers}
        if result.is_small:
            result.truth = enumerate_optimum(program).objective
        else:
            result.truth = answers["highs"] if "highs" in answers else direct(program, session, "highs")
    except TimeoutError:
        return Comparison(refusal=TOO_SLOW)
    for solver, answer in answers.items():
        _differ(result, solver, answer, result.truth)
    result.problems += faults(program, found, result.truth)
    return result


def searched(program: Program) -> ExactAnswer:
    """The first stage, searched without a limit from the network that a run starts from."""
    trivial = trivial_assignment(program)
    start = best_of(program, [trivial]) if trivial is not None else None
    view = view_of(program)
    check_columns(view, UNASKED)
    return SearchedStage(view, start, None, lambda: False, None, None).search(UNASKED, math.inf, 0.0)


def direct(program: Program, session: Session, solver: str) -> float | None:
    """The optimum of the direct encoding, None where that is infeasible; TimeoutError after a while."""
    lowered = lower_program(program)

    def solve(milp: Milp) -> Answer:
        result = session.solve(milp, solver, SolveOptions(time_limit=SECONDS))
        if result.termination is Termination.TIME_LIMIT:
            raise TimeoutError
        assert result.termination in (Termination.OPTIMAL, Termination.INFEASIBLE), (result.termination, result.message)
        return Answer(result.objective if result.termination is Termination.OPTIMAL else None, result.x)

    answer = solve_in_rounds(lowered, solve)[1]
    return None if answer.objective is None else lowered.sign * answer.objective


def faults(program: Program, found: ExactAnswer, truth: float | None) -> list[str]:
    """What is wrong with an answer of the search to a model whose optimum is known."""
    assert program.goal is not None
    raw, sign = found.raw, program.goal.sign
    if truth is None or raw.termination is Termination.INFEASIBLE:
        both = truth is None and raw.termination is Termination.INFEASIBLE
        return [] if both else [f"the search is {raw.termination} with {raw.objective}, the optimum is {truth}"]
    if raw.termination is not Termination.OPTIMAL or raw.objective is None or found.checked is None:
        return [f"the search ends with {raw.termination}"]
    wrong = []
    checked, bound = found.checked, sign * raw.dual_bound
    if checked.status is not ReplayStatus.PASSED or checked.objective is None:
        return [f"the replay: {checked.message}"]
    if abs(checked.objective - truth) > TOLERANCE * max(1.0, abs(truth)):
        wrong.append(f"the search has {checked.objective}, the optimum is {truth}")
    if sign * (bound - checked.objective) > 1e-12 * max(1.0, abs(checked.objective)):
        wrong.append(f"its bound {bound} is better than its network, {checked.objective}")
    if abs(bound - checked.objective) > proof_tolerance(checked.objective):
        wrong.append(f"its bound {bound} leaves a gap to {checked.objective}")
    return wrong


def _differ(result: Comparison, name: str, one: float | None, other: float | None) -> None:
    same = one is None and other is None
    if one is not None and other is not None:
        same = abs(one - other) <= TOLERANCE * max(1.0, abs(other))
    if not same:
        result.problems.append(f"{name} has {one}, others have {other}")


def is_small(program: Program) -> bool:
    """Whether all networks can be looked at in a moment."""
    if not all(d.domain.is_finite for d in program.decisions):
        return False
    layers = [layer for network in program.networks for layer in network.layers]
    masks = math.prod(2.0**layer.units for layer in layers if layer.removes_units)
    return masks * math.prod(float(len(d.domain.values)) ** d.size for d in program.decisions) <= MOST_ASSIGNMENTS
