"""Bounds through affine rows (feasibility-based bound tightening), outward rounded.

From `least <= sum a_i x_i <= most` follows, for every j, that a_j x_j is at most `most` minus the least that the other
terms can be, and at least `least` minus the largest (Savelsbergh, "Preprocessing and probing techniques for mixed
integer programming problems", 1994). The sum of the other terms is the sum of all minus one; with m terms its rounding
is at most gamma_{m+2} times the sum of |terms|, which is charged.
"""

from __future__ import annotations

import numpy as np

from nnmip.bounds.interval import SMALLEST, UNIT_ROUNDOFF, BoolArray, FloatArray, IntArray, Interval
from nnmip.records import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class AffineRows:
    """Rows `least <= sum of value x[column] <= most`: entries [k] with their row, no column twice in a row."""

    row: IntArray
    column: IntArray
    value: FloatArray
    least: FloatArray
    most: FloatArray

    @staticmethod
    def dense(matrix: FloatArray, least: FloatArray, most: FloatArray) -> AffineRows:
        row, column = np.nonzero(matrix)
        return AffineRows(row, column, matrix[row, column], least, most)


class Empty(Exception):
    """No point of the box satisfies the rows; `row` is one that leaves a column nothing."""

    def __init__(self, row: int) -> None:
        self.row = row
        super().__init__(f"row {row} has no point in the box")


def tightened(rows: AffineRows, box: Interval, integer: BoolArray | None = None, rounds: int = 20) -> Interval:
    """The box [columns], cut by all rows in turn until nothing shrinks by a thousandth of its width, at most `rounds`
    times; what rows give `integer` columns are whole numbers. Ends may be infinite. Raises Empty."""
    for _ in range(rounds):
        before, box = box, _round(rows, box, integer)
        width = np.where(np.isfinite(before.hi - before.lo), before.hi - before.lo, np.inf)
        with np.errstate(invalid="ignore"):
            shrunk = (before.hi - box.hi) + (box.lo - before.lo)
        if not (np.nan_to_num(shrunk, nan=0.0, posinf=np.inf) > 1e-3 * np.where(np.isinf(width), 1.0, width)).any():
            break
    return box


def _round(rows: AffineRows, box: Interval, integer: BoolArray | None) -> Interval:
    highest = _highest(rows.row, rows.column, rows.value, rows.most, box)
    lowest = _highest(rows.row, rows.column, -rows.value, -rows.least, box)
    most = np.concatenate([np.where(rows.value > 0, highest, np.inf), np.where(rows.value < 0, lowest, np.inf)])
    least = np.concatenate([np.where(rows.value < 0, highest, -np.inf), np.where(rows.value > 0, lowest, -np.inf)])
    if integer is not None:
        whole = np.tile(integer[rows.column], 2)
        least, most = np.where(whole, np.ceil(least), least), np.where(whole, np.floor(most), most)
    lo, hi, column = box.lo.copy(), box.hi.copy(), np.tile(rows.column, 2)
    np.minimum.at(hi, column, most)
    np.maximum.at(lo, column, least)
    crossed = (lo > hi)[column] & ((most < box.hi[column]) | (least > box.lo[column]))
    if crossed.any():
        raise Empty(int(np.tile(rows.row, 2)[crossed.argmax()]))
    return Interval(lo, hi)


def _highest(row: IntArray, column: IntArray, value: FloatArray, most: FloatArray, box: Interval) -> FloatArray:
    """For every entry of rows `sum <= most` the end that the row gives its column: the upper one where the value is
    positive, else the lower one; infinite where it gives none."""
    count = len(most)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        term = value * np.where(value > 0, box.lo[column], box.hi[column])
        endless = np.isinf(term)
        finite = np.where(endless, 0.0, term)
        total = np.bincount(row, finite, count)
        size = np.bincount(row, np.abs(finite), count)
        terms = np.bincount(row, minlength=count)
        others = np.bincount(row, endless, count)[row] - endless
        slack = 1.01 * (terms + 4) * UNIT_ROUNDOFF * (size + np.abs(np.where(np.isfinite(most), most, 0.0)))
        slack = slack + (terms + 4) * SMALLEST
        rest = np.nextafter(most[row] - (total[row] - finite) + slack[row], np.inf)
        end = rest / value
        end = np.where(value > 0, np.nextafter(end, np.inf), np.nextafter(end, -np.inf))
    nothing = np.where(value > 0, np.inf, -np.inf)
    return np.where((others > 0) | np.isnan(end), nothing, end)
