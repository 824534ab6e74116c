"""A network made better by linear programs that leave the integers of its encoding as they are."""

from __future__ import annotations

import numpy as np

from nnmip.backends.relaxation import Relaxation
from nnmip.hir.core import Assignment
from nnmip.lowering.lower import Lowered
from nnmip.milp.model import FloatArray, Milp

ROUNDS = 6
"""Most linear programs for one network: each can move rows to the other side of a unit's bend."""

GAIN = 1e-9
NEAR = 1e-7


def polished(lowered: Lowered, network: Assignment, relaxation: Relaxation | None = None) -> Assignment:
    """The best network with the same integers (phases, signs, what is used), and those of the networks after it; the
    given one where the rows do not allow it.

    relaxation: of the MILP, where one is at hand; its bounds are left as they were.
    """
    best, milp = network, lowered.milp
    relaxation = Relaxation(milp) if relaxation is None else relaxation
    x = lowered.complete(network)
    value = milp.objective(x) if milp.violation(x) <= NEAR else np.inf
    for _ in range(ROUNDS):
        answer = relaxation.solved_within(*fixed(milp, x))
        if answer is None or answer.value >= value - GAIN:
            break
        best = lowered.lift(answer.x)
        x = lowered.complete(best)
        value = milp.objective(x) if milp.violation(x) <= NEAR else answer.value
    return best


def fixed(milp: Milp, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The bounds of all columns with the integer ones fixed where they are in `x`."""
    rounded = np.clip(np.round(x), milp.col_lb, milp.col_ub)
    return np.where(milp.integer, rounded, milp.col_lb), np.where(milp.integer, rounded, milp.col_ub)
