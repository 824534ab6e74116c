"""Where data comes from: readers, files from the command line, and values bound from Python."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnmip.diagnostics import Severity
from nnmip.pipeline import Model, load, loads
from tests.sema.models import DATA, FOLDER, NETWORK

GOAL = "minimize hinge(clf, train) + 0.01 * l0(clf.weights)\n"
BARE = """
param most : int in 0..9 = 6
param factors : real[2] = [1, 1]
data train {
  features a, b scale minmax
  label    y as {no: -1, yes: +1}
}
constraint few: l0(clf.weights) <= most
"""
X = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 2.0]])
Y = ["no", "yes", "yes"]


def model(text: str, **given: Any) -> Model:
    return loads(f"nnm 0.1\n{text}", directory=FOLDER, **given)


def complaint(found: Model) -> str:
    (diagnostic,) = found.check()
    return f"{diagnostic.code} {diagnostic.message}"


# ---- files ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ['npz("flowers.npz")', 'npz("flowers.npz", "X")'])
def test_a_matrix_and_its_labels(call: str) -> None:
    label = "label y as {setosa: -1, versicolor: +1}" if "," not in call else ""
    goal = GOAL if label else "satisfy\n"
    features = "features X_1, X_0 as length scale minmax"
    program = model(f"data train = {call} {{ {features} {label} }}{NETWORK}{goal}").program
    (data,) = program.datasets
    assert data.feature_names == ("X_1", "length")
    assert data.raw.tolist()[3] == [1.4, 4.7]
    assert data.place(3) == "row 3 of `flowers.npz`"


def test_a_whole_matrix_by_its_name(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", np.arange(8.0).reshape(4, 2))
    text = 'nnm 0.1\ndata train = npy("m.npy") { features x as p scale minmax target x_1 as t }\nsatisfy\n'
    found = loads(text.replace("target x_1 as t", ""), directory=tmp_path)
    assert found.check() == ()
    assert found.program.datasets[0].feature_names == ("p_0", "p_1")
    found = loads(text, directory=tmp_path)
    assert [d.message for d in found.check()] == ["`t` is a feature and the target"]


def test_tensors_are_known_numbers() -> None:
    text = f"""data image : real[3] = npy("image.npy")
