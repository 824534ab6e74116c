"""Decides which rows of a table a `where` condition keeps.

A name is a column (by its name in the file or in the model) if there is one, otherwise the text of a cell in the column
that it is compared with; quotes mean text, except that a quoted column name is the column before `in`, in an
order, and in a comparison without another column.
`=`, `!=` and `in` compare numbers where both sides are numbers and text elsewhere; an order needs numbers.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import field
from itertools import islice, pairwise
from types import MappingProxyType
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from nnmip.data.table import (
    SEARCHED_NAMES,
    BoolArray,
    FloatArray,
    IntArray,
    RawTable,
    parse_numbers,
    shortened,
    unknown_column,
    unusable_cell,
    written,
)
from nnmip.diagnostics import Diagnostic, DiagnosticError
from nnmip.records import dataclass
from nnmip.source import Span
from nnmip.syntax import nodes
from nnmip.syntax.suggest import closest

CellArray = NDArray[np.object_]

MAX_FLOAT = sys.float_info.max


def filter_rows(condition: nodes.Expr, table: RawTable, aliases: Mapping[str, str] = MappingProxyType({})) -> BoolArray:
    """The rows that `condition` keeps, a mask of shape (row_count,) with at least one true entry in a table with rows.

    `aliases` maps names of the model to columns of the file. `and`, `or` and `->` look at their right side only in rows
    that the left side leaves open, so that `age != "" and age > 30` never meets an empty cell in its second part.
    Raises DiagnosticError: NNM0104, NNM0205 or NNM0303 for what a row filter cannot use, NNM0502 for an unknown name,
    NNM0503 for text where an order needs a number, NNM0505 if no row is left.
    """
    mask = row_mask(condition, table, aliases)
    if table.is_read and not mask.any():
        message = f"the row filter leaves no rows of `{table.source_name}`"
        rows = "row" if table.row_count == 1 else "rows"
        label = f"true in none of {table.row_count} {rows}"
        raise DiagnosticError([Diagnostic("NNM0505", message, condition.span, label)])
    return mask


def row_mask(condition: nodes.Expr, table: RawTable, aliases: Mapping[str, str]) -> BoolArray:
    """As `filter_rows`, but a condition may hold in no row."""
    return _RowFilter(table, aliases).mask(condition, np.arange(table.row_count))


@dataclass(frozen=True, slots=True)
class _Column:
    position: int
    span: Span


@dataclass(frozen=True, slots=True)
class _Constant:
    """A number, or the text of a cell; `is_bare` marks text that stands without quotes."""

    value: int | float | str
    span: Span
    is_bare: bool = False


_Operand = _Column | _Constant


@dataclass(frozen=True, slots=True)
class _RowFilter:
    table: RawTable
    aliases: Mapping[str, str]
    parsed: dict[int, tuple[FloatArray, CellArray]] = field(default_factory=dict)

    # ---- conditions: the mask over `rows`, positions in the table ----------------------------------------------

    def mask(self, condition: nodes.Expr, rows: IntArray) -> BoolArray:
        match condition:
            case nodes.Paren(inner=inner):
                return self.mask(inner, rows)
            case nodes.Boolean(value=value):
                return np.full(len(rows), value)
            case nodes.Unary(op="not", operand=operand):
                return ~self.mask(operand, rows)
            case nodes.Binary(op="and" | "or" | "xor" | "->" | "<->"):
                return self._connective(condition, rows)
            case nodes.Chain(operands=operands, ops=ops):
                return self._chain(operands, ops, condition.span, rows)
            case nodes.Member():
                return self._member(condition, rows)
            case nodes.Quantified() | nodes.Conditional() | nodes.Call() | nodes.Attribute() | nodes.Subscript():
                _refuse(condition)
            case _:
                message = "a row filter needs a condition"
                help = "compare a column with a value, as in `where x <= 1.5` or `where y in {a, b}`"
                raise _error("NNM0205", message, condition.span, "not a condition", help=help)

    def _connective(self, condition: nodes.Binary, rows: IntArray) -> BoolArray:
        left = self.mask(condition.left, rows)
        if condition.op in ("xor", "<->"):
            right = self.mask(condition.right, rows)
            return left ^ right if condition.op == "xor" else ~(left ^ right)
        is_open = ~left if condition.op == "or" else left
        result = ~left if condition.op == "->" else left.copy()
        result[is_open] = self.mask(condition.right, rows[is_open])
        return result

    def _chain(self, exprs: Sequence[nodes.Expr], ops: Sequence[str], span: Span, rows: IntArray) -> BoolArray:
        operands = [self._operand(expr) for expr in exprs]
        if not any(isinstance(operand, _Column) for operand in operands) or not {"=", "!="}.issuperset(ops):
            operands = [self._quoted_column(operand) for operand in operands]
        if not any(isinstance(operand, _Column) for operand in operands):
            self._refuse_bare(operands)
            raise _error("NNM0205", "a comparison in a row filter needs a column", span, "no column here")
        masks = [self._compare(op, a, b, rows) for op, (a, b) in zip(ops, pairwise(operands), strict=True)]
        return np.asarray(np.logical_and.reduce(masks))

    def _member(self, member: nodes.Member, rows: IntArray) -> BoolArray:
        element = self._quoted_column(self._operand(member.element))
        if not isinstance(element, _Column):
            self._refuse_bare([element])
            raise _error("NNM0205", "`in` in a row filter needs a column before it", element.span, "not a column")
        inside = self._inside(element, member.domain, rows)
        return ~inside if member.negated else inside

    def _inside(self, element: _Column, domain: nodes.DomainExpr, rows: IntArray) -> BoolArray:
        match domain:
            case nodes.Union(pieces=pieces):
                return _any_of([self._inside(element, piece, rows) for piece in pieces])
            case nodes.SetLiteral(items=items):
                values = [self._operand(item) for item in items]
                return _any_of([self._compare("=", element, value, rows) for value in values])
            case nodes.ListLiteral(items=(low, high)):
                return self._between(element, low, high, domain.span, rows)
            case nodes.Range():
                return self._in_range(element, domain, rows)
            case nodes.Stepped():
                raise _error("NNM0104", "`step` is not usable in a row filter", domain.span)
            case _:
                help = "write values in braces, `{a, b}`, an interval, `[0, 1]`, or a range, `1..3`"
                raise _error("NNM0303", "`in` needs a domain", domain.span, "not a domain", help=help)

    def _between(self, element: _Column, low: nodes.Expr, high: nodes.Expr, span: Span, rows: IntArray) -> BoolArray:
        least, greatest = self._end(low), self._end(high)
        if least > greatest:
            raise _error("NNM0303", "the interval is empty", span, help="write the smaller end first")
        values = self._numbers(element, rows)
        return np.asarray((least <= values) & (values <= greatest))

    def _in_range(self, element: _Column, domain: nodes.Range, rows: IntArray) -> BoolArray:
        least, greatest = self._end(domain.low), self._end(domain.high)
        if not (isinstance(least, int) and isinstance(greatest, int)):
            help = "write an interval, as in `[0.5, 2]`"
            raise _error("NNM0303", "the ends of a range are whole numbers", domain.span, help=help)
        if least > greatest - domain.half_open:
            raise _error("NNM0303", "the range is empty", domain.span, help="write the smaller end first")
        values = self._numbers(element, rows)
        inside = (float(least) <= values) & (values <= float(greatest - domain.half_open))
        return np.asarray(inside & (values == np.rint(values)))

    # ---- operands ----------------------------------------------------------------------------------------------

    def _operand(self, expr: nodes.Expr) -> _Operand:
        match expr:
            case nodes.Paren(inner=inner):
                return self._operand(inner)
            case nodes.Ref(name=name, span=span):
                position = self._position(name)
                return _Constant(name, span, is_bare=True) if position is None else _Column(position, span)
            case nodes.Number(value=value, span=span):
                if value > MAX_FLOAT:
                    raise _error("NNM0205", "the number is too large to compare with a column", span)
                return _Constant(value, span)
            case nodes.String(value=text, span=span):
                return _Constant(text.strip(), span)
            case nodes.Unary(op="-" | "+" as sign, operand=operand, span=span):
                signed = self._operand(operand)
                if isinstance(signed, _Constant) and not isinstance(signed.value, str):
                    return _Constant(-signed.value if sign == "-" else signed.value, span)
                _refuse(expr)
            case nodes.Boolean(value=value, span=span):
                help = f'put the text of the cell in quotes, as in `"{str(value).lower()}"`'
                raise _error("NNM0205", "a cell of a table is a number or text", span, "neither", help=help)
            case _:
                _refuse(expr)

    def _position(self, name: str) -> int | None:
        positions = self.table.positions
        return positions.get(name if name in positions else self.aliases.get(name, ""))

    def _quoted_column(self, operand: _Operand) -> _Operand:
        if isinstance(operand, _Column) or operand.is_bare or not isinstance(operand.value, str):
            return operand
        position = self._position(operand.value)
        return operand if position is None else _Column(position, operand.span)

    def _end(self, expr: nodes.Expr) -> int | float:
        operand = self._operand(expr)
        if isinstance(operand, _Constant) and not isinstance(operand.value, str):
            return operand.value
        raise _error("NNM0303", "an end of a domain in a row filter must be a number", expr.span, "not a number")

    # ---- comparisons -------------------------------------------------------------------------------------------

    def _compare(self, op: str, left: _Operand, right: _Operand, rows: IntArray) -> BoolArray:
        if op in ("=", "!="):
            equal = self._equal(left, right, rows)
            return equal if op == "=" else ~equal
        a, b = self._numbers(left, rows), self._numbers(right, rows)
        match op:
            case "<":
                return a < b
            case "<=":
                return a <= b
            case ">":
                return a > b
            case ">=":
                return a >= b
        raise AssertionError(f"no comparison {op}")

    def _equal(self, left: _Operand, right: _Operand, rows: IntArray) -> BoolArray:
        self._check_label(left, right)
        self._check_label(right, left)
        a, a_cells = self._values(left, rows)
        b, b_cells = self._values(right, rows)
        return np.asarray(np.where(np.isnan(a) | np.isnan(b), a_cells == b_cells, a == b), np.bool_)

    def _numbers(self, operand: _Operand, rows: IntArray) -> FloatArray:
        """The operand as numbers, shape (len(rows),), all finite."""
        if isinstance(operand, _Constant) and isinstance(operand.value, str):
            self._refuse_bare([operand])
            help = f"write the number without quotes, {operand.value}" if _is_number(operand.value) else ""
            raise _error("NNM0205", "text has no order", operand.span, "not a number", help=help)
        values, _ = self._values(operand, rows)
        if isinstance(operand, _Column) and np.isnan(values).any():
            bad = rows[np.isnan(values)]
            column = self.table.columns[operand.position]
            row = int(bad[0])
            skip = f'`where {written(column)} != "{self.table.cells[operand.position][row]}" and ...`'
            help = f"look at such cells first: {skip}"
            raise DiagnosticError([unusable_cell(self.table, column, row, operand.span, len(bad) - 1, help)])
        return values

    def _values(self, operand: _Operand, rows: IntArray) -> tuple[FloatArray, CellArray]:
        """The operand as numbers (NaN where it is none) and as text (None for a literal number) for each row."""
        if isinstance(operand, _Column):
            values, cells = self._column(operand.position)
            return values[rows], cells[rows]
        number, text = (np.nan, operand.value) if isinstance(operand.value, str) else (operand.value, None)
        return np.full(len(rows), number, np.float64), np.full(len(rows), text, np.object_)

    def _column(self, position: int) -> tuple[FloatArray, CellArray]:
        if position not in self.parsed:
            cells = self.table.cells[position]
            self.parsed[position] = parse_numbers(cells), np.array(cells, np.object_)
        return self.parsed[position]

    def _check_label(self, operand: _Operand, other: _Operand) -> None:
        """Refuse a bare name that no cell of the column it is compared with has: most likely a slip."""
        if not isinstance(operand, _Constant) or not operand.is_bare:
            return
        if not isinstance(other, _Column):
            self._refuse_bare([operand])
            return
        text, cells = str(operand.value), self.table.cells[other.position]
        if text in cells or not self.table.is_read:
            return
        column = self.table.columns[other.position]
        known = dict.fromkeys([*cells, *self.table.columns, *self.aliases])
        near = closest(text, islice(known, SEARCHED_NAMES))
        help = f"did you mean `{written(near)}`?" if near else f'if it is the text of a cell, quote it: `"{text}"`'
        message = f"`{text}` is neither a column of `{self.table.source_name}` nor a value of its column `{column}`"
        raise _error("NNM0502", message, operand.span, "unknown name", help=help)

    def _refuse_bare(self, operands: Sequence[_Operand]) -> None:
        for operand in operands:
            if isinstance(operand, _Constant) and operand.is_bare:
                raise DiagnosticError([unknown_column(self.table, str(operand.value), operand.span, self.aliases)])


def _any_of(masks: Sequence[BoolArray]) -> BoolArray:
    return np.asarray(np.logical_or.reduce(masks))


def _is_number(text: str) -> bool:
    return not np.isnan(parse_numbers([text])[0])


def _refuse(expr: Any) -> NoReturn:
    message = f"`{shortened(' '.join(expr.span.text.split()))}` is not usable in a row filter"
    help = "a row filter compares columns with numbers and labels, joined by `and`, `or`, `not`"
    raise _error("NNM0104", message, expr.span, "not in a row filter", help=help)


def _error(code: str, message: str, span: Span, label: str = "", *, help: str = "") -> DiagnosticError:
    return DiagnosticError([Diagnostic(code, message, span, label, help=help)])
