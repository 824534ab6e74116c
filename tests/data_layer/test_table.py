"""Columns as numbers, and the message for each cell that is none."""

from __future__ import annotations

import numpy as np
import pytest

from nnmip.data import RawTable, numeric_column
from nnmip.data.table import parse_numbers, written
from tests.data_layer.helpers import refusal, span, table

SPAN = span("x")


def test_numeric_column() -> None:
    values = numeric_column(table("x,y\n1,a\n-2.5e-3,b\n+.5,c"), "x", SPAN)
    assert values.dtype == np.float64
    assert values.tolist() == [1.0, -0.0025, 0.5]
    assert not values.flags.writeable


def test_selected_rows_keep_their_lines() -> None:
    kept = table("x,y\n1,a\n2,b\n3,c").select(np.array([True, False, True]))
    assert kept.cells == (("1", "3"), ("a", "c"))
    assert kept.line_numbers.tolist() == [2, 4]


@pytest.mark.parametrize("cell", ["1_000", "٣", "0x10", "1e", "", "nan", "1e999", "-inf", "1,5", "1 2"])
def test_what_is_not_a_finite_number(cell: str) -> None:
    values = parse_numbers(["7", cell])
    assert values[0] == 7.0
    assert np.isnan(values[1])


CELLS = {
    "abc": (
        "`abc` in column `x` on line 3 of `t.csv` is not a number",
        'correct the cell, or leave such rows out with `where x != "abc"`',
    ),
    "": (
        "empty cell in column `x` on line 3 of `t.csv`",
        "fill in the cell, or leave such rows out: `missing drop rows`",
    ),
    "nan": (
        "`nan` in column `x` on line 3 of `t.csv` is a missing value",
        "fill in the cell, or leave such rows out: `missing drop rows`",
    ),
    "N/A": (
        "`N/A` in column `x` on line 3 of `t.csv` is a missing value",
        "fill in the cell, or leave such rows out: `missing drop rows`",
    ),
    "1e999": (
        "`1e999` in column `x` on line 3 of `t.csv` is not a finite number",
        'leave such rows out with `where x != "1e999"`',
    ),
    "1;5": (
        "`1;5` in column `x` on line 3 of `t.csv` is not a number",
        'correct the cell, or leave such rows out with `where x != "1;5"`',
    ),
}


@pytest.mark.parametrize("cell", CELLS)
def test_unusable_cell(cell: str) -> None:
    found = refusal(lambda: numeric_column(table(f"x,y\n1,a\n{cell},b\n2,c"), "x", SPAN))
    assert (found.code, found.message, found.help) == ("NNM0503", *CELLS[cell])
    assert (found.span, found.note) == (SPAN, "")


def test_decimal_comma() -> None:
    raw = RawTable(("x",), (("1,5",),), np.array([2]), "t.csv")
    found = refusal(lambda: numeric_column(raw, "x", SPAN))
    assert found.message == "`1,5` in column `x` on line 2 of `t.csv` is not a number"
    assert found.help == "write `1.5`, with a decimal point; cells are split at `separator`"


def test_other_unusable_cells_are_counted() -> None:
    assert refusal(lambda: numeric_column(table("x\na\nb\n1\nc"), "x", SPAN)).note == "the column has 2 more such cells"


def test_unknown_column() -> None:
    found = refusal(lambda: numeric_column(table("petal_length,petal_width\n1,2"), "petal_widht", SPAN))
    assert (found.code, found.message) == ("NNM0502", "`t.csv` has no column `petal_widht`")
    assert found.help == "did you mean `petal_width`?"
    assert found.note == "the columns are `petal_length`, `petal_width`"


def test_unknown_column_of_a_wide_table() -> None:
    raw = table(",".join(f"c{i}" for i in range(20)) + "\n" + ",".join("1" * 20))
    found = refusal(lambda: numeric_column(raw, "something", SPAN))
    assert found.help == ""
    assert found.note.endswith("`c10`, `c11` and 8 more")


def test_unknown_column_of_a_file_that_was_not_split() -> None:
    found = refusal(lambda: numeric_column(table("a;b\n1;2"), "a", SPAN))
    assert found.help == 'the header looks separated by `;`; write `separator: ";"` in the call of `csv`'


def test_unknown_column_of_a_file_without_header() -> None:
    found = refusal(lambda: numeric_column(table("5.1,3.5\n4.9,3.0"), "sepal_length", SPAN))
    assert found.note == (
        "the columns are `5.1`, `3.5`; the first row is read as the header, and this one looks like data"
    )


def test_names_as_the_language_writes_them() -> None:
    names = ("a_1", "petal length (cm)", 'a"b', "0")
    assert [written(name) for name in names] == ["a_1", '"petal length (cm)"', '"a\\"b"', '"0"']


def test_a_proposed_column_is_quoted_where_it_must_be() -> None:
    raw = RawTable(("petal length (cm)",), (("1",),), np.array([2]), "t.csv")
    assert refusal(lambda: numeric_column(raw, "petal_length_cm", SPAN)).help == 'did you mean `"petal length (cm)"`?'
