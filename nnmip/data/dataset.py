"""A bound table: scaled features, label codes, and the way back to the user's units."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from nnmip.data.labels import LabelColumn, Labels, read_labels
from nnmip.data.scaling import Scaling, ScalingKind, fit
from nnmip.data.table import BoolArray, FloatArray, IntArray, RawTable, numeric_column
from nnmip.diagnostics import DiagnosticError, Diagnostics, Label
from nnmip.source import Span


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
class TargetColumn:
    """A regression target: its column and its name in the model."""

    source: str
    alias: str
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """A table after filtering and scaling; n rows, k features, m targets, every array read-only.

    `raw` has the features in the file's units, `features` in scaled units, both of shape (n, k). `labels` has a number
    for each row and is all zeros if there is no label (`label_name` is None). `coding` lists the text and the code of
    each label in the order of the model, None without a coding. Where `classes` is not empty it names the classes, and
    the labels are positions in it. `targets` has shape (n, m), in the file's units. `sample_weights` has shape (n,):
    not negative, and not all 0. `line_numbers` are lines of the file; `feature_columns` and `label_column` are its
    columns that features and label were read from.
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
    classes: tuple[str, ...]
    targets: FloatArray
    target_names: tuple[str, ...]
    scaling: Scaling
    sample_weights: FloatArray
    line_numbers: IntArray
    source_name: str

    def __post_init__(self) -> None:
        rows, columns = self.raw.shape
        assert self.features.shape == (rows, columns) and len(self.feature_names) == columns
        assert self.targets.shape == (rows, len(self.target_names))
        arrays = (self.raw, self.features, self.labels, self.targets, self.sample_weights, self.line_numbers)
        assert all(len(array) == rows for array in arrays)
        for array in arrays:
            array.setflags(write=False)

    @property
    def row_count(self) -> int:
        return len(self.raw)

    def label_text(self, code: float) -> str | None:
        """The text of the first label with this code, or of the class at this position; None if there is none."""
        if self.classes:
            return self.classes[int(code)] if code in range(len(self.classes)) else None
        return next((text for text, known in self.coding or () if known == code), None)


def build_dataset(
    name: str,
    table: RawTable,
    features: Sequence[FeatureColumn],
    scale: ScaleChoice,
    label: LabelColumn | None = None,
    rows: BoolArray | Callable[[RawTable], BoolArray] | None = None,
    targets: Sequence[TargetColumn] = (),
    weights: Callable[[RawTable], FloatArray] | None = None,
) -> Dataset:
    """Filter the table, read its columns, then scale the features of the rows that are left.

    `rows` says which rows to keep: a mask with at least one true entry, or a function that makes one (`filter_rows`).
    `weights` computes the sample weights (`sample_weights`), which are 1 without it. Raises DiagnosticError with every
    problem of the columns: NNM0202 for a name or label code given twice, NNM0502 for an unknown column, NNM0503 for a
    cell that is not a finite number, NNM0504 for a label without a code, and what `fit` and `weights` raise.
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
    labels = Labels(np.zeros(kept.row_count), None, ())
    if label is not None:
        with _collecting(problems):
            labels = read_labels(kept, label)
    wanted: list[FloatArray] = []
    for target in targets:
        with _collecting(problems):
            wanted.append(numeric_column(kept, target.source, target.span))
    sample_weights = np.ones(kept.row_count)
    if weights is not None:
        with _collecting(problems):
            sample_weights = weights(kept)
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
        labels=labels.values,
        label_name=None if label is None else label.alias,
        label_column=None if label is None else label.source,
        coding=labels.coding,
        classes=labels.classes,
        targets=np.stack(wanted, axis=1) if wanted else np.zeros((kept.row_count, 0)),
        target_names=tuple(target.alias for target in targets),
        scaling=scaling,
        sample_weights=sample_weights,
        line_numbers=kept.line_numbers,
        source_name=table.source_name,
    )


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
