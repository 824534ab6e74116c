"""The optima of the rows with rules and goals in order, by the second method: one set of features after another.

Run `python tests/benchmarks/training/rules.py ROW... [--solver highs|cbc]`. A budget of features is a choice of a set
that the network may read. A set is left out where the duals of the relaxation over all sets show that it has no better
network; for the others, the composite columns of its units are a problem without a rule, because a pair that is to
stay apart is a rule about single units. The second goal asks for a smaller set with the same value; the third for
the least biases among all networks with both.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import numpy as np

from nnmip.backends.process import Session
from nnmip.backends.protocol import SolveOptions
from nnmip.milp.model import Milp
from tests.benchmarks.training.columns import UNIT, units_of
from tests.benchmarks.training.composite import Confirming, Problem, Root, program, relax, units_at_most
from tests.benchmarks.training.instances import Instance, chosen

Features = tuple[int, ...]
SLACK = 1e-7
"""How far a later goal may be from the value of the first one."""


class Rules:
    """A row with rules; `solve` gives the value of each of its goals."""

    def __init__(self, instance: Instance, session: Session, solver: str) -> None:
        self.session = session
        self.solver = solver
        self.labels = instance.read().labels
        self.most = units_at_most(instance)
        self.budget = instance.parameters["budget"]
        self.inputs = instance.parameters["inputs"]
        pairs = list(zip(instance.columns["first"], instance.columns["second"], strict=True))
        self.units = units_of(instance).within(tuple(range(self.inputs)), pairs)
        everything = Problem.of(self.units.distinct(), self.labels)
        self.roots = [relax(everything, units) for units in range(self.most + 1)]
        whole = Problem.of(self.units, self.labels)
        self.least = [whole.priced(root.duals)[1].min(axis=1) for root in self.roots]

    def solve(self) -> tuple[float, int, float]:
        value = math.inf
        for features, bound in self._sets(self.budget):
            if bound >= value:
                break
            value = self._value(features, value)
        fewest = next(size for size in range(self.budget + 1) if self._reaches(size, value + SLACK))
        return value, fewest, min(self._biases(features, value + SLACK) for features in self._within(fewest, value))

    def _sets(self, size: int) -> Iterator[tuple[Features, float]]:
        """All sets of a size with a bound of the first goal, the least first."""
        reads = self.units.weights != 0
        bounded = []
        for features in combinations(range(self.inputs), size):
            inside = reads.sum(axis=1) == reads[:, features].sum(axis=1)
            bounds = [
                root.base + root.units * float(least[inside].min())
                for root, least in zip(self.roots, self.least, strict=True)
            ]
            bounded.append((min(bounds), features))
        yield from ((features, bound) for bound, features in sorted(bounded))

    def _within(self, size: int, value: float) -> Iterator[Features]:
        return (features for features, bound in self._sets(size) if bound <= value + SLACK)

    def _reaches(self, size: int, value: float) -> bool:
        return any(self._value(features, value) < value for features in self._within(size, value))

    def _value(self, features: Features, value: float) -> float:
        """The least value of the first goal with these features if it is below the one given, else that."""
        problem = Problem.of(self.units.within(features).distinct(), self.labels)
        return Confirming(problem, self.session, self.solver, value).run(self.most).value

    def _biases(self, features: Features, value: float) -> float:
        """The least sum of sizes of biases of a network with these features and no more than a value."""
        pool = self.units.within(features)
        pool = pool.distinct(np.abs(pool.bias))
        problem = Problem.of(pool, self.labels)
        found = math.inf
        for root in (relax(problem, units) for units in range(self.most + 1)):
            if root.bound <= value:
                milp = biases_of(problem, root, value)
                answer = self.session.solve(milp, self.solver, SolveOptions())
                found = min(found, answer.objective if answer.objective is not None else math.inf)
        return found


def biases_of(problem: Problem, root: Root, value: float) -> Milp:
    """The least sum of sizes of biases of exactly so many units whose first goal is at most a value."""
    composites = root.survivors(value)
    milp = program(problem, root.units, composites)
    sizes = np.abs(problem.pool.bias[composites // len(problem.heads)]) / UNIT
    counted = np.flatnonzero(milp.cost)
    block = milp.rows[0]
    return replace(
        milp,
        indptr=np.append(milp.indptr, milp.indptr[-1] + len(counted)),
        indices=np.append(milp.indices, counted),
        data=np.append(milp.data, milp.cost[counted]),
        row_lb=np.append(milp.row_lb, -math.inf),
        row_ub=np.append(milp.row_ub, value),
        cost=np.append(sizes, np.zeros(milp.num_columns - len(sizes))),
        rows=(replace(block, shape=(milp.num_rows + 1,)),),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Optima of the rows with rules by composite columns.")
    parser.add_argument("rows", nargs="+", metavar="ROW", help="a name or a pattern")
    parser.add_argument("--solver", default="highs")
    options = parser.parse_args()
    with Session() as session:
        for instance in chosen(options.rows):
            values = Rules(instance, session, options.solver).solve()
            known = ", ".join(f"{value:.10g}" for value in instance.optima) or "-"
            print(f"{instance.name}: {', '.join(f'{value:.10g}' for value in values)}, known {known}", flush=True)


if __name__ == "__main__":
    main()
