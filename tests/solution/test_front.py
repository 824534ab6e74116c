"""Fronts as users meet them: on disk, drawn, printed, interrupted."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnmip.cli.main import run
from nnmip.hir.core import FloatArray
from nnmip.pipeline import Model, load
from nnmip.solution.front import Front
from nnmip.solution.store import load_network
from tests.workbench import XOR, XOR_MAXIMISED, hard, standard_json, start_nnmip, write_model

VALUES = np.array([(6, 0.0006), (3, 0.5003), (0, 1.0)])
"""What the number of weights costs in the rest of the goal of XOR."""


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Model:
    monkeypatch.chdir(tmp_path)
    return load(write_model(tmp_path, XOR))


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Front:
    """A front that is not saved, traced once for the tests that only look at one."""
    return load(write_model(tmp_path_factory.mktemp("front"), XOR)).pareto("l0")


def values(front: Front) -> FloatArray:
    return np.array([(point.term, point.rest) for point in front])


def entries(folder: str = "run") -> Any:
    return standard_json((Path(folder) / "front.json").read_text())


# ---- on disk -------------------------------------------------------------------------------------------------------


def test_every_network_is_saved(model: Model) -> None:
    front = model.pareto("l0", save="run")
    assert values(front) == pytest.approx(VALUES)
    for point, (weights, _) in zip(front, VALUES, strict=True):
        assert point.folder is not None
        network = load_network(Path("run") / point.folder)
        assert sum(int((w != 0).sum()) for w in network.weights.values()) == weights
    index = entries()
    assert [entry["folder"] for entry in index["points"]] == ["point-1", "point-2", "point-3"]
    assert index["complete"] and index["exact"] and index["earlier"] == []
    assert sorted(path.name for path in Path("run").iterdir())[2:] == ["point-1", "point-2", "point-3"]


def test_a_shorter_run_loses_no_point(model: Model) -> None:
    model.pareto("l0", save="run")
    front = model.pareto("l0", save="run", time_limit=0)
    assert len(front) == 0 and front.undecided is not None and front.undecided.folder == "point-1"
    assert [entry["number"] for entry in entries()["earlier"]] == [2, 3]
    again = model.pareto("l0", save="run")
    assert values(again) == pytest.approx(VALUES) and entries()["earlier"] == []


def test_folders_of_others_are_refused(model: Model, tmp_path: Path) -> None:
    model.pareto("l0", save="run")
    other = load(write_model(tmp_path, XOR_MAXIMISED, "other.nnm"))
    for wrong in (
        lambda: other.pareto("l0", save="run"),
        lambda: model.pareto("norm_1", save="run"),
        lambda: model.pareto("l0", step=2, save="run"),
        lambda: model.solve(save="run"),
    ):
        with pytest.raises(FileExistsError):
            wrong()
    model.solve(save="plain")
    with pytest.raises(FileExistsError):
        model.pareto("l0", save="plain")


@pytest.mark.parametrize("text", ["[]", "{", '{"points": 3}', '{"fingerprint": 1, "points": [{"number": "a"}]}'])
def test_an_index_that_is_damaged_is_refused(text: str, model: Model) -> None:
    Path("run").mkdir()
    Path("run/front.json").write_text(text)
    with pytest.raises(FileExistsError):
        model.pareto("l0", save="run")


def test_an_index_with_strange_points_is_read(model: Model) -> None:
    model.pareto("l0", save="run")
    index = entries()
    index["points"], index["earlier"] = [3, {"number": "2"}, {"number": 10**400}], {"number": 1}
    Path("run/front.json").write_text(json.dumps(index))
    assert len(model.pareto("l0", save="run", time_limit=0)) == 0
    assert entries()["earlier"] == []


def test_a_run_to_resume_from(model: Model) -> None:
    model.solve(save="plain")
    front = model.pareto("l0", resume="plain", time_limit=0)
    assert front.undecided is not None and front.undecided.best is not None
    assert front.undecided.best.stages[0].objective == pytest.approx(0.0006)


# ---- the object ----------------------------------------------------------------------------------------------------


def test_a_front_shows_well(front: Front) -> None:
    assert repr(front).endswith(
        "l0(net.weights) against hinge(net, points) + 0.0001 * norm_1(net.weights), 3 points, exact>"
    )
    assert repr(front[1]) == "<FrontPoint 2: term 3, rest 0.5003>"
    assert "<table>" in front._repr_html_()
    assert front.columns["net on points"] == [1.0, 0.75, 0.5]
    assert json.loads(json.dumps(front.to_json(), allow_nan=False))["points"][0]["result"]["solution"] == "optimal"
    assert (front.term.step, front.rest.step, front.limited) == (1.0, None, "term")


def test_a_maximised_goal(tmp_path: Path) -> None:
    front = load(write_model(tmp_path, XOR_MAXIMISED)).pareto("l0")
    assert (front.term.sense, front.rest.sense) == ("minimize", "maximize")
    assert values(front) == pytest.approx(np.array([(6, 2.0), (3, 1.5), (0, 1.0)]))


def test_a_program_without_text() -> None:
    from nnmip.build import Draft, hinge, l0

    draft = Draft("line")
    points = draft.table("points", ([[0.0], [1.0]], ["a", "b"]), ["x"], label="kind", codes={"a": -1, "b": +1})
    net = draft.network("net", shape=1, domain=(0, 1))
    net.returns(net.dense("o", net.input, units=1, weights=range(-2, 3), bias={-1})[0])
    draft.minimize(hinge(net, points) + 0.1 * l0(net.weights))
    front = draft.model().pareto("l0")
    assert values(front) == pytest.approx(np.array([(1, 0), (0, 1)]))
    assert values(draft.model().pareto("2")) == pytest.approx(values(front))


def test_both_proofs_of_every_point(model: Model) -> None:
    front = model.pareto("l0", confirm=True)
    assert front.proof == "confirmed" and {point.proof for point in front} == {"confirmed"}


# ---- pictures ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "start"), [("f.svg", b"<?xml"), ("f.png", b"\x89PNG"), ("f.pdf", b"%PDF")])
def test_pictures(name: str, start: bytes, front: Front, tmp_path: Path) -> None:
    front.plot(tmp_path / name)
    first = (tmp_path / name).read_bytes()
    front.plot(tmp_path / name)
    assert first.startswith(start) and (tmp_path / name).read_bytes() == first


def test_pictures_that_cannot_be_drawn(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    front = model.pareto("l0", time_limit=0)
    with pytest.raises(ValueError, match="no point"):
        front.plot("f.svg")
    with pytest.raises(ValueError, match="must end in"):
        front.plot("f.gif")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install 'nnmip\[plot\]'"):
        front.plot("f.svg")


def test_the_command_says_how_to_install(model: Model, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert run(["solve", "xor.nnm", "--pareto", "l0", "--plot", "f.svg"]) == 2
    assert "pip install 'nnmip[plot]'" in capsys.readouterr().err


# ---- the command ---------------------------------------------------------------------------------------------------


def test_json(model: Model, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["solve", "xor.nnm", "--pareto", "l0", "--json"]) == 0
    found = standard_json(capsys.readouterr().out)
    assert np.array([(p["term"], p["rest"]) for p in found["points"]]) == pytest.approx(VALUES)
    assert run(["solve", "xor.nnm", "--pareto", "l1", "--json"]) == 1
    assert standard_json(capsys.readouterr().out)["errors"][0]["code"] == "NNM0209"


def test_a_part_of_a_front_can_be_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    hard(tmp_path)
    arguments = ["solve", "hard.nnm", "--pareto", "l0", "--time-limit", "2"]
    assert run(arguments) == 3
    assert run([*arguments, "--accept-feasible"]) == 3, "no point is proved"


def test_ctrl_c_keeps_the_points(tmp_path: Path) -> None:
    """Every weight can be used at once; how few errors such a network makes is not known for a long time."""
    text = hard(tmp_path).read_text()
    goal = text[text.index("minimize") :]
    (tmp_path / "hard.nnm").write_text(
        text.replace(goal, "maximize l0(net.weights) - zero_one(net, points, margin: 0.5)")
    )
    process = start_nnmip(tmp_path, "solve", "hard.nnm", "--pareto", "zero_one", "--save", "run", "--json-stream")
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if standard_json(line).get("phase", "").startswith("point 1, stage 2"):
                break
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert (process.returncode, err) == (130, "")
    found = standard_json(out.splitlines()[-1])
    assert (found["type"], found["termination"], found["complete"]) == ("front", "interrupted", False)
    assert found["undecided"]["best"]["replay"]["status"] == "passed"
