"""Bounds on affine tensors from the bounds of their columns."""

from __future__ import annotations

import numpy as np

from nnmip.bounds.interval import UNIT_ROUNDOFF, Interval
from nnmip.milp.affine import Affine
from nnmip.milp.builder import MilpBuilder
from nnmip.milp.model import BoolArray, FloatArray

_WHOLE = 2.0**40


def bounds_of(builder: MilpBuilder, expression: Affine) -> Interval:
    """Bounds on every entry, rounded outwards; sums of whole numbers are exact, so that counts keep their bounds."""
    e = expression.merged()
    lower, upper = builder.column_bounds()
    ends = np.stack([e.coef * lower[e.column], e.coef * upper[e.column]])
    const = e.const.reshape(-1)
    least, most, size, terms, rough = (
        np.bincount(e.entry, weights=weights, minlength=e.size)
        for weights in (ends.min(axis=0), ends.max(axis=0), np.abs(ends).max(axis=0), None, ~_are_whole(ends))
    )
    # Error of a sum of k terms: gamma_k times the sum of their sizes.
    slack = 1.01 * (terms + 2) * UNIT_ROUNDOFF * (size + np.abs(const))
    slack = np.where((rough == 0) & (const == np.rint(const)), 0.0, slack)
    return Interval((const + least - slack).reshape(e.shape), (const + most + slack).reshape(e.shape))


def _are_whole(ends: FloatArray) -> BoolArray:
    """Which columns of two rows of numbers are whole numbers of moderate size."""
    whole: BoolArray = ((ends == np.rint(ends)) & (np.abs(ends) < _WHOLE)).all(axis=0)
    return whole
