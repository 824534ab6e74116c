"""What a solver's "unbounded" means.

Solvers say it for "unbounded or infeasible" too, and for a mixed-integer model whose relaxation alone is unbounded.
Whether the model has any solution is decided by solving it once more without an objective.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nnmip.backends.channel import Adapter, Channel
from nnmip.backends.protocol import RawResult, SolveOptions, Termination
from nnmip.milp.model import Milp


def settle_unbounded(milp: Milp, options: SolveOptions, channel: Channel, adapter: Adapter) -> RawResult:
    """Tell unbounded from infeasible after `adapter` answered UNBOUNDED for `milp`.

    INFEASIBLE when there is no solution at all; UNBOUNDED when there is one and some column has an infinite bound;
    SOLVER_ERROR when every column with a cost is bounded, as the claim is then false.
    """
    without_objective = replace(milp, cost=np.zeros_like(milp.cost), offset=0.0)
    second = adapter(without_objective, replace(options, start=None), channel)
    if second.termination is Termination.INFEASIBLE:
        return replace(second, x=None, objective=None)
    second = replace(second, x=None, objective=None, dual_bound=-np.inf)
    if second.termination is not Termination.OPTIMAL:
        return second
    priced = milp.cost != 0
    if np.isfinite(milp.col_lb[priced]).all() and np.isfinite(milp.col_ub[priced]).all():
        message = f"{second.solver} claims an unbounded objective although every variable in it is bounded"
        return replace(second, termination=Termination.SOLVER_ERROR, message=message)
    return replace(second, termination=Termination.UNBOUNDED)
