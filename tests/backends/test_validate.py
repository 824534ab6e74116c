"""What is refused before a solver sees it, and the equivalent model that solvers are given."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nnmip.backends.cutoff import with_cutoff
from nnmip.backends.process import Session
from nnmip.backends.protocol import SolveOptions, Termination
from nnmip.backends.trivial import solve_without_rows
from nnmip.backends.validate import contradiction, normalise, validate
from nnmip.milp.model import Milp
from tests.backends.models import INF, knapsack, milp


def _with(**changes: object) -> Milp:
    return replace(knapsack(), **changes)


def _changed(array: np.ndarray, index: int, value: float) -> np.ndarray:
    copy = array.copy()
    copy[index] = value
    return copy


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("data", np.nan, "not finite"),
        ("data", np.inf, "not finite"),
        ("data", 1e-12, "smaller than 1e-09"),
        ("data", -1e15, "1e\\+15 or more"),
        ("cost", np.nan, None),
        ("cost", 1e16, "objective coefficient is 1e\\+15"),
        ("row_ub", np.nan, "not a number"),
        ("row_ub", -np.inf, "wrong side"),
        ("col_lb", np.nan, "not a number"),
        ("col_lb", np.inf, "wrong side"),
        ("col_ub", 1e25, "which solvers read as none"),
    ],
)
def test_numbers_that_solvers_would_swallow_are_refused(name: str, value: float, words: str | None) -> None:
    broken = _with(**{name: _changed(getattr(knapsack(), name), 0, value)})
    with pytest.raises(AssertionError, match=words), Session() as session:
        session.solve(broken, "highs")


def test_an_empty_row_is_refused() -> None:
    model = knapsack()
    indptr = np.append(model.indptr, model.indptr[-1])
    broken = replace(model, indptr=indptr, row_lb=np.append(model.row_lb, 0.0), row_ub=np.append(model.row_ub, 1.0))
    with pytest.raises(AssertionError, match="empty row"):
        validate(broken)


def test_a_repeated_variable_is_refused() -> None:
    with pytest.raises(AssertionError, match="repeated"):
        validate(_with(indices=_changed(knapsack().indices, 1, 0)))


def test_smallest_and_largest_coefficients_pass() -> None:
    validate(_with(data=_changed(_changed(knapsack().data, 0, 1e-9), 1, 9.9e14)))


def test_crossed_bounds_are_infeasible_without_a_solver(session: Session, solver: str) -> None:
    crossed = milp([[1, 1]], [0], [1], [0, 2], [1, 1], [False, False], [1, 1])
    answer = session.solve(crossed, solver)
    assert answer.termination is Termination.INFEASIBLE
    assert answer.message == "the bounds of variable `x[1]` contradict each other"
    assert answer.log == ()


def test_crossed_row_is_named() -> None:
    crossed = milp([[1, 1], [1, 2]], [0, 3], [1, 2.5], [0, 0], [1, 1], [False, False], [1, 1])
    assert contradiction(crossed) == "the bounds of row `r[1]` contradict each other"


def test_integer_range_without_an_integer_is_a_contradiction() -> None:
    between = milp([[1, 1]], [0], [5], [0.2, 0], [0.8, 1], [True, False], [1, 1])
    assert contradiction(between) == "the bounds of variable `x[0]` contradict each other"


def test_bounds_that_cross_by_rounding_are_put_in_order() -> None:
    model = normalise(milp([[1.0]], [0.3], [0.3 - 1e-12], [0.3], [0.3 - 1e-13], [False], [1]))
    assert (model.row_lb <= model.row_ub).all() and (model.col_lb <= model.col_ub).all()
    assert contradiction(model) is None


def test_integer_bounds_are_rounded_inwards() -> None:
    model = normalise(milp([[1, 1]], [0], [9], [-1.5, 0.25], [2.7, 0.75], [True, False], [1, 1]))
    assert model.col_lb.tolist() == [-1.0, 0.25] and model.col_ub.tolist() == [2.0, 0.75]


def test_rows_without_limits_are_dropped() -> None:
    model = normalise(milp([[1, 0], [2, 3], [0, 4]], [0, -INF, 1], [1, INF, 2], [0, 0], [1, 1], [False] * 2, [1, 1]))
    assert model.num_rows == 2
    assert model.indptr.tolist() == [0, 1, 2]
    assert model.data.tolist() == [1.0, 4.0] and model.indices.tolist() == [0, 1]


def test_cutoff_is_a_row_without_the_constant() -> None:
    model = with_cutoff(knapsack(offset=100.0), SolveOptions(cutoff=90.0))
    assert model is not None
    assert model.num_rows == 4
    assert model.data[-3:].tolist() == [-5.0, -4.0, -3.0] and model.indices[-3:].tolist() == [0, 1, 2]
    assert model.row_lb[-1] == -INF
    assert -10.0 < model.row_ub[-1] < -10.0 + 1e-6


def test_cutoff_below_every_point_needs_no_solver() -> None:
    assert with_cutoff(knapsack(), SolveOptions(cutoff=-100.0)) is None


def test_cutoff_with_tiny_costs_excludes_no_solution() -> None:
    model = milp([[1, 1]], [0], [1e7], [0, 0], [1e6, 1e6], [False, False], [-1e-10, 1.0])
    bounded = with_cutoff(model, SolveOptions(cutoff=1.0))
    assert bounded is not None
    best = np.array([1e6, 1.0001])  # objective 1.0 after the tiny term
    assert bounded.data[-1:].tolist() == [1.0]
    assert bounded.activity(best)[-1] <= bounded.row_ub[-1]


def test_cutoff_without_costs_compares_the_constant() -> None:
    free = milp([[1, 1]], [0], [1], [0, 0], [1, 1], [True, True], [0, 0], offset=2.0)
    assert with_cutoff(free, SolveOptions(cutoff=1.0)) is None
    assert with_cutoff(free, SolveOptions(cutoff=2.0)) is free


def test_without_rows_each_column_takes_its_cheaper_bound() -> None:
    model = milp(np.zeros((0, 3)), [], [], [-1, -2, 3], [5, 7, 9], [False, True, False], [2, -1, 0], 10.0)
    answer = solve_without_rows(model, "highs")
    assert answer.x is not None and answer.x.tolist() == [-1.0, 7.0, 3.0]
    assert answer.objective == answer.dual_bound == 1.0


def test_without_rows_an_unbounded_cost_is_unbounded(session: Session, solver: str) -> None:
    model = milp(np.zeros((0, 1)), [], [], [-INF], [5], [False], [1])
    assert session.solve(model, solver).termination is Termination.UNBOUNDED


def test_without_columns_the_constant_is_the_optimum(session: Session, solver: str) -> None:
    answer = session.solve(milp(np.zeros((0, 0)), [], [], [], [], [], [], 4.5), solver)
    assert answer.termination is Termination.OPTIMAL and answer.objective == answer.dual_bound == 4.5
    assert answer.x is not None and answer.x.shape == (0,)
    assert answer.version


def test_without_rows_the_cutoff_still_counts(session: Session) -> None:
    model = milp(np.zeros((0, 1)), [], [], [1], [5], [False], [1])
    answer = session.solve(model, "highs", SolveOptions(cutoff=0.5))
    assert answer.termination is Termination.INFEASIBLE and answer.dual_bound == 0.5
