"""A second opinion: another solver, given a cutoff just below the first one's optimum, must find nothing there."""

from __future__ import annotations

import threading
from dataclasses import replace
from enum import StrEnum

import numpy as np

from nnmip.backends.cutoff import ceiling
from nnmip.backends.process import DEFAULTS, Session
from nnmip.backends.protocol import EventHandler, RawResult, SolveOptions, Termination
from nnmip.backends.registry import backend
from nnmip.backends.review import proof_tolerance
from nnmip.milp.model import FloatArray, Milp
from nnmip.records import dataclass


class Opinion(StrEnum):
    """What the second solver says about the first one's claim."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, eq=False)
class Confirmation:
    """The outcome of `confirm`.

    solver: who gave the second opinion. bound: the lower bound on all objectives that it proved, -inf if none.
    x: its better solution when the claim is refuted. message: one line for the user. stopped: whether by a request.
    """

    status: Opinion
    solver: str
    bound: float
    x: FloatArray | None
    message: str
    stopped: bool = False


def confirm(
    milp: Milp,
    first: RawResult,
    solver: str | None = None,
    options: SolveOptions = DEFAULTS,
    on_event: EventHandler | None = None,
    stop: threading.Event | None = None,
    session: Session | None = None,
) -> Confirmation:
    """Prove again, with another solver, that `milp` has nothing better than the optimum in `first`, or nothing at all.

    solver: CBC after HiGHS and HiGHS after any other, unless named. Limits, threads and seed come from `options`; its
    start and cutoff are not used. A claim of `first` that is neither an optimum nor infeasible is UNKNOWN at once.
    """
    chosen = backend(solver or ("cbc" if first.solver == "highs" else "highs")).name
    if first.termination is Termination.OPTIMAL and first.objective is not None:
        cutoff = first.objective - proof_tolerance(first.objective)
    elif first.termination is Termination.INFEASIBLE:
        cutoff = None
    else:
        return Confirmation(Opinion.UNKNOWN, chosen, -np.inf, None, f"{first.solver} proved nothing to confirm")
    limits = replace(options, start=None, cutoff=cutoff, gap=0.0)
    if session is not None:
        return _judge(first, session.solve(milp, chosen, limits, on_event, stop), limits)
    with Session() as own:
        return _judge(first, own.solve(milp, chosen, limits, on_event, stop), limits)


def _judge(first: RawResult, second: RawResult, limits: SolveOptions) -> Confirmation:
    proved = "the optimum" if limits.cutoff is not None else "the infeasibility"
    if second.x is not None and second.objective is not None and second.objective <= ceiling(limits):
        message = f"{second.solver} refutes {first.solver}: it found a solution of value {second.objective:.9g}"
        return Confirmation(Opinion.REFUTED, second.solver, second.dual_bound, second.x, message)
    reached_cutoff = limits.cutoff is not None and second.dual_bound >= limits.cutoff
    if second.termination is Termination.INFEASIBLE or reached_cutoff:
        message = f"{second.solver} confirms {proved} that {first.solver} claims"
        return Confirmation(Opinion.CONFIRMED, second.solver, second.dual_bound, None, message)
    reason = second.message or second.termination.value.replace("_", " ")
    message = f"{second.solver} could not confirm {proved} that {first.solver} claims: {reason}"
    stopped = second.termination is Termination.INTERRUPTED
    return Confirmation(Opinion.UNKNOWN, second.solver, second.dual_bound, None, message, stopped)
