"""Bounds on affine tensors from the bounds of their columns."""

from __future__ import annotations

import numpy as np

from nnmip.bounds.interval import UNIT_ROUNDOFF, Interval
from nnmip.milp.affine import Affine
from nnmip.milp.builder import MilpBuilder
from nnmip.milp.model import BoolArray, FloatArray

UNITS = (1.0, 1e3, 1e6)
"""Whole numbers, and decimals with up to three and six places, are whole numbers in these units."""

_EXACT = 2.0**53


def bounds_of(builder: MilpBuilder, expression: Affine) -> Interval:
    """Bounds on every entry: exact where coefficients and bounds are short decimals, else rounded outwards.

    A float64 is read as the decimal that it was written for, as in `data.grid`; the bounds are then the float64 numbers
    nearest to the exact sums. So counts and sums of weights on a grid keep their bounds, and a big-M that equals a
    coefficient cancels it without a rest.
    """
    e = expression.merged()
    lower, upper = builder.column_bounds()
    bounds = np.stack([lower[e.column], upper[e.column]])
    lo, hi = _rounded(e, bounds)
    for unit in reversed(UNITS):
        total, is_exact = _exact(e, bounds, unit)
        lo, hi = np.where(is_exact, total[0], lo), np.where(is_exact, total[1], hi)
    return Interval(lo.reshape(e.shape), hi.reshape(e.shape))


def _rounded(e: Affine, bounds: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Lower and upper bounds of the entries, rounded outwards."""
    const = e.const.reshape(-1)
    ends = np.sort(e.coef * bounds, axis=0)
    # Error of a sum of k terms that are not 0: gamma_k times the sum of their sizes.
    terms = _sums(e, (ends != 0).astype(np.float64)) + (const != 0)
    slack = 1.01 * (terms + 1) * UNIT_ROUNDOFF * (_sums(e, np.abs(ends)) + np.abs(const))
    total = const + _sums(e, ends)
    return total[0] - slack[0], total[1] + slack[1]


def _exact(e: Affine, bounds: FloatArray, unit: float) -> tuple[FloatArray, BoolArray]:
    """Both bounds of the entries, [2, entries], from whole multiples of 1/unit**2, and which entries are exact so."""
    const = _multiples(e.const.reshape(-1), unit**2)
    with np.errstate(invalid="ignore", over="ignore"):
        ends = np.sort(_multiples(e.coef, unit) * _multiples(bounds, unit), axis=0)
        size = _sums(e, np.abs(ends)) + np.abs(const)
        return (const + _sums(e, ends)) / unit**2, size.max(axis=0) < _EXACT


def _multiples(values: FloatArray, unit: float) -> FloatArray:
    """How many times 1/unit each value is, infinite where it is no multiple."""
    with np.errstate(over="ignore"):
        whole = np.rint(values * unit)
    return np.where(whole / unit == values, whole, np.inf)


def _sums(e: Affine, terms: FloatArray) -> FloatArray:
    """Two rows of numbers for the terms of a tensor, added up by entries: [2, terms] to [2, entries]."""
    return np.stack([np.bincount(e.entry, weights=row, minlength=e.size) for row in terms])
