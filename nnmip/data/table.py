"""A table of cells as it stands in the user's file or arrays, and its columns as numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from functools import cached_property
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnmip.diagnostics import Diagnostic, DiagnosticError
from nnmip.diagnostics.edit import substitute_inside
from nnmip.records import dataclass
from nnmip.source import Span
from nnmip.syntax.suggest import closest

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

SHOWN_COLUMNS = 12
SHOWN_CELL_LENGTH = 40
SEARCHED_NAMES = 1000
OTHER_SEPARATORS = (";", "\t", "|", ",")

MISSING_TEXTS = frozenset(["", "na", "n/a", "nan", "null", "?"])
"""The texts of a missing cell, in small letters."""


@dataclass(frozen=True, slots=True, eq=False)
class NumberCells(Sequence[str]):
    """The cells of a column that is an array of numbers: their texts are made when they are asked for.

    `values` are float64, shape (n,); NaN is an empty cell.
    """

    values: FloatArray

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: Any) -> Any:
        return _number_text(float(self.values[index]))

    def __iter__(self) -> Iterator[str]:
        return map(_number_text, self.values.tolist())


def _number_text(value: float) -> str:
    if value != value:
        return ""
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)


@dataclass(frozen=True, eq=False)
class RawTable:
    """Text cells by column, without the blanks around them.

    `cells[j][i]` is the cell of column `columns[j]` in row `i`; `line_numbers[i]` is the line of the file (from 1)
    on which that row starts, or the position of the row in an array (from 0), as `unit` says; `source_name` is the
    name of the file for messages. `groups` names columns that belong together, as those of a matrix. Where only the
    header was read (`is_read` is false) there are no rows, and nothing is said of their number or their cells.
    """

    columns: tuple[str, ...]
    cells: tuple[Sequence[str], ...]
    line_numbers: IntArray
    source_name: str
    unit: str = "line"
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    is_read: bool = True

    def __post_init__(self) -> None:
        assert len(self.columns) == len(self.cells)
        assert all(len(column) == len(self.line_numbers) for column in self.cells)
        self.line_numbers.setflags(write=False)

    @property
    def row_count(self) -> int:
        return len(self.line_numbers)

    @cached_property
    def positions(self) -> Mapping[str, int]:
        """Where each column is, by its name; a table may have many."""
        return {name: position for position, name in reversed(list(enumerate(self.columns)))}

    def select(self, mask: BoolArray) -> RawTable:
        """The rows where `mask` (one entry a row) is true, in the same order."""
        assert mask.shape == (self.row_count,)
        cells = tuple(selected(column, mask) for column in self.cells)
        return replace(self, cells=cells, line_numbers=self.line_numbers[mask])

    def place(self, row: int) -> str:
        """Where a row stands, such as "line 8 of `iris.csv`"."""
        return f"{self.unit} {self.line_numbers[row]} of `{self.source_name}`"


def selected(cells: Sequence[str], mask: BoolArray) -> Sequence[str]:
    """The cells of a column where `mask` is true."""
    if isinstance(cells, NumberCells):
        return NumberCells(cells.values[mask])
    return tuple(compress(cells, mask.tolist()))


def written(name: str) -> str:
    """A column name or a label as the language writes it: quoted where it is not a plain name."""
    if name.isascii() and name.isidentifier():
        return name
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def shortened(cell: str) -> str:
    """A cell for a message: at most a few dozen characters."""
    return cell if len(cell) <= SHOWN_CELL_LENGTH else f"{cell[: SHOWN_CELL_LENGTH - 3]}..."


def separator_hint(columns: Sequence[str]) -> str:
    """The help for a header that was not split, empty where the header shows no other separator."""
    if len(columns) != 1:
        return ""
    separator = next((s for s in OTHER_SEPARATORS if s in columns[0]), None)
    if separator is None:
        return ""
    shown = "\\t" if separator == "\t" else separator
    return f'the header looks separated by `{shown}`; write `separator: "{shown}"` in the call of `csv`'


def column_position(raw: RawTable, name: str, span: Span) -> int:
    """The position of the column called `name`.

    Raises DiagnosticError (NNM0502) at `span` if the table has no such column.
    """
    if name in raw.positions:
        return raw.positions[name]
    raise DiagnosticError([unknown_column(raw, name, span)])


def unknown_column(raw: RawTable, name: str, span: Span, aliases: Iterable[str] = ()) -> Diagnostic:
    """The diagnostic NNM0502 for a name that is no column of the table and none of its `aliases`."""
    known = [column for column in raw.columns[:SEARCHED_NAMES] if column] + list(aliases)
    near = closest(name, known[:SEARCHED_NAMES])
    hint = separator_hint(raw.columns)
    if hint:
        help = hint
    elif near is not None:
        help = f"did you mean `{written(near)}`?"
    else:
        help = ""
    listed = ", ".join(f"`{shortened(column)}`" for column in raw.columns[:SHOWN_COLUMNS])
    more = len(raw.columns) - SHOWN_COLUMNS
    note = f"the columns are {listed}" + (f" and {more} more" if more > 0 else "")
    if any(_is_measurement(column) for column in raw.columns[:SEARCHED_NAMES]):
        note += "; the first row is read as the header, and this one looks like data"
    message = f"`{raw.source_name}` has no column `{shortened(name)}`"
    fix = substitute_inside(span, name, written(near)) if near is not None and not hint else ()
    return Diagnostic("NNM0502", message, span, "unknown column", help=help, note=note, fix=fix)


def parse_numbers(cells: Sequence[str]) -> FloatArray:
    """The cells as float64, shape (len(cells),); NaN where a cell is not the text of a finite number.

    A number is an optional sign, ASCII digits with an optional point, and an optional exponent.
    """
    if isinstance(cells, NumberCells):
        return np.where(np.isfinite(cells.values), cells.values, np.nan)
    joined = "".join(cells)
    if joined.isascii() and "_" not in joined:
        try:
            values = np.fromiter(map(float, cells), np.float64, len(cells))
        except ValueError:
            values = np.fromiter(map(_number_or_nan, cells), np.float64, len(cells))
    else:
        values = np.fromiter(map(_number_or_nan, cells), np.float64, len(cells))
    values[~np.isfinite(values)] = np.nan
    return values


def exact_mean(values: FloatArray) -> float:
    """The mean of numbers, rounded once: the same on every machine, and a column in which the mean stands for missing
    numbers has the same mean again. OverflowError where the sum is too large for a number."""
    first = math.fsum(values.tolist()) / len(values)
    return first + math.fsum((*values.tolist(), *[-first] * len(values))) / len(values)


def is_missing(cells: Sequence[str]) -> BoolArray:
    """Which cells are missing: empty, or `NA`, `N/A`, `NaN`, `null` or `?` in any case; shape (len(cells),)."""
    if isinstance(cells, NumberCells):
        return np.isnan(cells.values)
    missing = {cell for cell in set(cells) if cell.lower() in MISSING_TEXTS}
    return np.fromiter((cell in missing for cell in cells), np.bool_, len(cells))


def numeric_column(raw: RawTable, name: str, span: Span) -> FloatArray:
    """The column called `name` as float64, shape (row_count,), every value finite.

    Raises DiagnosticError at `span`: NNM0502 for an unknown column, NNM0503 for an empty cell, text, or a number
    that is not finite (the first such row is named, the others are counted).
    """
    cells = raw.cells[column_position(raw, name, span)]
    values = parse_numbers(cells)
    bad = np.flatnonzero(np.isnan(values))
    if len(bad):
        raise DiagnosticError([unusable_cell(raw, name, int(bad[0]), span, len(bad) - 1)])
    values.setflags(write=False)
    return values


DROP_HELP = "fill in the cell, or leave such rows out: `missing drop rows`"
FILL_HELP = "say what becomes of missing cells: `missing drop rows` or `missing fill mean`"


def unusable_cell(
    raw: RawTable, name: str, row: int, span: Span, others: int = 0, missing_help: str = DROP_HELP
) -> Diagnostic:
    """The diagnostic NNM0503 for the cell of column `name` in `row`, where a finite number is needed.

    `missing_help` says what to do about a missing cell.
    """
    cell = raw.cells[raw.positions[name]][row]
    place = f"column `{name}` on {raw.place(row)}"
    note = "" if not others else f"the column has {others} more such cell{'s' if others > 1 else ''}"
    skip = f"leave such rows out with `where {written(name)} != {_quoted(cell)}`"
    if not cell:
        message, label, help = f"empty cell in {place}", "a missing value", missing_help
    elif cell.lower() in MISSING_TEXTS:
        message, label, help = f"`{cell}` in {place} is a missing value", "a missing value", missing_help
    elif _is_decimal_comma(cell):
        message, label = f"`{cell}` in {place} is not a number", "a comma in a number"
        help = f"write `{cell.replace(',', '.')}`, with a decimal point; cells are split at `separator`"
    elif _is_float(cell):
        message, label, help = f"`{shortened(cell)}` in {place} is not a finite number", "not finite", skip
    else:
        message, label = f"`{shortened(cell)}` in {place} is not a number", "text in a numeric column"
        help = f"correct the cell, or {skip}"
    return Diagnostic("NNM0503", message, span, label, help=help, note=note)


def _quoted(cell: str) -> str:
    escaped = cell.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _number_or_nan(cell: str) -> float:
    return float(cell) if "_" not in cell and cell.isascii() and _is_float(cell) else np.nan


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_decimal_comma(cell: str) -> bool:
    return cell.count(",") == 1 and _is_float(cell.replace(",", "."))


def _is_measurement(column: str) -> bool:
    return "." in column and _is_float(column)
