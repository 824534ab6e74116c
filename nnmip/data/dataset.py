"""A bound table: scaled features, label codes, and the way back to the user's units."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from nnmip.data.scaling import Scaling, ScalingKind, fit
from nnmip.data.table import (
    BoolArray,
    FloatArray,
    IntArray,
    RawTable,
    column_position,
    numeric_column,
    parse_numbers,
    shortened,
    unusable_cell,
    written,
)
from nnmip.diagnostics import Diagnostic, DiagnosticError, Diagnostics, Label
from nnmip.source import Span
from nnmip.syntax.suggest import closest

SHOWN_LABELS = 5


@dataclass(frozen=True, slots=True)
class FeatureColumn:
    """A feature: the column of the file it is read from and its name in the model."""

    source: str
    alias: str
    span: Span


@dataclass(frozen=True, slots=True)
class ScaleChoice:
    """The declared scaling; `low` and `high` are the ends that `minmax` maps to."""

    kind: ScalingKind
    span: Span
    low: float = 0.0
    high: float = 1.0


@dataclass(frozen=True, slots=True)
class LabelCode:
    """`setosa: -1` in a label coding: the text of a cell and its number."""

    text: str
    code: float
    span: Span


@dataclass(frozen=True, slots=True)
class LabelColumn:
    """The label: its column, its name in the model, and its coding (None for a number to be read as it is)."""

    source: str
    alias: str
    span: Span
    coding: tuple[LabelCode, ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """A table after filtering and scaling; n rows, k features, every array read-only.

    `raw` has the features in the file's units, `features` in scaled units, both of shape (n, k). `labels` has a code
    or a target for each row and is all zeros if there is no label (`label_name` is None). `coding` lists the text and
    the code of each label in the order of the model, None for a target. `line_numbers` are lines of the file;
    `feature_columns` and `label_column` are its columns that features and label were read from.
    """

    name: str
    feature_names: tuple[str, ...]
    feature_columns: tuple[str, ...]
    raw: FloatArray
    features: FloatArray
    labels: FloatArray
    label_name: str | None
    label_column: str | None
    coding: tuple[tuple[str, float], ...] | None
    scaling: Scaling
    sample_weights: FloatArray
    line_numbers: IntArray
    source_name: str

    def __post_init__(self) -> None:
        rows, columns = self.raw.shape
        assert self.features.shape == (rows, columns) and len(self.feature_names) == columns
        arrays = (self.raw, self.features, self.labels, self.sample_weights, self.line_numbers)
        assert all(len(array) == rows for array in arrays)
        for array in arrays:
            array.setflags(write=False)

    @property
    def row_count(self) -> int:
        return len(self.raw)

    def label_text(self, code: float) -> str | None:
        """The text of the first label with this code, None if no label has it."""
        return next((text for text, known in self.coding or () if known == code), None)


def build_dataset(
    name: str,
    table: RawTable,
    features: Sequence[FeatureColumn],
    scale: ScaleChoice,
    label: LabelColumn | None = None,
    rows: BoolArray | Callable[[RawTable], BoolArray] | None = None,
) -> Dataset:
    """Filter the table, read its columns, then scale the features of the rows that are left.

    `rows` says which rows to keep: a mask with at least one true entry, or a function that makes one (`filter_rows`).
    Raises DiagnosticError with every problem of the columns: NNM0202 for a name or label code given twice, NNM0502 for
    an unknown column, NNM0503 for a cell that is not a finite number, NNM0504 for a label without a code, and what
    `fit` raises.
    """
    kept = table if rows is None else table.select(rows(table) if callable(rows) else rows)
    assert features
    assert kept.row_count, "a table without rows is refused where it is read and where it is filtered"
    problems = Diagnostics()
    _check_names(features, problems)
    columns: list[FloatArray] = []
    for feature in features:
        with _collecting(problems):
            columns.append(numeric_column(kept, feature.source, feature.span))
    labels = np.zeros(kept.row_count)
    if label is not None:
        with _collecting(problems):
            labels = _read_labels(kept, label)
    problems.raise_errors()
    raw = np.stack(columns, axis=1)
    names = tuple(feature.alias for feature in features)
    scaling = fit(scale.kind, raw, names, scale.span, (scale.low, scale.high))
    return Dataset(
        name=name,
        feature_names=names,
        feature_columns=tuple(feature.source for feature in features),
        raw=raw,
        features=scaling.apply(raw),
        labels=labels,
        label_name=None if label is None else label.alias,
        label_column=None if label is None else label.source,
        coding=None if label is None or label.coding is None else tuple((c.text, c.code) for c in label.coding),
        scaling=scaling,
        sample_weights=np.ones(kept.row_count),
        line_numbers=kept.line_numbers,
        source_name=table.source_name,
    )


def encode_labels(table: RawTable, label: LabelColumn) -> FloatArray:
    """The code of every row's label, shape (row_count,); `label` has a coding.

    A cell has a code if its text is a key of the coding, or if both are numbers and equal (`0` and `0.0`). Raises
    DiagnosticError: NNM0202 for a key given twice, NNM0502 for an unknown column, NNM0503 for an empty cell, NNM0504
    for labels without a code.
    """
    assert label.coding is not None
    cells = table.cells[column_position(table, label.source, label.span)]
    keys = _distinct_keys(label.coding)
    code_of = {cell: keys[_key(cell)].code for cell in set(cells) if _key(cell) in keys}
    uncoded = [cell for cell in dict.fromkeys(cells) if cell not in code_of]
    if "" in uncoded:
        raise DiagnosticError([unusable_cell(table, label.source, cells.index(""), label.span, cells.count("") - 1)])
    if uncoded:
        unused = [entry.text for entry in label.coding if entry.text.strip() not in code_of]
        raise DiagnosticError([_uncoded_labels(table, label, uncoded, unused)])
    return np.array([code_of[cell] for cell in cells], np.float64)


def codes_of(cells: Sequence[str], coding: Sequence[tuple[str, float]]) -> FloatArray:
    """The code of each label text by the rule of `encode_labels`, NaN where it has none; shape (len(cells),)."""
    keys = {_key(text): code for text, code in reversed(coding)}
    return np.array([keys.get(_key(cell), np.nan) for cell in cells], np.float64)


def _read_labels(table: RawTable, label: LabelColumn) -> FloatArray:
    if label.coding is not None:
        return encode_labels(table, label)
    cells = table.cells[column_position(table, label.source, label.span)]
    if np.isnan(parse_numbers(cells)).all() and any(cells):
        raise DiagnosticError([_text_without_coding(table, label, cells)])
    return numeric_column(table, label.source, label.span)


@contextmanager
def _collecting(problems: Diagnostics) -> Iterator[None]:
    try:
        yield
    except DiagnosticError as error:
        for diagnostic in error.diagnostics:
            problems.add(diagnostic)


def _check_names(features: Sequence[FeatureColumn], problems: Diagnostics) -> None:
    first: dict[str, Span] = {}
    for feature in features:
        earlier = first.setdefault(feature.alias, feature.span)
        if earlier is not feature.span:
            message = f"two features are called `{feature.alias}`"
            help = "remove one, or rename it with `as`"
            problems.error("NNM0202", message, feature.span, secondary=(Label(earlier, "the first"),), help=help)


def _distinct_keys(coding: Sequence[LabelCode]) -> dict[str | float, LabelCode]:
    keys: dict[str | float, LabelCode] = {}
    for entry in coding:
        earlier = keys.setdefault(_key(entry.text), entry)
        if earlier is not entry:
            message = f"label `{entry.text}` has two codes"
            secondary = (Label(earlier.span, "the first"),)
            help = "remove one of the two codes"
            raise DiagnosticError([Diagnostic("NNM0202", message, entry.span, secondary=secondary, help=help)])
    return keys


def _key(text: str) -> str | float:
    """What two spellings of the same label have in common: the value of a number, else the text."""
    stripped = text.strip()
    value = float(parse_numbers([stripped])[0])
    return stripped if np.isnan(value) else value


def _uncoded_labels(table: RawTable, label: LabelColumn, uncoded: Sequence[str], unused: Sequence[str]) -> Diagnostic:
    assert label.coding is not None
    cells = table.cells[table.columns.index(label.source)]
    shown = ", ".join(f"`{shortened(text)}`" for text in uncoded[:SHOWN_LABELS])
    shown += f" and {len(uncoded) - SHOWN_LABELS} more" if len(uncoded) > SHOWN_LABELS else ""
    subject, object = (f"label {shown} has", "it") if len(uncoded) == 1 else (f"labels {shown} have", "each")
    message = f"{subject} no code, first on {table.place(cells.index(uncoded[0]))}"
    near = closest(uncoded[0], unused)
    if near is not None:
        help = f"did you mean `{written(uncoded[0])}` where the coding has `{written(near)}`?"
    else:
        coded = ", ".join(written(entry.text) for entry in label.coding)
        help = f"add {object} to the coding, or keep the coded rows: `where {written(label.source)} in {{{coded}}}`"
    count = sum(map(set(uncoded).__contains__, cells))
    note = f"{count} of {len(cells)} rows have no code"
    return Diagnostic("NNM0504", message, label.span, f"in column `{label.source}`", help=help, note=note)


def _text_without_coding(table: RawTable, label: LabelColumn, cells: Sequence[str]) -> Diagnostic:
    classes = [cell for cell in dict.fromkeys(cells) if cell][: SHOWN_LABELS + 1]
    message = f"label `{label.source}` of `{table.source_name}` is text and has no coding"
    if len(classes) == 2:
        coding = f"{written(classes[0])}: -1, {written(classes[1])}: +1"
    else:
        coding = ", ".join(f"{written(text)}: {code}" for code, text in enumerate(classes[:SHOWN_LABELS]))
        coding += ", ..." if len(classes) > SHOWN_LABELS else ""
    return Diagnostic("NNM0504", message, label.span, "text labels", help=f"give each a number: `as {{{coding}}}`")
