"""Row filters: which rows each condition keeps, and the message for what a filter cannot use."""

from __future__ import annotations

import pytest

from nnmip.data import RawTable, filter_rows
from tests.data_layer.helpers import condition, refusal, table

FLOWERS = table(
    """
    id,width,length,species,note,petal~width
    1,0.2,1.4,setosa,,0.5
    2,0.4,1.5,setosa,x,1.5
    3,1.0,3.5,versicolor,1,2.5
    4,1.5,4.5,versicolor,1.0,3.5
    5,2.5,6.0,virginica,y,4.5
    """
)
FLOWERS = RawTable(
    tuple(name.replace("~", " ") for name in FLOWERS.columns), FLOWERS.cells, FLOWERS.line_numbers, "flowers.csv"
)
ALIASES = {"w": "petal width", "kind": "species"}


def kept(text: str) -> list[int]:
    """The ids of the rows that the condition keeps."""
    return [int(FLOWERS.cells[0][i]) for i in filter_rows(condition(text), FLOWERS, ALIASES).nonzero()[0]]


CONDITIONS = {
    # comparisons
    "width <= 1.0": [1, 2, 3],
    "width < 1": [1, 2],
    "width > 1": [4, 5],
    "1 <= width": [3, 4, 5],
    "width = 0.4": [2],
    "width != 0.4": [1, 3, 4, 5],
    "0.3 < width <= 1.5 < length": [3, 4],
    "width >= -1": [1, 2, 3, 4, 5],
    "width = -(-0.4)": [2],
    "length > 2.0 != width": [3, 4, 5],
    # text
    "species = setosa": [1, 2],
    "setosa = species": [1, 2],
    'species = "setosa"': [1, 2],
    "species != setosa": [3, 4, 5],
    'species != "unheard of"': [1, 2, 3, 4, 5],
    'note = ""': [1],
    "note = x": [2],
    # numbers among text: a literal number is compared by value, quoted text by its characters
    "note = 1": [3, 4],
    "note = 1.0": [3, 4],
    'note = "1"': [3],
    "note != 1": [1, 2, 5],
    "note in {1, x}": [2, 3, 4],
    # membership
    "species in {setosa, virginica}": [1, 2, 5],
    "species not in {setosa, virginica}": [3, 4],
    "species in {setosa} | {virginica}": [1, 2, 5],
    "width in {0.2, 2.5}": [1, 5],
    "width in [0.4, 1.5]": [2, 3, 4],
    "width not in [0.4, 1.5]": [1, 5],
    "width in 0..2": [3],
    "width in 0..1": [3],
    "id in 2..4": [2, 3, 4],
    "id in 2..<4": [2, 3],
    "id in {1} | [3, 4]": [1, 3, 4],
    # logic
    "species = setosa and width < 0.3": [1],
    "species = setosa or width > 2": [1, 2, 5],
    "not species = setosa": [3, 4, 5],
    "not (species = setosa or width > 2)": [3, 4],
    "species = setosa xor id >= 2": [1, 3, 4, 5],
    "species = setosa -> width < 0.3": [1, 3, 4, 5],
    "species = setosa <-> id <= 1": [1, 3, 4, 5],
    "true": [1, 2, 3, 4, 5],
    # names of the model, quoted names
    "w > 2": [3, 4, 5],
    "kind = setosa": [1, 2],
    '"petal width" > 2': [3, 4, 5],
    '"petal width" < length': [1, 3, 4, 5],
    '"petal width" in [0, 2]': [1, 2],
    '"species" = "setosa"': [1, 2],
    # the right side is looked at only where the left side leaves the row open
    'note in {1, "1.0"} and note > 0': [3, 4],
    "id < 3 or id = 5 or note >= 1": [1, 2, 3, 4, 5],
    "id in 3..4 -> note >= 1": [1, 2, 3, 4, 5],
}


@pytest.mark.parametrize("text", CONDITIONS)
def test_rows_kept(text: str) -> None:
    assert kept(text) == CONDITIONS[text]


def test_no_row_left() -> None:
    for text in ["id = width = length", "false", "width > 3"]:
        found = refusal(lambda text=text: kept(text))
        assert (found.code, found.message) == ("NNM0505", "the row filter leaves no rows of `flowers.csv`")
        assert (found.span.text, found.label) == (text, "true in none of 5 rows")


