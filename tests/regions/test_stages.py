"""Goals in stages under rules over regions, against all networks of a small model, each checked at its kinks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnmip
from nnmip.backends.process import Session
from nnmip.backends.protocol import Progress, RawResult, Termination
from nnmip.hir.core import Assignment, Program
from nnmip.regions import aim, claims, run
from nnmip.regions.instances import Instances, Point
from nnmip.report.text import render_result
from nnmip.solution.result import Proof, Result, SolutionStatus
from nnmip.verification import units
from tests.regions.test_rounds import CASES, LINE, ROWS, TABLE, Net, Rule, net_of, networks, solved

SLACK = Fraction(1, 10**7)
Goal = Callable[[Net], Fraction]


def size(net: Net) -> Fraction:
    return Fraction(sum(value != 0 for value in (*net.w, *net.v)))


def loss(net: Net) -> Fraction:
    return net.loss


def worst(net: Net) -> Fraction:
    return max(abs(net(Fraction(x)) - Fraction(str(y))) for x, y in ROWS)


def biases(net: Net) -> Fraction:
    """To be maximised."""
    return -sum(net.b, start=net.c)


LOSS_FIRST = "minimize absolute(f, t) then l0(f.weights)"
SIZE_FIRST = "minimize l0(f.weights) then absolute(f, t)"
THREE = "minimize max_error(f, t) then l0(f.weights) then maximize sum(f.biases)"
ORDERS: dict[str, tuple[Goal, ...]] = {
    LOSS_FIRST: (loss, size),
    SIZE_FIRST: (size, loss),
    THREE: (worst, size, biases),
}

CHOSEN = (
    ("sign", THREE, "highs"),
    ("robust", SIZE_FIRST, "highs"),
    ("monotone", THREE, "cbc"),
)


@cache
def table(rule: Rule) -> list[tuple[Net, bool, bool]]:
    """All networks, whether they keep a rule, and whether with delta to spare."""
    return [(net, rule(net, Fraction(0)), rule(net, Fraction(str(aim.DELTA)))) for net in networks()]


def in_order(nets: Sequence[Net], goals: Sequence[Goal]) -> list[Fraction]:
    """The best values of goals, each among the networks that are as good in those before."""
    found = []
    for goal in goals:
        values = [goal(net) for net in nets]
        found.append(min(values))
        nets = [net for net, value in zip(nets, values, strict=True) if value <= found[-1] + SLACK]
    return found


def signed(result: Result, values: Sequence[float | None]) -> list[float]:
    """Values of goals, each so that less is better."""
    signs = [1.0 if stage.sense == "minimize" else -1.0 for stage in result.stages]
    return [sign * value for sign, value in zip(signs, values, strict=True) if value is not None]


def is_worse(net: Net, than: Sequence[float], goals: Sequence[Goal]) -> bool:
    """Whether a network is not better in the order of the goals, but for tolerances."""
    for goal, value in zip(goals, than, strict=True):
        own = float(goal(net))
        if abs(own - value) > 1e-6:
            return own > value
    return True


@pytest.mark.parametrize(("case", "order", "solver"), CHOSEN)
def test_the_best_network_in_the_order_of_the_goals(case: str, order: str, solver: str, tmp_path: Path) -> None:
    (text, rule), goals = CASES[case], ORDERS[order]
    result = solved(text, tmp_path, goal=order, solver=solver)
    net = net_of(result)
    assert rule(net, Fraction(0)) and result.promise is not None and result.termination is Termination.OPTIMAL
    values = signed(result, [stage.objective for stage in result.stages])
    assert values == pytest.approx([float(goal(net)) for goal in goals], abs=1e-7)
    best = [float(v) for v in in_order([net for net, keeps, _ in table(rule) if keeps], goals)]
    bounds = signed(result, [stage.dual_bound for stage in result.stages])
    assert all(bound <= value + 1e-6 for bound, value in zip(bounds, best, strict=False))
    if result.solution is SolutionStatus.OPTIMAL:
        assert values == pytest.approx(best, abs=1e-6) and bounds == pytest.approx(best, abs=1e-6)
        assert not any(stage.is_tight for stage in result.stages)
    else:
        assert result.is_tightened and any(stage.is_tight for stage in result.stages)
        assert all(is_worse(net, values, goals) for net, _, is_firm in table(rule) if is_firm)
    assert all(stage.proof in (Proof.SOLVER, Proof.CERTIFIED) for stage in result.stages)
    assert [stage.held is not None for stage in result.stages] == [True] * (len(goals) - 1) + [False]


def test_the_rules_change_what_is_found() -> None:
    """Otherwise the cases would show nothing."""
    for case, order, _ in CHOSEN:
        nets = table(CASES[case][1])
        kept = [net for net, keeps, _ in nets if keeps]
        assert in_order(kept, ORDERS[order]) != in_order([net for net, _, _ in nets], ORDERS[order])


# ---- rules that have to be tightened ---------------------------------------------------------------------------------

TIGHT = "minimize absolute(f, t) then sum(f.biases) then max_error(f, t)"
"""Where the loss is tightened, the biases that go with it are smaller than those of the best network of all."""


def low_biases(net: Net) -> Fraction:
    return -biases(net)


@pytest.fixture
def too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """No network is small enough for an exact proof, so that a rule that is met exactly has to be tightened."""
    monkeypatch.setattr(units, "MOST_UNITS", 0)


def test_the_claim_and_the_bounds_of_tightened_stages(too_large: None, tmp_path: Path) -> None:
    goals, (text, rule) = (loss, low_biases, worst), CASES["on_it"]
    result = solved(text, tmp_path, goal=TIGHT)
    assert result.is_tightened and result.proof is Proof.SOLVER and rule(net_of(result), Fraction(0))
    assert result.stages[0].is_tight and result.stages[0].termination is Termination.OPTIMAL
    values = [stage.objective or 0.0 for stage in result.stages]
    assert all(is_worse(net, values, goals) for net, _, is_firm in table(rule) if is_firm)
    best = [float(v) for v in in_order([net for net, keeps, _ in table(rule) if keeps], goals)]
    bounds = [stage.dual_bound for stage in result.stages]
    assert bounds[0] is not None and bounds[1] is not None and bounds[0] <= best[0] and bounds[1] <= best[1]
    assert bounds[2] is None and result.dual_bound is None
    shown = render_result(result)
    assert "every goal in its order optimal for `c` tightened by 1e-05, proved for the rules themselves" in shown
    assert "no network that keeps `c` with 1e-05 to spare is better in the order of the goals; in stage 1 no" in shown
    assert "for the tightened rules and held within 1e-07" in shown
    found = result.to_json()
    assert found["stages"][0]["optimal_for_tightened"]
    assert {each["stage"] for each in found["regions"]["rounds"]} == {1, 2, 3}


def test_a_bound_of_a_third_stage_would_be_false(
    too_large: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the report leaves out after two tightened stages is no bound of the best network."""
    monkeypatch.setattr(claims.Conclusion, "_is_bound", True)
    result = solved(CASES["on_it"][0], tmp_path, goal=TIGHT)
    kept = [net for net, keeps, _ in table(CASES["on_it"][1]) if keeps]
    best = in_order(kept, (loss, low_biases, worst))[2]
    assert result.dual_bound is not None and result.dual_bound > float(best) + 0.1


