"""Ranges of variables that no domain bounds, from what constraints say."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from fractions import Fraction

import numpy as np

from nnmip.bounds.fbbt import AffineRows, Empty, tightened
from nnmip.bounds.interval import Interval
from nnmip.hir.core import Applied, Program
from nnmip.hir.same import Same
from nnmip.hir.walk import roots, walk
from nnmip.passes.affine import Columns, Form, said


def ranges(program: Program, whole: frozenset[str]) -> Mapping[str, Interval]:
    """For every variable of a program, by path, what its domain and all affine constraints leave of its entries; ends
    are infinite where nothing bounds them. `whole` variables have whole numbers.

    Rows about one entry are taken exactly, so that `x <= 0.1` gives 0.1; others are rounded outward. Where constraints
    contradict each other any ends do, as long as a solver is asked: those of single rows, in order, are given.
    """
    columns = Columns(Same())
    for variable in program.variables:
        columns.add(variable.decision.path, variable.decision.size)
    for root in roots(program):
        for node in walk(root):
            if isinstance(node, Applied):
                columns.add(columns.same.number(node), int(np.prod(node.shape, dtype=np.int64)))
    lo, hi = np.full(columns.count, -np.inf), np.full(columns.count, np.inf)
    integer = np.zeros(columns.count, dtype=bool)
    parts = {}
    for variable in program.variables:
        path, domain = variable.decision.path, variable.decision.domain
        parts[path] = part = slice(columns.starts[path], columns.starts[path] + variable.decision.size)
        lo[part], hi[part], integer[part] = domain.lo, domain.hi, path in whole
    rows = said(program, columns)
    box = _by_single_rows(rows, Interval(lo, hi))
    endless = np.full(len(rows.constants), -np.inf)
    with suppress(Empty):
        box = tightened(AffineRows.dense(rows.factors, endless, -rows.constants), box, integer)
    box = Interval(np.minimum(box.lo, box.hi), np.maximum(box.lo, box.hi))
    return {path: Interval(box.lo[part], box.hi[part]) for path, part in parts.items()}


def _by_single_rows(rows: Form, box: Interval) -> Interval:
    """What rows `factor x + constant <= 0` about one column say, rounded outward by at most one bit."""
    lo, hi = box.lo.copy(), box.hi.copy()
    for row in np.flatnonzero((rows.factors != 0.0).sum(axis=1) == 1).tolist():
        column = int(rows.factors[row].nonzero()[0][0])
        factor = Fraction(float(rows.factors[row, column]))
        end = -Fraction(float(rows.constants[row])) / factor
        if factor > 0:
            hi[column] = min(hi[column], _outward(end, np.inf))
        else:
            lo[column] = max(lo[column], _outward(end, -np.inf))
    return Interval(lo, hi)


def _outward(end: Fraction, side: float) -> float:
    """The float64 number at an end, or the next one on a side of it."""
    try:
        near = float(end)
    except OverflowError:
        return side
    is_inside = near < end if side > 0 else near > end
    return float(np.nextafter(near, side)) if is_inside else near
