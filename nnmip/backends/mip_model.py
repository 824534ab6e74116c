"""The public way from arrays to a python-mip model, for when the fast ways into a solver are not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nnmip.milp.model import FloatArray, IntArray, Milp
from nnmip.records import dataclass

if TYPE_CHECKING:
    import mip

TOLERANCE = 1e-9
"""Feasibility, integrality and optimality tolerance of every solver."""

GAP_ABSOLUTE = 1e-9


@dataclass(frozen=True, slots=True)
class OneSided:
    """Rows with one sense and one right-hand side each, as python-mip knows no ranges.

    first and last: where a row's entries lie in `indices` and `data`; senses: one of the letters L, G, E a row.
    """

    first: IntArray
    last: IntArray
    indices: IntArray
    data: FloatArray
    senses: bytes
    rhs: FloatArray


def one_sided(milp: Milp) -> OneSided:
    """The rows of a normalised model, with a range as two rows that share their entries."""
    equal = milp.row_lb == milp.row_ub
    below = np.flatnonzero(np.isfinite(milp.row_ub) & ~equal)
    above = np.flatnonzero(np.isfinite(milp.row_lb) & ~equal)
    exact = np.flatnonzero(equal)
    rows = np.concatenate((below, above, exact))
    rhs = np.concatenate((milp.row_ub[below], milp.row_lb[above], milp.row_ub[exact]))
    senses = np.repeat(np.frombuffer(b"LGE", dtype=np.uint8), (len(below), len(above), len(exact)))
    order = np.argsort(rows, kind="stable")
    rows = rows[order]
    return OneSided(
        first=milp.indptr[rows],
        last=milp.indptr[rows + 1],
        indices=milp.indices,
        data=milp.data,
        senses=senses[order].tobytes(),
        rhs=rhs[order],
    )


def load_expressions(model: mip.Model, milp: Milp) -> None:
    """Fill an empty python-mip model through its public classes. Columns are called x0, x1, ..., rows r0, r1, ...

    The objective constant is included. The time is about twice that of the fast ways.
    """
    import mip

    kinds = [mip.INTEGER if integer else mip.CONTINUOUS for integer in milp.integer.tolist()]
    bounds = zip(milp.col_lb.tolist(), milp.col_ub.tolist(), milp.cost.tolist(), kinds, strict=True)
    columns = [
        model.add_var(f"x{j}", lb=low, ub=high, obj=cost, var_type=kind)
        for j, (low, high, cost, kind) in enumerate(bounds)
    ]
    rows = one_sided(milp)
    senses = {ord("L"): mip.LESS_OR_EQUAL, ord("G"): mip.GREATER_OR_EQUAL, ord("E"): mip.EQUAL}
    entries = zip(rows.first.tolist(), rows.last.tolist(), rows.senses, rows.rhs.tolist(), strict=True)
    for r, (first, last, sense, rhs) in enumerate(entries):
        members = [columns[j] for j in rows.indices[first:last].tolist()]
        expression = mip.LinExpr(members, rows.data[first:last].tolist(), -rhs, senses[sense])
        model.add_constr(expression, f"r{r}")
    if milp.offset:
        used = np.flatnonzero(milp.cost).tolist()
        model.objective = mip.LinExpr([columns[j] for j in used], milp.cost[used].tolist(), milp.offset)
