"""`nnmip predict` and saved folders of classifiers with several classes and of regressions, computed by hand."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from nnmip.cli.main import run
from nnmip.hir.core import Assignment
from nnmip.pipeline import load
from nnmip.solution.store import RunFolder

ROWS = """size,"mass (g)",kind,price
1,10,apple,2
2,20,lemon,4
3,30,melon,7
"""
CLASSES = """nnm 0.1
data fruit = csv("fruit.csv") {
  features size scale minmax
  label    kind as {apple, lemon, melon}
}
network net(x: real[1] in [0, 1]) {
  layer o = dense(x, units: 3, weights in [-4, 4], bias in [-4, 4])
  return o
}
minimize hinge(net, fruit)
"""
VALUES = """nnm 0.1
data fruit = csv("fruit.csv") {
  features size
  target   TARGETS
}
network net(x: real[1] in [0, 3]) {
  layer o = dense(x, units: WIDTH, weights in [-16, 16], bias in [-4, 4])
  return o
}
minimize absolute(net, fruit)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fruit.csv").write_text(ROWS)
    return tmp_path


def save(text: str, weights: list[list[float]], bias: list[float]) -> None:
    """A folder `run` with a network of these weights."""
    Path("model.nnm").write_text(text)
    program = load("model.nnm").program
    values = {"net.o.weights": np.array(weights, dtype=float), "net.o.bias": np.array(bias, dtype=float)}
    saved = RunFolder(Path("run"))
    saved.create()
    saved.save_networks(program, Assignment(values, {}), None, "")


def values(targets: str, width: int) -> str:
    return VALUES.replace("TARGETS", targets).replace("WIDTH", str(width))


def predicted(capsys: pytest.CaptureFixture[str], path: str = "fruit.csv") -> tuple[list[dict[str, str]], str]:
    capsys.readouterr()
    assert run(["predict", "run", path]) == 0
    out, err = capsys.readouterr()
    return list(csv.DictReader(io.StringIO(out))), err


def test_the_class_with_the_largest_score(capsys: pytest.CaptureFixture[str]) -> None:
    """Scaled sizes 0, 1/2, 1; scores 1 - 2x, 1/2, 2x - 1: the last two of the second row are 1/2 and 0."""
    save(CLASSES, [[-2], [0], [2]], [1, 0.5, -1])
    rows, err = predicted(capsys)
    assert list(rows[0])[-4:] == ["score_apple", "score_lemon", "score_melon", "prediction"]
    assert [float(row["score_melon"]) for row in rows] == [-1, 0, 1]
    assert [row["prediction"] for row in rows] == ["apple", "lemon", "melon"]
    assert err == "3 of 3 rows with a known label are right\n"


def test_of_equal_scores_the_first_class(capsys: pytest.CaptureFixture[str]) -> None:
    save(CLASSES, [[0], [0], [4]], [2, 2, -2])
    rows, err = predicted(capsys)
    assert [row["prediction"] for row in rows] == ["apple"] * 3
    assert err == "1 of 3 rows with a known label are right\n"


def test_a_regression_predicts_in_the_units_of_its_target(capsys: pytest.CaptureFixture[str]) -> None:
    save(values("price", 1), [[2]], [0.5])
    rows, err = predicted(capsys)
    assert list(rows[0])[-1] == "prediction"
    assert [float(row["prediction"]) for row in rows] == [2.5, 4.5, 6.5]
    assert "mean absolute error 0.5" in err and "largest 0.5" in err


@pytest.mark.parametrize("header", ["price", "cost"])
def test_a_target_is_found_by_its_name_in_the_file_or_in_the_model(
    header: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(values("price as cost", 1), [[2]], [0.5])
    (folder / "new.csv").write_text(f"size,{header}\n1,3\n2,4\n")
    rows, err = predicted(capsys, "new.csv")
    assert [float(row["prediction"]) for row in rows] == [2.5, 4.5]
    assert "cost" in err and "mean absolute error 0.5" in err


def test_several_targets(capsys: pytest.CaptureFixture[str]) -> None:
    save(values('"mass (g)" as mass, price', 2), [[10], [2]], [1, 0])
    rows, err = predicted(capsys)
    assert list(rows[0])[-2:] == ["prediction_mass", "prediction_price"]
    assert [float(row["prediction_mass"]) for row in rows] == [11, 21, 31]
    assert "mass: mean absolute error 1, largest 1" in err
    assert "price: mean absolute error 0.333333, largest 1" in err


def test_a_folder_without_the_columns_of_its_targets(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One that an earlier version wrote."""
    save(values("price", 1), [[2]], [0.5])
    path = folder / "run" / "network.json"
    structure = json.loads(path.read_text())
    del structure["networks"][0]["target_columns"]
    path.write_text(json.dumps(structure))
    assert "mean absolute error 0.5" in predicted(capsys)[1]
    structure["networks"][0]["target_columns"] = ["price", "size"]
    path.write_text(json.dumps(structure))
    assert run(["predict", "run", "fruit.csv"]) == 1
    assert "NNM0613" in capsys.readouterr().err


@pytest.mark.parametrize("text", [CLASSES, values("price as cost", 1)], ids=["classes", "values"])
def test_what_solve_saves_predicts_as_the_report_says(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("model.nnm").write_text(text)
    assert run(["solve", "model.nnm", "--save", "run", "--json"]) == 0
    (metric,) = json.loads(capsys.readouterr().out)["metrics"]["net"].values()
    _, err = predicted(capsys)
    if text == CLASSES:
        assert err == f"{metric['right']} of 3 rows with a known label are right\n"
    else:
        assert f"mean absolute error {metric['errors']['cost']['mean_absolute']:.6g}" in err
