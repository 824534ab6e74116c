"""The contract that every backend keeps, on models with known answers."""

from __future__ import annotations

import importlib
import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from nnmip.backends.process import Session, solve
from nnmip.backends.protocol import Event, Incumbent, Progress, SolveOptions, Termination
from tests.backends.models import (
    INF,
    knapsack,
    market_split,
    milp,
    planted_split,
    relu_net,
    silent_channel,
    small_lp,
)


@pytest.mark.parametrize("offset", [0.0, 100.25, -7.5])
def test_optimum_of_a_mixed_integer_model(session: Session, solver: str, offset: float) -> None:
    answer = session.solve(knapsack(offset), solver)
    assert answer.termination is Termination.OPTIMAL
    assert answer.x is not None and np.round(answer.x).tolist() == [2.0, 0.0, 1.0]
    assert answer.objective == pytest.approx(-13 + offset, abs=1e-9)
    assert answer.dual_bound == pytest.approx(-13 + offset, abs=1e-7)
    assert answer.solver == solver and answer.version[0].isdigit()


@pytest.mark.parametrize("offset", [0.0, 3.0])
def test_the_bound_of_a_linear_model_is_its_optimum(session: Session, solver: str, offset: float) -> None:
    answer = session.solve(small_lp(offset), solver)
    assert answer.termination is Termination.OPTIMAL
    assert answer.x == pytest.approx([0.625, 0.375], abs=1e-9)
    assert answer.objective == answer.dual_bound == pytest.approx(1.375 + offset, abs=1e-9)


def test_infeasible_mixed_integer_model(session: Session, solver: str) -> None:
    odd = milp([[2, 2, 2]], [3], [3], [0] * 3, [1] * 3, [True] * 3, [1, 1, 1])
    answer = session.solve(odd, solver)
    assert answer.termination is Termination.INFEASIBLE
    assert answer.x is None and answer.objective is None and answer.dual_bound == INF


def test_infeasible_linear_model(session: Session, solver: str) -> None:
    apart = milp([[1, 1], [1, 1]], [-INF, 2], [1, INF], [0, 0], [5, 5], [False, False], [1, 1])
    assert session.solve(apart, solver).termination is Termination.INFEASIBLE


@pytest.mark.parametrize("integer", [False, True])
def test_unbounded(session: Session, solver: str, integer: bool) -> None:
    open_below = milp([[1, 1]], [-INF], [1.5], [-INF, 0], [1, 1], [integer, False], [1, -1])
    answer = session.solve(open_below, solver)
    assert answer.termination is Termination.UNBOUNDED
    assert answer.x is None and answer.dual_bound == -INF


@pytest.mark.parametrize("integer", [False, True])
def test_unbounded_or_infeasible_is_settled(session: Session, solver: str, integer: bool) -> None:
    """An open direction and rows that no point meets: solvers tend to say "unbounded"."""
    rows = [[1, 1, 0], [0, 2, 2], [0, 2, 2]]
    both = milp(rows, [-INF, 3.5, -INF], [1.5, INF, 0.5], [-INF, 0, 0], [1, 1, 1], [integer, True, True], [1, -1, 0])
    assert session.solve(both, solver).termination is Termination.INFEASIBLE


def test_unbounded_relaxation_without_integer_points_is_infeasible(session: Session, solver: str) -> None:
    model = milp([[1, 1], [0, 2]], [-INF, 1], [1.5, 1], [-INF, 0], [1, 1], [True, True], [1, -1])
    assert session.solve(model, solver).termination is Termination.INFEASIBLE


def test_an_undecided_second_look_gives_no_bound(session: Session, solver: str) -> None:
    """An unbounded relaxation whose integer points are hopeless to find: the bounds of the second look, which has no
    objective, say nothing about the model."""
    exact, _ = planted_split(4, 5, 60)
    matrix = np.zeros((5, 61))
    matrix[exact.row_of_entry, exact.indices] = exact.data
    open_below = milp(matrix, exact.row_lb, exact.row_ub, [0] * 60 + [-INF], [1] * 61, [True] * 61, [0] * 60 + [1])
    events: list[Event] = []
    answer = session.solve(open_below, solver, SolveOptions(time_limit=1.5), on_event=events.append)
    assert answer.termination is Termination.TIME_LIMIT
    assert answer.dual_bound == -INF and answer.x is None
    assert all(event.dual_bound is None for event in events if isinstance(event, Progress))


