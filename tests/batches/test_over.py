"""`nnmip verify --over`: answers row by row, against what is computed here, and resumed."""

from __future__ import annotations

import csv
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from tests.workbench import nnmip, start_nnmip

MODEL = """nnm 0.1
network net = npz("net.npz")
data centre : real[2] = npy("any.npy")
param eps : real = 0.1
param most : real = 1
verify low:
  forall x : real[2] in [-3, 3]
  assume norm_inf(x - centre) <= eps
  prove  net(x) <= most
verify high:
  forall x : real[2] in [-3, 3]
  assume norm_inf(x - centre) <= eps
  prove  net(x) >= -10
"""
CENTRES = np.array([[0.0, 0.0], [1.0, 0.5], [0.25, 1.0], [-1.0, -1.0]])
"""The largest output around a centre is the sum of its positive entries, each with eps."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    np.savez(tmp_path / "net.npz", **{"h.weights": np.eye(2), "o.weights": np.ones((1, 2)), "o.bias": np.zeros(1)})
    np.save(tmp_path / "any.npy", np.zeros(2))
    (tmp_path / "model.nnm").write_text(MODEL)
    lines = [f"{a},{b},1.01,r{k}" for k, (a, b) in enumerate(CENTRES.tolist())]
    (tmp_path / "rows.csv").write_text("\n".join(["centre_0,centre_1,most,id", *lines]) + "\n")
    return tmp_path


def answers(path: Path) -> list[dict[str, str]]:
    with path.open() as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("executor", ["in-process", "processes"])
def test_each_row_is_decided(executor: str, folder: Path) -> None:
    found = nnmip(folder, "verify", "model.nnm", "--over", "rows.csv", "--executor", executor)
    assert found.returncode == 1 and found.stderr == "note: columns that name nothing in the model: id\n"
    assert found.stdout.splitlines() == [
        "low: 2 verified, 2 violated of 4 rows; verified 50.0 %",
        "high: 4 verified of 4 rows; verified 100.0 %",
        "rows.answers.csv",
    ]
    rows = answers(folder / "rows.answers.csv")
    low = {int(row["row"]): row for row in rows if row["property"] == "low"}
    assert [low[k]["verdict"] for k in (1, 2, 3, 4)] == ["verified", "violated", "violated", "verified"]
    assert float(low[1]["margin"]) == pytest.approx(0.81, abs=1e-6) and low[1]["proof"] == "certified"
    assert low[2]["counterexample"].startswith('{"x": [')


def test_arrays_and_parameters(folder: Path) -> None:
    np.savez(folder / "rows.npz", centre=CENTRES, most=np.array([0.1, 2.0, 2.0, 0.05]), other=np.zeros(3))
    found = nnmip(folder, "verify", "model.nnm", "--over", "rows.npz", "--property", "low", "-D", "eps=0.2")
    assert found.stdout.splitlines()[0] == "low: 3 verified, 1 violated of 4 rows; verified 75.0 %"


def test_a_radius_is_bisected(folder: Path) -> None:
    arguments = ("--over", "rows.csv", "--property", "low", "--radius", "eps=0..1:0.01", "--executor", "in-process")
    found = nnmip(folder, "verify", "model.nnm", *arguments)
    rows = {int(row["row"]): row for row in answers(folder / "rows.answers.csv")}
    assert 0.495 <= float(rows[1]["holds_up_to"]) <= 0.505 <= float(rows[1]["broken_from"]) <= 0.515
    assert rows[2]["holds_up_to"] == "" and float(rows[2]["broken_from"]) == 0.0
    assert float(rows[4]["holds_up_to"]) == 1.0 and rows[4]["broken_from"] == ""
    assert "holds up to" in found.stdout and {row["verdict"] for row in rows.values()} == {"bisected"}


def test_answers_are_not_asked_again(folder: Path) -> None:
    path = folder / "rows.answers.csv"
    nnmip(folder, "verify", "model.nnm", "--over", "rows.csv", "--executor", "in-process")
    whole = path.read_text().splitlines()
    marked = [line.replace("certified", "marked") for line in whole[:-2]]
    path.write_text("\n".join(marked) + "\n")
    nnmip(folder, "verify", "model.nnm", "--over", "rows.csv", "--executor", "in-process")
    again = path.read_text().splitlines()
    assert again[: len(marked)] == marked and len(again) == len(whole)
    other = nnmip(folder, "verify", "model.nnm", "--over", "rows.csv", "--executor", "in-process", "-D", "eps=0.2")
    assert other.returncode == 1 and len(path.read_text().splitlines()) == 2 * len(whole) - 1


def test_what_is_wrong_with_a_table(folder: Path) -> None:
    for text, said in (
        ("centre_0,centre_1\n", "has no rows below its header"),
        ("a,b\n1,2\n", "no column of t.csv has the name of a parameter or a tensor of the model, which are: `centre`"),
        ("centre_0,centre_1\n1,x\n", "t.csv, row 1: `x` in the column `centre_1` is not a number"),
        ("centre_0,centre_1\n1,nan\n", "is not finite"),
        ("centre_0,centre_1\n1\n", "t.csv, row 1: 1 cells, and 2 columns"),
    ):
        (folder / "t.csv").write_text(text)
        found = nnmip(folder, "verify", "model.nnm", "--over", "t.csv")
        assert found.returncode == 2 and said in " ".join(found.stderr.split()), found.stderr
    for arguments, said in (
        (("--over", "no.csv"), "cannot read `no.csv`"),
        (("--over", "rows.csv", "--property", "no"), "the model has no property `no`"),
        (("--over", "rows.csv", "--radius", "eps"), "expected NAME=LEAST..MOST:STEP"),
        (("--over", "rows.csv", "--executor", "threads"), "`threads` is no executor"),
    ):
        found = nnmip(folder, "verify", "model.nnm", *arguments)
        assert found.returncode == 2 and said in found.stderr, found.stderr


def test_a_row_of_another_shape_is_an_error_of_its_own(folder: Path) -> None:
    (folder / "rows.csv").write_text("centre_0,most\n1,1\n2,1\n")
    found = nnmip(folder, "verify", "model.nnm", "--over", "rows.csv", "--executor", "in-process")
    rows = answers(folder / "rows.answers.csv")
    assert found.returncode == 1 and {row["verdict"] for row in rows} == {"error"}
    (note,) = {row["note"] for row in rows}
    assert note.startswith("NNM0") and found.stdout.splitlines() == [
        *("low: 2 error of 2 rows", f"  row 1: {note} (and 1 more with this error)"),
        *("high: 2 error of 2 rows", f"  row 1: {note} (and 1 more with this error)"),
        "rows.answers.csv",
    ]


def test_ctrl_c_keeps_the_answers(folder: Path) -> None:
    lines = [f"{0.001 * k},0,1" for k in range(3000)]
    (folder / "rows.csv").write_text("\n".join(["centre_0,centre_1,most", *lines]) + "\n")
    running = start_nnmip(folder, "verify", "model.nnm", "--over", "rows.csv", "--jobs", "2")
    path = folder / "rows.answers.csv"
    for _ in range(600):
        if path.exists():
            break
        time.sleep(0.1)
    running.send_signal(signal.SIGINT)
    said, _ = running.communicate(timeout=60)
    assert running.returncode == 130
    count = len(answers(path))
    assert 0 < count < 6000 and said.splitlines()[-1] == "rows.answers.csv"
