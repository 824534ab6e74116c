"""Models that need no solver: nothing to decide, or columns that no row ties together."""

from __future__ import annotations

import numpy as np

from nnmip.backends.protocol import RawResult, Termination
from nnmip.milp.model import Milp


def solve_without_rows(milp: Milp, solver: str) -> RawResult:
    """The answer for a normalised model without rows: every column sits at its cheaper bound.

    A column without cost takes the value of its range that is nearest to 0.
    """
    assert milp.num_rows == 0
    preferred = np.where(milp.cost > 0, milp.col_lb, milp.col_ub)
    x = np.where(milp.cost == 0, np.clip(0.0, milp.col_lb, milp.col_ub), preferred)
    if not np.isfinite(x).all():
        return RawResult(Termination.UNBOUNDED, solver, "")
    value = milp.objective(x)
    return RawResult(Termination.OPTIMAL, solver, "", x=x, objective=value, dual_bound=value)
