"""LP files (the CPLEX dialect that every solver reads), written exactly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from nnmip.formats.chunks import groups, slices
from nnmip.formats.names import OBJECTIVE, OBJECTIVE_CONSTANT, ModelNames
from nnmip.milp.model import Milp


def write_lp(milp: Milp, names: ModelNames, stream: BinaryIO) -> None:
    """Write `milp` (one-sided rows, see `one_sided`) as an LP file, always a minimisation.

    Every column stands in the objective, with a coefficient of 0 if need be, so that readers keep all of them in order.
    One term a line stays far below the 255 characters that readers accept. Integer columns are listed as general with
    their bounds: some readers reset the bounds of a column that is listed as binary. The objective constant is a column
    fixed at 1, because readers differ in where they keep a constant.
    """
    for text in _sections(milp, names):
        stream.write(text.encode("ascii"))


def _sections(milp: Milp, names: ModelNames) -> Iterator[str]:
    yield f"Minimize\n {OBJECTIVE}:\n"
    yield from _objective_lines(milp, names.columns)
    yield "Subject To\n"
    yield from _row_lines(milp, names)
    yield "Bounds\n"
    yield from _bound_lines(milp, names.columns)
    if milp.offset:
        yield f" {OBJECTIVE_CONSTANT} = 1.0\n"
    if milp.integer.any():
        yield "General\n"
        yield "".join([f" {names.columns[column]}\n" for column in np.flatnonzero(milp.integer).tolist()])
    yield "End\n"


def _objective_lines(milp: Milp, names: list[str]) -> Iterator[str]:
    for part in slices(len(names)):
        pairs = zip(names[part], milp.cost[part].tolist(), strict=True)
        yield "".join([f" {_signed(cost)} {name}\n" for name, cost in pairs])
    if milp.offset:
        yield f" {_signed(milp.offset)} {OBJECTIVE_CONSTANT}\n"


def _row_lines(milp: Milp, names: ModelNames) -> Iterator[str]:
    column_names = np.array(names.columns, dtype=object)
    relations = np.where(milp.row_lb == milp.row_ub, "=", np.where(np.isfinite(milp.row_lb), ">=", "<=")).tolist()
    sides = np.where(np.isfinite(milp.row_lb), milp.row_lb, milp.row_ub).tolist()
    for first, last in groups(milp.indptr):
        entries = slice(int(milp.indptr[first]), int(milp.indptr[last]))
        terms = zip(milp.data[entries].tolist(), column_names[milp.indices[entries]].tolist(), strict=True)
        texts = [f" {_signed(value)} {name}\n" for value, name in terms]
        ends = (milp.indptr[first : last + 1] - milp.indptr[first]).tolist()
        yield "".join(
            [
                f"{names.rows[row]}:\n{''.join(texts[begin:end])} {relations[row]} {sides[row]!r}\n"
                for row, begin, end in zip(range(first, last), ends, ends[1:], strict=False)
            ]
        )


def _bound_lines(milp: Milp, names: list[str]) -> Iterator[str]:
    for part in slices(len(names)):
        triples = zip(names[part], milp.col_lb[part].tolist(), milp.col_ub[part].tolist(), strict=True)
        yield "".join([_bounds(name, low, high) for name, low, high in triples])


def _bounds(name: str, low: float, high: float) -> str:
    if low == high:
        return f" {name} = {low!r}\n"
    if low == -np.inf and high == np.inf:
        return f" {name} free\n"
    if high == np.inf:
        return f" {name} >= {low!r}\n"
    return f" {low!r} <= {name} <= {high!r}\n"


def _signed(value: float) -> str:
    """`+ 1.5` or `- 1.5`."""
    text = repr(value)
    return f"- {text[1:]}" if text[0] == "-" else f"+ {text}"
