"""Answers as the competition and the standard want them printed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nnmip.hir.core import FloatArray
from nnmip.vnnlib.decide import Found, Outcome
from nnmip.vnnlib.query import Query


def answer_text(query: Query, outcome: Outcome) -> str:
    """The answer on the first line, and the witness of a `sat` below.

    Version 1.0: `((X_0 0.5) ...)`, as at VNN-COMP; 2.x: each tensor with its type and shape, then a value on each line,
    and `timed-out` for `timeout`, as in the standard.
    """
    is_first = query.version == (1, 0)
    word = "timed-out" if outcome.found is Found.TIMEOUT and not is_first else str(outcome.found)
    lines = [word]
    if outcome.found is Found.SAT:
        lines += _flat(query, outcome) if is_first else _tensors(query, outcome)
    return "\n".join(lines) + "\n"


def _flat(query: Query, outcome: Outcome) -> Iterator[str]:
    entries = [
        f"({variable.name}_{place} {_number(value)})"
        for variable in query.variables
        for place, value in enumerate(_entries(outcome, variable.name))
    ]
    for place, text in enumerate(entries):
        yield f"{'(' if place == 0 else ' '}{text}{')' if place == len(entries) - 1 else ''}"


def _tensors(query: Query, outcome: Outcome) -> Iterator[str]:
    for variable in query.variables:
        yield f"{variable.name} {variable.type} [{','.join(map(str, variable.shape))}]"
        yield from map(_number, _entries(outcome, variable.name))


def _entries(outcome: Outcome, name: str) -> list[float]:
    array: FloatArray = np.asarray(outcome.witness[name])
    return [float(value) for value in array.reshape(-1)]


def _number(value: float) -> str:
    """All digits of a double, without an exponent."""
    return np.format_float_positional(value, trim="0")
