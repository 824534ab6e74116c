"""Losses that are held by tangents: rounds, brackets, stages, limits, files."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import nnmip
from nnmip.backends.process import Session
from nnmip.backends.protocol import Progress, RawResult, SolveOptions, Termination
from nnmip.cli.main import run
from nnmip.formats.names import model_names
from nnmip.hir.goals import Held
from nnmip.hir.stages import held_at
from nnmip.pipeline import Model
from nnmip.report.model import model_facts, render_model
from nnmip.report.text import render_result
from nnmip.sizes import Allowance
from nnmip.solution.replay import refuted_stage
from nnmip.solution.rounds import Rounds
from tests.meaning.handwritten.model import HIDDEN, LINEAR, PRUNE, TARGETS
from tests.meaning.handwritten.model import model as corner
from tests.meaning.harness import load, solve_highs

X = np.array([-2.0, -1.0, 0.0, 1.0, 1.5, 2.0, 3.0])
Y = np.array([1.0, 0.2, -0.5, 0.4, 1.1, 1.0, 2.2])
SIGN = np.array([-1, 1, -1, -1, 1, 1, 1])
ROWS = "".join(f"{x:g},{y:g}\n" for x, y in zip(X, Y, strict=True))
SIGNS = "".join(f"{x:g},{'pos' if s > 0 else 'neg'}\n" for x, s in zip(X, SIGN, strict=True))
FREE = LINEAR.format(w="[-4, 4]").replace("{-1, 0, 1}", "[-4, 4]")


def opened(folder: Path, goal: str, *constraints: str, layers: str = FREE, rows: str = ROWS) -> Model:
    truth = "target t" if "neg" not in rows else "label label as {neg: -1, pos: +1}"
    text = corner(layers, goal, *constraints, rows=rows, truth=truth)
    load(text, folder)
    return nnmip.load(folder / "model.nnm")


def least_squares() -> float:
    """The least mean of squares of a line, from the normal equations."""
    a = np.stack([X, np.ones(len(X))], axis=1)
    w = np.linalg.solve(a.T @ a, a.T @ Y)
    return float(((a @ w - Y) ** 2).mean())


def least_logistic() -> float:
    """The least mean logistic loss of a line, by Newton's method."""
    a, w = np.stack([X, np.ones(len(X))], axis=1) * SIGN[:, None], np.zeros(2)
    for _ in range(50):
        p = 1 / (1 + np.exp(a @ w))
        w = w + np.linalg.solve((a * (p * (1 - p))[:, None]).T @ a, a.T @ p)
    return float(np.log1p(np.exp(-a @ w)).mean())


CASES: Mapping[str, tuple[str, str, float]] = {
    "squared": ("squared(net, train)", ROWS, least_squares()),
    "logistic": ("logistic(net, train)", SIGNS, least_logistic()),
}


# ---- brackets ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["highs", "cbc"])
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("tolerance", [0.05, 0.0001])
def test_the_best_goal_lies_in_the_bracket(name: str, tolerance: float, solver: str, tmp_path: Path) -> None:
    loss, rows, truth = CASES[name]
    goal = f"minimize {loss.replace(')', f', tolerance: {tolerance})')}"
    result = opened(tmp_path, goal, rows=rows).solve(solver=solver)
    assert result.is_certified and result.solution != "optimal"
    assert (result.termination, result.solution, result.proof) == ("gap_limit", "feasible", "solver")
    bracket = result.bracket
    assert bracket is not None and bracket.lower is not None and bracket.upper is not None
    assert bracket.lower - 1e-8 <= truth <= bracket.upper + 1e-8
    assert bracket.upper - bracket.lower <= tolerance == bracket.tolerance
    assert (bracket.lower, bracket.upper) == (result.dual_bound, result.objective)


@pytest.mark.parametrize("name", CASES)
def test_a_tolerance_of_0_asks_for_a_closed_gap(name: str, tmp_path: Path) -> None:
    loss, rows, truth = CASES[name]
    result = opened(tmp_path, f"minimize {loss.replace(')', ', tolerance: 0)')}", rows=rows).solve()
    assert result.solution == "optimal" and result.termination == "optimal" and not result.is_certified
    assert result.objective == pytest.approx(truth, abs=2e-7)


