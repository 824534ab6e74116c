"""The optimum of a row with zero_one by listing: all multisets of composite columns, in whole numbers.

Run `python tests/benchmarks/training/counting.py ROW...`, for two classes and one hidden layer of finite sets with some
hundreds of columns and at most three units.

The output bias is not kept to its domain here, so columns that differ by a constant are one, and what is proved holds
for the row as well; a network of this value whose bias lies in the domain makes it the optimum. A row of each class
with scores less than 1 apart holds an error, whatever the bias. So the number of such pairs of a fixed matching is at
most that of the errors; where it is not too large for the best value so far, the errors are counted exactly.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import numpy as np

from tests.benchmarks.training.columns import UNIT, WEIGHT_COST, FloatArray, IntArray, units_of
from tests.benchmarks.training.composite import units_at_most
from tests.benchmarks.training.instances import Instance, chosen
from tests.benchmarks.training.pairs import matched, sides

SAMPLE, SCREEN, BATCH = 2000, 8, 4000
SLACK = 1e-9


class Counting:
    """Columns [L, n] with signs, by increasing cost [L], and the best value of a network so far."""

    def __init__(self, columns: IntArray, cost: FloatArray, labels: IntArray) -> None:
        order = np.argsort(cost, kind="stable")
        centred = (columns - columns[:, :1])[order]
        _, first = np.unique(centred, axis=0, return_index=True)
        kept = np.sort(first[centred[first].any(axis=1)])
        self.labels, self.columns, self.cost = labels, centred[kept], cost[order][kept]
        self.value = float(min((labels > 0).mean(), (labels < 0).mean()))

    @staticmethod
    def of(instance: Instance) -> Counting:
        pool = units_of(instance).distinct()
        signed = np.concatenate([pool.activations[:, 0], -pool.activations[:, 0]])
        return Counting(signed, np.tile(pool.cost + WEIGHT_COST, 2), instance.read().labels)

    def run(self, most: int) -> float:
        if most > 3:
            raise ValueError("more than three units are too many to list")
        for count, listed in ((1, self._singles), (2, self._pairs), (3, self._triples)):
            if count <= most:
                listed()
        return self.value

    def _singles(self) -> None:
        self._count(self.columns, self.cost)

    def _pairs(self) -> None:
        for first in range(len(self.cost)):
            self._count(self.columns[first] + self.columns[first:], self.cost[first] + self.cost[first:])

    def _triples(self) -> None:
        gaps = self._gaps()
        for first in range(len(self.cost)):
            for second in range(first, len(self.cost)):
                allowed = self._allowed(self.cost[first] + self.cost[second] + self.cost[second:])
                allowed = allowed[: np.searchsorted(-allowed, 0, side="right")]
                if not len(allowed):
                    break
                base, rest = gaps[first] + gaps[second], gaps[second : second + len(allowed)]
                near = (rest[:, :SCREEN] < UNIT - base[:SCREEN]).sum(axis=1) <= allowed
                third = np.flatnonzero(near)
                third = third[(rest[third] < UNIT - base).sum(axis=1) <= allowed[third]] + second
                if len(third):
                    scores = self.columns[first] + self.columns[second] + self.columns[third]
                    self._count(scores, self.cost[first] + self.cost[second] + self.cost[third])

    def _allowed(self, cost: FloatArray) -> IntArray:
        """How many errors a network of this cost may have to be better than the best one."""
        return np.floor((self.value - SLACK - cost) * len(self.labels)).astype(np.int64)

    def _gaps(self) -> IntArray:
        """What each column adds to the score of a row of class +1 less that of its partner, the closest pairs first.

        Partners are matched greedily, so that many pairs are less than 1 apart among cheap networks.
        """
        chance = np.random.default_rng(0)
        sample = self.columns[chance.integers(0, len(self.cost), (SAMPLE, 3))].sum(axis=1)
        upper, lower = sides(self.labels)
        errors = self._errors(sample)
        sample = sample[np.argsort(errors, kind="stable")[: SAMPLE // 10]]
        close = (sample[:, upper, None] - sample[:, None, lower] < UNIT).mean(axis=0)
        first, second = matched(close, self.labels).T
        return np.ascontiguousarray((self.columns[:, first] - self.columns[:, second]).astype(np.int32))

    def _count(self, scores: IntArray, cost: FloatArray) -> None:
        for start in range(0, len(cost), BATCH):
            part = slice(start, start + BATCH)
            values = cost[part] + self._errors(scores[part]) / len(self.labels)
            self.value = min(self.value, float(values.min()))

    def _errors(self, scores: IntArray) -> IntArray:
        """The least number of rows that are not right by half a unit, over the output bias."""
        # A row of class +1 asks for a bias of at least its threshold, one of class -1 for at most that. A best bias is
        # some threshold; among equal ones, those of class +1 come first.
        below = self.labels < 0
        order = np.argsort(2 * (self.labels * (UNIT // 2) - scores) + below, axis=1)
        upper = np.cumsum(~below[order], axis=1)
        lower = below.sum() - np.cumsum(below[order], axis=1) + below[order]
        return np.asarray(len(self.labels) - (upper + lower).max(axis=1))


def main() -> None:
    parser = argparse.ArgumentParser(description="Optima of rows with zero_one by listing.")
    parser.add_argument("rows", nargs="+", metavar="ROW", help="a name or a pattern")
    options = parser.parse_args()
    for instance in chosen(options.rows):
        value = Counting.of(instance).run(units_at_most(instance))
        known = f"{instance.optima[0]:.10g}" if instance.optima else "-"
        print(f"{instance.name}: {value:.10f}, known {known}", flush=True)


if __name__ == "__main__":
    main()
