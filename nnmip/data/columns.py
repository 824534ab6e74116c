"""Tables made of arrays: from files, or bound from Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nnmip.data.arrays import PLAIN_KINDS, AnyArray
from nnmip.data.inputs import InputColumn, names_in
from nnmip.data.table import FloatArray, NumberCells, RawTable, shortened
from nnmip.diagnostics import Diagnostic, DiagnosticError
from nnmip.records import dataclass
from nnmip.source import SourceFile, Span

EXACT_INTEGERS = 2**53


def table_of(arrays: Mapping[str, AnyArray], source: str, span: Span) -> RawTable:
    """A table with a row for each entry of the first axis of the arrays, which must agree.

    A vector `y` is a column `y`. An array `X` of more axes is a group `X` of the columns `X_0`, `X_1`, …, one for each
    entry of a row, in row-major order; so is a vector of records, whose columns are called by the fields. Raises
    DiagnosticError at `span`: NNM0301 for lengths that differ and for numbers without an axis, NNM0205 for entries that
    are neither numbers nor texts, NNM0505 without rows.
    """
    rows = _row_count(arrays, source, span)
    columns: dict[str, Sequence[str]] = {}
    groups: dict[str, tuple[str, ...]] = {}
    for name, array in arrays.items():
        parts = _vectors(name, array)
        if array.ndim > 1 or array.dtype.names:
            groups[name] = tuple(parts)
        for part, vector in parts.items():
            if part in columns:
                raise _error("NNM0202", f"two columns of `{source}` are called `{shortened(part)}`", span)
            columns[part] = _cells(part, vector, source, span)
    return RawTable(tuple(columns), tuple(columns.values()), np.arange(rows), source, "row", groups)


def _row_count(arrays: Mapping[str, AnyArray], source: str, span: Span) -> int:
    for name, array in arrays.items():
        if not array.ndim:
            raise _error("NNM0301", f"`{name}` of `{source}` is a single number, and has no rows", span)
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        (first, rows), *others = lengths.items()
        second, other = next((name, length) for name, length in others if length != rows)
        message = f"`{first}` of `{source}` has {rows} rows, and `{second}` has {other}"
        raise _error("NNM0301", message, span, "rows do not agree", help="give every row an entry in each")
    rows = next(iter(lengths.values()), 0)
    if not rows:
        raise _error("NNM0505", f"`{source}` has no rows", span, "no data")
    return rows


def _vectors(name: str, array: AnyArray) -> dict[str, AnyArray]:
    """The columns of an array, by name."""
    if array.dtype.names:
        prefix = f"{name}_" if name else ""
        return {f"{prefix}{part}": array[part] for part in array.dtype.names}
    if array.ndim == 1:
        return {name: array}
    flat = array.reshape(len(array), -1)
    return {f"{name}_{j}": flat[:, j] for j in range(flat.shape[1])}


def _cells(name: str, vector: AnyArray, source: str, span: Span) -> Sequence[str]:
    kind = vector.dtype.kind
    if kind in "iu" and len(vector) and max(int(vector.max()), -int(vector.min())) > EXACT_INTEGERS:
        return tuple(map(str, vector.tolist()))
    if kind in "biuf":
        return NumberCells(np.asarray(vector, np.float64))
    if kind == "S":
        return tuple(text.decode("utf-8", "replace").strip() for text in vector.tolist())
    if kind == "U":
        return tuple(text.strip() for text in vector.tolist())
    if kind == "O":
        return tuple(_text(name, value, source, span) for value in vector.tolist())
    raise _error(
        "NNM0205", f"column `{shortened(name)}` of `{source}` holds `{vector.dtype}`", span, "no number or text"
    )


def _text(name: str, value: object, source: str, span: Span) -> str:
    """A Python object as the text of a cell; what is missing is empty."""
    if value is None or value != value or type(value).__name__ in ("NAType", "NaTType"):
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int | float):
        return NumberCells(np.array([value], np.float64))[0] if abs(value) <= EXACT_INTEGERS else str(value)
    message = f"column `{shortened(name)}` of `{source}` holds a Python object of type `{type(value).__name__}`"
    raise _error("NNM0205", message, span, "no number or text")


# ---- bound from Python ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Expected:
    """The names that a data declaration gives to what it reads: its features, and its label or targets."""

    features: tuple[str, ...]
    answers: tuple[str, ...]


def bound_table(name: str, value: Any, expected: Expected, span: Span) -> RawTable:
    """The table of a value that was bound to the data declaration `name`.

    A data frame (anything with `columns` that can be picked by name) and a mapping have columns with names. An array of
    features alone, and a pair `(X, y)` of features and label or targets, get the names of the declaration, in its
    order. Raises DiagnosticError at `span`: NNM0301 for another number of columns, and what `table_of` raises.
    """
    named = _named_arrays(value)
    if named is not None:
        return table_of(named, name, span)
    if not isinstance(value, tuple):
        return table_of(_split(name, np.asarray(value), expected.features, "features", span), name, span)
    if len(value) != 2:
        message = f"`{name}` is bound to a tuple of {len(value)}, and not to a pair of features and labels"
        raise _error("NNM0205", message, span, help=f"write `bind({name}=(X, y))`, or give a data frame")
    X, y = value
    features = _named_arrays(X)
    if features is None:
        features = _split(name, np.asarray(X), expected.features, "features", span)
    if not expected.answers:
        message = f"`{name}` is bound to a pair, and declares neither a label nor a target"
        raise _error("NNM0204", message, span, help="add a line `label NAME` or `target NAME`")
    answers = _named_arrays(y)
    matrix = np.stack(list(answers.values()), axis=1) if answers else np.asarray(y)
    wanted = expected.answers if matrix.ndim > 1 else expected.answers[:1]
    return table_of({**features, **_split(name, matrix, wanted, "labels or targets", span)}, name, span)


def _named_arrays(value: Any) -> dict[str, AnyArray] | None:
    """The columns of a data frame or a mapping, None for anything else."""
    if isinstance(value, Mapping):
        return {str(key): _array(entry) for key, entry in value.items()}
    if hasattr(value, "columns") and hasattr(value, "__getitem__") and not isinstance(value, np.ndarray):
        return {str(key): _array(value[key]) for key in value.columns}
    return None


def _array(value: Any) -> AnyArray:
    return np.asarray(value.to_numpy() if hasattr(value, "to_numpy") else value)


def _split(name: str, array: AnyArray, names: tuple[str, ...], what: str, span: Span) -> dict[str, AnyArray]:
    """The columns of an array under the names that the declaration has for them."""
    if len(names) == 1:
        return {names[0]: array.reshape(len(array)) if array.ndim == 2 and array.shape[1] == 1 else array}
    if array.ndim == 2 and array.shape[1] == len(names):
        return {part: array[:, j] for j, part in enumerate(names)}
    message = f"`{name}` declares {len(names)} {what}, and the bound array has shape {list(array.shape)}"
    raise _error("NNM0301", message, span, help=f"give it an array of shape [rows, {len(names)}], or a data frame")


# ---- rows to predict -----------------------------------------------------------------------------------------------


def feature_rows(X: Any, inputs: Sequence[InputColumn], width: int) -> FloatArray:
    """The features of rows X, as numbers in the user's units; shape (n, width).

    X is a data frame or a mapping with the columns of `inputs`, by their names in the table or in the model; or an
    array of shape (n, width) of features, or (n, len(inputs)) of columns. Raises ValueError for anything else.
    """
    named = _named_arrays(X)
    if named is None:
        rows = np.atleast_2d(np.asarray(X))
        if rows.shape[1:] == (width,) and rows.dtype.kind in "biuf":
            return _finite(np.asarray(rows, np.float64))
        if not inputs and rows.shape[1:] == (width,):
            return _finite(np.asarray(rows, np.float64))
        if rows.ndim != 2 or rows.shape[1] != len(inputs) or not inputs:
            raise ValueError(f"rows of {width} features are needed, got shape {np.shape(X)}")
        named = {column.source: rows[:, j] for j, column in enumerate(inputs)}
    if not inputs:
        raise ValueError("the inputs of this network have no names: give an array")
    span = Span(SourceFile("X", ""), 0, 0)
    try:
        table = table_of(named, "X", span)
        names = names_in(table, [(column.source, column.alias) for column in inputs])
        parts = [column.read(table, name, span) for column, name in zip(inputs, names, strict=True)]
    except DiagnosticError as error:
        raise ValueError(error.diagnostics[0].message) from None
    return np.concatenate(parts, axis=1)


def _finite(rows: FloatArray) -> FloatArray:
    if not np.isfinite(rows).all():
        raise ValueError("features must be finite numbers")
    return rows


def is_plain(array: AnyArray) -> bool:
    """Whether an array holds numbers or truth values."""
    return array.dtype.kind in PLAIN_KINDS[:4]


def _error(code: str, message: str, span: Span, label: str = "", *, help: str = "") -> DiagnosticError:
    return DiagnosticError([Diagnostic(code, message, span, label, help=help)])