def test_a_factor_scales_the_tolerance_and_a_maximum_turns_the_bracket(tmp_path: Path) -> None:
    goal = "maximize 1 - 3 * squared(net, train, tolerance: 0.01)"
    result = opened(tmp_path, goal).solve()
    assert result.is_certified and result.bracket is not None
    assert result.bracket.tolerance == pytest.approx(0.03)
    assert (result.bracket.lower, result.bracket.upper) == (result.objective, result.dual_bound)
    assert result.dual_bound is not None and result.dual_bound + 1e-8 >= 1 - 3 * least_squares()


def test_finite_weights_are_proved_optimal(tmp_path: Path) -> None:
    layers = HIDDEN.format(w="{-1, 0, 0.3, 1}", v="{-0.7, 1, 0.9}", prune=PRUNE)
    goal = "minimize squared(net, train, tolerance: 0) + 0.01 * l0(net.weights)"
    result = opened(tmp_path, goal, layers=layers, rows=TARGETS).solve()
    assert result.solution == "optimal" and result.bracket is not None and result.bracket.is_closed


def test_few_values_need_no_bracket(tmp_path: Path) -> None:
    result = opened(tmp_path, "minimize squared(net, train)", layers=LINEAR.format(w="-2..2"), rows=TARGETS).solve()
    assert result.solution == "optimal" and result.bracket is None and result.to_json()["bracket"] is None


def test_a_second_solver_confirms_the_bound(tmp_path: Path) -> None:
    result = opened(tmp_path, "minimize squared(net, train)").solve(confirm=True)
    assert result.is_certified and result.proof == "confirmed"


# ---- constraints ---------------------------------------------------------------------------------------------------


def test_a_loss_that_must_be_small_is_small_in_truth(tmp_path: Path) -> None:
    result = opened(tmp_path, "minimize norm_1(net.weights)", "squared(net, train) <= 0.6").solve()
    assert result.solution == "optimal" and result.replay is not None and result.replay.max_violation <= 1e-6
    weights = np.concatenate([result.networks["net"].weights["o"].reshape(-1), result.networks["net"].biases["o"]])
    assert ((weights[0] * X + weights[1] - Y) ** 2).mean() == pytest.approx(0.6, abs=1e-6)
    assert result.bracket is not None and result.bracket.tolerance == 0 and result.bracket.is_closed


def test_a_loss_that_cannot_be_that_small_is_a_conflict(tmp_path: Path) -> None:
    result = opened(
        tmp_path, "minimize norm_1(net.weights)", "squared(net, train) <= 0.4", "l0(net.weights) <= 3"
    ).solve()
    assert least_squares() > 0.4
    assert result.termination == "infeasible" and result.conflict is not None and result.conflict.irreducible
    assert [c.name for c in result.conflict.constraints] == ["c0"]


@pytest.mark.parametrize("bound", [0.5, 0.7])
def test_any_network_below_a_loss(bound: float, tmp_path: Path) -> None:
    result = opened(tmp_path, "satisfy", f"squared(net, train) <= {bound}").solve()
    assert result.solution == "feasible" and result.proof == "certified"
    assert run(["solve", str(tmp_path / "model.nnm")]) == 0


# ---- stages --------------------------------------------------------------------------------------------------------

STAGES = "minimize squared(net, train, tolerance: 0.01) then norm_1(net.weights) then maximize sum(net.biases)"


def test_a_certified_stage_is_held_within_its_tolerance(tmp_path: Path) -> None:
    result = opened(tmp_path, STAGES).solve()
    first, second, third = result.stages
    assert result.is_certified and result.solution == "feasible" and third.proof == "solver"
    assert first.held is not None and first.slack is not None and first.dual_bound is not None
    assert first.held + first.slack == pytest.approx(first.dual_bound + 0.01, abs=1e-6)
    assert first.objective is not None and first.objective <= first.held + first.slack + 1e-6
    assert second.held is not None and second.slack == pytest.approx(max(1e-7, 1e-7 * second.held))
    text = render_result(result)
    assert "certified: every goal in its order within its tolerance" in text
    assert "within 0.01 and held within" in text