REFUSED = {
    "wdth < 1": ("NNM0502", "`flowers.csv` has no column `wdth`", "wdth", "did you mean `width`?"),
    "wdth = setosa": ("NNM0502", "`flowers.csv` has no column `wdth`", "wdth", "did you mean `width`?"),
    "knd in {1}": ("NNM0502", "`flowers.csv` has no column `knd`", "knd", "did you mean `kind`?"),
    "width < setosa": ("NNM0502", "`flowers.csv` has no column `setosa`", "setosa", ""),
    "species in {setosa, versicolr}": (
        "NNM0502",
        "`versicolr` is neither a column of `flowers.csv` nor a value of its column `species`",
        "versicolr",
        "did you mean `versicolor`?",
    ),
    "species != cancelled": (
        "NNM0502",
        "`cancelled` is neither a column of `flowers.csv` nor a value of its column `species`",
        "cancelled",
        'if it is the text of a cell, quote it: `"cancelled"`',
    ),
    "note > 0": (
        "NNM0503",
        "empty cell in column `note` on line 2 of `flowers.csv`",
        "note",
        'look at such cells first: `where note != "" and ...`',
    ),
    "id > 1 and note in [0, 1]": (
        "NNM0503",
        "`x` in column `note` on line 3 of `flowers.csv` is not a number",
        "note",
        'correct the cell, or leave such rows out with `where note != "x"`',
    ),
    'width < "1.5"': ("NNM0205", "text has no order", '"1.5"', "write the number without quotes, 1.5"),
    "1 < 2": ("NNM0205", "a comparison in a row filter needs a column", "1 < 2", ""),
    "1 in {1}": ("NNM0205", "`in` in a row filter needs a column before it", "1", ""),
    "species = true": (
        "NNM0205",
        "a cell of a table is a number or text",
        "true",
        'put the text of the cell in quotes, as in `"true"`',
    ),
    "width": (
        "NNM0205",
        "a row filter needs a condition",
        "width",
        "compare a column with a value, as in `where x <= 1.5` or `where y in {a, b}`",
    ),
    f"width < 1{'0' * 400}": (
        "NNM0205",
        "the number is too large to compare with a column",
        f"1{'0' * 400}",
        "",
    ),
    "width in [2, 1]": ("NNM0303", "the interval is empty", "[2, 1]", "write the smaller end first"),
    "id in 3..1": ("NNM0303", "the range is empty", "3..1", "write the smaller end first"),
    "id in 3..<3": ("NNM0303", "the range is empty", "3..<3", "write the smaller end first"),
    "width in 0.5..1": (
        "NNM0303",
        "the ends of a range are whole numbers",
        "0.5..1",
        "write an interval, as in `[0.5, 2]`",
    ),
    "width in [id, 2]": ("NNM0303", "an end of a domain in a row filter must be a number", "id", ""),
    "species in setosa": (
        "NNM0303",
        "`in` needs a domain",
        "setosa",
        "write values in braces, `{a, b}`, an interval, `[0, 1]`, or a range, `1..3`",
    ),
    "id in 1..5 step 2": ("NNM0104", "`step` is not usable in a row filter", "1..5 step 2", ""),
}
NOT_USABLE = {
    "width + 1 < 2": "width + 1",
    "-width < 2": "-width",
    "abs(width) < 2": "abs(width)",
    "is_good(width)": "is_good(width)",
    "forall i in 0..1: width < i": "forall i in 0..1: width < i",
    "if width < 1 then true else false": "if width < 1 then true else false",
    "width[0] < 2": "width[0]",
}


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text: str) -> None:
    found = refusal(lambda: kept(text))
    assert (found.code, found.message, found.span.text, found.help) == REFUSED[text]


@pytest.mark.parametrize("text", NOT_USABLE)
def test_not_usable(text: str) -> None:
    found = refusal(lambda: kept(text))
    assert (found.code, found.span.text) == ("NNM0104", NOT_USABLE[text])
    assert found.message == f"`{NOT_USABLE[text]}` is not usable in a row filter"
    assert found.help == "a row filter compares columns with numbers and labels, joined by `and`, `or`, `not`"


def test_other_unusable_cells_are_counted_in_the_rows_looked_at() -> None:
    assert refusal(lambda: kept("note > 0")).note == "the column has 2 more such cells"
    assert refusal(lambda: kept("id != 2 and note > 0")).note == "the column has 1 more such cell"
