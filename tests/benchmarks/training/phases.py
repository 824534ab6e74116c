"""The optimum of a row with continuous weights by a second method: a MILP for each choice of output weights.

Run `python tests/benchmarks/training/phases.py ROW... [--below VALUE] [--seconds S]`, for rows of two classes whose
hidden weights and biases are continuous and whose output weights are -1 and 1. Nothing of `nnmip` is used.

With the output weights v of h used units given, the program is

    minimise    sum_i e_i / n + 0.001 (sum of z + h) + 0.01 h
    subject to  e_i + y_i (sum_k v_k a_ik + c) >= 1,   e_i >= 0,   c in [-10, 10]
                -2 z_kj <= w_kj <= 2 z_kj,             z whole
                a_ik >= w_k x_i + b_k,  a_ik >= 0                         where y_i v_k = -1
                a_ik <= w_k x_i + b_k + M_i (1 - d_ik),  a_ik <= M_i d_ik  where y_i v_k = 1, d whole

with M_i = 2 |x_i|_1 + 2. An activation that hurts its row may be larger than that of the unit and one that helps may be
smaller, never the other way round, so the least value is that of the networks. Units with the same output weight are
in the order of their biases. With `--below`, only networks below this value are asked for: a program without one ends
as infeasible.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from dataclasses import dataclass
from itertools import combinations_with_replacement
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import highspy
import numpy as np

from tests.benchmarks.training.columns import UNIT_COST, WEIGHT_COST, FloatArray
from tests.benchmarks.training.instances import Instance, chosen

MARGIN, LARGEST, BOX = 1.0, 2.0, 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the solver says of one choice of output weights; value is infinite where there is no network."""

    status: str
    value: float
    bound: float
    nodes: int


class Program:
    """The MILP of some output weights, each -1 or 1."""

    def __init__(self, features: FloatArray, labels: FloatArray, heads: tuple[int, ...]) -> None:
        self.features, self.labels, self.heads = features, labels, heads
        self.highs = highspy.Highs()
        self.highs.setOptionValue("output_flag", False)
        self.highs.setOptionValue("threads", 1)
        self.highs.setOptionValue("mip_rel_gap", 0.0)
        self.highs.setOptionValue("mip_abs_gap", 1e-9)
        self.highs.setOptionValue("mip_feasibility_tolerance", 1e-9)
        self.highs.setOptionValue("primal_feasibility_tolerance", 1e-9)
        rows = len(labels)
        self.errors = self._columns(rows, 0, math.inf, 1 / rows)
        self.bias = self._columns(1, -BOX, BOX)[0]
        self.units = [self._unit() for _ in heads]
        given = [self._activations(unit, head) for unit, head in zip(self.units, heads, strict=True)]
        for i, label in enumerate(labels):
            terms = {self.errors[i]: 1.0, self.bias: label}
            terms.update({a[i]: label * head for a, head in zip(given, heads, strict=True)})
            self._row(terms, MARGIN, math.inf)
        for first, second in zip(range(len(heads)), range(1, len(heads)), strict=False):
            if heads[first] == heads[second]:
                self._row({self.units[first][-1]: 1.0, self.units[second][-1]: -1.0}, -math.inf, 0)
        self.highs.changeObjectiveOffset(len(heads) * (UNIT_COST + WEIGHT_COST))

    def _columns(self, count: int, low: float, high: float, cost: float = 0.0, whole: bool = False) -> list[int]:
        start = self.highs.getNumCol()
        for column in range(start, start + count):
            self.highs.addCol(cost, low, high, 0, np.zeros(0, np.int32), np.zeros(0))
            if whole:
                self.highs.changeColIntegrality(column, highspy.HighsVarType.kInteger)
        return list(range(start, start + count))

    def _row(self, terms: dict[int, float], low: float, high: float) -> None:
        places, values = np.array(list(terms), np.int32), np.array(list(terms.values()), np.float64)
        self.highs.addRow(low, high, len(places), places, values)

    def _unit(self) -> list[int]:
        """The columns of a unit's weights, and in the end of its bias."""
        inputs = self.features.shape[1]
        weights = self._columns(inputs + 1, -LARGEST, LARGEST)
        for weight, nonzero in zip(weights, self._columns(inputs, 0, 1, WEIGHT_COST, whole=True), strict=False):
            self._row({weight: 1.0, nonzero: -LARGEST}, -math.inf, 0)
            self._row({weight: 1.0, nonzero: LARGEST}, 0, math.inf)
        return weights

    def _activations(self, unit: list[int], head: int) -> list[int]:
        """What a unit gives for each row, from the side that matters."""
        given = self._columns(len(self.labels), 0, math.inf)
        for column, values, label in zip(given, self.features, self.labels, strict=True):
            sums = {weight: -value for weight, value in zip(unit, [*values, 1.0], strict=True)}
            if label * head < 0:
                self._row({column: 1.0, **sums}, 0, math.inf)
                continue
            most = LARGEST * (float(np.abs(values).sum()) + 1)
            active = self._columns(1, 0, 1, whole=True)[0]
            self._row({column: 1.0, **sums, active: most}, -math.inf, most)
            self._row({column: 1.0, active: -most}, -math.inf, 0)
        return given

    def solve(self, below: float, seconds: float) -> Answer:
        """The least value below a number, if there is one; the bound is that number if there is none."""
        highs = self.highs
        if math.isfinite(below):
            cost = {j: highs.getCol(j)[1] for j in range(highs.getNumCol())}
            offset = len(self.heads) * (UNIT_COST + WEIGHT_COST)
            self._row({j: value for j, value in cost.items() if value}, -math.inf, below - offset)
        highs.setOptionValue("time_limit", seconds)
        highs.run()
        status, info = highs.getModelStatus(), highs.getInfo()
        if status == highspy.HighsModelStatus.kInfeasible:
            return Answer("infeasible", math.inf, below, info.mip_node_count)
        has_value = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
        value = info.objective_function_value if has_value else math.inf
        return Answer(highs.modelStatusToString(status).lower(), value, info.mip_dual_bound, info.mip_node_count)


def heads_of(instance: Instance) -> list[tuple[int, ...]]:
    """All multisets of output weights of used units."""
    most = instance.parameters.get("hidden", 2)
    return [heads for count in range(most + 1) for heads in combinations_with_replacement((-1, 1), count)]


def main() -> None:
    parser = argparse.ArgumentParser(description="Optima of rows with continuous weights by a MILP a sign pattern.")
    parser.add_argument("rows", nargs="+", metavar="ROW", help="a name or a pattern")
    parser.add_argument("--below", type=float, default=math.inf, help="ask for networks below this value alone")
    parser.add_argument("--seconds", type=float, default=math.inf, help="for each choice of output weights")
    parser.add_argument("--heads", type=str, help="only these output weights, such as +-")
    options = parser.parse_args()
    for instance in chosen(options.rows):
        table = instance.read()
        for heads in heads_of(instance):
            name = "".join("+" if head > 0 else "-" for head in heads)
            if options.heads is not None and name != options.heads:
                continue
            began = time.process_time()
            answer = Program(table.features, table.labels.astype(np.float64), heads).solve(
                options.below, options.seconds
            )
            print(f"{instance.name} {name or 'none'}: {answer}, {time.process_time() - began:.1f} s", flush=True)


if __name__ == "__main__":
    main()
