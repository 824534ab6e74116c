"""A saved network applied to the rows of a new table."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nnmip.data import RawTable, codes_of, numeric_column, read_csv
from nnmip.data.table import separator_hint
from nnmip.diagnostics import Diagnostic, DiagnosticError, Diagnostics
from nnmip.hir.evaluate import predicted_codes
from nnmip.sema.values import fail
from nnmip.solution.network import FloatArray, TrainedNetwork
from nnmip.source import SourceFile, Span


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """Scores (n, *output) and predictions (n,) for the rows of a table.

    right: how many rows whose label has a code are predicted right, out of `labelled` such rows. outside: how many rows
    lie outside the input domain that the network was trained for.
    """

    table: RawTable
    scores: FloatArray
    labels: tuple[str, ...]
    right: int
    labelled: int
    outside: int


def predict_table(trained: TrainedNetwork, path: Path, separator: str = ",") -> Prediction:
    """Apply a network to a CSV file whose columns are named as in the training file, or as in the model.

    Raises DiagnosticError for a file that cannot be read, a missing column or a cell that is no number (NNM05xx), and
    NNM0613 for a network whose inputs have no names or whose scores are not finite.
    """
    span = Span(SourceFile(str(path), ""), 0, 0)
    if not trained.columns:
        message = f"network `{trained.name}` cannot read a table: no loss of its model names its inputs"
        raise fail("NNM0613", message, span, help="use `TrainedNetwork.scores` from Python")
    table = read_csv(path, span, separator)
    X = _inputs(trained, table, span)
    with np.errstate(over="ignore", invalid="ignore"):
        scores = trained.scores(X)
    if not np.isfinite(scores).all():
        raise fail("NNM0613", f"the scores of network `{trained.name}` for `{path.name}` are not finite", span)
    labels = tuple(label if isinstance(label, str) else f"{label:g}" for label in trained.predict(X).tolist())
    right, labelled = _compare(trained, table, scores)
    return Prediction(table, scores, labels, right, labelled, int(trained.outside(X).sum()))


def _inputs(trained: TrainedNetwork, table: RawTable, span: Span) -> FloatArray:
    """The columns that the network reads, shape (n, features); every missing or unusable one in one DiagnosticError."""
    problems = Diagnostics()
    columns: list[FloatArray] = []
    for source, alias in zip(trained.columns, trained.features, strict=True):
        name = source if source in table.columns or alias not in table.columns else alias
        try:
            columns.append(numeric_column(table, name, span))
        except DiagnosticError as error:
            for diagnostic in error.diagnostics:
                problems.add(replace(diagnostic, help=_help(diagnostic, table)))
    problems.raise_errors()
    return np.stack(columns, axis=1)


def _help(diagnostic: Diagnostic, table: RawTable) -> str:
    """The help for someone who has no model to change."""
    if separator_hint(table.columns):
        return "cells are split at commas; `--separator` names another character"
    return "correct the cell" if diagnostic.code == "NNM0503" else diagnostic.help


def _compare(trained: TrainedNetwork, table: RawTable, scores: FloatArray) -> tuple[int, int]:
    """Rows predicted right, and rows whose label in the file is one that the network knows."""
    column = next((c for c in (trained.label_column, trained.label) if c in table.columns), None)
    if column is None or not trained.coding or scores.ndim > 1:
        return 0, 0
    truth = codes_of(table.cells[table.columns.index(column)], trained.coding)
    return int((predicted_codes(scores) == truth).sum()), int((~np.isnan(truth)).sum())


def as_csv(prediction: Prediction) -> str:
    """The table with columns `score` (or `score_0`, ...) and `prediction` added, `nnmip_score` where that is taken."""
    scores = prediction.scores.reshape(len(prediction.scores), -1)
    names = ["score"] if scores.shape[1] == 1 else [f"score_{k}" for k in range(scores.shape[1])]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    added = [name if name not in prediction.table.columns else f"nnmip_{name}" for name in (*names, "prediction")]
    writer.writerow([*prediction.table.columns, *added])
    cells = zip(*prediction.table.cells, strict=True)
    for row, score, label in zip(cells, scores.tolist(), prediction.labels, strict=True):
        writer.writerow([*row, *score, label])
    return stream.getvalue()
