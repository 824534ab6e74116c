"""`nnmip solve`: what it prints, its JSON, its exit codes, every solver, limits and second opinions."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nnmip.backends.process import Session
from nnmip.backends.protocol import RawResult, Termination
from nnmip.cli.main import run
from tests.workbench import (
    INFEASIBLE,
    LINEAR,
    ROOT,
    SATISFIED,
    XOR,
    XOR_MAXIMISED,
    hard,
    nnmip,
    standard_json,
    write_model,
)

KEYS = [
    *(
        "model",
        "documentation",
        "sense",
        "termination",
        "solution",
        "among",
        "sufficient",
        "replay",
        "proof",
        "objective",
        "dual_bound",
        "gap",
        "bracket",
        "terms",
        "stages",
        "conflict",
    ),
    *(
        "metrics",
        "networks",
        "variables",
        "sizes",
        "formulation",
        "start",
        "regions",
        "portfolio",
        "times",
        "solver",
        "seed",
        "versions",
        "message",
        "notes",
    ),
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path, XOR)
    return tmp_path


def solved(capsys: pytest.CaptureFixture[str], code: int, *arguments: str) -> Any:
    """The JSON object of a solve that must end with `code` and say nothing on stderr."""
    assert run(["solve", *arguments, "--json"]) == code
    out, err = capsys.readouterr()
    assert err == ""
    return standard_json(out)


def test_json_has_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    found = solved(capsys, 0, "xor.nnm", "--solver", "highs", "--seed", "3", "-D", "most=6")
    assert list(found) == KEYS
    assert (found["model"], found["sense"], found["seed"]) == ("xor.nnm", "minimize", 3)
    assert (found["termination"], found["solution"], found["proof"]) == ("optimal", "optimal", "solver")
    assert found["replay"] == {"status": "passed", "max_violation": 0.0, "message": "", "exact": ["33/5000"]}
    assert found["objective"] == pytest.approx(0.0066, abs=1e-12)
    assert found["dual_bound"] == pytest.approx(0.0066, abs=1e-7)
    assert 0 <= found["gap"] <= 1e-4
    assert found["terms"]["l0(net.weights)"] == {
        "role": "sparsity",
        "coefficient": 0.001,
        "value": 6.0,
        "contribution": 0.006,
    }
    assert list(found["terms"]) == ["hinge(net, points)", "l0(net.weights)", "norm_1(net.weights)"]
    confusion = {"even": {"even": 2}, "odd": {"odd": 2}}
    majority = {"class": "even", "rows": 2}
    metrics = {"accuracy": 1.0, "right": 4, "rows": 4, "majority": majority, "confusion": confusion}
    assert found["metrics"] == {"net": {"points": metrics}}
    network = found["networks"]["net"]
    assert list(network) == ["layers", "weights", "biases", "used_units"]
    assert [(layer["name"], layer["op"], layer["shape"]) for layer in network["layers"]] == [
        ("h", "dense", [2]),
        ("a", "relu", [2]),
        ("o", "dense", [1]),
    ]
    assert set(network["weights"]) == set(network["biases"]) == {"h", "o"}
    assert sorted(abs(w) for row in network["weights"]["h"] for w in row) == [1, 1, 1, 1]
    assert network["used_units"] == {"a": [0, 1]}
    assert {"rows", "columns", "binaries", "nonzeros", "largest_big_m"} <= set(found["sizes"])
    assert {"parse", "check", "lower", "solve"} <= set(found["times"])
    assert found["solver"]["name"] == "highs" and found["solver"]["version"]
    assert {"python", "numpy", "mip", "lark"} <= set(found["versions"])


def test_text_goes_to_stdout_alone(folder: Path) -> None:
    done = nnmip(folder, "solve", "xor.nnm", "--solver", "highs", "--save", "run")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("xor.nnm: globally optimal, proved with highs ")
    assert "    6 of 6 weights nonzero, 2 of 2 units of a used" in lines
    assert "  goal      minimize 0.0066" in lines
    assert "            sparsity  l0(net.weights)      0.001 x 6 = 0.006" in lines
    assert "  accuracy  net on points: 4 of 4 rows right (100.0 %); always even: 2 (50.0 %)" in lines
    assert any(line.startswith("  bound     0.0066, gap ") for line in lines)
    assert "  proof     the solver's bound, at tolerances of at most 1e-8" in lines
    assert "  replay    passed: recomputed from the weights alone, in rational arithmetic, largest violation 0" in lines
    assert lines[-1] == "  saved     run"
    assert "\x1b" not in done.stdout


def test_json_stream(folder: Path) -> None:
    model = hard(folder)
    done = nnmip(folder, "solve", str(model), "--time-limit", "2", "--json-stream")
    assert (done.returncode, done.stderr) == (3, "")
    *progress, last = [standard_json(line) for line in done.stdout.splitlines()]
    assert len(progress) >= 2
    assert {entry["type"] for entry in progress} == {"progress"}
    assert all(
        set(entry) == {"type", "phase", "seconds", "incumbent", "dual_bound", "gap", "nodes"} for entry in progress
    )
    incumbents = [entry["incumbent"] for entry in progress if entry["incumbent"] is not None]
    assert incumbents == sorted(incumbents, reverse=True)
    bounds = [entry["dual_bound"] for entry in progress if entry["dual_bound"] is not None]
    assert bounds == sorted(bounds)
    assert last["type"] == "result"
    assert list(last)[1:] == KEYS
    assert last["termination"] == "time_limit"
    assert last["objective"] <= incumbents[-1] + 1e-9


def test_errors_in_a_json_stream(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_model(folder, XOR.replace("points)", "pionts)"), "broken.nnm")
    assert run(["solve", "broken.nnm", "--json-stream"]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    entry = standard_json(line)
    assert (entry["type"], entry["code"]) == ("diagnostic", "NNM0201")


def test_maximise(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_model(folder, XOR_MAXIMISED, "most.nnm")
    found = solved(capsys, 0, "most.nnm")
    assert (found["sense"], found["solution"]) == ("maximize", "optimal")
    assert found["objective"] == pytest.approx(1.94)
    assert found["dual_bound"] == pytest.approx(1.94)
    assert found["terms"]["hinge(net, points)"]["contribution"] == 0
    assert run(["solve", "most.nnm"]) == 0
    assert "  goal      maximize 1.94\n" in capsys.readouterr().out


def test_satisfy(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_model(folder, SATISFIED, "satisfied.nnm")
    found = solved(capsys, 0, "satisfied.nnm", "--confirm")
    assert (found["sense"], found["objective"], found["dual_bound"], found["gap"]) == (None, None, None, None)
    assert (found["solution"], found["proof"]) == ("feasible", "certified")
    assert found["terms"] == {}
    assert found["message"] == ""
    assert run(["solve", "satisfied.nnm"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("satisfied.nnm: a network that satisfies the model, found with highs ")
    assert "  goal " not in out and "  bound " not in out


def test_infeasible(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_model(folder, INFEASIBLE, "infeasible.nnm")
    found = solved(capsys, 1, "infeasible.nnm", "--solver", "highs", "--save", "run")
    assert (found["termination"], found["solution"], found["proof"]) == ("infeasible", "none", "solver")
    assert found["replay"] == {"status": "not_run", "max_violation": None, "message": "", "exact": None}
    assert (found["objective"], found["dual_bound"], found["networks"]) == (None, None, {})
    assert sorted(p.name for p in (folder / "run").iterdir()) == ["network.txt", "result.json"]
    assert run(["predict", "run", "points.csv"]) == 1
    assert (
        "error[NNM0613]: the saved run in `run` cannot be used: network.json: no such file" in capsys.readouterr().err
    )
    assert run(["solve", "infeasible.nnm", "--solver", "highs", "--confirm"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("infeasible.nnm: infeasible: no network satisfies the model, proved with highs ")
    assert "  proof     confirmed by a second solver\n" in out
    assert "  replay    not run: there is no network to check\n" in out


def content(path: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in path.iterdir()}


def test_a_folder_of_another_model_is_left_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_model(folder, INFEASIBLE, "infeasible.nnm")
    assert run(["solve", "xor.nnm", "--save", "run"]) == 0
    before = content(folder / "run")
    capsys.readouterr()
    assert run(["solve", "infeasible.nnm", "--save", "run"]) == 2
    err = capsys.readouterr().err
    assert "cannot write `run`: it holds the run of another model; name another folder" in err
    assert run(["solve", "infeasible.nnm", "--save", "run", "--resume", "run"]) == 1
    out = capsys.readouterr().out
    assert "  note      no network was found; `run` keeps the one it had\n" in out
    assert "  saved " not in out
    assert content(folder / "run") == before


def test_a_proved_result_is_not_replaced_by_an_unproved_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["solve", "xor.nnm", "--save", "run"]) == 0
    before = content(folder / "run")
    capsys.readouterr()
    assert run(["solve", "xor.nnm", "--save", "run", "--time-limit", "0"]) == 3
    out = capsys.readouterr().out
    assert "  goal      minimize 0.0066\n" in out, "the run starts from the saved network"
    assert "`run` keeps the result of an earlier run, which proved this network optimal" in out
    assert content(folder / "run") == before


def test_resuming_passes_a_folder_to_a_changed_model(folder: Path) -> None:
    assert run(["solve", "xor.nnm", "--save", "run"]) == 0
    write_model(folder, XOR.replace("0.001", "0.002"), "changed.nnm")
    assert run(["solve", "changed.nnm", "--save", "run", "--resume", "run"]) == 0
    saved = standard_json((folder / "run" / "result.json").read_text())
    assert saved["objective"] == pytest.approx(0.0126)
    assert run(["solve", "xor.nnm", "--save", "run"]) == 2


@pytest.mark.parametrize("solver", ["highs", "cbc", "gurobi"])
def test_every_solver_proves_the_example(solver: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = solved(capsys, 0, str(ROOT / "examples" / "xor.nnm"), "--solver", solver)
    assert (found["solver"]["name"], found["solution"], found["proof"]) == (solver, "optimal", "solver")
    assert found["objective"] == pytest.approx(0.0066, abs=1e-9)
    assert found["dual_bound"] == pytest.approx(0.0066, abs=1e-7)


@pytest.mark.parametrize("solver", ["highs", "cbc", "gurobi"])
def test_every_solver_on_continuous_weights(solver: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_model(folder, LINEAR, "cars.nnm")
    found = solved(capsys, 0, "cars.nnm", "--solver", solver)
    assert found["objective"] == pytest.approx(0.01, abs=1e-9)
    assert found["metrics"]["clf"]["cars"]["right"] == 4


@pytest.mark.parametrize(("solver", "second"), [("highs", "cbc"), ("cbc", "highs"), ("gurobi", "highs")])
def test_confirmed_by_a_second_solver(solver: str, second: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = solved(capsys, 0, "xor.nnm", "--confirm", "--solver", solver)
    assert (found["solution"], found["proof"]) == ("optimal", "confirmed")
    assert found["message"] == f"{second} confirms the optimum that {solver} claims"


def test_confirm_shows_its_own_phase(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["solve", "xor.nnm", "--confirm", "--json-stream", "--solver", "cbc"]) == 0
    entries = [standard_json(line) for line in capsys.readouterr().out.splitlines()]
    assert entries[-1]["proof"] == "confirmed"
    assert any(entry.get("phase", "").startswith("confirm ") for entry in entries)


class Liar:
    """Makes HiGHS claim that the first network it is given is optimal, or that there is none."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, termination: Termination) -> None:
        honest = Session.solve

        def solve(session: Session, milp: Any, solver: str, options: Any, *rest: Any) -> RawResult:
            if solver not in ("auto", "highs"):
                return honest(session, milp, solver, options, *rest)
            if termination is Termination.INFEASIBLE:
                return RawResult(termination, "highs", "0", dual_bound=float("inf"))
            value = milp.objective(options.start)
            return RawResult(termination, "highs", "0", options.start, value, dual_bound=value)

        monkeypatch.setattr(Session, "solve", solve)


