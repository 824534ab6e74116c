"""Runs with several goals: values to hold, interrupts and limits in and between stages, proofs true and false."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import highspy
import pytest

from nnmip.backends.process import Session
from nnmip.backends.protocol import RawResult, Termination
from nnmip.cli.main import run
from nnmip.diagnostics import DiagnosticError
from nnmip.hir.core import Program
from nnmip.pipeline import Model, load
from nnmip.report.text import render_result
from nnmip.solution import run as runs
from nnmip.solution.result import Proof, Result, SolutionStatus
from nnmip.solution.work import Work
from tests.workbench import XOR, standard_json, write_model

GOAL = "minimize hinge(net, points) + 0.001 * l0(net.weights) + 0.0001 * norm_1(net.weights)"
STAGES = XOR.replace(GOAL, "minimize zero_one(net, points) then l0(net.weights) then maximize sum(net.biases)")
"""Optima 0, 5 and 0: an exclusive or of five weights with biases that add up to 0 at most."""

SHARES = XOR.replace(GOAL, "minimize hinge(net, points) / 3 + 0.1 * zero_one(net, points) then l0(net.weights)")
REGRESSION = """nnm 0.1
data points = csv("points.csv") {
  features x0
  target   x1
}
network net(x: real[1] in [-1, 1]) {
  layer o = dense(x, units: 1, weights in [-2, 2], bias in [-2, 2])
  return o[0]
}
minimize squared(net, points, tolerance: 0) + 0.1 * norm_1(net.weights)
"""

HONEST = Session.solve
Solve = Callable[[], RawResult]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path, STAGES, "stages.nnm")
    return tmp_path


def stages() -> Model:
    return load("stages.nnm")


def values(result: Result) -> list[float | None]:
    return [stage.objective for stage in result.stages]


def proofs(result: Result) -> list[str]:
    return [stage.proof.value for stage in result.stages]


@pytest.fixture(scope="module")
def optimum(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return load(write_model(tmp_path_factory.mktemp("optimum"), STAGES)).solve(solver="highs")


def test_the_optimum(optimum: Result) -> None:
    assert optimum.solution is SolutionStatus.OPTIMAL and optimum.proof is Proof.SOLVER
    assert proofs(optimum) == ["solver"] * 3
    assert [stage.held for stage in optimum.stages] == [*values(optimum)[:2], None]
    assert [stage.slack for stage in optimum.stages] == [0.0, 0.0, None]
    assert "proved 0 and held exactly\n" in render_result(optimum)


# ---- values to hold ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fix", "said"),
    [
        ("stage1=0.3", "stage 1 cannot have the value 0.3; it can have 0.25 and 0.5"),
        ("stage1=-0.1", "stage 1 cannot have the value -0.1; it can have -0.25 and 0"),
        ("stage1=nan", "the value of stage 1 must be finite, not nan"),
        ("stage1=1e400", "the value of stage 1 must be finite, not inf"),
        ("stage1=few", "`stage1=few` is not stageN=VALUE, such as stage1=0.25"),
        ("stage1", "`stage1` is not stageN=VALUE"),
        ("stages=0", "`stages=0` is not stageN=VALUE"),
        ("stage2=5", "stage 2 needs the value of stage 1: --fix stage1=VALUE"),
        ("stage1=0 --fix 1=0", "stage 1 has two values, 0 and 0"),
        ("stage1=0 --fix stage0=0", "the goal has 3 stages, and no stage 0 to fix"),
        ("stage1=0 --fix stage9=0", "the goal has 3 stages, and no stage 9 to fix"),
        ("stage1=0 --fix stage2=5", "stage 2 does not come before stage 2"),
    ],
)
def test_a_value_that_does_not_fit(fix: str, said: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compile", "stages.nnm", "-o", "second.lp", "--stage", "2", "--fix", *fix.split()]) == 2
    assert said in capsys.readouterr().err
    assert not (folder / "second.lp").exists()
    assert run(["show", "stages.nnm", "--stage", "2", "--fix", *fix.split()]) == 2
    assert said in capsys.readouterr().err


def test_show_of_a_later_stage(capsys: pytest.CaptureFixture[str]) -> None:
    """The sizes are those of the file of this stage: the goals before are rows, and the goal is the next one."""
    options = ["--stage", "3", "--fix", "stage1=0", "--fix", "stage2=5"]
    assert run(["show", "stages.nnm", *options, "--json"]) == 0
    facts = standard_json(capsys.readouterr().out)
    milp = stages().lowered_for(3, {1: 0, 2: 5}).milp
    assert (facts["stage"], facts["held"]) == (3, [0.0, 5.0])
    sizes = facts["sizes"]
    assert (sizes["rows"], sizes["columns"], sizes["nonzeros"]) == (milp.num_rows, milp.num_columns, milp.num_nonzeros)
    assert sum(part["rows"] for part in facts["parts"].values()) == sizes["rows"] > stages().lowered.milp.num_rows
    assert facts["fingerprint"] != stages().fingerprint
    assert run(["show", "stages.nnm", *options]) == 0
    shown = capsys.readouterr().out
    assert "\n  the MILP of goal 3 of 3, with goal 1 at 0 and goal 2 at 5:\n" in shown
    (held,) = [line.split() for line in shown.splitlines() if "goal before, held" in line]
    assert held[3] == "2"  # a row for each goal before


def test_show_after_a_pass_at_a_stage(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--stage", "2", "--fix", "stage1=0.25"]
    assert run(["show", "stages.nnm", "--after", "check", *options]) == 0
    assert "held at 0.25 within 0" in capsys.readouterr().out
    assert run(["show", "stages.nnm", "--after", "lower", *options]) == 0
    assert f"MILP: {stages().lowered_for(2, {1: 0.25}).milp.num_rows} rows" in capsys.readouterr().out
    assert run(["show", "stages.nnm", "--after", "parse", *options]) == 0
    assert run(["show", "stages.nnm"]) == 0
    assert "the MILP of the first of 3 goals:" in capsys.readouterr().out


@pytest.mark.parametrize(("typed", "fits"), [(0.333333, True), (1 / 3, True), (0.3333, False), (0.34, False)])
def test_a_value_may_be_typed_as_a_report_prints_it(typed: float, fits: bool, folder: Path) -> None:
    write_model(folder, STAGES.replace("zero_one(net, points)", "l0(net.weights) / 3"), "thirds.nnm")
    if fits:
        assert load("thirds.nnm").lowered_for(2, {1: typed}).program.held[0].slack == 0
        return
    with pytest.raises(ValueError, match="stage 1 cannot have the value"):
        load("thirds.nnm").lowered_for(2, {1: typed})


def test_the_value_of_a_report_can_be_held(folder: Path) -> None:
    """A continuous goal is printed with all digits that its slack needs."""
    write_model(folder, SHARES, "shares.nnm")
    result = load("shares.nnm").solve(solver="highs")
    (line,) = [line for line in render_result(result).splitlines() if "and held within" in line]
    value = float(line.partition("proved ")[2].split()[0])
    assert value == pytest.approx(result.stages[0].held, abs=1e-10)


def solved(stage: int, fix: dict[int, float]) -> None:
    """The solution file that HiGHS writes for a stage."""
    stages().write("model.mps", stage, fix)
    highs = highspy.Highs()
    highs.silent()
    highs.readModel("model.mps")
    highs.run()
    highs.writeSolution("model.sol", 0)


def test_an_answer_to_every_stage_comes_back(optimum: Result) -> None:
    first, second, third = values(optimum)
    assert first is not None and second is not None
    for stage, fix, best in ((1, {}, first), (2, {1: first}, second), (3, {1: first, 2: second}, third)):
        solved(stage, fix)
        result = stages().import_solution("model.sol")
        assert (result.solution, result.proof, result.objective) == ("feasible", "none", best)
        assert [s.held for s in result.stages] == [*fix.values(), *[None] * (4 - stage)]
        assert proofs(result) == ["none"] * 3
        assert not any("better than" in note for note in result.notes)
        text = render_result(result)
        assert ("held exactly at 0, which was given and is not proved" in text) == (stage > 1)
        assert "proved 0" not in text


def test_a_value_better_than_the_optimum_leaves_no_answer() -> None:
    solved(3, {1: 0.0, 2: 3.0})
    with pytest.raises(DiagnosticError) as caught:
        stages().import_solution("model.sol")
    (found,) = caught.value.diagnostics
    assert (found.code, found.help) == (
        "NNM0611",
        "no network may have the values that were given: --fix stage1=0 and stage2=3",
    )


def test_an_answer_that_beats_the_value_says_so(optimum: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    lowered = stages().lowered_for(2, {1: 0.5})
    assert optimum.replay is not None
    from nnmip.formats.names import model_names

    x = lowered.complete(optimum.replay.assignment)
    stages().write("model.mps", 2, {1: 0.5})
    lines = [f"{name} {value!r}\n" for name, value in zip(model_names(lowered.milp).columns, x.tolist(), strict=True)]
    Path("model.sol").write_text("".join(lines))
    result = stages().import_solution("model.sol")
    assert result.solution == "feasible"
    assert "stage 1 is 0 here, better than the 0.5 that was given as its best value" in result.notes


@pytest.mark.parametrize("goal", ["minimize zero_one(net, points)", "minimize l0(net.weights) / 7 then 0"])
def test_the_names_file_of_another_goal(goal: str, folder: Path) -> None:
    solved(2, {1: 0.25})
    write_model(folder, XOR.replace(GOAL, goal), "stages.nnm")
    with pytest.raises(DiagnosticError) as caught:
        stages().import_solution("model.sol")
    assert [d.code for d in caught.value.diagnostics] == ["NNM0612"]
    assert "`model.names.json` does not fit it (" in caught.value.diagnostics[0].message


# ---- interrupts and limits -----------------------------------------------------------------------------------------


def stage_of(milp: Any) -> int:
    """Which stage a MILP of `STAGES` is of, by the rows that hold the others."""
    return 1 + sum(block.path.startswith("stage.") for block in milp.rows)


def in_stage(monkeypatch: pytest.MonkeyPatch, number: int, answer: Any) -> None:
    """Let `answer(solve)` be the answer of the solver in one stage; `solve()` gives the honest one."""

    def solve(session: Session, milp: Any, *rest: Any) -> RawResult:
        def honest() -> RawResult:
            return HONEST(session, milp, *rest)

        return answer(honest) if stage_of(milp) == number else honest()

    monkeypatch.setattr(Session, "solve", solve)


@pytest.mark.parametrize("number", [2, 3])
def test_ctrl_c_in_a_later_stage(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(solve: Solve) -> RawResult:
        raise KeyboardInterrupt

    in_stage(monkeypatch, number, answer)
    result = stages().solve(solver="highs", save="run")
    assert (result.termination, result.solution, result.proof) == ("interrupted", "feasible", "none")
    assert result.replay is not None and result.replay.status == "passed"
    assert proofs(result) == ["solver"] * (number - 1) + ["none"] * (4 - number)
    assert values(result)[0] == 0
    saved = standard_json(Path("run/result.json").read_text())
    assert [stage["objective"] for stage in saved["stages"]] == values(result)


def test_ctrl_c_while_a_later_stage_is_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Model.lowered_at

    def lowered_at(model: Model, program: Any) -> Any:
        if program.held and program.held[0].slack == 0:
            raise KeyboardInterrupt
        return honest(model, program)

    monkeypatch.setattr(Model, "lowered_at", lowered_at)
    result = stages().solve(solver="highs")
    assert (result.termination, result.solution, result.proof) == ("interrupted", "feasible", "none")
    assert proofs(result) == ["solver", "none", "none"]
    assert result.networks
    assert run(["solve", "stages.nnm", "--solver", "highs"]) == 130


def test_ctrl_c_while_the_first_answer_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    def replayed(*args: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("nnmip.solution.stage.replayed", replayed)
    result = stages().solve(solver="highs")
    assert (result.termination, result.solution, result.proof) == ("interrupted", "feasible", "none")
    assert values(result)[0] == 0


def test_a_request_to_stop_between_two_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()

    def answer(solve: Solve) -> RawResult:
        found = solve()
        stop.set()
        return found

    in_stage(monkeypatch, 1, answer)
    result = stages().solve(solver="highs", stop=stop)
    assert (result.termination, result.solution) == ("interrupted", "feasible")
    assert proofs(result) == ["solver", "none", "none"]
    assert [stage.termination for stage in result.stages] == ["optimal", "interrupted", None]
    assert "interrupted in stage 2 of 3" in render_result(result)


def test_one_time_limit_for_all_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[float] = []

    def solve(session: Session, milp: Any, solver: str, options: Any, *rest: Any) -> RawResult:
        assert options.time_limit is not None
        if solver != "cbc":
            limits.append(options.time_limit)
        return HONEST(session, milp, solver, options, *rest)

    monkeypatch.setattr(Session, "solve", solve)
    result = stages().solve(solver="highs", time_limit=500.0)
    assert result.solution is SolutionStatus.OPTIMAL
    assert len(limits) == 3 and 500 > limits[0] > limits[1] > limits[2] > 0


def test_no_time_for_a_later_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    in_stage(monkeypatch, 2, lambda solve: RawResult(Termination.TIME_LIMIT, "highs", "0"))
    result = stages().solve(solver="highs")
    assert (result.termination, result.solution, result.proof) == ("time_limit", "feasible", "none")
    assert proofs(result) == ["solver", "none", "none"] and result.dual_bound is None
    text = render_result(result)
    assert "stopped at the time limit in stage 2 of 3 (highs 0)" in text
    assert text.count("not reached") == 1


@pytest.mark.parametrize("claim", [Termination.INFEASIBLE, Termination.OPTIMAL])
def test_a_later_stage_that_claims_there_is_no_network(claim: Termination, monkeypatch: pytest.MonkeyPatch) -> None:
    in_stage(monkeypatch, 2, lambda solve: RawResult(claim, "highs", "0", dual_bound=float("inf")))
    result = stages().solve(solver="highs")
    assert (result.termination, result.solution, result.proof) == ("solver_error", "feasible", "none")
    assert result.conflict is None and proofs(result) == ["solver", "none", "none"]
    assert result.message == "stage 2: highs finds no network that keeps the stages before, but there is one"


# ---- proofs --------------------------------------------------------------------------------------------------------


def test_a_false_proof_that_a_later_stage_refutes(monkeypatch: pytest.MonkeyPatch) -> None:
    def solve(session: Session, milp: Any, solver: str, options: Any, *rest: Any) -> RawResult:
        if solver == "cbc":
            return RawResult(Termination.TIME_LIMIT, "cbc", "0")
        if stage_of(milp) == 1:
            value = milp.objective(options.start)
            return RawResult(Termination.OPTIMAL, "highs", "0", options.start, value, dual_bound=value)
        return HONEST(session, milp, solver, options, *rest)

    monkeypatch.setattr(Session, "solve", solve)
    write_model(Path(), STAGES.replace("then l0(net.weights)", "then hinge(net, points)"), "stages.nnm")
    result = stages().solve(solver="highs")
    assert (result.termination, result.solution, result.proof) == ("solver_error", "feasible", "none")
    assert result.objective == 0 and proofs(result) == ["none"] * 3
    assert result.message == "stage 1: highs claimed 0.5 as the best value of this stage, and found a better one later"
    assert [stage.held for stage in result.stages] == [None] * 3
    assert run(["solve", "stages.nnm", "--solver", "highs"]) == 4


def test_every_stage_is_confirmed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["solve", "stages.nnm", "--solver", "highs", "--confirm", "--json"]) == 0
    found = standard_json(capsys.readouterr().out)
    assert (found["proof"], [s["proof"] for s in found["stages"]]) == ("confirmed", ["confirmed"] * 3)
    assert found["message"] == "stage 3: cbc confirms the optimum that highs claims"
    assert found["notes"][-2:] == [f"stage {n}: cbc confirms the optimum that highs claims" for n in (1, 2)]
    assert list(found["stages"][0]) == [
        *("sense", "objective", "dual_bound", "gap", "proof", "termination", "held", "slack", "terms", "bracket"),
        "optimal_for_tightened",
    ]


def test_a_stage_that_is_not_confirmed_weakens_the_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    def solve(session: Session, milp: Any, solver: str, *rest: Any) -> RawResult:
        if solver == "cbc" and stage_of(milp) == 2:
            return RawResult(Termination.TIME_LIMIT, "cbc", "0")
        return HONEST(session, milp, solver, *rest)

    monkeypatch.setattr(Session, "solve", solve)
    result = stages().solve(solver="highs", confirm=True)
    assert (result.solution, result.proof) == ("optimal", "solver")
    assert proofs(result) == ["confirmed", "solver", "confirmed"]
    assert "stage 2: cbc could not confirm the optimum that highs claims: time limit" in result.notes
    assert render_result(result).count("; confirmed by a second solver") == 2


# ---- no time -------------------------------------------------------------------------------------------------------


def refused(*given: Any, **named: Any) -> None:
    raise AssertionError("a solver was started")


@pytest.mark.parametrize("text", [STAGES, REGRESSION])
def test_without_time_no_solver_is_started(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The networks to start from are the answer, also where the loss is held by tangents."""
    stated = load(write_model(folder, text, "any.nnm"))
    monkeypatch.setattr(Session, "_started", refused)
    result = stated.solve(solver="highs", time_limit=0, confirm=True)
    assert (result.termination, result.solution, result.proof) == ("time_limit", "feasible", "none")
    front = stated.pareto("2", time_limit=0)
    assert (front.termination, len(front), front.proof) == ("time_limit", 0, "none")
    assert front.undecided is not None and front.undecided.best is not None


