"""The exact step on which the numbers of a column lie."""

from __future__ import annotations

from fractions import Fraction
from math import gcd

import numpy as np

from nnmip.arrays import distinct
from nnmip.data.table import FloatArray

MAX_DENOMINATOR = 10**6
_MILLION = 10**6
_EXACT_DIGITS = 1e15


def decimal_grid(values: FloatArray) -> Fraction | None:
    """The largest step of which every value is an integer multiple, or None if its denominator exceeds 10^6.

    A value is read as the shortest decimal text that gives its float64, which is the text of the file for numbers of
    up to 15 digits: 0.1 is one tenth. `values` are finite, any shape. A column of zeros has step 1.
    """
    different = distinct(values)
    assert np.isfinite(different).all()
    with np.errstate(over="ignore"):
        millionths = np.rint(different * _MILLION)
    # With at most 15 digits the decimal text is unique, so that a value which comes back was written that way.
    is_short = (np.abs(millionths) < _EXACT_DIGITS) & (millionths / _MILLION == different)
    step = Fraction(int(np.gcd.reduce(millionths[is_short].astype(np.int64), initial=0)), _MILLION)
    for value in different[~is_short].tolist():
        step = _common_step(step, Fraction(repr(value)))
        if step.denominator > MAX_DENOMINATOR:
            return None
    return step if step else Fraction(1)


def column_grids(columns: FloatArray) -> tuple[Fraction | None, ...]:
    """`decimal_grid` of each column of an array of shape (n, k)."""
    return tuple(decimal_grid(column) for column in columns.T)


def _common_step(a: Fraction, b: Fraction) -> Fraction:
    numerator = gcd(a.numerator * b.denominator, b.numerator * a.denominator)
    return Fraction(numerator, a.denominator * b.denominator)
