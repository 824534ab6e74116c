"""The linear relaxation of a MILP, solved in this process by the HiGHS library, with bounds and rows that change."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnmip.backends.linear import accept
from nnmip.milp.model import FloatArray, IntArray, Milp
from nnmip.records import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Relaxed:
    """What HiGHS says of a relaxation: its value with the offset, x [columns], and a multiplier for every row, at least
    0 where the lower side of the row counts. is_infeasible: there is no point; then value is infinite, x is None, and
    the multipliers are a ray where HiGHS has one."""

    value: float
    x: FloatArray
    multipliers: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Infeasible:
    """There is no point. ray: multipliers of the rows that show it, None where HiGHS has none."""

    ray: FloatArray | None


Basis = Any
"""Which columns and rows are at which bound; only to be handed back."""


class Relaxation:
    """A MILP without its integrality. Further rows `matrix @ x <= most` come at the end and stay."""

    def __init__(self, milp: Milp) -> None:
        import highspy

        self._api: Any = highspy
        self._highs = highspy.Highs()
        for name, value in (("output_flag", False), ("threads", 1), ("presolve", "off"), ("simplex_strategy", 1)):
            self._highs.setOptionValue(name, value)
        model = highspy.HighsLp()
        model.num_col_, model.num_row_ = milp.num_columns, milp.num_rows
        model.col_cost_, model.offset_ = milp.cost, milp.offset
        model.col_lower_, model.col_upper_ = milp.col_lb, milp.col_ub
        model.row_lower_, model.row_upper_ = milp.row_lb, milp.row_ub
        model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        model.a_matrix_.start_ = milp.indptr.astype(np.int32)
        model.a_matrix_.index_ = milp.indices.astype(np.int32)
        model.a_matrix_.value_ = milp.data
        accept(self._highs.passModel(model))
        self.low, self.high = milp.col_lb.copy(), milp.col_ub.copy()
        self.rows = milp.num_rows

    def set_bounds(self, low: FloatArray, high: FloatArray) -> None:
        """Other bounds for the columns."""
        changed = np.flatnonzero((low != self.low) | (high != self.high))
        if len(changed):
            self._highs.changeColsBounds(len(changed), changed.astype(np.int32), low[changed], high[changed])
        self.low, self.high = low, high

    def add_rows(self, matrix: FloatArray, most: FloatArray) -> None:
        """Rows `matrix @ x <= most`; matrix: [rows, columns]."""
        row, column = np.nonzero(matrix)
        starts = np.searchsorted(row, np.arange(len(matrix))).astype(np.int32)
        least = np.full(len(most), -np.inf)
        entries = starts, column.astype(np.int32), matrix[row, column]
        accept(self._highs.addRows(len(most), least, most, len(row), *entries))
        self.rows += len(most)

    def add_sparse(self, starts: IntArray, columns: IntArray, values: FloatArray, least: FloatArray) -> None:
        """Rows of at least `least`, each with the entries from its start to the next one's."""
        places = starts.astype(np.int32), columns.astype(np.int32)
        accept(self._highs.addRows(len(least), least, np.full(len(least), np.inf), len(values), *places, values))
        self.rows += len(least)

    def drop_rows(self, rows: IntArray) -> None:
        """Without some rows; those behind them move up."""
        self._highs.deleteRows(len(rows), rows.astype(np.int32))
        self.rows -= len(rows)

    @property
    def basis(self) -> Basis:
        """The basis of the last solve."""
        found = self._highs.getBasis()
        return list(found.col_status), list(found.row_status)

    def set_basis(self, basis: Basis) -> None:
        """Begin the next solve at a basis; rows that came later count as slack."""
        columns, rows = basis
        slack = self._api.HighsBasisStatus.kBasic
        given = self._api.HighsBasis()
        given.col_status, given.row_status = columns, rows + [slack] * (self.rows - len(rows))
        given.valid = True
        self._highs.setBasis(given)

    def solve(self) -> Relaxed | Infeasible | None:
        """The optimum, or that there is no point; None where HiGHS does not get that far."""
        for is_anew in (False, True):
            if is_anew:
                self._highs.clearSolver()
            self._highs.run()
            status = self._highs.getModelStatus()
            if status == self._api.HighsModelStatus.kInfeasible:
                return Infeasible(self._ray())
            if status == self._api.HighsModelStatus.kOptimal:
                found = self._highs.getSolution()
                value = float(self._highs.getInfo().objective_function_value)
                return Relaxed(value, np.array(found.col_value), np.array(found.row_dual))
        return None

    def _ray(self) -> FloatArray | None:
        answer = self._highs.getDualRay()
        is_there = len(answer) > 1 and bool(answer[1])
        return np.array(answer[2]) if is_there else None

    def solved_within(self, low: FloatArray, high: FloatArray) -> Relaxed | None:
        """The optimum within other bounds, None without one; the bounds are as before then."""
        before = self.low, self.high
        self.set_bounds(low, high)
        found = self.solve()
        self.set_bounds(*before)
        return found if isinstance(found, Relaxed) else None


class SmallProgram:
    """Minimise `cost @ y` over `0 <= y <= most` and `low <= matrix @ y <= high`, with a matrix that stays."""

    def __init__(self, matrix: FloatArray, most: float) -> None:
        import highspy

        self._optimal = highspy.HighsModelStatus.kOptimal
        self._highs = highspy.Highs()
        for name, value in (("output_flag", False), ("threads", 1), ("presolve", "off")):
            self._highs.setOptionValue(name, value)
        rows, columns = matrix.shape
        self._rows, self._columns = (np.arange(count, dtype=np.int32) for count in (rows, columns))
        empty, nothing = np.zeros(0, dtype=np.int32), np.zeros(columns)
        accept(self._highs.addCols(columns, nothing, nothing, np.full(columns, most), 0, empty, empty, np.zeros(0)))
        row, column = np.nonzero(matrix)
        starts = np.searchsorted(row, np.arange(rows)).astype(np.int32)
        free = np.full(rows, np.inf)
        accept(self._highs.addRows(rows, -free, free, len(row), starts, column.astype(np.int32), matrix[row, column]))

    def solve(self, cost: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray | None:
        """The best y, None without one; each solve begins where the one before ended."""
        self._highs.changeColsCost(len(cost), self._columns, cost)
        self._highs.changeRowsBounds(len(low), self._rows, low, high)
        self._highs.run()
        if self._highs.getModelStatus() != self._optimal:
            return None
        return np.array(self._highs.getSolution().col_value)
