"""How a network reads the columns of a table: numbers, categories, and what stands for a missing cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nnmip.data.labels import codes_of, levels_of
from nnmip.data.missing import MissingRule, fill_level, fill_number
from nnmip.data.spec import FeatureColumn
from nnmip.data.table import (
    FILL_HELP,
    BoolArray,
    FloatArray,
    RawTable,
    column_position,
    is_missing,
    parse_numbers,
    selected,
    shortened,
    unusable_cell,
)
from nnmip.diagnostics import Diagnostic, DiagnosticError
from nnmip.records import dataclass
from nnmip.source import Span

MOST_LEVELS = 200
_SHOWN_LEVELS = 8


@dataclass(frozen=True, slots=True)
class InputColumn:
    """A column as a network reads it: one feature, or one for each of its `levels`.

    `source` is its name in the file, `alias` that in the model. `fill` stands for a missing cell: a number, a level,
    or None where such a cell is refused.
    """

    source: str
    alias: str
    levels: tuple[str, ...] = ()
    fill: float | str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its features."""
        return tuple(f"{self.alias}_{level}" for level in self.levels) if self.levels else (self.alias,)

    @property
    def width(self) -> int:
        return len(self.levels) or 1

    def read(self, table: RawTable, name: str, span: Span) -> FloatArray:
        """Its features for every row of `table`, where the column is called `name`; shape (row_count, width).

        A category is 1 in the feature of its level and 0 in the others. Raises DiagnosticError at `span`: NNM0502 for
        an unknown column, NNM0503 for a missing cell that nothing fills, text in place of a number, and a category
        that is none of the levels.
        """
        cells = table.cells[column_position(table, name, span)]
        missing = is_missing(cells)
        values = self._codes(cells) if self.levels else parse_numbers(cells)
        if self.fill is not None:
            values[missing] = self.levels.index(str(self.fill)) if self.levels else float(self.fill)
        bad = np.flatnonzero(np.isnan(values))
        if len(bad):
            row = int(bad[0])
            if self.levels and not missing[row]:
                raise DiagnosticError([self._unseen(table, cells[row], row, span)])
            raise DiagnosticError([unusable_cell(table, name, row, span, len(bad) - 1, FILL_HELP)])
        return (values[:, None] == np.arange(self.width)).astype(np.float64) if self.levels else values[:, None]

    def _codes(self, cells: Sequence[str]) -> FloatArray:
        return codes_of(cells, [(level, float(k)) for k, level in enumerate(self.levels)])

    def _unseen(self, table: RawTable, cell: str, row: int, span: Span) -> Diagnostic:
        message = f"`{shortened(cell)}` in column `{self.source}` on {table.place(row)} is a category without a feature"
        shown = ", ".join(f"`{shortened(level)}`" for level in self.levels[:_SHOWN_LEVELS])
        more = f" and {len(self.levels) - _SHOWN_LEVELS} more" if len(self.levels) > _SHOWN_LEVELS else ""
        return Diagnostic("NNM0503", message, span, "unseen category", note=f"the categories are {shown}{more}")

    def to_json(self) -> dict[str, Any]:
        """Plain values; `from_json` gives back the same column."""
        return {"source": self.source, "alias": self.alias, "levels": list(self.levels), "fill": self.fill}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> InputColumn:
        """The column that `to_json` wrote. Raises KeyError, TypeError or ValueError if `data` is not one."""
        source, alias, levels, fill = data["source"], data["alias"], data["levels"], data["fill"]
        if not isinstance(levels, list) or not all(isinstance(text, str) for text in (source, alias, *levels)):
            raise ValueError("an input column has names and levels that are texts")
        if len(levels) > MOST_LEVELS or len(set(levels)) < len(levels):
            raise ValueError("the levels of an input column are distinct and not too many")
        is_number = isinstance(fill, int | float) and not isinstance(fill, bool) and bool(np.isfinite(fill))
        if fill is not None and not (fill in levels if levels else is_number):
            raise ValueError("`fill` must be a level, or a finite number")
        return InputColumn(source, alias, tuple(levels), fill if levels or fill is None else float(fill))


def names_in(table: RawTable, columns: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """What a table calls `columns`, each of which has a name in the file that a network was trained on and one in its
    model: the former, or the latter where the table lacks that.

    No name of the table stands for two columns by this. Where `b` has to be the model's name of one, another that the
    file called `b` goes by its name in the model, too.
    """
    by_model: set[int] = set()
    taken: set[str] = set()
    while True:
        more = {
            place
            for place, (source, alias) in enumerate(columns)
            if source in taken or (source not in table.positions and alias in table.positions)
        }
        if more <= by_model:
            return tuple(alias if at in by_model else source for at, (source, alias) in enumerate(columns))
        by_model |= more
        taken = {columns[place][1] for place in by_model}


def fit_input(column: FeatureColumn, table: RawTable, training: BoolArray, rule: MissingRule | None) -> InputColumn:
    """How `column` is read: its levels from all rows of `table`, what stands for a missing cell from the `training`
    rows (shape (row_count,)).

    Raises DiagnosticError: NNM0502 for an unknown column, NNM0503 where there are too many levels or nothing to fill
    missing cells with.
    """
    cells = table.cells[column_position(table, column.source, column.span)]
    missing = is_missing(cells)
    levels = levels_of(selected(cells, ~missing)) if column.onehot else ()
    if len(levels) > MOST_LEVELS:
        message = f"column `{column.source}` has {len(levels)} categories, and `as onehot` takes at most {MOST_LEVELS}"
        help = "read it as a number, or keep the rows of fewer categories with `where`"
        raise _error(message, column.span, "too many categories", help=help)
    plain = InputColumn(column.source, column.alias, levels)
    if column.onehot and not levels:
        raise DiagnosticError([unusable_cell(table, column.source, 0, column.span, table.row_count - 1, FILL_HELP)])
    if rule is None or rule.action == "drop":
        return plain
    known = selected(cells, training)
    fill: float | str | None
    if not levels:
        fill = fill_number(rule, known)
    elif rule.action == "constant":
        message = f"a missing category of `{column.source}` cannot be filled with a number"
        raise _error(message, column.span, "a category", help="write `missing drop rows` or `missing fill mean`")
    else:
        fill = fill_level(known, levels, codes_of(known, [(level, float(k)) for k, level in enumerate(levels)]))
    if fill is None:
        message = f"column `{column.source}` has nothing to fill its missing cells with"
        raise _error(message, column.span, "no value in the training part", help="remove it from the features")
    return InputColumn(column.source, column.alias, levels, fill)


def _error(message: str, span: Span, label: str = "", *, help: str = "") -> DiagnosticError:
    return DiagnosticError([Diagnostic("NNM0503", message, span, label, help=help)])