def test_a_network_between_the_bound_and_the_value_refutes_nothing(tmp_path: Path) -> None:
    program = opened(tmp_path, STAGES).program
    checked = opened(tmp_path, STAGES).solve().replay
    assert checked is not None
    value = checked.evaluation.objectives[0]
    for bound, refuted in ((value - 0.01, None), (value + 0.01, 1)):
        held = replace(program, held=(Held(value + 0.02, 1e-7, 1e-7, bound),))
        assert refuted_stage(held, checked) == refuted


def test_the_room_of_a_certified_stage(tmp_path: Path) -> None:
    program = opened(tmp_path, STAGES).program
    assert held_at(program, 0.5).held[0].room == 1e-7
    assert held_at(program, 0.5, 0.495, 0.01).held[0].room == pytest.approx(0.005)
    assert held_at(program, 0.5, 0.49, 0.01).held[0].room == pytest.approx(1e-7)


# ---- limits --------------------------------------------------------------------------------------------------------

HARD = HIDDEN.format(w="[-4, 4]", v="{-1, 0, 1}", prune=PRUNE)


def test_a_time_limit_keeps_a_network(tmp_path: Path) -> None:
    result = opened(tmp_path, "minimize squared(net, train)", layers=HARD).solve(time_limit=0)
    assert (result.termination, result.solution, result.proof) == ("time_limit", "feasible", "none")
    assert result.bracket is not None and not result.bracket.is_reached and not result.is_certified
    assert run(["solve", str(tmp_path / "model.nnm"), "--time-limit", "0"]) == 3


def test_a_stop_between_rounds_keeps_both_values(tmp_path: Path) -> None:
    stop, seen = threading.Event(), []

    def watch(event: Progress) -> None:
        seen.append(event)
        if event.phase.startswith("round 2"):
            stop.set()

    goal = "minimize squared(net, train, tolerance: 0)"
    result = opened(tmp_path, goal, layers=HARD).solve(progress=watch, stop=stop)
    assert (result.termination, result.solution) == ("interrupted", "feasible")
    assert result.bracket is not None and result.bracket.rounds >= 2
    assert result.objective is not None and result.dual_bound is not None and result.dual_bound <= result.objective
    incumbents = [event.incumbent for event in seen if event.incumbent is not None]
    bounds = [event.dual_bound for event in seen if event.dual_bound is not None]
    assert incumbents == sorted(incumbents, reverse=True) and bounds == sorted(bounds)


def test_ctrl_c_between_rounds_keeps_both_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Rounds._networks

    def interrupted(self: Rounds, raw: RawResult) -> object:
        if self.count == 2:
            raise KeyboardInterrupt
        return honest(self, raw)

    monkeypatch.setattr(Rounds, "_networks", interrupted)
    result = opened(tmp_path, "minimize squared(net, train, tolerance: 0)").solve()
    assert (result.termination, result.solution, result.proof) == ("interrupted", "feasible", "none")
    assert result.bracket is not None and result.bracket.lower is not None and result.bracket.rounds == 2


@pytest.mark.parametrize("bound", [1e6, -1e6])
def test_a_false_bound_is_not_believed(bound: float, tmp_path: Path) -> None:
    """One above the goal of a network fails the replay; one far below it certifies nothing."""
    lowered = opened(tmp_path, "minimize squared(net, train)").lowered

    def solve(lowered: object, options: SolveOptions) -> RawResult:
        x = solve_highs(lowered.milp).x  # type: ignore[attr-defined]
        return RawResult(Termination.OPTIMAL, "fake", "1", x, 0.0, bound)

    with Session() as session:
        rounds = Rounds(lowered, session, solve, SolveOptions)
        raw, checked = rounds.run([])
    assert checked is not None
    assert (checked.status == "failed") == (bound > 0)
    assert bound > 0 or raw.termination is Termination.GAP_LIMIT


