"""`nnmip predict`: a saved network on new tables, with scores checked by hand."""

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
from nnmip.solution.store import RunFolder, load_network
from tests.workbench import CARS, LINEAR, write_model


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A saved network with the score `-2 * w + 1 * s + 0.5`, where w and s are the scaled weight and speed.

    w = (weight - 1000) / 2000 and s = (speed - 100) / 150.
    """
    monkeypatch.chdir(tmp_path)
    save(write_model(tmp_path, LINEAR, "cars.nnm"), "run", np.array([[-2.0, 1.0]]), np.array([0.5]))
    return tmp_path


def save(model: Path, run_folder: str, weights: np.ndarray, bias: np.ndarray) -> None:
    program = load(model).program
    (network,) = program.networks
    folder = RunFolder(Path(run_folder))
    folder.create()
    values = {f"{network.name}.o.weights": weights, f"{network.name}.o.bias": bias}
    folder.save_networks(program, Assignment(values, {}), None, "")


def predicted(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[list[dict[str, str]], str]:
    capsys.readouterr()
    assert run(["predict", *arguments]) == 0
    out, err = capsys.readouterr()
    return list(csv.DictReader(io.StringIO(out))), err


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert run(["predict", *arguments]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    return err


def test_labels_that_share_a_code_are_predicted_together(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = LINEAR.replace("{truck: -1, sport: +1}", "{truck: -1, bus: -1, sport: +1}")
    save(write_model(folder, text, "three.nnm"), "three", np.array([[-2.0, 1.0]]), np.array([0.5]))
    Path("new.csv").write_text("weight,top speed,kind\n1000,250,sport\n3000,100,bus\n3000,100,truck\n3000,100,tank\n")
    rows, err = predicted(capsys, "three", "new.csv")
    assert [row["prediction"] for row in rows] == ["sport", *["truck or bus"] * 3]
    assert err.endswith("3 of 3 rows with a known label are right\n")


def test_labels_are_compared_as_in_training(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The label column is found by its name in the file though the model has another, and 1.0 is the label 1."""
    model = write_model(folder, LINEAR.replace("kind as {truck: -1, sport: +1}", "kind as quick as {0: -1, 1: +1}"))
    Path("cars.csv").write_text("weight,top speed,kind\n1000,250,1\n1200,240,1\n2600,120,0\n3000,100,0\n")
    save(model, "coded", np.array([[-2.0, 1.0]]), np.array([0.5]))
    Path("new.csv").write_text("weight,top speed,kind\n1000,250,1.0\n3000,100,0\n3000,100,1\n")
    rows, err = predicted(capsys, "coded", "new.csv")
    assert [row["prediction"] for row in rows] == ["1", "0", "0"]
    assert err.endswith("2 of 3 rows with a known label are right\n")


def test_the_training_table(capsys: pytest.CaptureFixture[str]) -> None:
    rows, err = predicted(capsys, "run", "cars.csv")
    assert list(rows[0]) == ["weight", "top speed", "kind", "score", "prediction"]
    assert [float(row["score"]) for row in rows] == pytest.approx([1.5, -0.2 + 140 / 150 + 0.5, -0.966666667, -1.5])
    assert [row["prediction"] for row in rows] == ["sport", "sport", "truck", "truck"]
    assert err == "4 of 4 rows with a known label are right\n"


def test_columns_in_another_order_with_more_of_them(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "new.csv").write_text('top speed,name,weight\n175,"a, b",2000\n100,c,1000\n')
    rows, err = predicted(capsys, "run", "new.csv")
    assert [row["name"] for row in rows] == ["a, b", "c"]
    assert [float(row["score"]) for row in rows] == pytest.approx([0.0, 0.5])
    assert [row["prediction"] for row in rows] == ["sport", "sport"], "a score of 0 is on the side of +1"
    assert err == ""


def test_names_of_the_model(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "new.csv").write_text("speed,weight\n250,3000\n")
    rows, _ = predicted(capsys, "run", "new.csv")
    assert float(rows[0]["score"]) == pytest.approx(-0.5)


