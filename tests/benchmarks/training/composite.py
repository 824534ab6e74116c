"""The optimum of a row by a second method: a MILP over composite columns, a unit together with its output weights.

Run `python tests/benchmarks/training/composite.py ROW... [--solver highs|cbc]`, for rows with the hinge loss and one
hidden layer of finite sets. Units are listed by `columns.py`; nothing of `nnmip.search` is used, nothing of the
language, and no optimum that is written down.

For exactly h units, h = 0, 1, ..., the program is

    minimise    sum_i e_i / n + sum_k cost_k x_k
    subject to  e_i + sum_k D_rk x_k + S_r . c >= margin    for every lead r of row i (over each wrong class)
                sum_k x_k = h,  x_k whole,  e_i >= 0,  c in [-10, 10]

with D_rk what composite column k adds to lead r, and c the output biases. Take any u_r >= 0 with sums of at most 1/n
over the leads of a row. No network of h units costs less than base + (the sum of the reduced costs of its columns),
where base = margin sum u - 10 |sums of u S| and rc_k = cost_k - u . D_k. Column generation gives a good u; a MILP over
the columns of least rc gives a first network, of value UB; and columns with base + rc_k + (h - 1) min rc > UB are in no
better network. The MILP over the columns that are left has the optimum for h.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import highspy
import numpy as np

from nnmip.backends.process import Session
from nnmip.backends.protocol import RawResult, SolveOptions, Termination
from nnmip.milp.model import Block, Milp
from nnmip.source import Origin, SourceFile, Span
from tests.benchmarks.training.columns import UNIT, WEIGHT_COST, FloatArray, IntArray, Pool, units_of
from tests.benchmarks.training.instances import Instance, chosen

MARGIN, BOX = 0.5, 10.0
FEW, ROUND = 60, 60
"""Columns of the first network, and columns that a round of pricing adds."""
SLACK = 1e-9
MOST, BATCH = 20_000, 10_000
"""Columns of a MILP at most, and networks that are listed at a time."""


@dataclass(frozen=True, eq=False)
class Problem:
    """A pool, the vectors of output weights, and the leads of a table.

    heads [m, P, C]: not all zero, no two with the same leads. lead_row [R]: the row of each lead; lead_sign [R, C]: its
    coefficient of each score.
    """

    pool: Pool
    heads: FloatArray
    lead_row: IntArray
    lead_sign: FloatArray
    rows: int

    @staticmethod
    def of(pool: Pool, labels: IntArray) -> Problem:
        classes = 1 if labels.min() < 0 else int(labels.max()) + 1
        values = product((-1.0, 0.0, 1.0), repeat=pool.places * classes)
        heads = np.array(list(values)).reshape(-1, pool.places, classes)
        if classes > 1:
            heads = _apart(heads)
        heads = heads[heads.any(axis=(1, 2))]
        if classes == 1:
            lead_row, signs = np.arange(len(labels)), labels[:, None].astype(np.float64)
        else:
            pairs = [(i, own, other) for i, own in enumerate(labels) for other in range(classes) if other != own]
            lead_row = np.array([i for i, _, _ in pairs])
            signs = np.array([np.eye(classes)[own] - np.eye(classes)[other] for _, own, other in pairs])
        return Problem(pool, heads, lead_row, signs, len(labels))

    @cached_property
    def activations(self) -> FloatArray:
        """[K, P, n]."""
        return self.pool.activations / UNIT

    @cached_property
    def cost(self) -> FloatArray:
        """Of every composite column, [K, m]."""
        return np.asarray(self.pool.cost[:, None] + WEIGHT_COST * (self.heads != 0).sum(axis=(1, 2)))

    def columns(self, composites: IntArray) -> FloatArray:
        """D [R, L] of composite columns, counted row by row through [K, m]."""
        unit, head = np.divmod(composites, len(self.heads))
        scores = np.einsum("lpi,lpc->lic", self.activations[unit], self.heads[head])
        return np.asarray(np.einsum("lrc,rc->rl", scores[:, self.lead_row], self.lead_sign))

    def priced(self, duals: FloatArray) -> tuple[float, FloatArray]:
        """base and the reduced costs [K, m] of duals of the leads, which are made valid first."""
        duals = np.maximum(duals, 0)
        sums = np.bincount(self.lead_row, duals, self.rows)
        duals = duals / np.maximum(1, sums * self.rows)[self.lead_row]
        slopes = np.zeros((self.rows, self.lead_sign.shape[1]))
        np.add.at(slopes, self.lead_row, duals[:, None] * self.lead_sign)
        base = MARGIN * duals.sum() - BOX * np.abs(slopes.sum(axis=0)).sum()
        gains = np.tensordot(self.activations, slopes, axes=1).reshape(self.pool.size, -1)
        return float(base), self.cost - gains @ self.heads.reshape(len(self.heads), -1).T


def _apart(heads: FloatArray) -> FloatArray:
    """Of heads that differ by a constant over the classes, and so give the same leads, one with fewest weights."""
    heads = heads[np.argsort((heads != 0).sum(axis=(1, 2)), kind="stable")]
    _, first = np.unique((heads - heads[:, :, :1]).reshape(len(heads), -1), axis=0, return_index=True)
    return heads[np.sort(first)]


@dataclass(frozen=True, eq=False)
class Root:
    """The relaxation for h units: the best duals, base and reduced costs for them, and the bound that they prove."""

    units: int
    duals: FloatArray
    base: float
    reduced: FloatArray

    @property
    def bound(self) -> float:
        return self.base + self.units * float(self.reduced.min()) if self.units else self.base

    def survivors(self, value: float) -> IntArray:
        """The composite columns that may be in a network that costs no more than this."""
        if not self.units:
            return np.zeros(0, np.int64)
        rest = self.base + (self.units - 1) * float(self.reduced.min())
        return np.flatnonzero(self.reduced.ravel() + rest <= value + SLACK)

    def least(self, count: int) -> IntArray:
        """The composite columns of least reduced cost."""
        flat = self.reduced.ravel() if self.units else np.zeros(0)
        return np.argpartition(flat, count)[:count] if count < len(flat) else np.arange(len(flat))


def relax(problem: Problem, units: int) -> Root:
    """Column generation for exactly `units` units."""
    leads, rows = len(problem.lead_row), problem.rows
    outputs = problem.lead_sign.shape[1]
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    for _ in range(leads):
        highs.addRow(MARGIN, math.inf, 0, np.zeros(0, np.int32), np.zeros(0))
    highs.addRow(units, units, 0, np.zeros(0, np.int32), np.zeros(0))
    order = np.argsort(problem.lead_row, kind="stable").astype(np.int32)
    first = np.searchsorted(problem.lead_row[order], np.arange(rows)).astype(np.int32)
    bounds = (np.zeros(rows), np.full(rows, math.inf))
    highs.addCols(rows, np.full(rows, 1 / rows), *bounds, leads, first, order, np.ones(leads))
    _add(highs, np.zeros(outputs), -BOX, BOX, np.vstack([problem.lead_sign, np.zeros(outputs)]))
    added = np.argpartition(problem.cost.ravel(), min(FEW, problem.cost.size - 1))[:FEW]
    best: Root | None = None
    while True:
        columns = problem.columns(added)
        _add(highs, problem.cost.ravel()[added], 0, math.inf, np.vstack([columns, np.ones(len(added))]))
        highs.run()
        duals = np.array(highs.getSolution().row_dual)[:leads]
        root = Root(units, duals, *problem.priced(duals))
        best = root if best is None or root.bound > best.bound else best
        if highs.getObjectiveValue() - best.bound < SLACK:
            return best
        by_unit = root.reduced.min(axis=1)
        picked = np.argsort(by_unit)[:ROUND]
        added = picked * len(problem.heads) + root.reduced[picked].argmin(axis=1)


def _add(highs: highspy.Highs, cost: FloatArray, low: float, high: float, columns: FloatArray) -> None:
    place, row = np.nonzero(columns.T)
    starts = np.searchsorted(place, np.arange(len(cost)))
    bounds = (np.full(len(cost), low), np.full(len(cost), high))
    entries = (starts.astype(np.int32), row.astype(np.int32), columns[row, place])
    highs.addCols(len(cost), cost, *bounds, len(row), *entries)


def program(problem: Problem, units: int, composites: IntArray) -> Milp:
    """The MILP over these composite columns: x, then e, then c."""
    rows, leads, outputs, count = problem.rows, len(problem.lead_row), problem.lead_sign.shape[1], len(composites)
    # In each lead the columns and the biases, and an error; in the last row the columns alone.
    matrix = np.hstack([problem.columns(composites), np.ones((leads, 1)), problem.lead_sign])
    matrix = np.vstack([matrix, np.repeat([1.0, 0.0], [count, 1 + outputs])])
    row, place = np.nonzero(matrix)
    error = np.append(problem.lead_row, 0)[row]
    indices = np.where(place < count, place, count + np.where(place == count, error, rows + place - count - 1))
    origin = Origin(Span(SourceFile("composite", ""), 0, 0), "composite")
    return Milp(
        indptr=np.searchsorted(row, np.arange(leads + 2)),
        indices=indices,
        data=matrix[row, place],
        row_lb=np.append(np.full(leads, MARGIN), units),
        row_ub=np.append(np.full(leads, math.inf), units),
        col_lb=np.concatenate([np.zeros(count + rows), np.full(outputs, -BOX)]),
        col_ub=np.concatenate([np.full(count, units), np.full(rows, math.inf), np.full(outputs, BOX)]),
        integer=np.arange(count + rows + outputs) < count,
        cost=np.concatenate([problem.cost.ravel()[composites], np.full(rows, 1 / rows), np.zeros(outputs)]),
        offset=0.0,
        columns=(Block("x", (count + rows + outputs,), 0, origin),),
        rows=(Block("lead", (leads + 1,), 0, origin),),
    )


def least_hinge(scores: FloatArray, labels: FloatArray | IntArray) -> FloatArray:
    """The least mean hinge loss of each network [N, n] over the output bias: at the end of its domain, or where the
    loss of some row ends."""
    biases = np.clip(MARGIN * labels - scores, -BOX, BOX)
    leads = labels * (scores[:, None, :] + biases[:, :, None])
    return np.asarray(np.maximum(0, MARGIN - leads).mean(axis=2).min(axis=1))


@dataclass
class Confirmation:
    """The least value found, and what is proved of it; `lines` says what was done for each number of units."""

    value: float
    bound: float
    lines: list[str]


class Confirming:
    """One problem, solved for one number of units after another; only networks better than `value` are looked for."""

    def __init__(self, problem: Problem, session: Session, solver: str, value: float = math.inf) -> None:
        self.problem = problem
        self.session = session
        self.solver = solver
        self.value = value
        self.lines: list[str] = []

    def run(self, most: int) -> Confirmation:
        """At most so many units."""
        roots = sorted((relax(self.problem, units) for units in range(most + 1)), key=lambda root: root.bound)
        for root in roots:
            if root.bound < self.value:
                self._solve(root, root.least(FEW))
        bounds = [self._close(root) for root in roots]
        return Confirmation(self.value, min(bounds), self.lines)

    def _close(self, root: Root) -> float:
        """The proved bound for a number of units."""
        survivors = root.survivors(self.value)
        line = f"h = {root.units}: root {root.bound:.9f}, {len(survivors)} of {root.reduced.size} columns"
        if root.bound > self.value - SLACK:
            self.lines.append(f"{line}: closed")
            return root.bound
        if len(survivors) > MOST:
            if root.units > 1 or self.problem.lead_sign.shape[1] > 1:
                self.lines.append(f"{line}: too many")
                return root.bound
            best = self._list(survivors)
            self.lines.append(f"{line}: {best:.10g}, listed")
            return min(best, self.value)
        answer = self._solve(root, survivors)
        self.lines.append(f"{line}: {answer.termination}, {answer.dual_bound:.10g}, {answer.nodes} nodes")
        is_closed = answer.termination is Termination.INFEASIBLE
        return self.value if is_closed else max(root.bound, min(answer.dual_bound, self.value))

    def _list(self, composites: IntArray) -> float:
        """The least value of a network of one of these columns alone, for one score."""
        labels, best = self.problem.lead_sign[:, 0], math.inf
        for part in np.array_split(composites, 1 + len(composites) // BATCH):
            scores = labels * self.problem.columns(part).T
            values = least_hinge(scores, labels) + self.problem.cost.ravel()[part]
            best = min(best, float(values.min()))
        self.value = min(self.value, best)
        return best

    def _solve(self, root: Root, composites: IntArray) -> RawResult:
        answer = self.session.solve(program(self.problem, root.units, composites), self.solver, SolveOptions())
        if answer.objective is not None:
            self.value = min(self.value, answer.objective)
        return answer


def confirm(instance: Instance, solver: str = "highs") -> Confirmation:
    """The optimum of a row."""
    problem = Problem.of(units_of(instance).distinct(), instance.read().labels)
    with Session() as session:
        return Confirming(problem, session, solver).run(units_at_most(instance))


def units_at_most(instance: Instance) -> int:
    return instance.parameters.get("hidden", instance.parameters.get("maps", 3))


def main() -> None:
    parser = argparse.ArgumentParser(description="Optima of the training benchmark by composite columns.")
    parser.add_argument("rows", nargs="+", metavar="ROW", help="a name or a pattern")
    parser.add_argument("--solver", default="highs")
    options = parser.parse_args()
    for instance in chosen(options.rows):
        began = _cpu_seconds()
        found = confirm(instance, options.solver)
        print("\n".join(f"  {line}" for line in found.lines))
        known = f"{instance.optima[0]:.10g}" if instance.optima else "-"
        print(
            f"{instance.name}: {found.value:.10f}, proved {found.bound:.10f}, known {known},"
            f" {_cpu_seconds() - began:.1f} s of CPU",
            flush=True,
        )


def _cpu_seconds() -> float:
    """Of this process and the solvers that it started."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


if __name__ == "__main__":
    main()