def line(folder: Path) -> Result:
    """The best line lies on the rule; the second goal is a curve, whose best network a solver leaves beyond it."""
    (folder / "t.csv").write_text(TABLE)
    text = LINE.format(rule="constraint c: forall z : real[1] in [0.1, 0.9]: f(z) <= 0.8")
    text = text.replace("absolute(f, t)", "absolute(f, t) then squared(f, t, tolerance: 0.001)")
    return nnmip.loads(text, directory=folder).solve(solver="highs", time_limit=60)


@pytest.mark.parametrize(("bias", "delta"), [(0.7, aim.DELTA), (0.8 - 3e-6, 3e-6), (0.8, aim.NUDGE)])
def test_a_rule_is_tightened_only_as_far_as_the_network_before_keeps_it(
    bias: float, delta: float, tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text(TABLE)
    text = LINE.format(rule="constraint c: forall z : real[1] in [0.1, 0.9]: f(z) <= 0.8")
    program = nnmip.loads(text, directory=tmp_path).program
    path = program.regions[0].cells[0].property.points[0].decision.path
    before = Assignment({"f.o.weights": np.zeros((1, 1)), "f.o.bias": np.array([bias])}, {})
    now = aim.Aim(program, before, {0})
    assert now.deltas(Instances(program), [Point(0, 0, {path: np.array([0.5])})], True) == [pytest.approx(delta)]


def test_the_network_of_the_stage_before_stays_possible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = line(tmp_path)
    assert result.solution is SolutionStatus.OPTIMAL and result.promise is not None
    weight, bias = result.networks["f"].weights["o"][0, 0], result.networks["f"].biases["o"][0]
    column = np.array([x for x, _ in ROWS])
    assert all(weight * (x - column.mean()) / column.std() + bias <= 0.8 for x in (0.1, 0.9))
    monkeypatch.setattr(aim.Aim, "delta", lambda self, instances, point: aim.DELTA)
    seen = line(tmp_path)
    if "tightened" in [each.kind for each in result.promise.rounds]:
        assert seen.termination is Termination.GAP_LIMIT and seen.proof is Proof.NONE
        assert "and the goals before" in seen.message


# ---- ends ------------------------------------------------------------------------------------------------------------


def test_a_limit_in_the_second_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run.RegionRun, "_left", lambda self: 60.0 if self.aim.number == 1 else 0.0)
    result = solved(CASES["sign"][0], tmp_path, goal=THREE)
    check_open(result, Termination.TIME_LIMIT, [Termination.OPTIMAL, Termination.TIME_LIMIT, None])


