"""Columns as a network reads them: categories, missing cells, and new rows read in the same way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnmip.data import (
    Dataset,
    FeatureColumn,
    InputColumn,
    LabelColumn,
    MissingRule,
    ScaleChoice,
    SplitRule,
    TableSpec,
    TargetColumn,
    build_dataset,
)
from nnmip.data.inputs import MOST_LEVELS
from nnmip.data.table import exact_mean, is_missing
from tests.data_layer.helpers import refusal, refused, span, table

NONE = ScaleChoice("none", span("scale none"))
MINMAX = ScaleChoice("minmax", span("scale minmax"))
STANDARD = ScaleChoice("standard", span("scale standard"))
X = FeatureColumn("x", "x", span("x"), NONE)
COLOUR = FeatureColumn("c", "colour", span("c as colour as onehot"), MINMAX, onehot=True)
LABEL = LabelColumn("y", "y", span("label y"))


def rule(action: Any, value: float = 0.0) -> MissingRule:
    return MissingRule(action, span(f"missing {action}"), value)


def built(text: str, *columns: FeatureColumn, **rest: Any) -> Dataset:
    return build_dataset(table(text), TableSpec("d", columns, **rest))


# ---- categories ----------------------------------------------------------------------------------------------------


def test_each_category_becomes_a_feature() -> None:
    data = built("x,c\n1,red\n2,blue\n3,red", X, COLOUR)
    assert data.feature_names == ("x", "colour_red", "colour_blue")
    assert data.raw.tolist() == [[1, 1, 0], [2, 0, 1], [3, 1, 0]]
    assert data.features.tolist() == data.raw.tolist()
    assert data.inputs == (InputColumn("x", "x"), InputColumn("c", "colour", ("red", "blue")))
    assert data.scaling.kinds == ("none", "none", "none")


def test_categories_that_are_numbers_are_in_order() -> None:
    data = built("c\n10\n9\n9.0\n1", COLOUR)
    assert data.feature_names == ("colour_1", "colour_9", "colour_10")
    assert data.raw.tolist() == [[0, 0, 1], [0, 1, 0], [0, 1, 0], [1, 0, 0]]


def test_categories_are_those_of_all_rows_that_are_kept() -> None:
    data = built(
        "c,y\na,1\na,1\nb,1\nb,1\nc,1\nd,1", COLOUR, label=LABEL, split=SplitRule(0.5, 1, span("split test 0.5"))
    )
    assert data.test is not None
    assert data.feature_names == data.test.feature_names == ("colour_a", "colour_b", "colour_c", "colour_d")


def test_feature_that_is_called_like_a_category() -> None:
    other = FeatureColumn("x", "colour_red", span("x as colour_red"), NONE)
    found = refusal(lambda: built("x,c\n1,red\n2,blue", COLOUR, other))
    assert (found.code, found.message) == ("NNM0202", "two features are called `colour_red`")


def test_too_many_categories() -> None:
    rows = "\n".join(f"k{i}" for i in range(MOST_LEVELS + 1))
    found = refusal(lambda: built(f"c\n{rows}", COLOUR))
    assert found.message == "column `c` has 201 categories, and `as onehot` takes at most 200"


def test_unseen_category() -> None:
    column = InputColumn("c", "colour", ("red", "blue"))
    assert column.read(table("c\nblue\nred"), "c", span()).tolist() == [[0, 1], [1, 0]]
    found = refusal(lambda: column.read(table("c\nblue\ngreen"), "c", span()))
    assert found.message == "`green` in column `c` on line 3 of `t.csv` is a category without a feature"
    assert found.note == "the categories are `red`, `blue`"


# ---- missing cells -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["", "NA", "n/a", "NaN", "nan", "NULL", "?"])
def test_what_is_missing(cell: str) -> None:
    assert is_missing(("1", cell, "no")).tolist() == [False, True, False]
    found = refusal(lambda: built(f"x,y\n1,1\n{cell},1", X))
    assert (found.code, found.label) == ("NNM0503", "a missing value")
    assert found.help == "say what becomes of missing cells: `missing drop rows` or `missing fill mean`"
    assert refusal(lambda: built(f"c,x\nred,1\n{cell},1", COLOUR)).help == found.help


def test_rows_with_a_missing_cell_are_dropped() -> None:
    text = "x,c,y,other\n1,red,1,\n,red,1,1\n3,NA,-1,1\n4,blue,?,1\n5,blue,-1,1"
    data = built(text, X, COLOUR, label=LABEL, missing=rule("drop"))
    assert data.line_numbers.tolist() == [2, 6]
    assert data.labels.tolist() == [1.0, -1.0]


def test_dropped_rows_are_gone_before_the_filter_and_may_miss_a_target_or_a_weight() -> None:
    seen: list[int] = []

    def rows(kept: Any) -> Any:
        seen.append(kept.row_count)
        return np.ones(kept.row_count, dtype=bool)

    target = TargetColumn("t", "t", span("t"))
    data = built("x,t\n1,1\n2,\n,3", X, targets=(target,), missing=rule("drop"), rows=rows)
    assert (seen, data.targets.tolist()) == ([1], [[1.0]])


def test_no_row_without_a_missing_cell() -> None:
    found = refusal(lambda: built("x,z\n,1\n,2", X, missing=rule("drop")))
    assert (found.code, found.message) == ("NNM0505", "every row of `t.csv` has a missing cell")


@pytest.mark.parametrize(
    ("action", "fill"), [(rule("mean"), 4.0), (rule("median"), 3.0), (rule("constant", -1.0), -1.0)]
)
def test_missing_numbers_are_filled(action: MissingRule, fill: float) -> None:
    data = built("x,y\n1,1\n?,1\n3,1\n8,1", X, missing=action)
    assert data.raw[:, 0].tolist() == [1.0, fill, 3.0, 8.0]
    assert data.inputs == (InputColumn("x", "x", fill=fill),)


def test_missing_category_is_filled_with_the_most_frequent_one() -> None:
    data = built("c,y\nb,1\na,1\n?,1\na,1\nNA,1", COLOUR, missing=rule("mean"))
    assert data.inputs == (InputColumn("c", "colour", ("b", "a"), "a"),)
    assert data.raw.tolist() == [[1, 0], [0, 1], [0, 1], [0, 1], [0, 1]]


def test_labels_and_targets_are_never_filled() -> None:
    found = refusal(lambda: built("x,y\n1,a\n2,?", X, label=LABEL, missing=rule("mean")))
    assert found.help == "fill in the cell, or leave such rows out: `missing drop rows`"
    target = TargetColumn("y", "y", span("y"))
    assert refusal(lambda: built("x,y\n1,1\n2,?", X, targets=(target,), missing=rule("mean"))).help == found.help


def test_text_is_not_filled() -> None:
    found = refusal(lambda: built("x,y\n1,1\nabc,1\n,1", X, missing=rule("mean")))
    assert found.message == "`abc` in column `x` on line 3 of `t.csv` is not a number"


def test_nothing_to_fill_with() -> None:
    first, second = refused(lambda: built("x,c\n?,red\n,blue", X, COLOUR, missing=rule("constant", 0.0))), None
    assert [d.message for d in first] == ["a missing category of `c` cannot be filled with a number"]
    second = refusal(lambda: built("x,c\n?,red\n,blue", X, missing=rule("mean")))
    assert second.message == "column `x` has nothing to fill its missing cells with"


def test_fill_and_scaling_come_from_the_training_part() -> None:
    rows = "\n".join(f"{i if i % 3 else ''},{i % 2 * 2 - 1}" for i in range(1, 31))
    columns = (replace(X, scale=STANDARD), FeatureColumn("y", "z", span("z"), NONE))
    data = built(f"x,y\n{rows}", *columns, missing=rule("mean"), split=SplitRule(0.4, 3, span("split")))
    assert data.test is not None and (data.row_count, data.test.row_count) == (18, 12)
    lines = set(data.line_numbers.tolist())
    known = [i for i in range(1, 31) if i % 3 and i + 1 in lines]
    assert data.inputs[0].fill == sum(known) / len(known)
    assert data.test.inputs is data.inputs and data.test.scaling is data.scaling
    assert sorted(lines | set(data.test.line_numbers.tolist())) == list(range(2, 32))
    assert data.parts == (data, data.test) and data.test.parts == (data.test,) and data.test.name == "d.test"
    missing = [line % 3 == 1 for line in data.line_numbers.tolist()]
    assert (data.features[missing, 0] == 0.0).all()


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.integers(1, 30))
def test_a_filled_column_keeps_its_mean(values: list[float], holes: int) -> None:
    known = np.array(values)
    mean = exact_mean(known)
    assert exact_mean(np.concatenate([known, np.full(holes, mean)])) == pytest.approx(mean, rel=1e-15, abs=1e-300)


def test_empty_test_part() -> None:
    split = SplitRule(0.1, 1, span("split test 0.1"))
    found = refusal(lambda: built("x,y\n1,1\n2,-1", X, label=LABEL, split=split))
    assert (found.code, found.span.text) == ("NNM0505", "split test 0.1")
    assert found.message == "0.1 of the 2 rows of `t.csv` leaves the test part empty"


@pytest.mark.parametrize(
    "column",
    [InputColumn("x", "x"), InputColumn("x", "a b", fill=2.5), InputColumn("c", "c", ("u", "v"), "v")],
)
def test_json_gives_the_same_column(column: InputColumn) -> None:
    assert InputColumn.from_json(column.to_json()) == column
