"""Goals one after the other, and conflicts of infeasible models, against enumeration."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from nnmip.hir.core import Program
from nnmip.hir.stages import goal_step, held_at
from nnmip.lowering.lower import lower_program
from nnmip.pipeline import Model, loads
from nnmip.solution.result import Result, SolutionStatus
from tests.meaning.generator import Model as Text
from tests.meaning.generator import seeded_model
from tests.meaning.handwritten.model import HIDDEN, LINEAR, model
from tests.meaning.harness import difference, load, solve_in_rounds
from tests.meaning.oracle import enumerate_optimum, enumerate_stages

LATER = (
    "\n  then l0(net.weights) then maximize sum(net.weights)",
    "\n  then maximize norm_1(net.weights)\n  then l0(net.weights)",
    "\n  then minimize norm_1(net.weights) / 3 + 0.25 * l0(net.weights)\n  then maximize sum(net.weights)",
)


def opened(text: Text, folder: Path) -> Model:
    load(text, folder)
    return loads(text.text, directory=folder)


def in_stages(text: Text, later: str) -> Text:
    """The model with further goals; `satisfy` becomes a goal with one value."""
    goal = re.sub(r"^satisfy$", "minimize 0 * sum(net.weights)", text.text, flags=re.MULTILINE)
    return Text(
        re.sub(r"^((?:min|max)imize .*)$", lambda m: m[1] + later, goal, count=1, flags=re.MULTILINE), text.tables
    )


@pytest.mark.parametrize("solver", ["highs", "cbc"])
@pytest.mark.parametrize("seed", range(300, 312))
def test_stages_agree_with_enumeration(seed: int, solver: str, tmp_path: Path) -> None:
    stated = opened(in_stages(seeded_model(seed), LATER[seed % len(LATER)]), tmp_path)
    truth = enumerate_stages(stated.program)
    result = stated.solve(solver=solver)
    if truth is None:
        assert result.termination == "infeasible"
        return
    assert result.solution is SolutionStatus.OPTIMAL, result
    assert [stage.objective for stage in result.stages] == pytest.approx(list(truth), abs=2e-6)
    assert all(stage.gap is not None and stage.gap < 1e-5 for stage in result.stages)


@pytest.mark.parametrize("seed", range(320, 380))
def test_the_encodings_of_all_stages_agree_with_enumeration(seed: int, tmp_path: Path) -> None:
    """Each stage with those before held at their true optima, solved in this process."""
    program = load(in_stages(seeded_model(seed), LATER[seed % len(LATER)]), tmp_path)
    truth = enumerate_stages(program)
    for number in range(3 if truth is not None else 1):
        lowered = lower_program(program)
        assert not difference(*solve_in_rounds(lowered), truth[number] if truth is not None else None)
        if truth is not None:
            program = held_at(program, truth[number]) if number < 2 else program


@pytest.mark.parametrize("seed", range(400, 406))
def test_a_conflict_is_infeasible_and_every_part_of_it_is_needed(seed: int, tmp_path: Path) -> None:
    wishes = "\nconstraint w0: l0(net.weights) >= 2\nconstraint w1: norm_1(net.weights) <= 0.5\n"
    stated = opened(Text(seeded_model(seed).text + wishes, seeded_model(seed).tables), tmp_path)
    result = stated.solve()
    assert result.termination == "infeasible" and result.conflict is not None and result.conflict.irreducible
    members = result.conflict.constraints
    assert not _feasible(stated.program, members)
    assert all(_feasible(stated.program, others) for others in combinations(members, len(members) - 1))


def _feasible(program: Program, constraints: tuple[object, ...]) -> bool:
    return enumerate_optimum(replace(program, stages=(), constraints=constraints)).objective is not None


WEIGHTS = "{-2, -1, 0, 1, 2}"


@pytest.mark.parametrize(
    ("goal", "step"),
    [
        ("minimize zero_one(net, train)", 1 / 3),
        ("minimize 3 * l0(net.weights) + 4.5 * norm_1(net.weights)", 1.5),
        ("maximize sum(net.o.bias) / 4 + 7.3", 0.25),
        ("minimize l0(net.weights) / 3 + 0.5 * l0(net.biases)", 1 / 6),
        ("minimize (if net.o.bias[0] >= 0 then 3 * sum(net.weights) else 4.5)", 1.5),
        ("minimize 2 + 0 * sum(net.weights)", 0),
        ("minimize hinge(net, train)", None),
        ("minimize l0(net.weights) * 0.333", 0.333),
        ("minimize l0(net.weights) * 0.33333333", None),
        ("minimize l0(net.weights) * 0.000001", None),
    ],
)
def test_the_step_of_a_goal(goal: str, step: float | None, tmp_path: Path) -> None:
    program = load(model(LINEAR.format(w=WEIGHTS), goal), tmp_path)
    found = goal_step(program, program.stages[0])
    assert (found is None) if step is None else (found is not None and float(found) == pytest.approx(step))


def test_a_stage_on_a_grid_is_held_exactly_and_any_other_within_a_slack(tmp_path: Path) -> None:
    text = model(LINEAR.format(w=WEIGHTS), "minimize l0(net.weights) then hinge(net, train) then norm_1(net.weights)")
    program = held_at(held_at(load(text, tmp_path), 2.0), 250.0)
    assert [held.slack for held in program.held] == pytest.approx([0.0, 2.5e-5])
    assert program.goal is program.stages[2]


def two_stages(folder: Path, goal: str = "minimize hinge(net, train) then l0(net.weights)") -> Model:
    return opened(model(HIDDEN.format(w=WEIGHTS, v="{-1, 0, 1}", prune=""), goal), folder)


def test_a_later_stage_has_a_file_of_its_own_and_takes_answers_back(tmp_path: Path) -> None:
    stated = two_stages(tmp_path)
    solved = stated.solve()
    first, second = (stage.objective for stage in solved.stages)
    assert first is not None
    written = stated.write(tmp_path / "second.mps", stage=2, fix={1: first})
    answer = tmp_path / "second.sol"
    answer.write_text(_solution(stated, solved, {1: first}))
    result = stated.import_solution(answer, written.names)
    assert result.solution == "feasible" and result.objective == second
    assert [stage.held for stage in result.stages] == [first, None]


def _solution(stated: Model, solved: Result, fix: dict[int, float]) -> str:
    from nnmip.formats.names import model_names

    lowered = stated.lowered_for(2, fix)
    assert solved.replay is not None
    x = lowered.complete(solved.replay.assignment)
    return "".join(f"{n} {v!r}\n" for n, v in zip(model_names(lowered.milp).columns, x.tolist(), strict=True))


@pytest.mark.parametrize(
    ("stage", "fix", "said"),
    [(3, {}, "no stage 3"), (2, {}, "needs the value of stage 1"), (1, {1: 0.0}, "does not come before stage 1")],
)
def test_a_stage_needs_the_values_before_it(stage: int, fix: dict[int, float], said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        two_stages(tmp_path).write(tmp_path / "x.lp", stage=stage, fix=fix)


def test_a_stage_that_is_not_proved_ends_the_run_with_its_network(tmp_path: Path) -> None:
    result = two_stages(tmp_path).solve(time_limit=0)
    assert result.solution == "feasible" and result.proof == "none" and result.sense == "minimize"
    assert [stage.termination for stage in result.stages] == ["time_limit", None]
    assert all(stage.objective is not None for stage in result.stages)


def test_a_goal_without_an_encoding_is_told_before_any_stage_is_solved(tmp_path: Path) -> None:
    goal = "minimize hinge(net, train) then maximize l0(net.weights)"
    stated = opened(model(LINEAR.format(w="[-2, 2]"), goal), tmp_path)
    assert [d.code for d in stated.check()] == ["NNM0314"]


def test_a_saved_run_is_resumed_in_the_order_of_the_goals(tmp_path: Path) -> None:
    stated = two_stages(tmp_path)
    first = stated.solve(save=tmp_path / "run")
    again = stated.solve(save=tmp_path / "run", time_limit=0)
    assert again.stages[0].objective == pytest.approx(first.stages[0].objective)
    assert again.stages[1].objective == pytest.approx(first.stages[1].objective)
