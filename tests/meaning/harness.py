"""From a model text to its program, its MILP and the answers of solvers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import highspy
import numpy as np

from nnmip.backends.process import Session
from nnmip.backends.protocol import SolveOptions, Termination
from nnmip.diagnostics import Diagnostics
from nnmip.hir.core import Assignment, FloatArray, Program
from nnmip.hir.evaluate import evaluate
from nnmip.lowering.lower import Lowered, lower_program
from nnmip.milp.model import Milp
from nnmip.sema.model import build_program
from nnmip.syntax.parser import parse
from nnmip.syntax.read import read_source
from tests.meaning.generator import Model
from tests.meaning.oracle import enumerate_optimum

MOST_ROUNDS = 400


@dataclass(frozen=True)
class Answer:
    """What a solver said: infeasible (no objective), or an optimum with its point."""

    objective: float | None
    x: FloatArray | None


def load(model: Model, folder: Path) -> Program:
    """The program of a model whose files are written to `folder`."""
    for name, text in model.tables.items():
        (folder / name).write_text(text, encoding="utf-8")
    path = folder / "model.nnm"
    path.write_text(model.text, encoding="utf-8")
    source = read_source(str(path))
    diagnostics = Diagnostics()
    program = build_program(parse(source), folder, {}, diagnostics)
    assert program is not None, [(d.code, d.message) for d in diagnostics.errors] + [model.text]
    return program


def solve_highs(milp: Milp) -> Answer:
    """Solve in this process, with the tolerances of a proof and without presolve."""
    if milp.num_columns == 0:
        return Answer(milp.offset, np.zeros(0))
    highs = highspy.Highs()
    for option, value in (
        ("output_flag", False),
        ("threads", 1),
        ("mip_rel_gap", 0.0),
        ("mip_abs_gap", 1e-9),
        ("mip_feasibility_tolerance", 1e-8),
        ("primal_feasibility_tolerance", 1e-8),
        ("presolve", "off"),
    ):
        highs.setOptionValue(option, value)
    highs.passModel(highs_lp(milp))
    highs.run()
    status = highs.getModelStatus()
    if status == highspy.HighsModelStatus.kInfeasible:
        return Answer(None, None)
    assert status == highspy.HighsModelStatus.kOptimal, status
    return Answer(highs.getObjectiveValue(), np.array(highs.getSolution().col_value))


def highs_lp(milp: Milp) -> highspy.HighsLp:
    """The arrays as a model of highspy."""
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = milp.num_columns, milp.num_rows
    lp.col_cost_, lp.offset_ = milp.cost, milp.offset
    lp.col_lower_, lp.col_upper_ = milp.col_lb, milp.col_ub
    lp.row_lower_, lp.row_upper_ = milp.row_lb, milp.row_ub
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = milp.indptr.astype(np.int32)
    lp.a_matrix_.index_ = milp.indices.astype(np.int32)
    lp.a_matrix_.value_ = milp.data
    kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
    lp.integrality_ = [kinds[int(i)] for i in milp.integer]
    return lp


def solve_backend(session: Session, milp: Milp, solver: str) -> Answer:
    """Solve through a backend of nnmip."""
    result = session.solve(milp, solver, SolveOptions(time_limit=60.0))
    if result.termination is Termination.INFEASIBLE:
        return Answer(None, None)
    assert result.termination is Termination.OPTIMAL, (solver, result.termination, result.message)
    return Answer(result.objective, result.x)


def solve_in_rounds(lowered: Lowered, solve: Callable[[Milp], Answer] = solve_highs) -> tuple[Lowered, Answer]:
    """The answer to a program: that to its MILP, with more and more tangents at what was found where it has some."""
    for _ in range(MOST_ROUNDS):
        answer = solve(lowered.milp)
        if answer.x is None or not lowered.tangents:
            return lowered, answer
        refined = lowered.refined([lowered.lift(answer.x)])
        if refined is lowered:
            return lowered, answer
        lowered = refined
    raise AssertionError(f"not settled after {MOST_ROUNDS} rounds")


def disagreements(program: Program, session: Session | None = None, solvers: tuple[str, ...] = ("highs",)) -> list[str]:
    """In what the solvers' answers, with and without symmetry rows, differ from enumeration; empty if all is well."""
    truth = enumerate_optimum(program)
    found = []
    for symmetry in (True, False):
        lowered = lower_program(program, symmetry=symmetry)
        for solver in solvers:
            chosen = solve_highs
            if solver != "highs" and session is not None:
                chosen = partial(solve_backend, session, solver=solver)
            problem = difference(*solve_in_rounds(lowered, chosen), truth.objective)
            if problem:
                found.append(f"{solver}, symmetry={symmetry}: {problem}")
    return found


def difference(lowered: Lowered, answer: Answer, truth: float | None) -> str:
    """How an answer differs from the truth or from its own replay; an empty text if it does not."""
    if answer.objective is None or truth is None:
        return "" if answer.objective is None and truth is None else f"claims {answer.objective}, truth is {truth}"
    claimed = lowered.sign * answer.objective
    if abs(claimed - truth) > 1e-6:
        return f"claims {claimed}, truth is {truth}"
    assert answer.x is not None
    # A solver may be off by its tolerance everywhere; what comes back must be in the domains exactly all the same.
    noise = 1e-8 * np.cos(np.arange(len(answer.x)))
    replay = evaluate(lowered.program, lowered.lift(answer.x + noise), 1e-6)
    value = replay.objectives[len(lowered.program.held)] if replay.objectives else 0.0
    if abs(value - claimed) > 1e-6:
        return f"claims {claimed}, its network has {value}"
    if replay.domain_violation > 0:
        return f"its network is outside the domains by {replay.domain_violation}"
    return "" if replay.max_violation <= 1e-6 else f"its network violates a constraint by {replay.max_violation}"


def random_assignment(program: Program, rng: np.random.Generator) -> Assignment:
    """Members of every domain; units and channels kept with probability 0.7."""
    values = {
        d.path: d.domain.project(rng.uniform(d.domain.lo - 0.1, d.domain.hi + 0.1, d.shape)) for d in program.decisions
    }
    every = [layer for network in program.networks for layer in network.layers]
    for layer in (layer for layer in every if layer.prune == "channels"):
        gone = np.flatnonzero(rng.random(int(layer.channels.max()) + 1) >= 0.7)
        values[f"{layer.path}.weights"] = np.where(np.isin(layer.channels, gone), 0.0, values[f"{layer.path}.weights"])
    kept = {la.path: np.asarray(rng.random(la.kept_shape) < 0.7) for la in every if la.kept_shape is not None}
    return Assignment(values, kept)
