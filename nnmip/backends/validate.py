"""What an incoming MILP must satisfy before any solver sees it, and the equivalent form that solvers are given.

Solvers accept nonsense without a word: a NaN coefficient comes back as "optimal", an empty row aborts CBC, a
coefficient under 1e-9 is dropped by HiGHS. So everything is refused here, once, for all backends.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nnmip.milp.model import BoolArray, FloatArray, IntArray, Milp

MIN_COEFFICIENT = 1e-9
MAX_COEFFICIENT = 1e15
MAX_BOUND = 1e20
MAX_INDEX = 2**31 - 1
TOLERANCE = 1e-9


def validate(milp: Milp) -> None:
    """Assert that `milp` is well formed and inside the range of numbers that every solver keeps exactly.

    Raises AssertionError, as a failure is a defect of the lowering: tiny coefficients must be dropped there, where
    their largest effect can be moved into the bound.
    """
    milp.verify()
    magnitude = np.abs(milp.data)
    assert (magnitude >= MIN_COEFFICIENT).all(), f"a coefficient is smaller than {MIN_COEFFICIENT:g}"
    assert (magnitude < MAX_COEFFICIENT).all(), f"a coefficient is {MAX_COEFFICIENT:g} or more"
    assert (np.abs(milp.cost) < MAX_COEFFICIENT).all(), f"an objective coefficient is {MAX_COEFFICIENT:g} or more"
    assert abs(milp.offset) < MAX_COEFFICIENT, f"the objective constant is {MAX_COEFFICIENT:g} or more"
    for bound in (milp.row_lb, milp.row_ub, milp.col_lb, milp.col_ub):
        finite = bound[np.isfinite(bound)]
        assert (np.abs(finite) < MAX_BOUND).all(), (
            f"a finite bound is {MAX_BOUND:g} or more, which solvers read as none"
        )
    assert max(milp.num_rows, milp.num_columns, milp.num_nonzeros) <= MAX_INDEX, "model too large for 32-bit indices"


def contradiction(milp: Milp) -> str | None:
    """The first column or row whose lower bound lies above its upper bound, as a message; None if there is none."""
    low, high = _column_bounds(milp)
    for what, crossed, name in (
        ("variable", _crossed(low, high), milp.column_name),
        ("row", _crossed(milp.row_lb, milp.row_ub), milp.row_name),
    ):
        if crossed.any():
            index = int(np.argmax(crossed))
            return f"the bounds of {what} `{name(index)}` contradict each other"
    return None


def normalise(milp: Milp) -> Milp:
    """The same model with integer bounds rounded inwards, rows without limits dropped, and bounds in order.

    Bounds that cross by at most the tolerance are swapped, which only relaxes them. The names are left behind.
    """
    low, high = _column_bounds(milp)
    col_lb, col_ub = np.minimum(low, high), np.maximum(low, high)
    row_lb, row_ub = np.minimum(milp.row_lb, milp.row_ub), np.maximum(milp.row_lb, milp.row_ub)
    kept = np.isfinite(row_lb) | np.isfinite(row_ub)
    indptr, indices, data = _rows(milp, kept)
    return replace(
        milp,
        indptr=indptr,
        indices=indices,
        data=data,
        row_lb=row_lb[kept],
        row_ub=row_ub[kept],
        col_lb=col_lb,
        col_ub=col_ub,
        columns=(),
        rows=(),
    )


def _crossed(low: FloatArray, high: FloatArray) -> BoolArray:
    crossed: BoolArray = low > high + TOLERANCE
    return crossed


def _column_bounds(milp: Milp) -> tuple[FloatArray, FloatArray]:
    """Column bounds with those of integer columns rounded inwards, to within the tolerance."""
    low = np.where(milp.integer, np.ceil(milp.col_lb - TOLERANCE), milp.col_lb)
    high = np.where(milp.integer, np.floor(milp.col_ub + TOLERANCE), milp.col_ub)
    return low, high


def _rows(milp: Milp, kept: BoolArray) -> tuple[IntArray, IntArray, FloatArray]:
    """The CSR arrays of the rows in the mask `kept`."""
    if kept.all():
        return milp.indptr, milp.indices, milp.data
    entries = kept[milp.row_of_entry]
    indptr = np.concatenate(([0], np.cumsum(np.diff(milp.indptr)[kept])))
    return indptr, milp.indices[entries], milp.data[entries]
