"""A saved network applied to the rows of a new table."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnmip.data import RawTable, numeric_column, read_csv
from nnmip.diagnostics import DiagnosticError, Diagnostics
from nnmip.solution.network import FloatArray, TrainedNetwork
from nnmip.source import SourceFile, Span


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """Scores (n, *output) and predictions (n,) for the rows of a table.

    right: how many rows whose label has a code are predicted right, out of `labelled` such rows.
    """

    table: RawTable
    scores: FloatArray
    labels: tuple[str, ...]
    right: int
    labelled: int


def predict_table(trained: TrainedNetwork, path: Path) -> Prediction:
    """Apply a network to a CSV file whose columns are named as in the training file, or as in the model.

    Raises DiagnosticError for a file that cannot be read, a missing column or a cell that is no number.
    """
    span = Span(SourceFile(str(path), ""), 0, 0)
    table = read_csv(path, span)
    problems = Diagnostics()
    columns: list[FloatArray] = []
    for source, alias in zip(trained.columns, trained.features, strict=True):
        name = source if source in table.columns or alias not in table.columns else alias
        try:
            columns.append(numeric_column(table, name, span))
        except DiagnosticError as error:
            for diagnostic in error.diagnostics:
                problems.add(diagnostic)
    problems.raise_errors()
    X = np.stack(columns, axis=1)
    labels = tuple(str(label) for label in trained.predict(X))
    right, labelled = _compare(trained, table, labels)
    return Prediction(table, trained.scores(X), labels, right, labelled)


def _compare(trained: TrainedNetwork, table: RawTable, labels: tuple[str, ...]) -> tuple[int, int]:
    """Rows predicted right, and rows whose label in the file is one that the network knows."""
    if trained.label is None or trained.label not in table.columns or not trained.coding:
        return 0, 0
    codes = dict(trained.coding)
    truth = [text.strip() for text in table.cells[table.columns.index(trained.label)]]
    known = [(codes[t], codes.get(p)) for t, p in zip(truth, labels, strict=True) if t in codes]
    return sum(t == p for t, p in known), len(known)


def as_csv(prediction: Prediction) -> str:
    """The table with columns `score` (or `score_0`, ...) and `prediction` added."""
    scores = prediction.scores.reshape(len(prediction.scores), -1)
    names = ["score"] if scores.shape[1] == 1 else [f"score_{k}" for k in range(scores.shape[1])]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*prediction.table.columns, *names, "prediction"])
    cells = zip(*prediction.table.cells, strict=True)
    for row, score, label in zip(cells, scores.tolist(), prediction.labels, strict=True):
        writer.writerow([*row, *score, label])
    return stream.getvalue()