def test_a_refuted_optimum(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    Liar(monkeypatch, Termination.OPTIMAL)
    found = solved(capsys, 4, "xor.nnm", "--solver", "highs", "--confirm")
    assert (found["termination"], found["solution"], found["proof"]) == ("solver_error", "feasible", "none")
    assert found["message"].startswith("cbc refutes highs: it found a solution of value ")
    assert found["objective"] < 1.0
    assert found["replay"]["status"] == "passed"
    assert run(["solve", "xor.nnm", "--solver", "highs", "--confirm"]) == 4
    out = capsys.readouterr().out
    assert "globally optimal" not in out
    assert "  proof     none\n" in out
    assert "  note      cbc refutes highs: " in out


def test_a_second_solver_looks_at_every_claim(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("nnmip.solution.stage.GLANCE_SECONDS", 60.0)
    for claim in (Termination.OPTIMAL, Termination.INFEASIBLE):
        Liar(monkeypatch, claim)
        found = solved(capsys, 4, "xor.nnm", "--solver", "highs")
        assert (found["termination"], found["solution"], found["proof"]) == ("solver_error", "feasible", "none")
        assert found["message"].startswith("cbc refutes highs: it found a solution of value ")
        assert found["replay"]["status"] == "passed"


def test_a_second_look_is_short_and_says_nothing_where_it_finds_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    honest, looks = Session.solve, []

    def solve(session: Session, milp: Any, solver: str, options: Any, *rest: Any) -> RawResult:
        if solver == "cbc":
            looks.append(options.time_limit)
            return RawResult(Termination.TIME_LIMIT, "cbc", "0")
        return replace(honest(session, milp, solver, options, *rest), seconds=12.0)

    monkeypatch.setattr(Session, "solve", solve)
    found = solved(capsys, 0, "xor.nnm", "--solver", "highs")
    assert (found["solution"], found["proof"], found["message"]) == ("optimal", "solver", "")
    assert found["notes"] == []
    solved(capsys, 0, "xor.nnm", "--solver", "highs", "--time-limit", "100")
    assert looks == [pytest.approx(1.2), pytest.approx(1.2)]
    monkeypatch.setattr("nnmip.solution.stage.GLANCE_NONZEROS", 10)
    solved(capsys, 0, "xor.nnm", "--solver", "highs")
    assert len(looks) == 2


def test_what_is_no_network_refutes_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    honest = Session.solve

    def solve(session: Session, milp: Any, solver: str, options: Any, *rest: Any) -> RawResult:
        answer = honest(session, milp, solver, options, *rest)
        if solver != "cbc":
            return answer
        return RawResult(Termination.TIME_LIMIT, "cbc", "0", 0.0 * milp.cost, -1.0, dual_bound=-2.0)

    monkeypatch.setattr(Session, "solve", solve)
    found = solved(capsys, 0, "xor.nnm", "--solver", "highs")
    assert (found["solution"], found["proof"], found["message"]) == ("optimal", "solver", "")


def test_a_network_of_the_same_value_refutes_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Columns that err by a tolerance let a solution seem better than the network that it stands for."""
    honest, found_first = Session.solve, []

    def solve(session: Session, milp: Any, solver: str, options: Any, *rest: Any) -> RawResult:
        if solver != "cbc":
            found_first.append(honest(session, milp, solver, options, *rest))
            return found_first[-1]
        best = found_first[-1]
        assert best.objective is not None
        seeming = best.objective - 2e-7
        return RawResult(Termination.OPTIMAL, "cbc", "0", best.x, seeming, dual_bound=seeming)

    monkeypatch.setattr(Session, "solve", solve)
    found = solved(capsys, 0, "xor.nnm", "--solver", "highs")
    assert (found["solution"], found["proof"], found["message"]) == ("optimal", "solver", "")
    found = solved(capsys, 0, "xor.nnm", "--solver", "highs", "--confirm")
    assert (found["solution"], found["proof"]) == ("optimal", "solver")
    assert found["message"] == "cbc found an answer of the same value, and no proof"


def test_ctrl_c_in_the_second_look_keeps_the_proof(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    honest = Session.solve

    def solve(session: Session, milp: Any, solver: str, options: Any, *rest: Any) -> RawResult:
        if solver == "cbc":
            return RawResult(Termination.INTERRUPTED, "cbc", "0")
        return honest(session, milp, solver, options, *rest)

    monkeypatch.setattr(Session, "solve", solve)
    found = solved(capsys, 0, "xor.nnm", "--solver", "highs")
    assert (found["solution"], found["proof"]) == ("optimal", "solver")


def test_a_refuted_infeasibility(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    Liar(monkeypatch, Termination.INFEASIBLE)
    found = solved(capsys, 4, "xor.nnm", "--solver", "highs", "--confirm")
    assert (found["termination"], found["solution"], found["proof"]) == ("solver_error", "feasible", "none")
    assert found["message"].startswith("cbc refutes highs: ")


def test_time_limit_keeps_the_incumbent(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = str(hard(folder))
    found = solved(capsys, 3, model, "--time-limit", "4", "--save", "run")
    assert (found["termination"], found["solution"], found["proof"]) == ("time_limit", "feasible", "none")
    assert found["replay"]["status"] == "passed"
    assert found["objective"] < 0.9
    assert found["dual_bound"] < found["objective"]
    assert found["gap"] == pytest.approx((found["objective"] - found["dual_bound"]) / found["objective"])
    again = solved(capsys, 0, model, "--time-limit", "0.5", "--resume", "run", "--accept-feasible")
    assert again["objective"] <= found["objective"] + 1e-9
    assert run(["solve", model, "--time-limit", "0.2"]) == 3
    out = capsys.readouterr().out
    assert "hard.nnm: a feasible network, not proved optimal: stopped at the time limit (highs " in out
    assert "  proof     none\n" in out


def test_no_time_at_all(capsys: pytest.CaptureFixture[str]) -> None:
    found = solved(capsys, 3, "xor.nnm", "--time-limit", "0")
    assert (found["termination"], found["solution"]) == ("time_limit", "feasible")


def test_gap_limit(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = solved(capsys, 3, str(hard(folder)), "--gap", "500", "--time-limit", "60")
    assert (found["termination"], found["solution"], found["proof"]) == ("gap_limit", "feasible", "none")


def test_a_model_too_large_for_the_pip_licence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(1)
    rows = [f"{chance.random():.6f},{chance.random():.6f},{chance.choice(['even', 'odd'])}" for _ in range(400)]
    (folder / "points.csv").write_text("x0,x1,parity\n" + "\n".join(rows) + "\n")
    found = solved(capsys, 4, "xor.nnm", "--solver", "gurobi", "--time-limit", "9")
    assert (found["termination"], found["solution"], found["proof"]) == ("licence_error", "none", "none")
    assert found["networks"] == {}, "the start that the solver was given is not an answer"
    assert found["sizes"]["rows"] > 2000
    assert f"{found['sizes']['rows']} rows" in found["message"]
    assert "2000 of each" in found["message"]
    assert "use solver highs or cbc, or install a full Gurobi licence" in found["message"]


def test_an_answer_that_fails_the_replay(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def solve(session: Session, milp: Any, solver: str, options: Any, *rest: Any) -> RawResult:
        if options.start is None:
            return RawResult(Termination.INFEASIBLE, solver, "0", dual_bound=float("inf"))
        return RawResult(Termination.OPTIMAL, "highs", "0", options.start, 0.0, dual_bound=0.0)

    monkeypatch.setattr(Session, "solve", solve)
    found = solved(capsys, 3, "xor.nnm", "--solver", "highs", "--accept-feasible")
    assert (found["termination"], found["solution"], found["proof"]) == ("optimal", "none", "none")
    assert found["replay"]["status"] == "failed"
    assert found["message"] == "the goal is 1, and the solver claims 0"
    assert (found["objective"], found["dual_bound"], found["networks"], found["terms"]) == (None, None, {}, {})
    assert run(["solve", "xor.nnm", "--solver", "highs"]) == 3
    out = capsys.readouterr().out
    assert out.startswith("xor.nnm: no answer: what highs 0 found fails the replay\n")
    assert "  replay    failed: the goal is 1, and the solver claims 0\n" in out


@pytest.mark.parametrize(
    ("termination", "code"),
    [(Termination.SOLVER_ERROR, 4), (Termination.BACKEND_MISSING, 4), (Termination.MEMORY_LIMIT, 3)],
)
def test_solvers_that_fail(
    termination: Termination, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = RawResult(termination, "highs", "0", message="it is on fire")
    monkeypatch.setattr(Session, "solve", lambda *_: answer)
    found = solved(capsys, code, "xor.nnm", "--solver", "highs", "--accept-feasible")
    assert (found["termination"], found["solution"], found["message"]) == (termination.value, "none", "it is on fire")
    assert run(["solve", "xor.nnm", "--solver", "highs"]) == code
    assert "  note      it is on fire\n" in capsys.readouterr().out
