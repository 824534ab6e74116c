"""Whether a model has a MILP of columns, and how large that is, before any of it is built."""

from __future__ import annotations

from math import log2

import numpy as np

from nnmip.hir.core import IntArray
from nnmip.search.enumerate import check_columns
from nnmip.search.loss import Shortfalls
from nnmip.search.mistakes import Mistakes
from nnmip.search.view import Refusal, View
from nnmip.sizes import Allowance, Estimate, solver_cost


def check_untied(view: View) -> None:
    """Refusal where conditions tie units, or an earlier goal does, which the rows of this MILP do not say."""
    if view.program.held:
        raise Refusal("an earlier goal is held")
    if view.coupling:
        raise Refusal("it has no rows for a rule that ties several units", view.coupling[0].origin.span)


def estimate_columns(view: View, allowance: Allowance) -> Estimate:
    """What the MILP of columns would be, were no two choices of weights one column. Half of the units are guessed, each
    as one of all kinds, before a relaxation is good enough: what proofs were seen to need."""
    check_untied(view)
    kinds = check_columns(view, allowance) * len(view.heads)
    coefficients = kinds * len(row_of(view.loss))
    return Estimate(kinds, coefficients, solver_cost(coefficients, view.parts.units / 2 * log2(kinds)))


def row_of(loss: Shortfalls | Mistakes) -> IntArray:
    """The row of the data that every row of the loss reads."""
    return loss.row if isinstance(loss, Shortfalls) else np.arange(loss.rows)