def test_without_a_solver_there_is_no_network(tmp_path: Path) -> None:
    """A start that no solver has looked at is no answer."""
    stated = opened(tmp_path, "minimize squared(net, train)")
    known = opened(tmp_path, "minimize squared(net, train, tolerance: 0.5)").solve().replay
    assert known is not None

    def solve(lowered: object, options: SolveOptions) -> RawResult:
        return RawResult(Termination.BACKEND_MISSING, "fake", "1")

    with Session() as session:
        raw, checked = Rounds(stated.lowered, session, solve, SolveOptions).run([known.assignment])
    assert checked is None and raw.x is None and raw.termination is Termination.BACKEND_MISSING


def test_a_gap_that_is_asked_for_ends_the_rounds(tmp_path: Path) -> None:
    result = opened(tmp_path, "minimize squared(net, train, tolerance: 0)").solve(gap=0.5)
    assert (result.termination, result.solution, result.proof) == ("gap_limit", "feasible", "none")
    assert result.gap is not None and result.gap <= 0.5


# ---- folders and files ---------------------------------------------------------------------------------------------


def test_a_certified_network_is_kept(tmp_path: Path) -> None:
    stated, folder = opened(tmp_path, "minimize squared(net, train, tolerance: 0.05)", layers=HARD), tmp_path / "run"
    first = stated.solve(save=folder)
    assert first.is_certified and first.saved
    again = stated.solve(save=folder, time_limit=0)
    assert any("proved this network optimal within its tolerance" in note for note in again.notes)
    stored = json.loads((folder / "result.json").read_text())
    assert stored["bracket"]["is_reached"] and stored["bracket"] == first.to_json()["bracket"]


def test_a_file_is_a_relaxation_within_the_tolerance(tmp_path: Path) -> None:
    stated = opened(tmp_path, "minimize squared(net, train, tolerance: 0.01)")
    written = stated.write(tmp_path / "model.mps")
    names = json.loads(written.names.read_text())
    assert names["kind"] == "relaxation"
    ((loss, below),) = names["extra"]["below"].items()
    assert loss == "squared(net, train, tolerance: 0.01)" and 0 < below <= 0.01
    answer = solve_highs(stated.lowered_for().milp)
    assert answer.objective is not None and least_squares() - below <= answer.objective <= least_squares() + 1e-8
    assert stated.compile("mps") == opened(tmp_path, "minimize squared(net, train, tolerance: 0.01)").compile("mps")


def test_the_answer_to_a_file_comes_back_with_its_true_goal(tmp_path: Path) -> None:
    stated = opened(tmp_path, "minimize squared(net, train, tolerance: 0.01)", "squared(net, train) <= 0.45")
    written, lowered = stated.write(tmp_path / "model.mps"), stated.lowered_for()
    answer = solve_highs(lowered.milp)
    assert answer.x is not None
    names = model_names(lowered.milp).columns
    (tmp_path / "model.sol").write_text("".join(f"{n} {v!r}\n" for n, v in zip(names, answer.x.tolist(), strict=True)))
    result = stated.import_solution(tmp_path / "model.sol", written.names, bound=answer.objective)
    assert result.solution == "feasible" and result.proof == "none" and result.termination is None
    assert result.objective is not None and result.objective >= least_squares() - 1e-9
    assert result.dual_bound == answer.objective


def test_an_exact_file_is_equivalent(tmp_path: Path) -> None:
    stated = opened(tmp_path, "minimize squared(net, train)", layers=LINEAR.format(w="-2..2"), rows=TARGETS)
    names = json.loads(stated.write(tmp_path / "model.lp").names.read_text())
    assert names["kind"] == "equivalent" and "below" not in names["extra"]


# ---- reports -------------------------------------------------------------------------------------------------------


