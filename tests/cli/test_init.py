"""`nnmip init`: the starter project is written, checks, solves and predicts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import nnmip
from nnmip.cli.main import run
from nnmip.starter import FILES, starter_files
from tests.workbench import nnmip as command

OPTIMUM = 1 / 7 + 0.04


def test_the_project_solves_and_predicts(tmp_path: Path) -> None:
    done = command(tmp_path, "init", "my plants")
    assert (done.returncode, done.stderr) == (0, "")
    wrote = "".join(f"wrote my plants/{name}\n" for name in FILES)
    assert done.stdout == f"{wrote}next: cd 'my plants' && nnmip solve model.nnm\n"
    folder = tmp_path / "my plants"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == starter_files()

    checked = command(folder, "check", "--data", "model.nnm")
    assert (checked.returncode, checked.stdout.splitlines()[0]) == (0, "model.nnm: no errors")
    solved = command(folder, "solve", "model.nnm", "--save", "trained", "--json")
    result = json.loads(solved.stdout)
    assert (solved.returncode, result["solution"], result["replay"]["status"]) == (0, "optimal", "passed")
    assert result["objective"] == pytest.approx(OPTIMUM, abs=1e-7)
    assert result["metrics"]["net"]["plants"]["right"] == 12
    predicted = command(folder, "predict", "trained", "new.csv")
    assert [line.split(",")[-1] for line in predicted.stdout.splitlines()] == ["prediction", "no", "yes", "no"]


def test_every_command_that_the_model_names_is_there() -> None:
    text = starter_files()["model.nnm"].decode()
    assert nnmip.format_text(text) == text
    for line in text.splitlines():
        if line.startswith("#   nnmip "):
            assert run([line.split()[2], "--help"]) == 0


def test_it_starts_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["init"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "next: nnmip solve model.nnm"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)


def test_nothing_is_overwritten_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "model.nnm"
    mine.write_text("mine")
    assert run(["init", str(tmp_path)]) == 2
    message = f"`{mine}` is already there; name another folder, or overwrite with --force"
    assert message in " ".join(capsys.readouterr().err.split())
    assert mine.read_text() == "mine" and len(list(tmp_path.iterdir())) == 1
    assert run(["init", str(tmp_path), "--force"]) == 0
    assert mine.read_bytes() == starter_files()["model.nnm"]


def test_a_folder_that_cannot_be_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert run(["init", str(tmp_path / "file" / "inside")]) == 2
    assert "cannot write" in capsys.readouterr().err
