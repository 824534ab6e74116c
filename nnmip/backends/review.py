"""The last look at a solver's claim before it leaves: does it contradict itself or the model?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nnmip.backends.protocol import RawResult, SolveOptions, Termination


def proof_tolerance(objective: float) -> float:
    """How far the dual bound may lie below the incumbent of a proved optimum."""
    return max(1e-7, 1e-7 * abs(objective))


def review(result: RawResult, options: SolveOptions) -> RawResult:
    """`result` with a termination and a bound that its own numbers support.

    OPTIMAL stays only with a solution and a closed gap: an open gap is GAP_LIMIT. A bound above the solution's value
    or a claim of infeasibility next to a solution is SOLVER_ERROR without a bound. The bound never exceeds the
    solution's value nor the cutoff.
    """
    if result.termination in (Termination.INFEASIBLE, Termination.UNBOUNDED):
        return _review_no_optimum(result, options)
    if result.objective is None:
        if result.termination is Termination.OPTIMAL:
            return _distrust(result, f"{result.solver} claims an optimum, but its solution breaks the model")
        return replace(result, dual_bound=_below_cutoff(result.dual_bound, options))
    gap = result.objective - result.dual_bound
    if gap < -10 * proof_tolerance(result.objective):
        claim = f"bound {result.dual_bound:.9g} above the value {result.objective:.9g} of its own solution"
        return _distrust(result, f"{result.solver} claims a {claim}")
    bound = _below_cutoff(min(result.dual_bound, result.objective), options)
    termination = result.termination
    if termination is Termination.OPTIMAL and gap > proof_tolerance(result.objective):
        termination = Termination.GAP_LIMIT
    return replace(result, termination=termination, dual_bound=bound)


def _review_no_optimum(result: RawResult, options: SolveOptions) -> RawResult:
    claim = "infeasible" if result.termination is Termination.INFEASIBLE else "unbounded"
    if claim == "unbounded":
        return replace(result, x=None, objective=None, dual_bound=-np.inf)
    if result.x is not None:
        return _distrust(result, f"{result.solver} claims that the model is {claim}, but it has a solution")
    return replace(result, dual_bound=_below_cutoff(np.inf, options))


def _below_cutoff(bound: float, options: SolveOptions) -> float:
    """A bound for solutions at or below the cutoff, as a bound for all solutions."""
    return bound if options.cutoff is None else min(bound, options.cutoff)


def _distrust(result: RawResult, message: str) -> RawResult:
    return replace(result, termination=Termination.SOLVER_ERROR, dual_bound=-np.inf, message=message)