def test_ranges_and_equalities_mean_the_same_everywhere(session: Session, solver: str) -> None:
    ranged = milp([[1, 1], [1, -1]], [1.2, -0.5], [2.6, 0.25], [0, 0], [3, 3], [True, False], [-1, 1])
    answer = session.solve(ranged, solver)
    assert answer.termination is Termination.OPTIMAL
    assert answer.objective == pytest.approx(-0.25, abs=1e-9)


@pytest.mark.parametrize("integer", [False, True])
def test_a_small_contradiction_is_seen(session: Session, solver: str, integer: bool) -> None:
    """Default tolerances accept rows that miss each other by 5e-8."""
    rows = [[1, 1], [1, 1], [1, -1]]
    missed = milp(rows, [1 + 5e-8, -INF, -0.5], [INF, 1, 0.5], [0, 0], [1, 1], [integer, False], [1, 2])
    assert session.solve(missed, solver).termination is Termination.INFEASIBLE


def test_small_coefficients_are_kept(session: Session, solver: str) -> None:
    """HiGHS drops coefficients of 1e-9 and less by default; here that would make the row vacuous."""
    tiny = milp([[1e-9, 1.0]], [1.0], [1.0], [0, 0], [1e9, 0.5], [False, True], [1, 0])
    answer = session.solve(tiny, solver)
    assert answer.objective == pytest.approx(1e9, rel=1e-6)


def test_time_limit_with_a_solution(session: Session, solver: str) -> None:
    model = market_split(0, 4, 40)
    answer = session.solve(model, solver, SolveOptions(time_limit=1.0))
    assert answer.termination is Termination.TIME_LIMIT
    assert answer.x is not None and model.violation(answer.x) < 1e-6
    assert answer.objective == model.objective(answer.x)
    assert 0.5 - 1e-6 <= answer.dual_bound < answer.objective


def test_time_limit_without_a_solution(session: Session, solver: str) -> None:
    answer = session.solve(planted_split(0, 5, 60)[0], solver, SolveOptions(time_limit=1.0))
    assert answer.termination is Termination.TIME_LIMIT
    assert answer.x is None and answer.objective is None
    assert np.isfinite(answer.dual_bound)


def test_time_limit_of_a_linear_model_gives_no_bound(session: Session, solver: str) -> None:
    rng = np.random.default_rng(0)
    rows, columns = 900, 1200
    matrix = rng.random((rows, columns))
    sides = ([1] * rows, [INF] * rows, [0] * columns, [1e3] * columns, [False] * columns)
    model = milp(matrix, *sides, rng.random(columns))
    answer = session.solve(model, solver, SolveOptions(time_limit=1e-3))
    assert answer.termination is Termination.TIME_LIMIT
    assert answer.dual_bound == -INF


def test_the_start_reaches_the_solver(solver: str) -> None:
    """The adapter alone, without the bookkeeping around it, hands back a solution that it could not find itself."""
    model, split = planted_split(1, 5, 60)
    adapter = importlib.import_module(f"nnmip.backends.{solver}")
    answer = adapter.solve(model, SolveOptions(start=split), silent_channel(time.time() + 1.0))
    assert answer.termination is Termination.TIME_LIMIT
    assert answer.x is not None and np.round(answer.x).tolist() == split.tolist()


def test_the_start_survives_a_solve_without_a_solution(session: Session, solver: str) -> None:
    model, split = planted_split(2, 5, 60)
    answer = session.solve(model, solver, SolveOptions(time_limit=0.5, start=split))
    assert answer.x is not None and answer.objective == pytest.approx(model.objective(split), abs=1e-9)


def test_an_infeasible_start_is_left_out(session: Session, solver: str) -> None:
    """HiGHS would spend the whole time limit on completing it, and then start again."""
    answer = session.solve(knapsack(), solver, SolveOptions(start=np.array([3.0, 3.0, 3.0])))
    assert answer.termination is Termination.OPTIMAL
    assert answer.message == "the start was not used: it violates the model by 19"


def test_a_start_above_the_cutoff_is_left_out(session: Session) -> None:
    answer = session.solve(knapsack(), "highs", SolveOptions(start=np.zeros(3), cutoff=-5.0))
    assert answer.termination is Termination.OPTIMAL
    assert answer.message == "the start was not used: it lies above the cutoff"


def test_cutoff_below_the_optimum_is_infeasible_and_proves_the_cutoff(session: Session, solver: str) -> None:
    answer = session.solve(knapsack(50.0), solver, SolveOptions(cutoff=37.0 - 1e-6))
    assert answer.termination is Termination.INFEASIBLE
    assert answer.x is None and answer.dual_bound == 37.0 - 1e-6


