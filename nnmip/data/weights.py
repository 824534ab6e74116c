"""Sample weights: a number for each row of a table, computed from its columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np

from nnmip.data.filter import row_mask
from nnmip.data.table import FloatArray, RawTable, numeric_column, unknown_column
from nnmip.diagnostics import Diagnostic, DiagnosticError
from nnmip.records import dataclass
from nnmip.source import Span
from nnmip.syntax import nodes

Scalar = Callable[[nodes.Expr], float]
"""The value of an expression without columns."""


def sample_weights(expr: nodes.Expr, table: RawTable, aliases: Mapping[str, str], scalar: Scalar) -> FloatArray:
    """The weight of every row, shape (row_count,): finite, not negative, and not all 0.

    `expr` joins columns (by their names in the file, or in the model by `aliases`) and numbers by `+ - * /` and
    `if … then … else …`, whose condition is one of a row filter; `scalar` gives the value of anything else. Raises
    DiagnosticError: NNM0502 for an unknown column, NNM0503 for cells that are no numbers and weights that cannot be
    used, and what the condition of a row filter or `scalar` raises.
    """
    with np.errstate(all="ignore"):
        weights = _Weights(table, aliases, scalar).value(expr)
    unusable = ~np.isfinite(weights) | (weights < 0)
    if unusable.any():
        row = int(np.flatnonzero(unusable)[0])
        what = "negative" if weights[row] < 0 else "not a finite number"
        message = f"the weight of the row on {table.place(row)} is {weights[row]:g}"
        raise _error("NNM0503", message, expr.span, what, help="weights are finite and at least 0")
    if table.is_read and not weights.any():
        raise _error("NNM0503", "the weight of every row is 0", expr.span, help="a mean needs a row with a weight")
    weights.setflags(write=False)
    return weights


def weight_columns(expr: nodes.Expr, table: RawTable, aliases: Mapping[str, str]) -> tuple[str, ...]:
    """The columns of `table` that `expr` mentions, by their names in the file."""
    found: list[str] = []
    stack: list[Any] = [expr]
    while stack:
        match stack.pop():
            case nodes.Ref(name=name) | nodes.String(value=name):
                source = name if name in table.positions else aliases.get(name, name)
                found.extend([source] if source in table.positions else [])
            case tuple() as parts:
                stack.extend(reversed(parts))
            case node if is_dataclass(node) and not isinstance(node, Span):
                stack.extend(getattr(node, part.name) for part in reversed(fields(node)))
    return tuple(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class _Weights:
    table: RawTable
    aliases: Mapping[str, str]
    scalar: Scalar

    def value(self, expr: nodes.Expr) -> FloatArray:
        """The value of `expr` in every row, shape (row_count,)."""
        match expr:
            case nodes.Paren(inner=inner):
                return self.value(inner)
            case nodes.Ref(name=name) if name in self.table.positions or name in self.aliases:
                return self._column(name, expr.span)
            case nodes.String(value=name):
                return self._column(name, expr.span)
            case nodes.Unary(op="-" | "+" as sign, operand=operand):
                return -self.value(operand) if sign == "-" else self.value(operand)
            case nodes.Binary(op="+" | "-" | "*" | "/" as op, left=left, right=right):
                return _OPERATIONS[op](self.value(left), self.value(right))
            case nodes.Conditional(condition=condition, then=then, otherwise=otherwise):
                holds = row_mask(condition, self.table, self.aliases)
                values = np.zeros(self.table.row_count)
                for rows, branch in ((holds, then), (~holds, otherwise)):
                    values[rows] = replace(self, table=self.table.select(rows)).value(branch)
                return values
        return np.full(self.table.row_count, self.scalar(expr))

    def _column(self, name: str, span: Span) -> FloatArray:
        source = name if name in self.table.positions else self.aliases.get(name, name)
        if source not in self.table.columns:
            raise DiagnosticError([unknown_column(self.table, name, span, self.aliases)])
        return numeric_column(self.table, source, span)


_OPERATIONS: Mapping[str, Callable[[FloatArray, FloatArray], FloatArray]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
}


def _error(code: str, message: str, span: Span, label: str = "", *, help: str = "") -> DiagnosticError:
    return DiagnosticError([Diagnostic(code, message, span, label, help=help)])
