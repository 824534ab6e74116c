"""A cutoff as an added row, the same for every backend.

Solver parameters named "cutoff" differ in strictness and in how they colour the final bound. A row is an ordinary
part of the model, so a claim about the model with the row has one meaning: it concerns solutions at or below it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nnmip.backends.protocol import SolveOptions
from nnmip.backends.validate import MIN_COEFFICIENT, TOLERANCE
from nnmip.milp.model import Milp


def ceiling(options: SolveOptions) -> float:
    """The largest objective of a solution that matters; inf without a cutoff.

    It lies a tolerance above the cutoff, so that rounding cannot exclude a solution at the cutoff.
    """
    return np.inf if options.cutoff is None else options.cutoff + TOLERANCE * max(1.0, abs(options.cutoff))


def with_cutoff(milp: Milp, options: SolveOptions) -> Milp | None:
    """`milp` with the row `cost . x + offset <= ceiling`, or None when no point within the bounds meets it.

    Terms too small for a matrix are replaced by their least value over the column bounds, which relaxes the row; if
    that is not finite, the model is returned unchanged, which is sound as well.
    """
    used = np.abs(milp.cost) >= MIN_COEFFICIENT
    tiny = (milp.cost != 0) & ~used
    least = np.where(milp.cost > 0, milp.col_lb, milp.col_ub)
    rest = float(milp.cost[tiny] @ least[tiny])
    if not np.isfinite(rest):
        return milp
    limit = ceiling(options) - milp.offset - rest
    indices = np.flatnonzero(used)
    if indices.size == 0:
        return milp if limit >= 0 else None
    if float(milp.cost[indices] @ least[indices]) > limit:
        return None
    return replace(
        milp,
        indptr=np.append(milp.indptr, milp.indptr[-1] + len(indices)),
        indices=np.concatenate((milp.indices, indices)),
        data=np.concatenate((milp.data, milp.cost[indices])),
        row_lb=np.append(milp.row_lb, -np.inf),
        row_ub=np.append(milp.row_ub, limit),
    )
