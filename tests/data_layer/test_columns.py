"""Tables made of arrays, from files and from Python, and rows to predict."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nnmip.data import InputColumn, RawTable
from nnmip.data.columns import Expected, bound_table, feature_rows, table_of
from nnmip.data.table import NumberCells, parse_numbers
from tests.data_layer.helpers import refusal, span

SPAN = span("train")
EXPECTED = Expected(("a", "b"), ("y",))


class Series:
    """What a column of a data frame looks like."""

    def __init__(self, values: Any) -> None:
        self.values = values

    def to_numpy(self) -> Any:
        return np.asarray(self.values)


class Frame:
    """What a data frame of any library looks like."""

    def __init__(self, **columns: Any) -> None:
        self.parts = {name.replace("_", " ") if name == "a_b" else name: Series(v) for name, v in columns.items()}

    @property
    def columns(self) -> list[str]:
        return list(self.parts)

    def __getitem__(self, name: str) -> Series:
        return self.parts[name]


def cells(table: RawTable) -> dict[str, list[str]]:
    return {name: list(column) for name, column in zip(table.columns, table.cells, strict=True)}


def test_vectors_are_columns_and_matrices_are_groups() -> None:
    table = table_of({"X": np.array([[1.0, 2.5], [3.0, np.nan]]), "y": np.array(["a ", "b"])}, "f.npz", SPAN)
    assert cells(table) == {"X_0": ["1", "3"], "X_1": ["2.5", ""], "y": ["a", "b"]}
    assert table.groups == {"X": ("X_0", "X_1")}
    assert (table.place(1), table.row_count) == ("row 1 of `f.npz`", 2)
    kept = table.select(np.array([False, True]))
    assert (cells(kept)["X_0"], kept.place(0), kept.groups) == (["3"], "row 1 of `f.npz`", table.groups)


def test_images_are_flattened_in_row_major_order() -> None:
    table = table_of({"X": np.arange(8).reshape(2, 2, 2)}, "f.npy", SPAN)
    assert cells(table) == {"X_0": ["0", "4"], "X_1": ["1", "5"], "X_2": ["2", "6"], "X_3": ["3", "7"]}


def test_records_have_columns_with_names() -> None:
    array = np.array([(1, b"a"), (2, b"b")], [("size", "i4"), ("kind", "S1")])
    assert cells(table_of({"": array}, "f.npy", SPAN)) == {"size": ["1", "2"], "kind": ["a", "b"]}
    assert table_of({"t": array}, "f.npz", SPAN).groups == {"t": ("t_size", "t_kind")}


def test_numbers_keep_every_bit() -> None:
    values = np.array([0.1, -1e-300, 2.0**60, 1 / 3, -0.0, 5.0])
    column = NumberCells(values)
    assert [float(text) for text in column] == values.tolist()
    assert parse_numbers(column).tolist() == parse_numbers(list(column)).tolist() == values.tolist()
    assert (column[5], column.index("0.1"), "5" in column, len(column)) == ("5", 0, True, 6)
    large = table_of({"id": np.array([2**53 + 1, 1])}, "f.npy", SPAN)
    assert cells(large) == {"id": ["9007199254740993", "1"]}


def test_python_objects_become_cells() -> None:
    values = np.array([None, float("nan"), " red ", 3, 2.5, True, 2**70], object)
    assert cells(table_of({"c": values}, "d", SPAN)) == {"c": ["", "", "red", "3", "2.5", "1", str(2**70)]}


@pytest.mark.parametrize(
    ("arrays", "code", "message"),
    [
        ({"X": np.zeros((3, 2)), "y": np.zeros(2)}, "NNM0301", "`X` of `f` has 3 rows, and `y` has 2"),
        ({"X": np.array(1.0)}, "NNM0301", "`X` of `f` is a single number, and has no rows"),
        ({"X": np.zeros((0, 2))}, "NNM0505", "`f` has no rows"),
        ({}, "NNM0505", "`f` has no rows"),
        ({"X": np.zeros((2, 2)), "X_1": np.zeros(2)}, "NNM0202", "two columns of `f` are called `X_1`"),
        ({"d": np.zeros(2, "M8[s]")}, "NNM0205", "column `d` of `f` holds `datetime64[s]`"),
        ({"d": np.array([[1], {}], object)[:1]}, "NNM0205", "column `d` of `f` holds a Python object of type `list`"),
    ],
)
def test_arrays_that_are_no_table(arrays: dict[str, Any], code: str, message: str) -> None:
    found = refusal(lambda: table_of(arrays, "f", SPAN))
    assert (found.code, found.message) == (code, message)


@pytest.mark.parametrize(
    "value",
    [
        ([[1, 2], [3, 4]], ["u", "v"]),
        (np.array([[1, 2], [3, 4]]), np.array([["u"], ["v"]])),
        (np.array([[1, 2], [3, 4]]), Frame(anything=["u", "v"])),
        (Frame(a=[1, 3], b=[2, 4]), Series(["u", "v"]).to_numpy()),
        Frame(b=[2, 4], y=["u", "v"], a=[1, 3]),
        {"a": [1, 3], "b": np.array([2, 4]), "y": ("u", "v")},
    ],
)
def test_values_from_python(value: Any) -> None:
    found = cells(bound_table("train", value, EXPECTED, SPAN))
    assert dict(sorted(found.items())) == {"a": ["1", "3"], "b": ["2", "4"], "y": ["u", "v"]}


def test_a_matrix_for_a_group_and_several_targets() -> None:
    X, y = np.arange(6).reshape(2, 3), np.array([[1, 2], [3, 4]])
    table = bound_table("train", (X, y), Expected(("X",), ("u", "v")), SPAN)
    assert (table.columns, table.groups) == (("X_0", "X_1", "X_2", "u", "v"), {"X": ("X_0", "X_1", "X_2")})
    assert bound_table("train", np.arange(3), Expected(("x",), ()), SPAN).columns == ("x",)


@pytest.mark.parametrize(
    ("value", "code", "message"),
    [
        (np.zeros((2, 3)), "NNM0301", "`train` declares 2 features, and the bound array has shape [2, 3]"),
        (
            (np.zeros((2, 2)), 1, 2),
            "NNM0205",
            "`train` is bound to a tuple of 3, and not to a pair of features and labels",
        ),
        ((np.zeros((2, 2)), [1]), "NNM0301", "`a` of `train` has 2 rows, and `y` has 1"),
    ],
)
def test_values_that_do_not_fit(value: Any, code: str, message: str) -> None:
    found = refusal(lambda: bound_table("train", value, EXPECTED, SPAN))
    assert (found.code, found.message) == (code, message)


def test_a_pair_needs_a_label_or_a_target() -> None:
    found = refusal(lambda: bound_table("train", ([[1, 2]], [1]), Expected(("a", "b"), ()), SPAN))
    assert found.message == "`train` is bound to a pair, and declares neither a label nor a target"


INPUTS = (InputColumn("a", "a"), InputColumn("c", "colour", ("red", "blue"), "red"))


@pytest.mark.parametrize(
    "X",
    [
        [[1, 0, 1], [2, 1, 0]],
        np.array([[1, "blue"], [2, "red"]], object),
        np.array([[1, "blue"], [2, None]], object),
        {"a": [1, 2], "c": ["blue", "red"]},
        Frame(colour=["blue", "red"], a=[1.0, 2.0]),
    ],
)
def test_rows_to_predict(X: Any) -> None:
    assert feature_rows(X, INPUTS, 3).tolist() == [[1, 0, 1], [2, 1, 0]]


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([[1, 2, 3, 4]], "rows of 3 features are needed"),
        ([[1, 0, np.inf]], "features must be finite numbers"),
        ({"a": [1]}, "has no column `c`"),
        ({"a": [1], "c": ["green"]}, "is a category without a feature"),
        ({"a": [None], "c": ["red"]}, "empty cell in column `a` on row 0 of `X`"),
    ],
)
def test_rows_that_cannot_be_predicted(X: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        feature_rows(X, INPUTS, 3)


def test_inputs_without_names_take_arrays_only() -> None:
    assert feature_rows([[1, 2]], (), 2).tolist() == [[1, 2]]
    with pytest.raises(ValueError, match="no names"):
        feature_rows({"a": [1]}, (), 1)
