"""A saved network applied to the rows of a new table."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from nnmip.data import RawTable, codes_of, read_csv
from nnmip.data.inputs import names_in
from nnmip.data.table import parse_numbers, separator_hint
from nnmip.diagnostics import Diagnostic, DiagnosticError, Diagnostics
from nnmip.ops.scores import predicted_codes
from nnmip.records import dataclass
from nnmip.sema.values import fail
from nnmip.sizes import UNASKED, Allowance
from nnmip.solution.metrics import TargetError, target_errors
from nnmip.solution.network import FloatArray, TrainedNetwork
from nnmip.source import SourceFile, Span


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """Scores (n, *output) and predictions for the rows of a table.

    added: the columns that a prediction adds to the table, by name. right: how many rows whose label has a code are
    predicted right, out of `labelled` such rows. errors: those of each target that the table has a number of in
    every row. outside: how many rows lie outside the input domain that the network was trained for.
    """

    table: RawTable
    scores: FloatArray
    added: Mapping[str, tuple[float | str, ...]]
    right: int
    labelled: int
    errors: tuple[TargetError, ...]
    outside: int


def predict_table(
    trained: TrainedNetwork, path: Path, separator: str = ",", allowance: Allowance = UNASKED
) -> Prediction:
    """Apply a network to a CSV file whose columns are named as in the training file, or as in the model.

    Raises DiagnosticError for a file that cannot be read, a missing column or a cell that is no number (NNM05xx), and
    NNM0613 for a network whose inputs have no names or whose scores are not finite.
    """
    span = Span(SourceFile(str(path), ""), 0, 0)
    if not trained.inputs:
        message = f"network `{trained.name}` cannot read a table: no loss of its model names its inputs"
        raise fail("NNM0613", message, span, help="use `TrainedNetwork.scores` from Python")
    table = read_csv(path, span, separator, allowance=allowance)
    names = names_in(table, [(column.source, column.alias) for column in trained.inputs])
    X = _inputs(trained, table, names, span)
    with np.errstate(over="ignore", invalid="ignore"):
        scores = trained.scores(X)
    if not np.isfinite(scores).all():
        raise fail("NNM0613", f"the scores of network `{trained.name}` for `{path.name}` are not finite", span)
    right, labelled = _compare(trained, table, names, scores)
    errors = _errors(trained, table, names, scores)
    return Prediction(table, scores, _added(trained, X, scores), right, labelled, errors, int(trained.outside(X).sum()))


def _added(trained: TrainedNetwork, X: FloatArray, scores: FloatArray) -> dict[str, tuple[float | str, ...]]:
    """`prediction` (or `prediction_TARGET`, ...) of a regression; else `score` (or `score_CLASS`, ...) and
    `prediction`."""
    flat = scores.reshape(len(scores), -1)
    count = flat.shape[1]
    if trained.targets:
        names = [f"prediction_{t}" for t in trained.targets] if count > 1 else ["prediction"]
        return {name: tuple(column) for name, column in zip(names, flat.T.tolist(), strict=True)}
    classes = trained.class_names
    names = [f"score_{classes.get(float(k), k)}" for k in range(count)] if count > 1 else ["score"]
    added: dict[str, tuple[float | str, ...]] = dict(zip(names, map(tuple, flat.T.tolist()), strict=True))
    added["prediction"] = tuple(p if isinstance(p, str) else f"{p:g}" for p in trained.predict(X).tolist())
    return added


def _inputs(trained: TrainedNetwork, table: RawTable, names: tuple[str, ...], span: Span) -> FloatArray:
    """The columns that the network reads, shape (n, features); every missing or unusable one in one DiagnosticError."""
    problems = Diagnostics()
    columns: list[FloatArray] = []
    for column, name in zip(trained.inputs, names, strict=True):
        try:
            columns.append(column.read(table, name, span))
        except DiagnosticError as error:
            for diagnostic in error.diagnostics:
                problems.add(replace(diagnostic, help=_help(diagnostic, table)))
    problems.raise_errors()
    return np.concatenate(columns, axis=1)


def _help(diagnostic: Diagnostic, table: RawTable) -> str:
    """The help for someone who has no model to change."""
    if separator_hint(table.columns):
        return "cells are split at commas; `--separator` names another character"
    return "correct the cell" if diagnostic.code == "NNM0503" else diagnostic.help


def _compare(trained: TrainedNetwork, table: RawTable, names: tuple[str, ...], scores: FloatArray) -> tuple[int, int]:
    """Rows predicted right, and rows whose label in the file is one that the network knows."""
    cells = _truth(table, names, trained.label_column, trained.label)
    if cells is None or not trained.coding or scores.ndim > 2:
        return 0, 0
    truth = codes_of(cells, trained.coding)
    return int((predicted_codes(scores) == truth).sum()), int((~np.isnan(truth)).sum())


def _errors(
    trained: TrainedNetwork, table: RawTable, names: tuple[str, ...], scores: FloatArray
) -> tuple[TargetError, ...]:
    """The errors of the targets that the table has."""
    flat = scores.reshape(len(scores), -1)
    found: list[TargetError] = []
    for k, (name, source) in enumerate(zip(trained.targets, trained.target_columns, strict=True)):
        cells = _truth(table, names, source, name)
        if cells is None:
            continue
        truth = parse_numbers(cells)
        if np.isfinite(truth).all():
            found.extend(target_errors((name,), flat[:, k], truth[:, None]))
    return tuple(found)


def _truth(table: RawTable, names: tuple[str, ...], source: str | None, alias: str | None) -> Sequence[str] | None:
    """The cells of a label or target, by its name in the file or in the model, where no input is called so."""
    column = next((c for c in (source, alias) if c in table.positions and c not in names), None)
    return None if column is None else table.cells[table.positions[column]]


def as_csv(prediction: Prediction) -> str:
    """The table with the added columns, called `nnmip_...` where their names are taken."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    added = [_free(name, prediction.table.columns) for name in prediction.added]
    writer.writerow([*prediction.table.columns, *added])
    writer.writerows(zip(*prediction.table.cells, *prediction.added.values(), strict=True))
    return stream.getvalue()


def _free(name: str, taken: Sequence[str]) -> str:
    return name if name not in taken else _free(f"nnmip_{name}", taken)