def test_the_report_names_both_ends(tmp_path: Path) -> None:
    result = opened(tmp_path, "minimize squared(net, train, tolerance: 0.01)").solve()
    text = render_result(result)
    assert f"certified within 0.01 of the global optimum, with highs {result.solver_version}" in text
    assert "(bound) and" in text and "(this network): " in text and "within the tolerance of 0.01" in text
    found = result.to_json()["bracket"]
    assert list(found) == ["lower", "upper", "tolerance", "is_reached", "rounds", "tangents"]
    assert found["is_reached"] and math.isfinite(found["lower"])


def test_a_front_needs_closed_gaps(tmp_path: Path) -> None:
    stated = opened(tmp_path, "minimize squared(net, train, tolerance: 0.1) + 0.01 * l0(net.weights)")
    front = stated.pareto("l0")
    assert not front.is_complete and len(front) == 0 and "state `tolerance: 0`" in front.message
    exact = opened(tmp_path, "minimize squared(net, train, tolerance: 0) + 0.01 * l0(net.weights)").pareto("l0")
    assert exact.is_complete and [point.term for point in exact] == [1, 0]
    assert exact[0].rest == pytest.approx(least_squares(), abs=1e-6)
    assert exact[1].rest == pytest.approx(Y.var(), abs=1e-6)


def test_a_front_beside_the_squares_of_weights_needs_closed_gaps(tmp_path: Path) -> None:
    """Ridge regression against its number of weights: the tolerance of the norm alone leaves a gap open."""
    goal = "minimize squared(net, train, tolerance: 0) + 0.1 * norm_2sq(net.weights{}) + l0(net.weights)"
    for stated in ("", ", tolerance: 0.1"):
        front = opened(tmp_path, goal.format(stated)).pareto("l0")
        assert not front.is_complete and len(front) == 0 and "state `tolerance: 0`" in front.message
    front = opened(tmp_path, goal.format(", tolerance: 0")).pareto("l0")
    assert front.is_complete and [point.term for point in front] == [1, 0]
    covariance = float(((X - X.mean()) * (Y - Y.mean())).mean())
    ridge = Y.var() - covariance**2 / (X.var() + 0.1)
    assert [point.rest for point in front] == pytest.approx([ridge, Y.var()], abs=1e-6)


def test_a_front_along_the_squares_of_weights(tmp_path: Path) -> None:
    """Every point has the least mean absolute error of a line with a slope of this square."""
    goal = "minimize absolute(net, train) + 0.1 * norm_2sq(net.weights, tolerance: 0)"
    front = opened(tmp_path, goal).pareto("norm_2sq", step=0.02)
    assert front.is_complete and len(front) == 5
    for point in front:
        (weight,) = point.result.networks["net"].weights["o"].reshape(-1)
        assert point.term == pytest.approx(weight**2, abs=1e-7)
        left = Y - np.sqrt(point.term) * X
        assert point.rest == pytest.approx(np.abs(left - np.median(left)).mean(), abs=1e-4)


def test_a_file_stays_within_what_is_allowed(tmp_path: Path) -> None:
    stated = opened(tmp_path, "minimize squared(net, train, tolerance: 0.000001)")
    whole = stated.lowered_for()
    stated.allowance = Allowance.of("25kB")
    fewer = stated.lowered_for()
    assert fewer.milp.num_rows < whole.milp.num_rows
    assert sum(fewer.gaps.values()) > sum(whole.gaps.values()) > 1e-6


def test_what_a_model_becomes_is_called_a_relaxation(tmp_path: Path) -> None:
    lowered = opened(tmp_path, "minimize squared(net, train)").lowered
    facts = model_facts(lowered, "")
    assert facts["below"] == lowered.gaps and "a relaxation: squared(net, train) is held by" in render_model(facts)
    exact = opened(tmp_path, "minimize squared(net, train)", layers=LINEAR.format(w="-2..2"), rows=TARGETS).lowered
    assert model_facts(exact, "")["below"] == {} and "a relaxation" not in render_model(model_facts(exact, ""))
