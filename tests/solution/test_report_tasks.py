"""What reports say of classifiers with several classes, of regressions, and of test parts."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnmip.pipeline import loads
from nnmip.report.text import render_result
from nnmip.solution.result import Result

FRUIT = "size,kind,price\n1,apple,2\n2,lemon,4\n3,melon,7\n3,apple,7\n"
CLASSES = """nnm 0.1
data fruit = csv("fruit.csv") {
  features size scale minmax
  label    kind as {apple, lemon, melon}
}
network net(x: real[1] in [0, 1]) {
  layer o = dense(x, units: 3, weights in -2..2, bias in -2..2)
  return o
}
minimize zero_one(net, fruit) + 0.001 * l0(net.weights) + 0.0001 * l0(net.biases)
"""
VALUES = """nnm 0.1
data fruit = csv("fruit.csv") {
  features size
  target   price as cost
  WEIGHT
}
network net(x: real[1] in [0, 3]) {
  layer o = dense(x, units: 1, weights in {2}, bias in {0})
  return o[0]
}
minimize absolute(net, fruit)
"""


def solved(folder: Path, text: str) -> Result:
    (folder / "fruit.csv").write_text(FRUIT)
    return loads(text, directory=folder).solve()


def lines(result: Result, *starts: str) -> list[str]:
    """The lines of the report that start so, without their indentation."""
    stripped = [line.strip() for line in render_result(result).splitlines()]
    return [line for line in stripped if line.startswith(starts)]


def test_classes_have_a_formula_and_a_line_each(tmp_path: Path) -> None:
    """Two equal rows are of two classes, so one of four is wrong."""
    result = solved(tmp_path, CLASSES)
    scores = lines(result, "score[")
    assert [line.partition(" = ")[0] for line in scores] == ["score[apple]", "score[lemon]", "score[melon]"]
    assert lines(result, "predicts") == ["predicts the class with the largest score, of equal ones the first"]
    assert lines(result, "accuracy") == ["accuracy  net on fruit: 3 of 4 rows right (75.0 %); always apple: 2 (50.0 %)"]
    metric = result.to_json()["metrics"]["net"]["fruit"]
    assert metric["right"] == 3 and metric["confusion"]["lemon"] == {"lemon": 1}
    assert sum(sum(row.values()) for row in metric["confusion"].values()) == 4


@pytest.mark.parametrize("weight", ["", "weight (if size = 1 then 100 else 1)"])
def test_errors_count_every_row_once(weight: str, tmp_path: Path) -> None:
    """Outputs 2, 4, 6, 6 for 2, 4, 7, 7; the weights change the loss alone."""
    result = solved(tmp_path, VALUES.replace("WEIGHT", weight))
    assert result.objective == pytest.approx(2 / 103 if weight else 0.5)
    assert lines(result, "cost =") == ["cost = 2 * size"]
    assert lines(result, "error") == ["error     net on fruit, cost: mean absolute 0.5, largest 1"]
    assert lines(result, "predicts") == []


def test_accuracy_counts_every_row_once(tmp_path: Path) -> None:
    text = CLASSES.replace("}\nnetwork", "  weight   size\n}\nnetwork")
    assert solved(tmp_path, text).to_json()["metrics"]["net"]["fruit"]["accuracy"] == 0.75


def test_both_parts_of_a_split_have_a_line(tmp_path: Path) -> None:
    result = solved(tmp_path, VALUES.replace("WEIGHT", "split test 0.5 seed 1"))
    assert [line.partition(",")[0] for line in lines(result, "error")] == [
        "error     net on fruit",
        "error     net on fruit.test",
    ]
