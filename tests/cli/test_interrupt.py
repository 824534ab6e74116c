"""Ctrl-C and `kill -9` during a long solve: what was found is kept, and no solver is left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nnmip.cli.main import run
from nnmip.pipeline import load
from nnmip.solution.replay import ReplayStatus, replay
from nnmip.solution.store import RunFolder
from tests.workbench import hard, solvers_below, standard_json, start_nnmip, wait_until_gone

TRIVIAL = 0.9
"""The network that every run starts from is worse than this."""


@pytest.fixture(params=["direct", "sign-split"])
def child(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A long solve that saves to `run` and streams to stdout, by a solver process or in this one; nothing of it is left
    after the test."""
    hard(tmp_path)
    options = ("--save", "run", "--json-stream", "--formulation", request.param)
    process = start_nnmip(tmp_path, "solve", "hard.nnm", *options)
    yield process
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdout, process.stderr):
        assert stream is not None
        stream.close()


def wait_for_network(child: subprocess.Popen[str]) -> dict[str, Any]:
    """The first progress with a good incumbent, and with a bound."""
    assert child.stdout is not None
    for line in child.stdout:
        entry: dict[str, Any] = standard_json(line)
        is_good = entry["incumbent"] is not None and entry["incumbent"] < TRIVIAL
        if is_good and entry["dual_bound"] is not None:
            return entry
    raise AssertionError("the solve ended early")


def saved_goal(folder: Path, model: Path) -> float:
    """The goal of a saved network, recomputed; its replay must pass."""
    program = load(model).program
    checked = replay(program, RunFolder(folder).load_assignment(program), None, None)
    assert checked.status is ReplayStatus.PASSED
    assert checked.objective is not None
    return checked.objective


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_keeps_the_best_network(child: subprocess.Popen[str], tmp_path: Path, number: signal.Signals) -> None:
    seen = wait_for_network(child)
    solvers = solvers_below(child.pid)
    assert bool(solvers) == ("direct" in child.args)
    os.killpg(child.pid, number)
    out, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (130, "")
    result = standard_json(out.splitlines()[-1])
    assert (result["type"], result["termination"], result["solution"]) == ("result", "interrupted", "feasible")
    assert result["proof"] == "none"
    assert result["replay"]["status"] == "passed"
    assert result["objective"] <= seen["incumbent"] + 1e-9
    assert result["dual_bound"] <= result["objective"]
    wait_until_gone(solvers)
    saved = standard_json((tmp_path / "run" / "result.json").read_text())
    assert saved["objective"] == result["objective"]
    assert saved_goal(tmp_path / "run", tmp_path / "hard.nnm") == pytest.approx(result["objective"], abs=1e-9)


def test_kill_loses_nothing_that_was_found(
    child: subprocess.Popen[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = wait_for_network(child)
    solvers = solvers_below(child.pid)
    assert bool(solvers) == ("direct" in child.args)
    time.sleep(0.5)  # the incumbent follows the progress line that announced it
    child.kill()
    child.wait(timeout=60)
    wait_until_gone(solvers)

    folder = tmp_path / "run"
    assert sorted(p.name for p in folder.iterdir() if not p.name.endswith(".tmp")) == ["network.json", "weights.npz"]
    kept = saved_goal(folder, tmp_path / "hard.nnm")
    assert kept <= seen["incumbent"] + 1e-9
    assert standard_json((folder / "network.json").read_text())["objective"] == pytest.approx(kept)

    assert run(["predict", str(folder), str(tmp_path / "hard.csv")]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 41
    assert " of 40 rows with a known label are right" in err

    assert (
        run(["solve", str(tmp_path / "hard.nnm"), "--resume", str(folder), "--time-limit", "1", "--json-stream"]) == 3
    )
    lines = [standard_json(line) for line in capsys.readouterr().out.splitlines()]
    first = next(line["incumbent"] for line in lines if line.get("incumbent") is not None)
    assert first <= kept + 1e-9
    assert lines[-1]["objective"] <= kept + 1e-9


def test_a_second_run_replaces_the_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, folder = str(hard(tmp_path)), str(tmp_path / "run")
    assert run(["solve", model, "--save", folder, "--time-limit", "1.5"]) == 3
    found = saved_goal(Path(folder), Path(model))
    assert run(["solve", model, "--save", folder, "--resume", folder, "--time-limit", "0"]) == 3
    assert saved_goal(Path(folder), Path(model)) <= found + 1e-9
    capsys.readouterr()


def test_ctrl_c_in_the_second_stage(tmp_path: Path) -> None:
    """The first stage stays proved, the best network of the second is reported and saved, and it keeps the first."""
    model = hard(tmp_path)
    text = model.read_text()
    goal = text[text.index("minimize") :]
    model.write_text(text.replace(goal, f"maximize sum(net.o.weights) then {goal}"))
    process = start_nnmip(tmp_path, "solve", "hard.nnm", "--save", "run", "--json-stream")
    try:
        assert process.stdout is not None
        for line in process.stdout:
            entry = standard_json(line)
            if entry["phase"].startswith("stage 2 of 2") and (entry["incumbent"] or 1.0) < 1.0:
                break
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert (process.returncode, err) == (130, "")
    result = standard_json(out.splitlines()[-1])
    assert (result["termination"], result["solution"], result["proof"]) == ("interrupted", "feasible", "none")
    assert [stage["proof"] for stage in result["stages"]] == ["certified", "none"]
    assert [stage["termination"] for stage in result["stages"]] == ["optimal", "interrupted"]
    assert [stage["objective"] for stage in result["stages"]] == [3.0, result["objective"]]
    assert (result["stages"][0]["held"], result["stages"][0]["slack"]) == (3.0, 0.0)
    assert result["replay"]["status"] == "passed"
    saved = standard_json((tmp_path / "run" / "result.json").read_text())
    assert saved["stages"] == result["stages"]
    kept = load(model).program
    checked = replay(kept, RunFolder(tmp_path / "run").load_assignment(kept), None, None)
    assert checked.status is ReplayStatus.PASSED and checked.objective == 3.0


def test_ctrl_c_ends_all_ways(tmp_path: Path) -> None:
    """Two solvers side by side: the best of both is kept, and no process of either stays."""
    hard(tmp_path)
    process = start_nnmip(tmp_path, "solve", "hard.nnm", "--solver", "highs,cbc", "--json-stream")
    try:
        wait_for_network(process)
        solvers = solvers_below(process.pid)
        assert len(solvers) == 2
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 130
    wait_until_gone(solvers)
    found = standard_json(out.splitlines()[-1])
    assert (found["type"], found["termination"], found["solution"]) == ("result", "interrupted", "feasible")
    assert {way["solver"] for way in found["portfolio"]} == {"highs", "cbc"}
    assert not any(way["won"] for way in found["portfolio"])
    assert found["objective"] < TRIVIAL


WHILE_READING = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)

class Reading:
    def find_spec(self, name, path=None, target=None):
        if name == "nnmip.cli.main":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Reading())
from nnmip.__main__ import main
main()
"""
"""The command, with Ctrl-C at the moment its modules begin to be read."""


def test_an_interrupt_while_modules_are_read_leaves_no_traceback() -> None:
    run = subprocess.run([sys.executable, "-c", WHILE_READING], capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout, run.stderr) == (130, "", "interrupted\n")
