"""Whether a model has a MILP of columns, and how large that is, before any of it is built."""

from __future__ import annotations

from math import log2

import numpy as np

from nnmip.hir.core import IntArray
from nnmip.search.enumerate import check_columns
from nnmip.search.joints import Joints
from nnmip.search.loss import Shortfalls
from nnmip.search.mistakes import Mistakes
from nnmip.search.view import Refusal, View
from nnmip.sizes import Allowance, Estimate, solver_cost

LEFT = 1 / 8
"""The share of the columns that a proof leaves, about."""


def check_ties(view: View) -> None:
    """Refusal where an earlier goal is held, and where a rule ties units in a way that no rows over counts say."""
    if view.program.held:
        raise Refusal("an earlier goal is held")
    _ = Joints(view).found


def estimate_columns(view: View, allowance: Allowance) -> Estimate:
    """What the MILP of columns would be, were no two choices of weights one column. Half of the units are guessed, each
    as one of all kinds, before a relaxation is good enough: what proofs were seen to need."""
    check_ties(view)
    kinds, coefficients = _at_most(view, allowance)
    return Estimate(kinds, coefficients, solver_cost(coefficients, view.parts.units / 2 * log2(max(1, kinds))))


def check_composite(view: View) -> None:
    """Refusal where there is no composite MILP."""
    check_ties(view)
    if not isinstance(view.loss, Shortfalls):
        raise Refusal("`zero_one` has no relaxation that leaves columns out")


def estimate_composite(view: View, allowance: Allowance) -> Estimate:
    """What the composite MILP would be; how much a proof leaves out is a guess."""
    check_composite(view)
    kinds, coefficients = _at_most(view, allowance)
    nodes = view.parts.units / 2 * log2(max(1.0, kinds * LEFT))
    return Estimate(kinds, coefficients, solver_cost(int(coefficients * LEFT), nodes))


def _at_most(view: View, allowance: Allowance) -> tuple[int, int]:
    """How many kinds of units there are, and how many coefficients they have, were no two choices of weights one."""
    kinds = check_columns(view, allowance) * len(view.heads)
    return kinds, kinds * len(row_of(view.loss))


def row_of(loss: Shortfalls | Mistakes) -> IntArray:
    """The row of the data that every row of the loss reads."""
    return loss.row if isinstance(loss, Shortfalls) else np.arange(loss.rows)
