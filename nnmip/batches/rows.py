"""A property for each row of a table: the row gives parameters and tensors of the model their values."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nnmip.diagnostics import DiagnosticError
from nnmip.pipeline import load
from nnmip.pipeline.model import Model
from nnmip.records import dataclass
from nnmip.syntax import nodes
from nnmip.verification.verdict import Answer, Verdict

HEADER = (
    *("model", "row", "property", "verdict", "by", "proof", "margin", "seconds"),
    *("holds_up_to", "broken_from", "counterexample", "note"),
)
KEYS = 3

Values = Mapping[str, Any]
"""What a row gives the declarations of a model: numbers as texts, tensors as arrays."""


@dataclass(frozen=True, slots=True)
class Radius:
    """A parameter that is bisected between `least` and `most`, until the ends are `step` apart."""

    name: str
    least: float
    most: float
    step: float


@dataclass(frozen=True, slots=True)
class Asked:
    """What all rows share: the model, and how its properties are decided."""

    path: str
    define: Mapping[str, str]
    names: tuple[str, ...]
    time_limit: float | None
    solver: str
    seed: int
    allow_size: str | None
    radius: Radius | None = None

    def model(self, values: Values) -> Model:
        given = {**self.define, **{name: value for name, value in values.items() if isinstance(value, str)}}
        arrays = {name: value for name, value in values.items() if not isinstance(value, str)}
        found = load(self.path, given, allow_size=self.allow_size)
        return found.bind(**arrays) if arrays else found

    def fingerprint(self) -> str:
        """A short text that tells these questions from others; which properties are asked does not matter."""
        text = Path(self.path).read_bytes()
        rest = repr((sorted(self.define.items()), self.time_limit, self.solver, self.seed, self.radius))
        return hashlib.sha256(text + rest.encode()).hexdigest()[:8]


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """A row by its number, from 1, with its values."""

    number: int
    values: Values


# ---- the table -----------------------------------------------------------------------------------------------------


def read_rows(path: Path, model: Model) -> tuple[list[Row], list[str]]:
    """The rows of a CSV file, or of the arrays in an `npz` file, and the columns that name nothing in the model.

    A column gives the `param` of its name its value; columns `x_0`, `x_1`, ... are the entries of a tensor `x`.
    Raises OSError, and ValueError where nothing fits or a number cannot be read.
    """
    params, tensors = _declared(model)
    if path.suffix == ".npz":
        return _from_arrays(path, params, tensors)
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    rows = [[cell.strip() for cell in row] for row in rows if any(cell.strip() for cell in row)]
    if len(rows) < 2:
        raise ValueError(f"{path} has no rows below its header")
    header, wide = rows[0], {name: [f"{name}_{k}" for k in range(len(rows[0]))] for name in tensors}
    entries = {name: [c for c in columns if c in header] for name, columns in wide.items()}
    entries = {name: columns for name, columns in entries.items() if columns}
    used = {name for name in header if name in params} | {c for columns in entries.values() for c in columns}
    if not used:
        known = ", ".join(f"`{name}`" for name in sorted({*params, *tensors})) or "none"
        raise ValueError(
            f"no column of {path} has the name of a parameter or a tensor of the model, which are: {known}"
        )
    found = []
    for number, row in enumerate(rows[1:], start=1):
        if len(row) != len(header):
            raise ValueError(f"{path}, row {number}: {len(row)} cells, and {len(header)} columns")
        cells = dict(zip(header, row, strict=True))
        values: dict[str, Any] = {name: cells[name] for name in header if name in params}
        for name, columns in entries.items():
            values[name] = np.array([_number(cells[c], path, number, c) for c in columns])
        found.append(Row(number, values))
    return found, [name for name in header if name not in used]


def _declared(model: Model) -> tuple[set[str], set[str]]:
    """The names of the parameters and of the tables and tensors of a model."""
    declarations = model.parsed.file.declarations
    params = {each.name.text for each in declarations if isinstance(each, nodes.Param)}
    return params, {each.name.text for each in declarations if isinstance(each, nodes.Data) and each.type}


def _number(text: str, path: Path, row: int, column: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{path}, row {row}: `{text}` in the column `{column}` is not a number") from None
    if not np.isfinite(value):
        raise ValueError(f"{path}, row {row}: `{text}` in the column `{column}` is not finite")
    return value


def _from_arrays(path: Path, params: set[str], tensors: set[str]) -> tuple[list[Row], list[str]]:
    with np.load(path, allow_pickle=False) as arrays:
        given = {name: arrays[name] for name in arrays.files}
    used = {name: array for name, array in given.items() if name in params | tensors and array.ndim}
    if not used or len({len(array) for array in used.values()}) > 1:
        raise ValueError(f"{path} needs arrays with a row each along their first axis, called after what they are for")
    count = len(next(iter(used.values())))
    rows = [
        Row(k + 1, {name: f"{array[k].item()}" if name in params else array[k] for name, array in used.items()})
        for k in range(count)
    ]
    return rows, [name for name in given if name not in used]


# ---- a row ---------------------------------------------------------------------------------------------------------


def decide_row(asked: Asked, row: Row, stop: threading.Event) -> list[tuple[str, ...]]:
    """The answers to a row, one for each property, as rows of `HEADER` without the model."""
    try:
        model = asked.model(row.values)
        return [_answer(asked, row, name, model, stop) for name in asked.names]
    except DiagnosticError as error:
        first = error.diagnostics[0]
        return failed(row, asked.names, f"{first.code}: {first.message}")


def failed(row: Row, names: Sequence[str], why: str) -> list[tuple[str, ...]]:
    """The answers to a row for which there are none."""
    return [_cells(row, name, note=why) for name in names]


def _answer(asked: Asked, row: Row, name: str, model: Model, stop: threading.Event) -> tuple[str, ...]:
    if asked.radius is not None:
        return _bisected(asked, row, name, asked.radius, stop)
    return _cells(row, name, _verdict(asked, model, name, asked.time_limit, stop))


_WORSE = {Answer.VERIFIED: 0, Answer.UNKNOWN: 1, Answer.VIOLATED: 2}


def _verdict(asked: Asked, model: Model, name: str, seconds: float | None, stop: threading.Event) -> Verdict:
    """The verdict on a property; the worst one of all members where it is one for each member of a set."""
    worst = None
    for member in model.properties([name]):
        verdict = model.verify(member, time_limit=seconds, solver=asked.solver, seed=asked.seed, stop=stop)
        if worst is None or _WORSE[verdict.answer] > _WORSE[worst.answer]:
            worst = verdict
        if verdict.answer is Answer.VIOLATED or stop.is_set():
            break
    assert worst is not None
    return worst


def _bisected(asked: Asked, row: Row, name: str, radius: Radius, stop: threading.Event) -> tuple[str, ...]:
    """The largest value of a parameter for which a property is known to hold, and the least that breaks it."""
    begun = time.perf_counter()
    holds, broken, note, witness = None, None, "", None
    low, high = radius.least, radius.most
    ends = [low, high]
    while not stop.is_set():
        value = ends.pop(0) if ends else 0.5 * (low + high)
        left = None if asked.time_limit is None else asked.time_limit - (time.perf_counter() - begun)
        if left is not None and left <= 0:
            note = "the time limit came first"
            break
        verdict = _verdict(asked, asked.model({**row.values, radius.name: repr(value)}), name, left, stop)
        if verdict.answer is Answer.VERIFIED:
            holds, low = value, max(low, value)
        elif verdict.answer is Answer.VIOLATED:
            broken, high, witness = value, min(high, value), verdict
        else:  # the border is below, as far as is known
            note, high = verdict.reason, min(high, value)
        if holds == radius.most or high == radius.least or (not ends and high - low <= radius.step):
            break
    made = _cells(row, name, witness, note=note)
    answer = "unknown" if holds is None and broken is None else "bisected"
    ends_found = ["" if end is None else repr(end) for end in (holds, broken)]
    return (*made[:2], answer, "", "", "", f"{time.perf_counter() - begun:.3f}", *ends_found, made[9], note)


def _cells(row: Row, name: str, verdict: Verdict | None = None, note: str = "") -> tuple[str, ...]:
    if verdict is None:
        return str(row.number), name, "error", "", "", "", "", "", "", "", note
    point = {key: array.tolist() for key, array in verdict.counterexample.items()}
    return (
        str(row.number),
        name,
        str(verdict.answer),
        verdict.by,
        verdict.proof,
        "" if verdict.margin is None else repr(verdict.margin),
        f"{verdict.seconds:.3f}",
        "",
        "",
        json.dumps(point) if point else "",
        note or verdict.reason,
    )
