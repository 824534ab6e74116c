"""A bound table: scaled features, labels and targets, and the way back to the user's units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nnmip import display
from nnmip.data.groups import Groups, read_groups
from nnmip.data.inputs import InputColumn, fit_input
from nnmip.data.labels import LabelCode, Labels, encode_labels, read_labels
from nnmip.data.missing import MissingRule, complete_rows
from nnmip.data.scaling import ScaleChoice, Scaling, fit
from nnmip.data.spec import FeatureColumn, TableSpec
from nnmip.data.split import SplitRule, held_out
from nnmip.data.table import BoolArray, FloatArray, IntArray, RawTable, column_position, numeric_column
from nnmip.diagnostics import Diagnostic, DiagnosticError, Diagnostics, Label
from nnmip.records import dataclass
from nnmip.source import Span

_SHOWN_ROWS = 5


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Dataset:
    """A table after filtering, splitting and scaling; n rows, k features, m targets, every array read-only.

    `raw` has the features in the file's units, `features` in scaled units, both of shape (n, k); `inputs` says how
    they were read. `labels` has a number for each row and is all zeros if there is no label (`label_name` is None).
    `coding` lists the text and the code of each label in the order of the model, None without a coding. Where `classes`
    is not empty it names the classes, and the labels are positions in it. `targets` has shape (n, m), in the file's
    units; `target_names` are those of the model, `target_columns` those of the file. `sample_weights` has shape (n,):
    not negative, and not all 0. `groups` are columns by which rows can be told apart. `line_numbers` are lines of the
    file, or positions in an array, as `unit` says. `test` has the rows that were kept apart, read and scaled as those
    of the training part; it is called `NAME.test`. Where only the header of a file was read (`is_read` is false), the
    rows are a few that stand in for those of the file, so that everything which does not depend on their numbers can
    be checked.
    """

    name: str
    feature_names: tuple[str, ...]
    inputs: tuple[InputColumn, ...]
    raw: FloatArray
    features: FloatArray
    labels: FloatArray
    label_name: str | None
    label_column: str | None
    coding: tuple[tuple[str, float], ...] | None
    classes: tuple[str, ...]
    targets: FloatArray
    target_names: tuple[str, ...]
    target_columns: tuple[str, ...]
    scaling: Scaling
    sample_weights: FloatArray
    line_numbers: IntArray
    source_name: str
    unit: str = "line"
    groups: tuple[Groups, ...] = ()
    test: Dataset | None = None
    is_read: bool = True

    def __post_init__(self) -> None:
        rows, columns = self.raw.shape
        assert self.features.shape == (rows, columns) and len(self.feature_names) == columns
        assert self.targets.shape == (rows, len(self.target_names))
        arrays = (self.raw, self.features, self.labels, self.targets, self.sample_weights, self.line_numbers)
        assert all(len(array) == rows for array in arrays)
        for array in arrays:
            array.setflags(write=False)

    def __repr__(self) -> str:
        return f"<{self._in_words()}>"

    def _repr_html_(self) -> str:
        """For notebooks: the first rows, in the units of the file."""
        labels = [] if self.label_name is None else [self.label_name]
        head = [self.unit, *self.feature_names, *labels, *self.target_names]
        rows = []
        for i in range(min(self.row_count, _SHOWN_ROWS)):
            code = float(self.labels[i])
            text = [self.label_text(code) or f"{code:g}"] if labels else []
            numbers = [f"{x:g}" for x in (*self.raw[i].tolist(), *self.targets[i].tolist())]
            width = len(self.feature_names)
            rows.append([int(self.line_numbers[i]), *numbers[:width], *text, *numbers[width:]])
        more = self.row_count - len(rows)
        return display.caption(self._in_words()) + display.table(rows, head) + (f"<p>{more} more</p>" if more else "")

    def _in_words(self) -> str:
        names = display.shortened(", ".join(self.feature_names))
        truth = "" if self.label_name is None else f", label {self.label_name}"
        truth += f", target {', '.join(self.target_names)}" if self.target_names else ""
        test = "" if self.test is None else f", {self.test.row_count} rows for testing"
        rows = "1 row" if self.row_count == 1 else f"{self.row_count} rows"
        return f"Dataset {self.name}: {rows} of {names}{truth}{test}"

    @property
    def row_count(self) -> int:
        return len(self.raw)

    @property
    def parts(self) -> tuple[Dataset, ...]:
        """The training part, and the test part where there is one."""
        return (self,) if self.test is None else (self, self.test)

    def place(self, row: int) -> str:
        """Where a row stands, such as "line 8 of `iris.csv`"."""
        return f"{self.unit} {self.line_numbers[row]} of `{self.source_name}`"

    @property
    def group_names(self) -> tuple[str, ...]:
        """The columns by whose values rows can be told apart, as `members` does."""
        own = [*(group.name for group in self.groups), *(column.alias for column in self.inputs)]
        return tuple(dict.fromkeys((*own, *self.feature_names)))

    def group(self, column: str) -> Groups | None:
        """The column of groups of this name, None where there is none."""
        return next((group for group in self.groups if group.name == column), None)

    def members(self, column: str) -> tuple[tuple[str, ...], BoolArray]:
        """The values of a column, in their order, and which rows have each; shape (values, n)."""
        codes, names = self._values_of(column)
        there = [k for k in range(len(names)) if (codes == k).any()]
        return tuple(names[k] for k in there), codes == np.array(there)[:, None]

    def _values_of(self, column: str) -> tuple[IntArray, tuple[str, ...]]:
        """For every row which of the values of a column it has, and what they are called."""
        found = self.group(column)
        if found is not None:
            return found.codes, found.levels
        start = 0
        for entry in self.inputs:
            if entry.alias == column and entry.levels:
                return self.raw[:, start : start + entry.width].argmax(axis=1), entry.levels
            start += entry.width
        numbers, codes = np.unique(self.raw[:, self.feature_names.index(column)], return_inverse=True)
        return codes.reshape(-1), tuple(f"{number:g}" for number in numbers)

    def label_text(self, code: float) -> str | None:
        """The text of the first label with this code, or of the class at this position; None if there is none."""
        if self.classes:
            return self.classes[int(code)] if code in range(len(self.classes)) else None
        return next((text for text, known in self.coding or () if known == code), None)


def stand_in(table: RawTable, spec: TableSpec) -> Dataset:
    """A data set for a table of which only the header was read: each feature goes from 0 to 1, and every label that the
    model lists occurs.

    Raises DiagnosticError NNM0202 and NNM0502 as `build_dataset` does, and what `spec.rows` and `spec.weights` raise.
    """
    assert spec.label is None or spec.label.coding is not None
    problems = Diagnostics()
    for check in (spec.rows, None if spec.weights is None else spec.weights.compute):
        if check is not None:
            with problems.collect():
                check(table)
    first: dict[str, Span] = {}
    inputs = tuple(InputColumn(feature.source, feature.alias) for feature in spec.features)
    for feature, column in zip(spec.features, inputs, strict=True):
        with problems.collect():
            column_position(table, feature.source, feature.span)
            _check_names(column, feature.span, first, problems)
    coding: tuple[LabelCode, ...] = ()
    if spec.label is not None:
        coding = spec.label.coding or ()
        with problems.collect():
            encode_labels(table, spec.label)
    others = [(target.source, target.span) for target in spec.targets]
    others += [(group.source, group.span) for group in spec.groups]
    for source, span in others:
        with problems.collect():
            column_position(table, source, span)
    problems.raise_errors()
    rows = max(2, len(coding))
    raw = np.repeat((np.arange(rows) / (rows - 1))[:, None], len(inputs), axis=1)
    names = tuple(column.alias for column in inputs)
    scaling = fit([feature.scale for feature in spec.features], raw, names)
    lists_classes = spec.label is not None and spec.label.lists_classes
    known = Dataset(
        name=spec.name,
        feature_names=names,
        inputs=inputs,
        raw=raw,
        features=scaling.apply(raw),
        labels=np.resize([entry.code for entry in coding], rows) if coding else np.zeros(rows),
        label_name=None if spec.label is None else spec.label.alias,
        label_column=None if spec.label is None else spec.label.source,
        coding=tuple((entry.text, entry.code) for entry in coding) if coding and not lists_classes else None,
        classes=tuple(entry.text.strip() for entry in coding) if lists_classes else (),
        targets=np.repeat(raw[:, :1], len(spec.targets), axis=1),
        target_names=tuple(target.alias for target in spec.targets),
        target_columns=tuple(target.source for target in spec.targets),
        scaling=scaling,
        sample_weights=np.ones(rows),
        line_numbers=np.arange(rows),
        source_name=table.source_name,
        unit=table.unit,
        groups=tuple(Groups(group.alias, ("",), np.zeros(rows, dtype=np.int64)) for group in spec.groups),
        is_read=False,
    )
    return known if spec.split is None else replace(known, test=replace(known, name=f"{spec.name}.test"))


def build_dataset(table: RawTable, spec: TableSpec) -> Dataset:
    """Leave out rows, read the columns, split the rows, then scale the features; what is fitted (scaling, what missing
    cells are filled with) is fitted to the training part.

    Raises DiagnosticError with every problem of the columns: NNM0202 for a name or label code given twice, NNM0502 for
    an unknown column, NNM0503 for a cell that is not a finite number, NNM0504 for a label without a code, NNM0505 where
    no rows are left, and what `spec.rows`, `spec.weights` and `fit` raise.
    """
    assert spec.features
    kept = _kept_rows(table, spec)
    problems = Diagnostics()
    labels = Labels(np.zeros(kept.row_count), None, ())
    if spec.label is not None:
        with problems.collect():
            labels = read_labels(kept, spec.label)
    is_test = _test_part(labels, spec.split, kept.source_name)
    inputs, columns = _read_features(kept, spec.features, ~is_test, spec.missing, problems)
    targets: list[FloatArray] = []
    for target in spec.targets:
        with problems.collect():
            targets.append(numeric_column(kept, target.source, target.span))
    groups: list[Groups] = []
    for group in spec.groups:
        with problems.collect():
            groups.append(read_groups(kept, group))
    weights = np.ones(kept.row_count)
    if spec.weights is not None:
        with problems.collect():
            weights = spec.weights.compute(kept)
            _check_training_weights(weights[~is_test], spec.weights.span)
    problems.raise_errors()
    raw = np.concatenate(columns, axis=1)
    names = tuple(name for column in inputs for name in column.names)
    scaling = fit(_choices(spec.features, inputs), raw[~is_test], names)
    wanted = np.stack(targets, axis=1) if targets else np.zeros((kept.row_count, 0))

    def part(name: str, rows: BoolArray, test: Dataset | None) -> Dataset:
        return Dataset(
            name=name,
            feature_names=names,
            inputs=inputs,
            raw=raw[rows],
            features=scaling.apply(raw[rows]),
            labels=labels.values[rows],
            label_name=None if spec.label is None else spec.label.alias,
            label_column=None if spec.label is None else spec.label.source,
            coding=labels.coding,
            classes=labels.classes,
            targets=wanted[rows],
            target_names=tuple(target.alias for target in spec.targets),
            target_columns=tuple(target.source for target in spec.targets),
            scaling=scaling,
            sample_weights=weights[rows],
            line_numbers=kept.line_numbers[rows],
            source_name=table.source_name,
            unit=table.unit,
            groups=tuple(group.of(rows) for group in groups),
            test=test,
        )

    return part(spec.name, ~is_test, part(f"{spec.name}.test", is_test, None) if is_test.any() else None)


def _kept_rows(table: RawTable, spec: TableSpec) -> RawTable:
    """The rows without missing cells where such rows are dropped, and of these the ones that the filters keep."""
    kept = table
    if spec.missing is not None and spec.missing.action == "drop":
        complete = complete_rows(table, spec.columns)
        if not complete.any():
            message = f"every row of `{table.source_name}` has a missing cell"
            raise DiagnosticError([Diagnostic("NNM0505", message, spec.missing.span, "no row is left")])
        kept = table.select(complete)
    return kept if spec.rows is None else kept.select(spec.rows(kept))


def _test_part(labels: Labels, split: SplitRule | None, source: str) -> BoolArray:
    """The rows of the test part; none without a split."""
    rows = len(labels.values)
    if split is None:
        return np.zeros(rows, dtype=bool)
    chosen = held_out(labels.values, split.share, split.seed)
    if not chosen.any():
        message = f"{split.share:g} of the {rows} rows of `{source}` leaves the test part empty"
        help = "state a greater share, or split a table with more rows for each label"
        raise DiagnosticError([Diagnostic("NNM0505", message, split.span, "an empty part", help=help)])
    return chosen


def _read_features(
    table: RawTable,
    features: Sequence[FeatureColumn],
    training: BoolArray,
    missing: MissingRule | None,
    problems: Diagnostics,
) -> tuple[tuple[InputColumn, ...], list[FloatArray]]:
    """How each column is read, and its features [rows, width]."""
    inputs: list[InputColumn] = []
    columns: list[FloatArray] = []
    first: dict[str, Span] = {}
    for feature in features:
        with problems.collect():
            column = fit_input(feature, table, training, missing)
            _check_names(column, feature.span, first, problems)
            columns.append(column.read(table, feature.source, feature.span))
            inputs.append(column)
    return tuple(inputs), columns


def _check_names(column: InputColumn, span: Span, first: dict[str, Span], problems: Diagnostics) -> None:
    for name in column.names:
        earlier = first.setdefault(name, span)
        if earlier is not span:
            message = f"two features are called `{name}`"
            help = "remove one, or rename it with `as`"
            problems.error("NNM0202", message, span, secondary=(Label(earlier, "the first"),), help=help)


def _choices(features: Sequence[FeatureColumn], inputs: Sequence[InputColumn]) -> list[ScaleChoice]:
    """The scaling of each feature; categories are 0 or 1 whatever the scaling of their line."""
    found: list[ScaleChoice] = []
    for feature, column in zip(features, inputs, strict=True):
        choice = ScaleChoice("none", feature.scale.span) if column.levels else feature.scale
        found.extend([choice] * column.width)
    return found


def _check_training_weights(weights: FloatArray, span: Span) -> None:
    if not weights.any():
        message = "the weight of every row of the training part is 0"
        help = "a mean needs a row with a weight"
        raise DiagnosticError([Diagnostic("NNM0503", message, span, help=help)])
