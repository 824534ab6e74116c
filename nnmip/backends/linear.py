"""Small linear programs that grow by rows, solved in this process by the HiGHS library, each from the basis before."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nnmip.milp.model import FloatArray, IntArray
from nnmip.records import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class LinearAnswer:
    """An optimum: its value, x [columns] and the multiplier of every row [rows], of which HiGHS chooses the sign."""

    value: float
    x: FloatArray
    multipliers: FloatArray


def accept(status: object) -> None:
    """Raises RuntimeError where HiGHS refused what it was given: it goes on without, and says so in a status only."""
    import highspy

    if status == highspy.HighsStatus.kError:
        raise RuntimeError("HiGHS refused rows or columns of a linear program")


class LinearProgram:
    """Maximise `cost @ x` over `lower <= x <= upper` and rows `least <= matrix @ x <= most`, one batch at a time."""

    def __init__(
        self, cost: FloatArray, lower: FloatArray, upper: FloatArray, options: Mapping[str, object] | None = None
    ) -> None:
        import highspy

        self._highs = highspy.Highs()
        self._optimal = highspy.HighsModelStatus.kOptimal
        self._highs.setOptionValue("output_flag", False)
        self._highs.setOptionValue("threads", 1)
        self._highs.setOptionValue("presolve", "off")
        for name, value in (options or {}).items():
            self._highs.setOptionValue(name, value)
        self._columns = np.arange(len(cost), dtype=np.int32)
        none = np.zeros(0, dtype=np.int32)
        accept(self._highs.addCols(len(cost), cost, lower, upper, 0, none, none, np.zeros(0)))
        self._highs.changeObjectiveSense(highspy.ObjSense.kMaximize)
        self.rows = 0

    def set_cost(self, cost: FloatArray) -> None:
        self._highs.changeColsCost(len(cost), self._columns, cost)

    def set_bounds(self, lower: FloatArray, upper: FloatArray) -> None:
        """Other bounds for all columns."""
        self._highs.changeColsBounds(len(lower), self._columns, lower, upper)

    def add_rows(self, matrix: FloatArray, most: FloatArray) -> None:
        """Rows `matrix @ x <= most`; matrix: [rows, columns]."""
        row, column = np.nonzero(matrix)
        starts = np.searchsorted(row, np.arange(len(matrix)))
        self.add_sparse(starts, column, matrix[row, column], np.full(len(most), -np.inf), most)

    def add_sparse(
        self, starts: IntArray, columns: IntArray, values: FloatArray, least: FloatArray, most: FloatArray
    ) -> None:
        """Rows between `least` and `most`, each with the entries from its start to the next one's."""
        places = starts.astype(np.int32), columns.astype(np.int32)
        accept(self._highs.addRows(len(most), least, most, len(values), *places, values))
        self.rows += len(most)

    def set_most(self, rows: IntArray, most: FloatArray) -> None:
        """Other right-hand sides for some rows; infinite ones let a row go."""
        self._highs.changeRowsBounds(len(rows), rows.astype(np.int32), np.full(len(rows), -np.inf), most)

    @classmethod
    def of_many_goals(cls, cost: FloatArray, lower: FloatArray, upper: FloatArray) -> LinearProgram:
        """A program whose rows are known and whose cost changes: the basis before stays feasible, which the primal
        simplex can use; scaling costs more than it brings (2.6 times faster on relaxations of networks)."""
        return cls(cost, lower, upper, {"simplex_strategy": 4, "simplex_scale_strategy": 0})

    def solve(self) -> LinearAnswer | None:
        """The optimum, None where HiGHS has none, not even without the basis before."""
        self._highs.run()
        if self._highs.getModelStatus() != self._optimal:
            self._highs.clearSolver()
            self._highs.run()
        if self._highs.getModelStatus() != self._optimal:
            return None
        found = self._highs.getSolution()
        value = self._highs.getInfo().objective_function_value
        return LinearAnswer(float(value), np.array(found.col_value), np.array(found.row_dual))

    def ray(self) -> FloatArray | None:
        """After a solve without an answer: multipliers of the rows that show that there is no point, of either sign;
        None where HiGHS has none."""
        answer = self._highs.getDualRay()
        is_there = len(answer) > 1 and bool(answer[1])
        return np.array(answer[2]) if is_there else None
