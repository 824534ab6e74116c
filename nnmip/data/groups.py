"""Columns that tell the rows of a table apart, such as a protected attribute, without being read by a network."""

from __future__ import annotations

import numpy as np

from nnmip.data.labels import codes_of, levels_of
from nnmip.data.table import BoolArray, IntArray, RawTable, column_position, is_missing, parse_numbers, unusable_cell
from nnmip.diagnostics import DiagnosticError
from nnmip.records import dataclass
from nnmip.source import Span


@dataclass(frozen=True, slots=True)
class GroupColumn:
    """A column by whose values rows are told apart, and its name in the model."""

    source: str
    alias: str
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """A column of groups: the text of each, in their order, and which one every row belongs to, shape (n,)."""

    name: str
    levels: tuple[str, ...]
    codes: IntArray

    def number(self, row: int) -> float | None:
        """The number that the group of a row is called by, None where it is a text."""
        number = parse_numbers([self.levels[self.codes[row]]])[0]
        return None if np.isnan(number) else float(number)

    def of(self, rows: BoolArray) -> Groups:
        """The groups of some of the rows."""
        return Groups(self.name, self.levels, self.codes[rows])


def read_groups(table: RawTable, column: GroupColumn) -> Groups:
    """The groups of every row; equal numbers are one group, however they are spelled.

    Raises DiagnosticError: NNM0502 for an unknown column, NNM0503 for an empty cell.
    """
    cells = table.cells[column_position(table, column.source, column.span)]
    gone = np.flatnonzero(is_missing(cells))
    if len(gone):
        raise DiagnosticError([unusable_cell(table, column.source, int(gone[0]), column.span, len(gone) - 1)])
    levels = levels_of(cells)
    codes = codes_of(cells, [(level, float(k)) for k, level in enumerate(levels)])
    return Groups(column.alias, levels, codes.astype(np.int64))
