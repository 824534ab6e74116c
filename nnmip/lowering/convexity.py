"""Valid inequalities between rows of the data that lie on one line (first layers)."""

from __future__ import annotations

import numpy as np

from nnmip.lowering.base import Lowering
from nnmip.lowering.piecewise import PositivePart
from nnmip.milp.affine import Affine
from nnmip.milp.model import FloatArray, IntArray
from nnmip.source import Origin

LEAST_SHARE = 1e-6
"""Cuts with smaller coefficients cost a solver more accuracy than they save."""


def cut_between_rows(low: Lowering, path: str, part: PositivePart, rows: FloatArray, origin: Origin) -> None:
    """For rows x_n = p x_m + q x_k with p, q > 0, p + q = 1 and units h = max(0, w x + b):

        h_n <= p h_m + q h_k        s_n <= s_m + s_k        s_n >= s_m + s_k - 1

    h is convex in x; s (with s = 1 iff z > 0) says on which side of a hyperplane a row lies. The rows on s are made
    only where all three have a binary. Valid, not needed for exactness; they give the relaxation the order of the rows,
    which the big-M rows lack (formulation: convex combinations of samples). Made for a single feature, where they
    speed proofs up several times; with more features rows on one line are too few to pay for themselves.
    """
    if rows.shape[1] != 1 or len(rows) < 3:
        return
    middle, left, right, p = between(rows[:, 0])
    if not len(middle):
        return
    units = part.value.shape[1]
    shape = (len(middle), units)

    def at(tensor: Affine, rows_: IntArray) -> Affine:
        return tensor.gather(rows_[:, None] * units + np.arange(units))

    needed = part.is_open[middle]
    curve = at(part.value, middle) - at(part.value, left) * p[:, None] - at(part.value, right) * (1.0 - p)[:, None]
    positions = np.flatnonzero(needed)
    low.builder.rows(f"{path}.between", curve.gather(positions), origin, ub=0.0, shape=shape, picked=positions)
    if part.phase is None:
        return
    positions = np.flatnonzero(part.has_phase[middle] & part.has_phase[left] & part.has_phase[right])
    order = (at(part.phase, middle) - at(part.phase, left) - at(part.phase, right)).gather(positions)
    low.builder.rows(f"{path}.between.phase", order, origin, lb=-1.0, ub=0.0, shape=shape, picked=positions)


def between(column: FloatArray) -> tuple[IntArray, IntArray, IntArray, FloatArray]:
    """Rows of a column that lie between two others, with these neighbours and the left one's share.

    Equal values count once; a row that all but coincides with a neighbour gains nothing and is left out.
    """
    order = np.unique(column, return_index=True)[1]
    left, middle, right = order[:-2], order[1:-1], order[2:]
    share = (column[right] - column[middle]) / (column[right] - column[left])
    apart = (share > LEAST_SHARE) & (share < 1.0 - LEAST_SHARE)
    return middle[apart], left[apart], right[apart], share[apart]
