"""The values of variables as text for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from nnmip.hir.core import FloatArray
from nnmip.report.numbers import number
from nnmip.solution.result import VariableValue

MOST_ENTRIES = 16
"""Of longer rows the entries that are not 0 are shown, by their place."""


def variable_lines(values: Mapping[str, VariableValue]) -> list[str]:
    """`price  [5, 20, 20]` for every variable; a line for each row of a tensor with several axes."""
    shown = [line for name, value in values.items() for line in _rows(name, value)]
    width = max((len(head) for head, _ in shown), default=0)
    return [f"{head:{width}}  {text}" for head, text in shown]


def _rows(name: str, value: VariableValue) -> Iterator[tuple[str, str]]:
    outer = value.entries.shape[:-1]
    for place in np.ndindex(outer):
        head = f"{name}[{', '.join(map(str, place))}]" if place else name
        yield head, _row(np.asarray(value.entries[place]), value.boolean)


def _row(row: FloatArray, boolean: bool) -> str:
    if row.ndim == 0:
        return _entry(float(row), boolean)
    if row.size <= MOST_ENTRIES:
        return f"[{', '.join(_entry(x, boolean) for x in row.tolist())}]"
    busy = [f"{place}: {_entry(float(row[place]), boolean)}" for place in np.flatnonzero(row).tolist()]
    return f"{', '.join(busy) or 'all 0'}  (of {row.size})"


def _entry(value: float, boolean: bool) -> str:
    return ("true" if value > 0.5 else "false") if boolean else number(value)
