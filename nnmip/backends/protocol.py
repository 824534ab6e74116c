"""What a backend is asked, what it reports while it runs, and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from enum import StrEnum

import numpy as np

from nnmip.milp.model import FloatArray
from nnmip.records import dataclass


class Termination(StrEnum):
    """Why a solve ended."""

    OPTIMAL = "optimal"
    INFEASIBLE = "infeasible"
    UNBOUNDED = "unbounded"
    TIME_LIMIT = "time_limit"
    NODE_LIMIT = "node_limit"
    GAP_LIMIT = "gap_limit"
    MEMORY_LIMIT = "memory_limit"
    INTERRUPTED = "interrupted"
    SOLVER_ERROR = "solver_error"
    BACKEND_MISSING = "backend_missing"
    LICENCE_ERROR = "licence_error"


@dataclass(frozen=True, slots=True, eq=False)
class SolveOptions:
    """Limits and hints of one solve. The defaults are those of a proof: relative gap 0, absolute gap 1e-9.

    time_limit: seconds of wall time, None for no limit. gap: relative gap at which to stop early.
    start: a value for *every* column, shape (columns,), or None. cutoff: only solutions with an objective
    at or below it matter (the offset is included); None for no cutoff. save_every: seconds after which a backend
    that cannot hand out solutions while it runs (CBC) stops for the first time to save its best one and goes on
    from there; later pauses are four times as long.
    """

    time_limit: float | None = None
    gap: float = 0.0
    threads: int = 1
    seed: int = 0
    start: FloatArray | None = None
    cutoff: float | None = None
    save_every: float = 20.0


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a running solve stands. Objectives include the offset; None means not known yet. A milestone is shown in
    any case."""

    phase: str
    seconds: float
    incumbent: float | None = None
    dual_bound: float | None = None
    nodes: int | None = None
    is_milestone: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Incumbent:
    """A better solution that the solver let out while running."""

    x: FloatArray
    objective: float
    seconds: float


Event = Progress | Incumbent
EventHandler = Callable[[Event], None]


@dataclass(frozen=True, slots=True, eq=False)
class RawResult:
    """A solver's answer, not yet lifted, replayed or believed. Objectives include the offset.

    dual_bound is -inf when the solver gave none that can be trusted, and inf for an infeasible model. With a
    cutoff, INFEASIBLE means that no solution lies at or below it, and dual_bound never exceeds the cutoff, so that it
    also holds for the model without the cutoff. `objective` always belongs to `x`. `message` is one line for the user
    when the termination is an error, or a remark; `log` holds the last lines that the solver printed.
    """

    termination: Termination
    solver: str
    version: str
    x: FloatArray | None = None
    objective: float | None = None
    dual_bound: float = -np.inf
    nodes: int | None = None
    seconds: float = 0.0
    message: str = ""
    log: tuple[str, ...] = field(default=(), repr=False)