def test_an_interrupt_in_the_second_stage(tmp_path: Path) -> None:
    stop = threading.Event()

    def watch(progress: Progress) -> None:
        if progress.is_milestone and "stage 2 of 3 relaxed" in progress.phase:
            stop.set()

    result = solved(CASES["sign"][0], tmp_path, goal=THREE, progress=watch, stop=stop, save=tmp_path / "saved")
    check_open(result, Termination.INTERRUPTED, [Termination.OPTIMAL, Termination.OPTIMAL, Termination.INTERRUPTED])
    again = nnmip.load_network(tmp_path / "saved")
    assert np.array_equal(again.weights["o"], result.networks["f"].compact().weights["o"])


def check_open(result: Result, ended: Termination, stages: Sequence[Termination | None]) -> None:
    """What is kept of the stages that are proved: their values, and the best network that keeps them."""
    rule, number = CASES["sign"][1], len([each for each in stages if each is Termination.OPTIMAL])
    best = in_order([net for net, keeps, _ in table(rule) if keeps], ORDERS[THREE])
    assert rule(net_of(result), Fraction(0))
    assert (result.termination, result.solution, result.proof) == (ended, SolutionStatus.FEASIBLE, Proof.NONE)
    assert [stage.termination for stage in result.stages] == stages
    values = [float(goal(net_of(result))) for goal in ORDERS[THREE]]
    assert values[:number] == pytest.approx([float(v) for v in best[:number]], abs=1e-6)
    assert [stage.proof for stage in result.stages] == [Proof.SOLVER] * number + [Proof.NONE] * (3 - number)
    assert f"in stage {number + 1} of 3 (highs" in render_result(result)


def test_a_rule_that_no_network_keeps(tmp_path: Path) -> None:
    result = solved("forall z : real[1] in [0.25, 0.75]: f(z) >= 9", tmp_path, goal=LOSS_FIRST)
    assert result.termination is Termination.INFEASIBLE and result.dual_bound is None
    assert result.conflict is not None and [c.name for c in result.conflict.constraints] == ["c"]
    assert [stage.termination for stage in result.stages] == [Termination.INFEASIBLE, None]


def test_no_time_at_all(tmp_path: Path) -> None:
    shown = render_result(solved(CASES["sign"][0], tmp_path, goal=LOSS_FIRST, time_limit=0.0))
    assert (
        "no answer: stopped at the time limit, and no network is proved to keep the rules over regions (no solver ran)"
        in shown
    )


def test_a_goal_that_is_not_held_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = run.held_at

    def forgetful(program: Program, *arguments: Any) -> Program:
        held = honest(program, *arguments)
        return replace(held, held=tuple(replace(each, value=9.0, room=9.0) for each in held.held))

    monkeypatch.setattr(run, "held_at", forgetful)
    result = solved(CASES["sign"][0], tmp_path, goal=LOSS_FIRST)
    values = [float(goal(net_of(result))) for goal in ORDERS[LOSS_FIRST]]
    best = in_order([net for net, keeps, _ in table(CASES["sign"][1]) if keeps], ORDERS[LOSS_FIRST])
    assert values[0] > float(best[0]) + 0.1 and values[1] < float(best[1])


def in_stage(number: int, monkeypatch: pytest.MonkeyPatch, answer: Callable[[RawResult], RawResult]) -> None:
    """Have a solver answer something else to the rounds of a stage."""
    now, stage_in, honest = [0], run.Run.stage_in, Session.solve

    def noted(self: run.Run, *arguments: Any, **options: Any) -> Result:
        now[0] = len(self.problem.program.held) + 1
        return stage_in(self, *arguments, **options)

    def solve(self: Session, *arguments: Any, **options: Any) -> RawResult:
        raw = honest(self, *arguments, **options)
        return answer(raw) if now[0] == number else raw

    monkeypatch.setattr(run.Run, "stage_in", noted)
    monkeypatch.setattr(Session, "solve", solve)


def test_a_solver_that_finds_no_network_although_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_stage(2, monkeypatch, lambda raw: RawResult(Termination.INFEASIBLE, raw.solver, raw.version))
    result = solved(CASES["sign"][0], tmp_path, goal=LOSS_FIRST, solver="highs")
    assert result.termination is Termination.SOLVER_ERROR and result.conflict is None and result.proof is Proof.NONE
    assert result.message == "stage 2: highs finds no network that keeps the rules, but there is one"
    assert result.stages[0].proof is Proof.SOLVER and result.has_answer


def test_a_later_stage_that_refutes_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loss is held at more than its best value, and a network of the second stage is better than that."""
    honest = run.held_at
    monkeypatch.setattr(run, "held_at", lambda program, value, *rest: honest(program, value + 0.2, *rest))
    result = solved(CASES["sign"][0], tmp_path, goal="minimize absolute(f, t) then max_error(f, t)", solver="highs")
    assert result.termination is Termination.SOLVER_ERROR and result.proof is Proof.NONE
    assert [stage.proof for stage in result.stages] == [Proof.NONE, Proof.NONE]
    assert "as the best value of this stage, and found a better one later" in result.message