def test_cutoff_at_the_optimum_keeps_it(session: Session, solver: str) -> None:
    answer = session.solve(knapsack(50.0), solver, SolveOptions(cutoff=37.0))
    assert answer.termination is Termination.OPTIMAL
    assert answer.objective == pytest.approx(37.0, abs=1e-8)
    assert answer.dual_bound <= 37.0


@pytest.mark.parametrize("seed", range(4))
def test_cutoff_never_changes_a_proof(session: Session, solver: str, seed: int) -> None:
    model = relu_net(seed, (3, 4, 3), 0.8)
    best = session.solve(model, "highs").objective
    assert best is not None
    above = session.solve(model, solver, SolveOptions(cutoff=best + 0.01))
    assert above.objective == pytest.approx(best, abs=1e-8) and above.dual_bound <= best + 1e-8
    below = session.solve(model, solver, SolveOptions(cutoff=best - 1e-6))
    assert below.termination is Termination.INFEASIBLE and below.dual_bound == best - 1e-6


def test_a_gap_stops_early_and_is_not_called_optimal(session: Session, solver: str) -> None:
    """The gap is relative to the objective with its constant, in every solver."""
    model = replace(market_split(3, 4, 40), offset=1000.0)
    answer = session.solve(model, solver, SolveOptions(gap=0.5, time_limit=20.0))
    assert answer.termination is Termination.GAP_LIMIT
    assert answer.objective is not None
    assert 1e-3 < answer.objective - answer.dual_bound <= 0.5 * answer.objective


def test_threads_may_change_between_solves(session: Session, solver: str) -> None:
    for threads in (1, 2, 1):
        answer = session.solve(relu_net(5, (3, 5, 3), 0.8), solver, SolveOptions(threads=threads))
        assert answer.termination is Termination.OPTIMAL


def test_same_seed_same_answer(session: Session, solver: str) -> None:
    model = relu_net(6, (3, 5, 3), 0.8)
    first, again, other = (session.solve(model, solver, SolveOptions(seed=seed)) for seed in (3, 3, 4))
    assert first.x is not None and again.x is not None
    assert first.x.tolist() == again.x.tolist() and first.nodes == again.nodes
    assert other.objective == pytest.approx(first.objective, abs=1e-8)


def test_events_are_monotone_and_solutions_are_solutions(session: Session, solver: str) -> None:
    model = market_split(1, 4, 36)
    events: list[Event] = []
    options = SolveOptions(time_limit=2.0, save_every=0.4)
    answer = session.solve(model, solver, options, on_event=events.append)
    progress = [event for event in events if isinstance(event, Progress)]
    solutions = [event for event in events if isinstance(event, Incumbent)]
    bounds = [event.dual_bound for event in progress if event.dual_bound is not None]
    values = [event.incumbent for event in progress if event.incumbent is not None]
    assert len(bounds) >= 2 and len(values) >= 2 and len(solutions) >= 1
    assert all(a <= b for a, b in pairwise(bounds)) and all(a >= b for a, b in pairwise(values))
    assert all(a.objective > b.objective for a, b in pairwise(solutions))
    for solution in solutions:
        assert model.violation(solution.x) < 1e-6
        assert solution.objective == model.objective(solution.x)
    assert answer.objective is not None and answer.objective <= solutions[-1].objective
    assert bounds[-1] <= answer.dual_bound <= answer.objective
    assert bounds[0] >= 0.4, "bounds include the constant of the objective"


def test_nothing_is_printed(solver: str, capfd: pytest.CaptureFixture[str]) -> None:
    """CBC prints for every LP, whatever its verbosity; HiGHS is told to print, for the log."""
    with Session() as session:
        session.solve(small_lp(), solver)
        session.solve(knapsack(), solver)
        session.solve(milp([[1, 1]], [-INF], [1.5], [-INF, 0], [1, 1], [True, False], [1, -1]), solver)
    assert capfd.readouterr() == ("", "")


def test_the_log_keeps_the_last_lines(session: Session) -> None:
    """The answer of a job has the lines of that job and of no other."""
    first = session.solve(knapsack(), "cbc").log
    assert any("Result - Optimal solution found" in line for line in first) and len(first) <= 50
    second = session.solve(knapsack(), "highs").log
    assert any("Nodes" in line for line in second)
    assert not any("Result - " in line for line in second)


def test_solve_leaves_no_process() -> None:
    answer = solve(knapsack(), "auto")
    assert answer.termination is Termination.OPTIMAL and answer.solver == "highs"


def test_unknown_solver_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="scip"):
        solve(knapsack(), "scip")
