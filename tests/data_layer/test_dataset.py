"""Building a data set: filter, code, scale, in this order, and every problem at its place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nnmip.data import (
    Dataset,
    FeatureColumn,
    LabelCode,
    LabelColumn,
    RawTable,
    ScaleChoice,
    TableSpec,
    TargetColumn,
    build_dataset,
    filter_rows,
    read_csv,
)
from tests.data_layer.helpers import EXAMPLES, condition, refusal, refused, span, table

SCALE = ScaleChoice("minmax", span("scale minmax"))
NONE = ScaleChoice("none", span("scale none"))
PETALS = (
    FeatureColumn("petal_length", "petal_length", span("petal_length"), NONE),
    FeatureColumn("petal_width", "width", span("petal_width as width"), NONE),
)


def built(
    name: str,
    table: RawTable,
    columns: tuple[FeatureColumn, ...],
    scale: ScaleChoice,
    label: LabelColumn | None = None,
    rows: Any = None,
    **rest: Any,
) -> Dataset:
    """A data set with one scaling for all columns; `rows` is a mask or what makes one."""
    scaled = tuple(replace(column, scale=scale) for column in columns)
    make = (lambda _: rows) if isinstance(rows, np.ndarray) else rows
    return build_dataset(table, TableSpec(name, scaled, label, rows=make, **rest))


def features(*names: str) -> tuple[FeatureColumn, ...]:
    return tuple(FeatureColumn(name, name, span(name), NONE) for name in names)


def label(source: str = "y", **codes: float) -> LabelColumn:
    coding = tuple(LabelCode(text.strip("_"), code, span(text)) for text, code in codes.items())
    return LabelColumn(source, source, span(f"label {source}"), coding or None)


def iris(where: str = "species in {setosa, versicolor}", **codes: float) -> Dataset:
    raw = read_csv(EXAMPLES / "iris.csv", span())
    codes = codes or {"setosa": -1.0, "versicolor": 1.0}
    return built(
        "train", raw, PETALS, SCALE, label("species", **codes), lambda rows: filter_rows(condition(where), rows)
    )


def test_iris() -> None:
    data = iris()
    assert (data.name, data.source_name, data.row_count) == ("train", "iris.csv", 100)
    assert data.feature_names == ("petal_length", "width")
    assert data.raw[0].tolist() == [1.4, 0.2]
    assert data.raw.shape == data.features.shape == (100, 2)
    assert data.labels.tolist() == [-1.0] * 50 + [1.0] * 50
    assert (data.label_name, data.coding) == ("species", (("setosa", -1.0), ("versicolor", 1.0)))
    assert data.sample_weights.tolist() == [1.0] * 100
    assert data.line_numbers.tolist() == list(range(2, 102))
    assert [data.label_text(code) for code in (-1.0, 1.0, 0.0)] == ["setosa", "versicolor", None]
    for array in (data.raw, data.features, data.labels, data.sample_weights, data.line_numbers):
        assert not array.flags.writeable


def test_scaling_is_fitted_after_filtering() -> None:
    assert (iris().scaling.shift + iris().scaling.width).tolist() == [5.1, 1.8]
    assert iris().features.max(axis=0).tolist() == [1.0, 1.0]
    assert iris().features.min(axis=0).tolist() == [0.0, 0.0]


def test_only_the_rows_that_are_kept_must_be_numbers() -> None:
    raw = table("x,y\n1,a\n?,b\n3,a")
    data = built("d", raw, features("x"), NONE, label(a=1.0), np.array([True, False, True]))
    assert data.raw.tolist() == [[1.0], [3.0]]
    assert data.line_numbers.tolist() == [2, 4]


def test_no_label() -> None:
    raw = table("x,y\n1,2.5\n2,-3")
    data = built("d", raw, features("x", "y"), NONE)
    assert (data.labels.tolist(), data.coding, data.label_name) == ([0.0, 0.0], None, None)
    assert (data.classes, data.target_names, data.targets.shape) == ((), (), (2, 0))
    assert data.features.tolist() == [[1.0, 2.5], [2.0, -3.0]]


def test_keys_that_are_numbers_match_by_value() -> None:
    raw = table("x,y\n1,0\n2,0.0\n3,1e0\n4,no")
    coding = tuple(LabelCode(text, code, span(text)) for text, code in (("0", -1.0), ("1", 1.0), (" no ", 5.0)))
    data = built("d", raw, features("x"), NONE, LabelColumn("y", "y", span("y"), coding))
    assert data.labels.tolist() == [-1.0, -1.0, 1.0, 5.0]


def test_label_without_a_code() -> None:
    found = refusal(lambda: iris("true"))
    assert (found.code, found.span.text) == ("NNM0504", "label species")
    assert found.message == "label `virginica` has no code, first on line 102 of `iris.csv`"
    assert found.label == "in column `species`"
    assert found.help == "add it to the coding, or keep the coded rows: `where species in {setosa, versicolor}`"
    assert found.note == "50 of 150 rows have no code"


def test_the_proposed_filter_works() -> None:
    proposal = refusal(lambda: iris("true")).help.split("`where ")[1].rstrip("`")
    assert iris(proposal).row_count == 100


def test_misspelled_key_of_the_coding() -> None:
    found = refusal(lambda: iris(setosa=-1.0, versicolour=1.0))
    assert found.message == "label `versicolor` has no code, first on line 52 of `iris.csv`"
    assert found.help == "did you mean `versicolor` where the coding has `versicolour`?"


def test_many_labels_without_a_code() -> None:
    rows = "\n".join(f"{i},k{i}" for i in range(8))
    found = refusal(lambda: built("d", table("x,y\n" + rows), features("x"), NONE, label(k0=1.0)))
    assert found.message == ("labels `k1`, `k2`, `k3`, `k4`, `k5` and 2 more have no code, first on line 3 of `t.csv`")
    assert found.help == "add each to the coding, or keep the coded rows: `where y in {k0}`"
    assert found.note == "7 of 8 rows have no code"


def test_empty_label() -> None:
    found = refusal(lambda: built("d", table("x,y\n1,a\n2,\n3,"), features("x"), NONE, label(a=1.0)))
    assert (found.code, found.message) == ("NNM0503", "empty cell in column `y` on line 3 of `t.csv`")
    assert found.note == "the column has 1 more such cell"


@pytest.mark.parametrize(
    ("cells", "classes", "codes"),
    [
        (("cat", "dog", "cat"), ("cat", "dog"), [0, 1, 0]),
        (("dog", "cat", "dog"), ("dog", "cat"), [0, 1, 0]),
        (("10", "9", "9.0", "-1"), ("-1", "9", "10"), [2, 1, 1, 0]),
        (("2", "b", "1"), ("2", "b", "1"), [0, 1, 2]),
        (("0", "1", "-1"), ("-1", "0", "1"), [1, 2, 0]),
    ],
)
def test_label_without_a_coding_names_classes(
    cells: tuple[str, ...], classes: tuple[str, ...], codes: list[int]
) -> None:
    numbers = tuple(map(str, range(len(cells))))
    raw = RawTable(("x", "y"), (numbers, cells), np.arange(2, 2 + len(cells)), "t.csv")
    data = built("d", raw, features("x"), NONE, label())
    assert (data.classes, data.labels.tolist(), data.coding) == (classes, codes, None)
    assert [data.label_text(code) for code in (0.0, 0.5, 99.0)] == [classes[0], None, None]


def test_classes_are_those_of_the_rows_that_are_kept() -> None:
    raw = table("x,y\n1,c\n2,b\n3,a")
    data = built("d", raw, features("x"), NONE, label(), np.array([False, True, True]))
    assert (data.classes, data.labels.tolist()) == (("b", "a"), [0.0, 1.0])


def test_labels_of_minus_and_plus_one_are_codes() -> None:
    data = built("d", table("x,y\n1,-1.0\n2,+1\n3,1"), features("x"), NONE, label())
    assert (data.classes, data.coding, data.labels.tolist()) == ((), None, [-1.0, 1.0, 1.0])


def test_listed_classes_are_positions_in_the_list() -> None:
    listed = tuple(LabelCode(text, float(k), span(text)) for k, text in enumerate(("b", "a")))
    column = LabelColumn("y", "y", span("label y"), listed, lists_classes=True)
    data = built("d", table("x,y\n1,a\n2,b"), features("x"), NONE, column)
    assert (data.classes, data.labels.tolist(), data.coding) == (("b", "a"), [1.0, 0.0], None)
    found = refusal(lambda: built("d", table("x,y\n1,a\n2,c"), features("x"), NONE, column))
    assert found.message == "label `c` has no class, first on line 3 of `t.csv`"
    assert found.help == "add it to the list, or keep the listed rows: `where y in {b, a}`"


def test_targets() -> None:
    columns = (TargetColumn("y", "height", span("y")), TargetColumn("z", "z", span("z")))
    data = built("d", table("x,y,z\n1,2.5,7\n2,-3,8"), features("x"), SCALE, targets=columns)
    assert (data.target_names, data.targets.tolist()) == (("height", "z"), [[2.5, 7.0], [-3.0, 8.0]])
    assert not data.targets.flags.writeable
    found = refused(lambda: built("d", table("x,y\n1,2\n2,a"), features("x"), NONE, targets=columns))
    assert [(d.code, d.span.text) for d in found] == [("NNM0503", "y"), ("NNM0502", "z")]


def test_two_codes_for_a_label() -> None:
    coding = tuple(LabelCode(text, 1.0, span(text)) for text in ("0", "0.0"))
    found = refusal(
        lambda: built("d", table("x,y\n1,0"), features("x"), NONE, LabelColumn("y", "y", span("y"), coding))
    )
    assert (found.code, found.message, found.span.text) == ("NNM0202", "label `0.0` has two codes", "0.0")
    assert [(second.span.text, second.text) for second in found.secondary] == [("0", "the first")]


def test_every_problem_is_told_at_its_place() -> None:
    raw = table("x,y,z\n1,a,7\nno,b,7")
    found = refused(lambda: built("d", raw, features("x", "w", "z", "z"), SCALE, label("v", a=1.0)))
    assert [(d.code, d.span.text) for d in found] == [
        ("NNM0502", "label v"),
        ("NNM0503", "x"),
        ("NNM0502", "w"),
        ("NNM0202", "z"),
    ]
    assert found[3].message == "two features are called `z`"


def test_constant_feature_is_named_by_its_name_in_the_model() -> None:
    columns = (FeatureColumn("x", "height", span("x"), SCALE),)
    found = refusal(lambda: built("d", table("x\n7\n7"), columns, SCALE))
    assert (found.code, found.span.text) == ("NNM0507", "scale minmax")
    assert found.message == "column `height` cannot be scaled by `minmax`: it is 7.0 in every row"


def test_ends_of_minmax() -> None:
    choice = ScaleChoice("minmax", span("scale minmax [-1, 1]"), -1.0, 1.0)
    assert built("d", table("x\n1\n3\n2"), features("x"), choice).features.tolist() == [[-1.0], [1.0], [0.0]]


def test_example_tables() -> None:
    iris = read_csv(EXAMPLES / "iris.csv", span())
    assert iris.columns == ("sepal_length", "sepal_width", "petal_length", "petal_width", "species")
    assert [iris.cells[4].count(name) for name in ("setosa", "versicolor", "virginica")] == [50, 50, 50]
    cancer = read_csv(EXAMPLES / "breast_cancer.csv", span())
    assert (len(cancer.columns), cancer.row_count) == (31, 569)
    assert all(name.isidentifier() for name in cancer.columns)
    assert [cancer.cells[30].count(name) for name in ("malignant", "benign")] == [212, 357]
    xor = read_csv(EXAMPLES / "xor.csv", span())
    assert xor.columns == ("x0", "x1", "parity")
    assert xor.cells == (("-1", "-1", "1", "1"), ("-1", "1", "-1", "1"), ("even", "odd", "odd", "even"))