def test_time_that_is_over_after_a_stage_leaves_its_network(optimum: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    stated, honest = stages(), runs._held

    def late(*given: Any) -> Program:
        monkeypatch.setattr(Work, "seconds", 1e6)
        monkeypatch.setattr(Session, "_started", refused)
        return honest(*given)

    monkeypatch.setattr(runs, "_held", late)
    result = stated.solve(solver="highs", time_limit=1000)
    assert (result.termination, result.solution) == ("time_limit", "feasible")
    assert proofs(result) == ["solver", "none", "none"] and values(result)[0] == values(optimum)[0]
    assert [stage.termination for stage in result.stages] == ["optimal", "time_limit", None]


# ---- saved runs ----------------------------------------------------------------------------------------------------


def test_a_saved_run_is_resumed_at_its_stage(optimum: Result, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["solve", "stages.nnm", "--solver", "highs", "--save", "run"]) == 0
    saved = standard_json(Path("run/result.json").read_text())
    assert [stage["objective"] for stage in saved["stages"]] == values(optimum)
    assert standard_json(Path("run/network.json").read_text())["objective"] == values(optimum)[-1]
    capsys.readouterr()
    assert run(["solve", "stages.nnm", "--solver", "highs", "--resume", "run", "--time-limit", "0", "--json"]) == 3
    again = standard_json(capsys.readouterr().out)
    assert [stage["objective"] for stage in again["stages"]] == values(optimum)
    assert run(["solve", "stages.nnm", "--solver", "highs", "--save", "run", "--time-limit", "0"]) == 3
    assert "keeps the result of an earlier run, which proved this network optimal" in capsys.readouterr().out
    assert standard_json(Path("run/result.json").read_text()) == saved
