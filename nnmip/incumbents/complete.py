"""The rest of a network whose first layers are given, by a MILP in which what is given is fixed."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import replace

from nnmip.backends.process import Session
from nnmip.backends.protocol import RawResult, SolveOptions, Termination
from nnmip.diagnostics import DiagnosticError
from nnmip.hir.core import Assignment, Program
from nnmip.incumbents.given import Given
from nnmip.lowering.lower import Lowered, lower_program
from nnmip.milp.model import Milp
from nnmip.sizes import Allowance

LONGEST = 5.0
"""Seconds for the rest of a network, and no more than the share below of what is left of the time limit."""

SHARE = 0.1


def completed(
    given: Given, solver: str, session: Session, limits: SolveOptions, allowance: Allowance, stop: threading.Event
) -> Assignment | None:
    """The best network found with the weights that are given, None where none was found.

    Units are told apart in this MILP, since those that are given have an order.
    """
    seconds = LONGEST if limits.time_limit is None else min(LONGEST, SHARE * limits.time_limit)
    if seconds <= 0:
        return None
    try:
        lowered = lower_program(given.program, symmetry=False, allowance=allowance)
    except DiagnosticError:
        return None
    fixed = with_fixed(lowered, given.networks()[0], given.values)
    options = replace(limits, time_limit=seconds, start=None)
    found = solved_in_part(session, fixed, solver, options, stop)
    return None if found.x is None else lowered.lift(found.x)


def solved_in_part(
    session: Session, milp: Milp, solver: str, options: SolveOptions, stop: threading.Event
) -> RawResult:
    """The answer to a part of a model; Ctrl-C meanwhile ends the whole run."""
    found = session.solve(milp, solver, options, None, stop)
    if found.termination is Termination.INTERRUPTED:
        stop.set()
    return found


def with_fixed(lowered: Lowered, network: Assignment, paths: Iterable[str]) -> Milp:
    """The MILP with the columns of some decisions fixed at their values in a network; gates stay free."""
    milp, x = lowered.milp, lowered.complete(network)
    low, high = milp.col_lb.copy(), milp.col_ub.copy()
    names = set(paths)
    for block in milp.columns:
        path = owner_of(block.path, lowered.program)
        if path in names and block.path != f"{path}.kept":
            low[block.start : block.stop] = high[block.start : block.stop] = x[block.start : block.stop]
    return replace(milp, col_lb=low, col_ub=high)


def owner_of(path: str, program: Program) -> str | None:
    """The decision whose value a block of columns spells out, such as `net.h.weights` of `net.h.weights.pick`."""
    return next((d.path for d in program.decisions if path == d.path or path.startswith(f"{d.path}.")), None)
