"""Labels: codes that the model states, or classes that are found in the table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from nnmip.data.table import (
    BoolArray,
    FloatArray,
    RawTable,
    column_position,
    is_missing,
    parse_numbers,
    shortened,
    unusable_cell,
    written,
)
from nnmip.diagnostics import Diagnostic, DiagnosticError, Edit, Label
from nnmip.diagnostics.edit import insert_after, substitute_inside
from nnmip.records import dataclass
from nnmip.source import Span
from nnmip.syntax.suggest import closest

SHOWN_LABELS = 5
BINARY_CODES = (-1.0, 1.0)


@dataclass(frozen=True, slots=True)
class LabelCode:
    """`setosa: -1` in a label coding: the text of a cell and its number."""

    text: str
    code: float
    span: Span


@dataclass(frozen=True, slots=True)
class LabelColumn:
    """The label: its column, its name in the model, and its coding (None where the table says which labels there are).

    `lists_classes` where the model lists the classes: the codes are then positions in that list.
    """

    source: str
    alias: str
    span: Span
    coding: tuple[LabelCode, ...] | None = None
    lists_classes: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """A number for each row, and what it means: either `coding` pairs of text and code, or `classes` by position."""

    values: FloatArray
    coding: tuple[tuple[str, float], ...] | None
    classes: tuple[str, ...]


def read_labels(table: RawTable, label: LabelColumn) -> Labels:
    """The labels of a table.

    With a coding they are the codes, with a list of classes the positions in it. With neither, labels that are all -1
    or +1 are codes, and any others name classes (see `levels_of`). Raises what `encode_labels` raises.
    """
    if label.coding is not None:
        values = encode_labels(table, label)
        if label.lists_classes:
            return Labels(values, None, tuple(entry.text.strip() for entry in label.coding))
        return Labels(values, tuple((entry.text, entry.code) for entry in label.coding), ())
    cells = table.cells[column_position(table, label.source, label.span)]
    _refuse_missing(table, label, is_missing(cells))
    numbers = parse_numbers(cells)
    if np.isin(numbers, BINARY_CODES).all():
        return Labels(numbers, None, ())
    classes = levels_of(cells)
    return Labels(codes_of(cells, [(name, float(k)) for k, name in enumerate(classes)]), None, classes)


def levels_of(cells: Iterable[str]) -> tuple[str, ...]:
    """The distinct values of a column: in increasing order if all are numbers, else in order of first appearance.

    Two spellings of a number are one value, and the first of them names it.
    """
    first: dict[str | float, str] = {}
    for cell in dict.fromkeys(cells):
        first.setdefault(_key(cell), cell.strip())
    numbers = [(key, text) for key, text in first.items() if not isinstance(key, str)]
    return tuple(text for _, text in sorted(numbers)) if len(numbers) == len(first) else tuple(first.values())


def encode_labels(table: RawTable, label: LabelColumn) -> FloatArray:
    """The code of every row's label, shape (row_count,); `label` has a coding.

    A cell has a code if its text is a key of the coding, or if both are numbers and equal (`0` and `0.0`). Raises
    DiagnosticError: NNM0202 for a key given twice, NNM0502 for an unknown column, NNM0503 for an empty cell, NNM0504
    for labels without a code.
    """
    assert label.coding is not None
    cells = table.cells[column_position(table, label.source, label.span)]
    keys = _distinct_keys(label)
    code_of = {cell: keys[_key(cell)].code for cell in set(cells) if _key(cell) in keys}
    uncoded = [cell for cell in dict.fromkeys(cells) if cell not in code_of]
    _refuse_missing(table, label, is_missing(cells) & ~np.array([cell in code_of for cell in cells], np.bool_))
    if uncoded:
        unused = [entry.text for entry in label.coding if entry.text.strip() not in code_of]
        raise DiagnosticError([_uncoded_labels(table, label, uncoded, unused)])
    return np.array([code_of[cell] for cell in cells], np.float64)


def _refuse_missing(table: RawTable, label: LabelColumn, missing: BoolArray) -> None:
    rows = np.flatnonzero(missing)
    if len(rows):
        raise DiagnosticError([unusable_cell(table, label.source, int(rows[0]), label.span, len(rows) - 1)])


def codes_of(cells: Sequence[str], coding: Sequence[tuple[str, float]]) -> FloatArray:
    """The code of each label text by the rule of `encode_labels`, NaN where it has none; shape (len(cells),)."""
    keys = {_key(text): code for text, code in reversed(coding)}
    code_of = {cell: keys.get(_key(cell), np.nan) for cell in set(cells)}
    return np.array([code_of[cell] for cell in cells], np.float64)


def _distinct_keys(label: LabelColumn) -> dict[str | float, LabelCode]:
    keys: dict[str | float, LabelCode] = {}
    for entry in label.coding or ():
        earlier = keys.setdefault(_key(entry.text), entry)
        if earlier is not entry:
            twice = "is listed twice" if label.lists_classes else "has two codes"
            message = f"label `{entry.text}` {twice}"
            secondary = (Label(earlier.span, "the first"),)
            help = "remove one of the two"
            raise DiagnosticError([Diagnostic("NNM0202", message, entry.span, secondary=secondary, help=help)])
    return keys


def _key(text: str) -> str | float:
    """What two spellings of the same label have in common: the value of a number, else the text."""
    stripped = text.strip()
    value = float(parse_numbers([stripped])[0])
    return stripped if np.isnan(value) else value


def _uncoded_labels(table: RawTable, label: LabelColumn, uncoded: Sequence[str], unused: Sequence[str]) -> Diagnostic:
    assert label.coding is not None
    cells = table.cells[table.positions[label.source]]
    shown = ", ".join(f"`{shortened(text)}`" for text in uncoded[:SHOWN_LABELS])
    shown += f" and {len(uncoded) - SHOWN_LABELS} more" if len(uncoded) > SHOWN_LABELS else ""
    subject, object = (f"label {shown} has", "it") if len(uncoded) == 1 else (f"labels {shown} have", "each")
    lacks, place = ("class", "list") if label.lists_classes else ("code", "coding")
    message = f"{subject} no {lacks}, first on {table.place(cells.index(uncoded[0]))}"
    near = closest(uncoded[0], unused)
    fix: tuple[Edit, ...] = ()
    if near is not None:
        fix = substitute_inside(label.span, near, written(uncoded[0]))
        help = f"did you mean `{written(uncoded[0])}` where the {place} has `{written(near)}`?"
    else:
        coded = ", ".join(written(entry.text) for entry in label.coding)
        kept = f"the {'listed' if label.lists_classes else 'coded'} rows"
        rule = f"where {written(label.source)} in {{{coded}}}"
        help = f"add {object} to the {place}, or keep {kept}: `{rule}`"
        fix = insert_after(label.span, f"\n  {rule}")
        if len(uncoded) == 1 and not label.lists_classes:
            sign = "+1" if any(entry.code == -1 for entry in label.coding) else "-1"
            fix = insert_after(label.coding[-1].span, f", {written(uncoded[0])}: {sign}")
    count = sum(map(set(uncoded).__contains__, cells))
    note = f"{count} of {len(cells)} rows have no {lacks}"
    return Diagnostic("NNM0504", message, label.span, f"in column `{label.source}`", help=help, note=note, fix=fix)
