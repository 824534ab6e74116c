"""Free MPS files, written exactly: a reader that keeps doubles gets the arrays back bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from nnmip.formats.chunks import groups, slices
from nnmip.formats.names import BOUND_SET, OBJECTIVE, OBJECTIVE_CONSTANT, RHS_SET, ModelNames
from nnmip.milp.model import BoolArray, Milp


def write_mps(milp: Milp, names: ModelNames, stream: BinaryIO) -> None:
    """Write `milp` (one-sided rows, see `one_sided`) as free MPS, always a minimisation.

    Each column has both bounds stated and at least one entry, because readers differ in their defaults. The objective
    constant is a column fixed at 1, because readers differ in where they keep a constant.
    """
    for text in _sections(milp, names):
        stream.write(text.encode("ascii"))


def _sections(milp: Milp, names: ModelNames) -> Iterator[str]:
    yield "NAME nnmip FREE\nROWS\n"
    yield f" N {OBJECTIVE}\n"
    yield from _row_lines(milp, names.rows)
    yield "COLUMNS\n"
    yield from _column_lines(milp, names)
    if milp.offset:
        yield f" {OBJECTIVE_CONSTANT} {OBJECTIVE} {milp.offset!r}\n"
    yield "RHS\n"
    yield from _rhs_lines(milp, names.rows)
    yield "BOUNDS\n"
    yield from _bound_lines(milp, names.columns)
    if milp.offset:
        yield f" FX {BOUND_SET} {OBJECTIVE_CONSTANT} 1.0\n"
    yield "ENDATA\n"


def _row_lines(milp: Milp, names: list[str]) -> Iterator[str]:
    kinds = np.where(milp.row_lb == milp.row_ub, "E", np.where(np.isfinite(milp.row_lb), "G", "L")).tolist()
    for part in slices(len(names)):
        yield "".join([f" {kind} {name}\n" for kind, name in zip(kinds[part], names[part], strict=True)])


def _column_lines(milp: Milp, names: ModelNames) -> Iterator[str]:
    """The matrix by columns, with markers around each run of integer columns."""
    order = np.argsort(milp.indices, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(milp.indices, minlength=milp.num_columns))])
    entry_rows = milp.row_of_entry
    row_names = np.array(names.rows, dtype=object)
    heads = _column_heads(milp, names.columns, np.diff(starts) == 0)
    for first, last in groups(starts):
        entries = order[starts[first] : starts[last]]
        rows = row_names[entry_rows[entries]].tolist()
        values = milp.data[entries].tolist()
        ends = (starts[first : last + 1] - starts[first]).tolist()
        lines: list[str] = []
        for column, begin, end in zip(range(first, last), ends, ends[1:], strict=False):
            lines.append(heads[column])
            name = names.columns[column]
            lines += [
                f" {name} {row} {value!r}\n" for row, value in zip(rows[begin:end], values[begin:end], strict=True)
            ]
        yield "".join(lines)
    if milp.num_columns and milp.integer[-1]:
        yield _marker("INTEND")


def _column_heads(milp: Milp, names: list[str], empty: BoolArray) -> list[str]:
    """What stands before a column's matrix entries: a marker where the kind changes, and its cost.

    A column without entries gets a cost of 0 so that it is there at all.
    """
    shown = ((milp.cost != 0) | empty).tolist()
    heads = [
        f" {name} {OBJECTIVE} {cost!r}\n" if show else ""
        for name, cost, show in zip(names, milp.cost.tolist(), shown, strict=True)
    ]
    changes = np.flatnonzero(np.diff(milp.integer, prepend=False)) if len(names) else ()
    for column in changes:
        heads[column] = _marker("INTORG" if milp.integer[column] else "INTEND") + heads[column]
    return heads


def _marker(word: str) -> str:
    return f" MARKER 'MARKER' '{word}'\n"


def _rhs_lines(milp: Milp, names: list[str]) -> Iterator[str]:
    sides = np.where(np.isfinite(milp.row_lb), milp.row_lb, milp.row_ub)
    for part in slices(len(names)):
        pairs = zip(names[part], sides[part].tolist(), strict=True)
        yield "".join([f" {RHS_SET} {name} {side!r}\n" for name, side in pairs if side])


def _bound_lines(milp: Milp, names: list[str]) -> Iterator[str]:
    for part in slices(len(names)):
        triples = zip(names[part], milp.col_lb[part].tolist(), milp.col_ub[part].tolist(), strict=True)
        yield "".join([_bounds(name, low, high) for name, low, high in triples])


def _bounds(name: str, low: float, high: float) -> str:
    """Both bounds of a column, the lower one first: a reader may drop it when it meets a negative upper one alone."""
    if low == high:
        return f" FX {BOUND_SET} {name} {low!r}\n"
    if low == -np.inf:
        if high == np.inf:
            return f" FR {BOUND_SET} {name}\n"
        return f" MI {BOUND_SET} {name}\n UP {BOUND_SET} {name} {high!r}\n"
    if high == np.inf:
        return f" LO {BOUND_SET} {name} {low!r}\n PL {BOUND_SET} {name}\n"
    return f" LO {BOUND_SET} {name} {low!r}\n UP {BOUND_SET} {name} {high!r}\n"