SHIFTED = """nnm 0.1
data points = csv("rows.csv") {
  features a as b, b as c
  label    y as a as {"-1": -1, "1": +1}
}
network net(x: real[2] in [-9, 9]) {
  layer o = dense(x, units: 1, weights in -9..9, bias in {0})
  return o[0]
}
minimize hinge(net, points)
"""


@pytest.mark.parametrize("header", ["a,b,y", "b,c,y"])
def test_a_name_that_the_file_and_the_model_give_to_two_columns(
    header: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the file calls `b` is not what the model calls `b`: no column is read twice."""
    (folder / "shifted.nnm").write_text(SHIFTED)
    (folder / "rows.csv").write_text("a,b,y\n1,2,-1\n3,4,1\n")
    save(folder / "shifted.nnm", "shifted", np.array([[1.0, -3.0]]), np.array([0.0]))
    (folder / "new.csv").write_text(f"{header}\n1,2,1\n5,1,1\n")
    rows, err = predicted(capsys, "shifted", "new.csv")
    assert [float(row["score"]) for row in rows] == [-5.0, 2.0]
    assert err == "1 of 2 rows with a known label are right\n"
    columns = dict(zip(header.split(","), ([1, 5], [2, 1], [1, 1]), strict=True))
    assert load_network("shifted").scores(columns).tolist() == [-5.0, 2.0]
    (folder / "new.csv").write_text("a,b\n1,2\n")
    rows, err = predicted(capsys, "shifted", "new.csv")
    assert (rows[0]["score"], err) == ("-5.0", ""), "no feature is taken for the label, for its name in the model"


def test_names_of_new_columns_are_free(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "new.csv").write_text("weight,top speed,score,nnmip_score\n3000,250,a,b\n")
    rows, _ = predicted(capsys, "run", "new.csv")
    assert list(rows[0]) == ["weight", "top speed", "score", "nnmip_score", "nnmip_nnmip_score", "prediction"]


def test_unknown_labels_do_not_count(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "new.csv").write_text(CARS + "1000,250,bus\n1000,250,truck\n")
    _, err = predicted(capsys, "run", "new.csv")
    assert err == "4 of 5 rows with a known label are right\n"


def test_rows_outside_the_input_domain_are_counted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "new.csv").write_text("weight,top speed\n900,250\n1000,250\n3000,251\n")
    _, err = predicted(capsys, "run", "new.csv")
    assert err == "2 rows lie outside the input domain that the network was trained for\n"


def test_output_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "run", "cars.csv", "-o", "out.csv"]) == 0
    assert capsys.readouterr().out == ""
    assert (folder / "out.csv").read_text().splitlines()[1] == "1000,250,sport,1.5,sport"
    assert run(["predict", "run", "cars.csv", "-o", "no/out.csv"]) == 2
    assert "cannot write `no/out.csv`: no such file or directory" in capsys.readouterr().err


def test_another_separator(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "new.csv").write_text("weight;top speed\n2000;175\n")
    err = refused(capsys, "run", "new.csv")
    assert "error[NNM0502]: `new.csv` has no column `weight`" in err
    assert "`--separator` names another character" in err
    rows, _ = predicted(capsys, "run", "new.csv", "--separator", ";")
    assert float(rows[0]["score"]) == pytest.approx(0.0)
    assert run(["predict", "run", "new.csv", "--separator", "ab"]) == 2
    assert "--separator must be one character, not `ab`" in capsys.readouterr().err


def test_every_missing_column_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "new.csv").write_text("wieght,kind\n2000,truck\n")
    err = refused(capsys, "run", "new.csv")
    assert "`new.csv` has no column `weight`" in err
    assert "did you mean `wieght`?" in err
    assert "`new.csv` has no column `top speed`" in err


@pytest.mark.parametrize(("cell", "message"), [("fast", "`fast` in column `top speed`"), ("", "empty cell in column")])
def test_cells_that_are_no_numbers(cell: str, message: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "new.csv").write_text(f"weight,top speed\n2000,175\n2000,{cell}\n")
    err = refused(capsys, "run", "new.csv")
    assert f"error[NNM0503]: {message}" in err
    assert "line 3 of `new.csv`" in err
    assert "= help: correct the cell\n" in err


@pytest.mark.parametrize("content", [b"", b"weight,top speed\n", b"\xff\xfe", b"weight,weight\n1,2\n"])
def test_tables_that_cannot_be_read(content: bytes, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "new.csv").write_bytes(content)
    assert "error[NNM050" in refused(capsys, "run", "new.csv")


def test_scores_that_overflow(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(folder / "cars.nnm", "huge", np.array([[1e308, 1e308]]), np.array([0.0]))
    (folder / "new.csv").write_text("weight,top speed\n1e300,1e300\n")
    assert "error[NNM0613]: the scores of network `clf` for `new.csv` are not finite" in (
        refused(capsys, "huge", "new.csv")
    )


def test_a_network_without_named_inputs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = LINEAR.partition("\nminimize")[0] + "\nsatisfy\nconstraint some: l0(clf.weights) >= 1\n"
    save(write_model(folder, text, "nameless.nnm"), "nameless", np.array([[1.0, 0.0]]), np.array([0.0]))
    err = refused(capsys, "nameless", "cars.csv")
    assert "error[NNM0613]: network `clf` cannot read a table: no loss of its model names its inputs" in err


def test_choosing_a_network(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "run", "cars.csv", "--network", "clv"]) == 2
    assert "the run has no network `clv`; it has clf" in capsys.readouterr().err
    structure = json.loads((folder / "run" / "network.json").read_text())
    second = {**structure["networks"][0], "name": "other"}
    structure["networks"].append(second)
    (folder / "run" / "network.json").write_text(json.dumps(structure))
    arrays = {f"{n}.o.{role}": a for n in ("clf", "other") for role, a in _arrays(0.5 if n == "clf" else 9.0).items()}
    np.savez(folder / "run" / "weights.npz", **arrays)
    assert run(["predict", "run", "cars.csv"]) == 2
    assert "the run has several networks; choose one of clf, other with --network" in capsys.readouterr().err
    rows, _ = predicted(capsys, "run", "cars.csv", "--network", "other")
    assert float(rows[0]["score"]) == pytest.approx(10.0)


def _arrays(bias: float) -> dict[str, np.ndarray]:
    return {"weights": np.array([[-2.0, 1.0]]), "bias": np.array([bias])}


def test_what_solve_saves(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["solve", "cars.nnm", "--save", "new"]) == 0
    printed = capsys.readouterr().out
    assert sorted(p.name for p in (folder / "new").iterdir()) == [
        "clf.onnx",
        "network.json",
        "network.txt",
        "result.json",
        "weights.npz",
    ]
    words = (folder / "new" / "network.txt").read_text()
    assert words.splitlines()[0] == printed.splitlines()[0]
    assert "  score = " in words and "predicts sport where the score is at least 0, else truck" in words
    rows, err = predicted(capsys, "new", "cars.csv")
    assert err == "4 of 4 rows with a known label are right\n"
    result = json.loads((folder / "new" / "result.json").read_text())
    with np.load(folder / "new" / "weights.npz", allow_pickle=False) as arrays:
        assert sorted(arrays.files) == ["clf.o.bias", "clf.o.weights"]
        assert arrays["clf.o.weights"].tolist() == result["networks"]["clf"]["weights"]["o"]
    saved = np.array([float(row["score"]) for row in rows])
    (weights,), (bias,) = result["networks"]["clf"]["weights"]["o"], result["networks"]["clf"]["biases"]["o"]
    raw = np.array([[1000, 250], [1200, 240], [2600, 120], [3000, 100]])
    scaled = (raw - [1000, 100]) / [2000, 150]
    assert saved == pytest.approx(scaled @ weights + bias)