data on : bool[3] = npz("x.npz", "mask")
param k : int = 1
{DATA}{NETWORK}
minimize hinge(clf, train) + image[k] * l0(clf.weights)
constraint c: image[0] * clf.o.bias[0] <= sum(image)
"""
    np.savez(FOLDER / "x.npz", mask=np.array([True, False, True]))
    try:
        program = model(text).program
    finally:
        (FOLDER / "x.npz").unlink()
    assert {name: value.tolist() for name, value in program.parameters} == {
        "image": [0.5, 1.0, 0.0],
        "on": [1.0, 0.0, 1.0],
        "k": 1.0,
    }


def test_a_file_from_the_command_line_starts_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = (FOLDER / "flowers.csv").read_text().splitlines()
    (tmp_path / "other.csv").write_text("\n".join(lines[:3] + lines[-1:]))
    shutil.copy(FOLDER / "flowers.npz", tmp_path)
    monkeypatch.chdir(tmp_path)
    text = DATA + NETWORK + GOAL
    assert model(text, parameters={"train": "other.csv"}).program.datasets[0].row_count == 3
    assert model(text, parameters={"train": Path("other.csv")}).program.datasets[0].source_name == "other.csv"
    arrays = text.replace("petal_length, petal_width", "X").replace("species", "y")
    assert model(arrays, parameters={"train": "flowers.npz"}).program.datasets[0].row_count == 6
    (found,) = model(text, parameters={"train": "othr.csv"}).check()
    assert (found.code, found.help) == ("NNM0501", "did you mean `other.csv`?")
    assert found.note == "a path from outside the model starts from the working directory"
    assert found.span.text == '"flowers.csv"'


def test_one_class_only_is_a_warning() -> None:
    (found,) = model(DATA.replace("}\n}", "} where species = setosa }") + NETWORK + GOAL).check()
    assert (found.code, found.severity) == ("NNM0508", Severity.WARNING)
    assert found.message == "every row of `train` has the label `setosa`"


# ---- bound from Python ---------------------------------------------------------------------------------------------


def test_bind_gives_a_new_model() -> None:
    first = model(BARE + NETWORK + GOAL)
    assert complaint(first) == "NNM0206 `train` has no file, and nothing is bound to it"
    bound = first.bind(train=(X, Y), most=3)
    assert bound.check() == () and bound is not first
    (data,) = bound.program.datasets
    assert data.features.tolist() == [[0.0, 0.0], [0.5, 1.0], [1.0, 0.5]]
    assert (data.labels.tolist(), data.source_name) == ([-1.0, 1.0, 1.0], "train")
    assert dict(bound.program.parameters)["most"] == 3.0
    again = bound.bind(most=np.int64(4))
    assert dict(again.program.parameters)["most"] == 4.0 and again.program.datasets[0].row_count == 3
    assert bound.fingerprint != again.fingerprint != bound.bind(train=(X[:2], Y[:2])).fingerprint


@pytest.mark.parametrize(
    ("value", "wanted"),
    [([2, 0.5], [2.0, 0.5]), (np.array([1, -2]), [1.0, -2.0]), ("[3, 4]", [3.0, 4.0]), ((1e-7, 1e22), [1e-7, 1e22])],
)
def test_lists_for_parameters(value: Any, wanted: list[float]) -> None:
    bound = model(BARE + NETWORK + GOAL).bind(train=(X, Y), factors=value)
    assert dict(bound.program.parameters)["factors"].tolist() == wanted


def test_columns_by_name_and_rows_left_out() -> None:
    text = BARE.replace("+1}", '+1}\n where kind = "a"') + NETWORK + GOAL
    table = {"kind": ["a", "b", "a"], "b": X[:, 1], "a": X[:, 0], "y": Y}
    (data,) = model(text).bind(train=table).program.datasets
    assert data.raw.tolist() == [[0.0, 1.0], [4.0, 2.0]]
    assert data.line_numbers.tolist() == [0, 2]


def test_an_array_for_a_tensor_or_in_place_of_a_file() -> None:
    text = f"data image : real[3]\n{DATA}{NETWORK}{GOAL}"
    bound = model(text).bind(image=[1, 2, 3], train=(X, ["setosa", "versicolor", "versicolor"]))
    assert dict(bound.program.parameters)["image"].tolist() == [1.0, 2.0, 3.0]
    assert bound.program.datasets[0].row_count == 3


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"train": (X, ["no", "yes", "maybe"])}, "NNM0504 label `maybe` has no code, first on row 2 of `train`"),
        ({"train": (X[:, :1], Y)}, "NNM0301 `train` declares 2 features, and the bound array has shape [3, 1]"),
        ({"train": (X, Y[:2])}, "NNM0301 `a` of `train` has 3 rows, and `y` has 2"),
        ({"train": {"a": X[:, 0], "y": Y}}, "NNM0502 `train` has no column `b`"),
        ({"train": (np.where(X == 4, np.nan, X), Y)}, "NNM0503 empty cell in column `a` on row 2 of `train`"),
        (
            {"train": (np.where(X == 4, np.inf, X), Y)},
            "NNM0503 `inf` in column `a` on row 2 of `train` is not a finite number",
        ),
        ({"train": (X, Y), "most": 2.5}, "NNM0206 `most` is declared `int`, but `2.5` is not a whole number"),
        ({"train": (X, Y), "most": [1, 2]}, "NNM0206 `most` is a single value, but its value is a tensor of shape [2]"),
        (
            {"train": (X, Y), "most": {}},
            "NNM0206 what is bound to parameter `most` is not a number or a list of numbers",
        ),
        ({"train": (X, Y), "most": float("nan")}, "NNM0206 `nan` is not a value for `most`"),
        ({"train": (X, Y), "mots": 3}, "NNM0201 no parameter is called `mots`"),
        ({"train": (X, Y), "tests": X}, "NNM0201 no parameter is called `tests`"),
        ({"train": "absent.csv"}, "NNM0501 no file `absent.csv`"),
    ],
)
def test_values_that_do_not_fit(values: dict[str, Any], said: str) -> None:
    assert complaint(model(BARE + NETWORK + GOAL).bind(**values)) == said


def test_bound_model_is_solved_and_predicts(tmp_path: Path) -> None:
    text = """
data train {
  features size scale minmax
  features colour as onehot
  label    kind as {apple: -1, lemon: +1}
  missing  fill mean
  split    test 0.5 seed 2
}
network net(x: real[3] in [0, 1]) {
  layer o = dense(x, units: 1, weights in {-1, 0, 1}, bias in {-1, 0, 1})
  return o[0]
}
minimize hinge(net, train)
"""
    sizes = [1, 2, None, 4, 5, 6, 7, 99]
    colours = ["red", "yellow", "red", "yellow", "red", "yellow", None, "yellow"]
    kinds = ["apple", "lemon"] * 4
    result = model(text).bind(train={"size": sizes, "colour": colours, "kind": kinds}).solve(save=tmp_path / "run")
    assert [(m.data, m.rows) for m in result.metrics] == [("train", 4), ("train.test", 4)]
    network = result.networks["net"]
    assert network.features == ("size", "colour_red", "colour_yellow")
    assert list(network.predict({"size": [3, 3], "colour": ["red", "yellow"]})) == ["apple", "lemon"]
    assert list(network.predict([[3, 1, 0], [3, 0, 1]])) == ["apple", "lemon"]
    if network.outside({"size": [99], "colour": ["red"]}).any():
        assert any("of train.test" in note for note in result.notes)


def test_test_part_in_a_constraint() -> None:
    text = DATA.replace("}\n}", "}\n split test 0.3 seed 1 }") + NETWORK + GOAL
    text = text.replace("in [0, 1]", "in [-1, 2]")
    found = model(text + "constraint good: zero_one(clf, train.test, margin: 0.1) <= 0.5\n")
    assert found.check() == ()
    assert found.program.bindings == (("clf", "train"), ("clf", "train.test"))
    assert [part.name for part in found.program.datasets[0].parts] == ["train", "train.test"]


def test_load_takes_paths(tmp_path: Path) -> None:
    path = tmp_path / "model.nnm"
    path.write_text(f"nnm 0.1\n{DATA}{NETWORK}{GOAL}")
    shutil.copy(FOLDER / "flowers.csv", tmp_path / "elsewhere.csv")
    assert load(path, {"train": str(tmp_path / "elsewhere.csv")}).check() == ()
