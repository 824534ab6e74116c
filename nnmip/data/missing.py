"""Missing cells: which they are, and what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from nnmip.data.table import BoolArray, FloatArray, RawTable, exact_mean, is_missing, parse_numbers
from nnmip.records import dataclass
from nnmip.source import Span

MissingAction = Literal["drop", "mean", "median", "constant"]


@dataclass(frozen=True, slots=True)
class MissingRule:
    """`missing drop rows`, or what a missing cell is filled with; `value` is that of `constant`."""

    action: MissingAction
    span: Span
    value: float = 0.0


def complete_rows(table: RawTable, columns: Sequence[str]) -> BoolArray:
    """The rows without a missing cell in any of these columns; columns that the table lacks do not count."""
    complete = np.ones(table.row_count, dtype=bool)
    for name in dict.fromkeys(columns):
        if name in table.positions:
            complete &= ~is_missing(table.cells[table.positions[name]])
    return complete


def fill_number(rule: MissingRule, cells: Sequence[str]) -> float | None:
    """What a missing number becomes, from the cells of the training part; None where none of them is a number."""
    if rule.action == "constant":
        return rule.value
    values = parse_numbers(cells)
    known = values[~np.isnan(values)]
    if not len(known):
        return None
    return exact_mean(known) if rule.action == "mean" else float(np.median(known))


def fill_level(cells: Sequence[str], levels: Sequence[str], codes: FloatArray) -> str | None:
    """The most frequent level in the training part, the first of equals; `codes` are those of the cells, or NaN."""
    known = codes[~np.isnan(codes)].astype(np.int64)
    return levels[int(np.bincount(known).argmax())] if len(known) else None
