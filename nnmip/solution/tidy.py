"""Removes the noise of floating-point solvers from continuous weights, where the answer provably stays as good."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nnmip.hir.core import Assignment, Program
from nnmip.hir.evaluate import Evaluation, evaluate

DIGITS = (6, 8, 10)
SLACK = 1e-9


def tidied(program: Program, assignment: Assignment) -> Assignment:
    """The assignment with continuous weights rounded to few decimals, if the evaluated goal and constraints allow.

    A candidate is taken when, evaluated without any tolerance at thresholds, it violates nothing by more than 1e-9 and
    its goal v is not worse than that of the given assignment (with the replay's tolerance) by more than 1e-9 (1 + |v|).
    Scores that a solver left a rounding error on the wrong side of a threshold come out right this way.
    """
    wanted = evaluate(program, assignment, 1e-6)
    for candidate in _candidates(program, assignment):
        found = evaluate(program, candidate)
        if found.max_violation <= SLACK and not _is_worse(program, found, wanted):
            return candidate
    return assignment


def _is_worse(program: Program, found: Evaluation, wanted: Evaluation) -> bool:
    if program.goal is None:
        return False
    now, before = (evaluation.objectives[len(program.held)] for evaluation in (found, wanted))
    return program.goal.sign * (now - before) > SLACK * (1.0 + abs(before))


def _candidates(program: Program, assignment: Assignment) -> Iterator[Assignment]:
    continuous = [d for d in program.decisions if not d.domain.is_finite]
    if not continuous:
        return
    for digits in DIGITS:
        values = dict(assignment.values)
        for decision in continuous:
            rounded = np.round(values[decision.path], digits) + 0.0
            values[decision.path] = np.where(values[decision.path] == 0.0, 0.0, decision.domain.project(rounded))
        yield Assignment(values, assignment.kept)
