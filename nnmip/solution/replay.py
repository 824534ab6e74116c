"""The independent re-check of an answer: lift it to a network, evaluate the source's meaning, compare."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

import numpy as np

from nnmip.hir.core import Assignment, Program
from nnmip.hir.evaluate import Evaluation, evaluate
from nnmip.hir.rational import RationalEvaluation, rational_evaluation
from nnmip.records import dataclass

TOLERANCE = 1e-6


class ReplayStatus(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    NOT_RUN = "not_run"


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """The outcome of a replay.

    objective: the goal recomputed from the network, in the user's sense (None for `satisfy`). max_violation: the
    largest violation of a constraint or a domain. message: why it failed, one line. exact: the same values in rational
    arithmetic, None where that was not asked for or does not apply.
    """

    status: ReplayStatus
    assignment: Assignment
    evaluation: Evaluation
    objective: float | None
    max_violation: float
    message: str = ""
    exact: RationalEvaluation | None = None


def replay(program: Program, assignment: Assignment, claimed: float | None, bound: float | None) -> Replay:
    """Check an answer against the meaning of the model in NumPy.

    `claimed` is the objective that the solver reports and `bound` its dual bound, both in the user's sense (None where
    there is none). Passed: every constraint, domain and held stage holds within 1e-6 (relative to numbers above 1), the
    recomputed objective is not worse than claimed, and it is not better than the bound allows: an answer better than
    its own bound shows that the bound is false. A relaxation claims nothing of the objective of a network.
    """
    # Every test is written so that a value that is not a number fails it.
    evaluation = evaluate(program, assignment, TOLERANCE)
    objective = evaluation.objectives[len(program.held)] if program.goal is not None else None
    reasons = [f"`{path}` is not finite" for path, v in assignment.values.items() if not np.isfinite(v).all()]
    reasons += [f"`{name}` is violated by {v:.3g}" for name, v in evaluation.constraints.items() if not v <= TOLERANCE]
    reasons += [
        f"the goal of stage {number} is {value:.9g}, worse than {held.value:.9g}, at which it is held"
        for number, (excess, value, held) in enumerate(
            zip(evaluation.held, evaluation.objectives, program.held, strict=False), 1
        )
        if not excess <= TOLERANCE
    ]
    if not evaluation.domain_violation <= 1e-9:
        reasons.append(f"a weight is {evaluation.domain_violation:.3g} outside its domain")
    if program.goal is not None and objective is not None:
        sign = program.goal.sign
        slack = TOLERANCE * (1.0 + abs(objective if claimed is None else claimed))
        if claimed is not None and not sign * (objective - claimed) <= slack:
            reasons.append(f"the goal is {objective:.9g}, and the solver claims {claimed:.9g}")
        if bound is not None and sign * (bound - objective) > slack:
            reasons.append(f"the goal is {objective:.9g}, better than the solver's bound {bound:.9g}")
    status = ReplayStatus.FAILED if reasons else ReplayStatus.PASSED
    return Replay(status, assignment, evaluation, objective, evaluation.max_violation, "; ".join(reasons))


def rationally(program: Program, checked: Replay) -> Replay:
    """A replay that passed, repeated in rational arithmetic where all weights have finite domains.

    Its values are then the exact ones, rounded once. It fails where these are other ones: where rounding decided on
    which side of a threshold a score is.
    """
    if checked.status is not ReplayStatus.PASSED:
        return checked
    exact = rational_evaluation(program, checked.assignment, TOLERANCE)
    if exact is None:
        return checked
    reasons = [
        f"the goal is {float(value):.9g} in rational arithmetic, and {rounded:.9g} in floating point"
        for value, rounded in zip(exact.objectives, checked.evaluation.objectives, strict=True)
        if not abs(float(value) - rounded) <= TOLERANCE * (1.0 + abs(rounded))
    ]
    if not exact.violation <= TOLERANCE:
        reasons.append(f"a constraint is violated by {exact.violation:.3g} in rational arithmetic")
    if reasons:
        return replace(checked, status=ReplayStatus.FAILED, message="; ".join(reasons))
    objectives = tuple(float(value) for value in exact.objectives)
    terms = tuple({label: float(value) for label, value in stage.items()} for stage in exact.terms)
    evaluation = replace(checked.evaluation, objectives=objectives, terms=terms)
    objective = objectives[len(program.held)] if program.goal is not None else None
    return replace(checked, evaluation=evaluation, objective=objective, exact=exact)


def refuted_stage(program: Program, checked: Replay) -> int | None:
    """The first stage, counted from 1, in which a network is better than the value that was proved for it.

    The network is looked at without any tolerance at thresholds.
    """
    if not program.held or checked.status is not ReplayStatus.PASSED:
        return None
    values = evaluate(program, checked.assignment).objectives
    for number, (stage, value, held) in enumerate(zip(program.stages, values, program.held, strict=False), 1):
        best, room = (held.value, held.room) if held.bound is None else (held.bound, 0.0)
        if stage.sign * (best - value) > max(room, TOLERANCE * max(1.0, abs(held.value))):
            return number
    return None
