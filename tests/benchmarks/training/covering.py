"""No network of a row with zero_one is below a value: all triples of composite columns, the third by bit masks.

Run `python tests/benchmarks/training/covering.py ROW... [--value V]`, for rows that are too large for `counting.py`:
two classes, one hidden layer of finite sets, at most three units. Where the number of rows divides 1000, every value
is a whole number of thousandths, so "below V" leaves a network of some cost a whole number e of errors.

Rows of the two classes are matched in pairs; a pair whose scores are less than 1 apart holds an error. Of any e + 1
pairs one is right, and of h units some unit parts that pair by at least 1/h: so the first unit is looked for among
those that part one of the e + 1 pairs that the fewest units part, the second among those that part one of e + 1 pairs
by half of what the first leaves, and the third is whatever does the rest. For each pair and each distance, the units
that part it so far are a mask of bits; masks are added up by "at most k pairs fail", k = 0, ..., e, for all second
units at once. A mask is kept for every `STEP`th distance, which lets through some units too many. What is left is
counted exactly.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.training.columns import UNIT, IntArray
from tests.benchmarks.training.composite import units_at_most
from tests.benchmarks.training.counting import Counting
from tests.benchmarks.training.instances import chosen
from tests.benchmarks.training.pairs import matched, sides

Flags = NDArray[np.bool_]
Words = NDArray[np.uint64]

STEP, CHUNK, EVERY = 16, 256, 4
"""Distances a mask stands for, second units at a time, and pairs between looks at what is left."""
DRAWN, KEPT = 50_000, 300
"""Networks that are drawn at random, and those of them that a second matching is made for."""


class Covering:
    """Composite columns by increasing cost, in thousandths; gaps [K, M]: by how much each parts each pair."""

    def __init__(self, counting: Counting, value: float) -> None:
        self.counting = counting
        self.rows = len(self.counting.labels)
        if 1000 % self.rows:
            raise ValueError("values are no whole thousandths")
        self.columns = self.counting.columns
        self.cost = np.round(1000 * self.counting.cost).astype(np.int64)
        self.most = round(1000 * value) - 1
        self.best = round(1000 * min(self.counting.value, 1.0))
        self.gaps = self._matched()
        self.matchings = np.split(np.arange(len(self.gaps[0])), 2)
        self.order = np.argsort(self.gaps, axis=0, kind="stable")
        self.sorted = np.ascontiguousarray(np.take_along_axis(self.gaps, self.order, axis=0).T)
        self.masks = [self._masks(order) for order in self.order.T]
        self.prefix = self._prefix()
        self.counted = 0

    def run(self, units: int) -> int | None:
        """The least value, in thousandths, of a network below the value, None if there is none."""
        if units > 3:
            raise ValueError("more than three units are too many to list")
        if units:
            self._count(self.columns, self.cost)
        for count in range(2, units + 1):
            for errors, limit in self._budgets(count):
                self._all(count, errors, limit)
        return self.best if self.best <= self.most else None

    def _budgets(self, units: int) -> list[tuple[int, int]]:
        """Numbers of errors, and what a network with so many may cost; each cost is covered by its largest number."""
        found = []
        for errors in range(self.rows):
            limit = self.most - -(-1000 * errors // self.rows)
            if limit < units * self.cost[0]:
                break
            found.append((errors, limit))
        dearest = units * int(self.cost[-1])
        enough = max((place for place, (_, limit) in enumerate(found) if limit >= dearest), default=0)
        return found[enough:]

    def _all(self, units: int, errors: int, limit: int) -> None:
        nothing, is_open = np.zeros(len(self.gaps[0]), np.int64), np.ones(len(self.cost), np.bool_)
        firsts = self._candidates(nothing, units, errors, limit - (units - 1) * int(self.cost[0]))
        if units == 2:
            self._last(None, firsts, errors, limit, is_open)
            return
        for first in firsts:
            left = limit - int(self.cost[first])
            seconds = self._candidates(self.gaps[first], 2, errors, left - int(self.cost[0]))
            self._last(int(first), seconds[is_open[seconds]], errors, left, is_open)
            is_open[first] = False

    def _candidates(self, given: IntArray, units: int, errors: int, cost: int) -> IntArray:
        """The columns up to a cost one of which is in all that may follow, as any of so many units."""
        needed = -((given - UNIT) // units)
        count = len(self.cost) - self._places(needed[None])[0]
        some = [pairs[np.argsort(count[pairs], kind="stable")[: errors + 1]] for pairs in self.matchings]
        fewest = min(some, key=lambda pairs: int(count[pairs].sum()))
        affordable = self.gaps[: np.searchsorted(self.cost, cost, side="right")]
        return np.flatnonzero((affordable[:, fewest] >= needed[fewest]).any(axis=1))

    def _last(self, first: int | None, candidates: IntArray, errors: int, limit: int, is_open: Flags) -> None:
        """Any open column as the last one, together with a first one, if any, and each candidate."""
        given = self.gaps[first] if first is not None else np.zeros(len(self.gaps[0]), np.int64)
        able = len(self.cost) - self._places(-((given - UNIT) // 2)[None])[0]
        is_open = is_open.copy()
        for start in range(0, len(candidates), CHUNK):
            some = candidates[start : start + CHUNK]
            places = self._places(UNIT - given - self.gaps[some]) // STEP
            allowed = self.prefix[np.searchsorted(self.cost, limit - self.cost[some], side="right")]
            masks = allowed & _packed(is_open[None])
            for pairs in self.matchings:
                kept, masks = self._fine(masks, places, pairs[np.argsort(able[pairs], kind="stable")], errors)
                some, places = some[kept], places[kept]
            self._found(first, some, masks)
            is_open[candidates[start : start + CHUNK]] = False

    def _fine(self, masks: Words, places: IntArray, pairs: IntArray, errors: int) -> tuple[IntArray, Words]:
        """The places in masks, and what is left there, where at most so many of the pairs are too close."""
        kept = np.arange(len(masks))
        fine = [masks.copy() for _ in range(errors + 1)]
        for number, pair in enumerate(pairs):
            mask = self.masks[pair][places[kept, pair]]
            for k in range(errors, 0, -1):
                fine[k] &= mask
                fine[k] |= fine[k - 1]
            fine[0] &= mask
            if number % EVERY == EVERY - 1 or number == len(pairs) - 1:
                left = fine[errors].any(axis=1)
                kept, fine = kept[left], [part[left] for part in fine]
        return kept, fine[errors]

    def _found(self, first: int | None, some: IntArray, masks: Words) -> None:
        place, last = np.nonzero(np.unpackbits(masks.view(np.uint8), axis=1, bitorder="little"))
        scores, cost = self.columns[some[place]] + self.columns[last], self.cost[some[place]] + self.cost[last]
        if first is not None:
            scores, cost = scores + self.columns[first], cost + self.cost[first]
        self._count(scores, cost)

    def _count(self, scores: IntArray, cost: IntArray) -> None:
        self.counted += len(cost)
        for start in range(0, len(cost), CHUNK):
            part = slice(start, start + CHUNK)
            errors = self.counting._errors(scores[part])
            value = cost[part] + -(-1000 * errors // self.rows)
            self.best = min(self.best, int(value.min()))

    def _places(self, needed: IntArray) -> IntArray:
        """How many columns part each pair by less, [m, M]."""
        return np.stack([np.searchsorted(*each) for each in zip(self.sorted, needed.T, strict=True)], axis=1)

    def _masks(self, order: IntArray) -> Words:
        """Which columns stand at each `STEP`th place of an order, or behind it."""
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        return _packed(rank >= np.arange(0, len(order) + STEP, STEP)[:, None])

    def _prefix(self) -> Words:
        """The first columns, for each number of them."""
        count = len(self.cost)
        return np.concatenate(
            [
                _packed(np.arange(count) < np.arange(i, min(i + CHUNK, count + 1))[:, None])
                for i in range(0, count + 1, CHUNK)
            ]
        )

    def _matched(self) -> IntArray:
        """The gaps of two matchings: of pairs that few columns part by a third, and of those that are too close in
        networks, drawn at random, in which few pairs of the first one are."""
        labels = self.counting.labels
        upper, lower = sides(labels)
        able = np.array([(3 * (self.columns[:, [p]] - self.columns[:, lower]) >= UNIT).sum(axis=0) for p in upper])
        gaps = self._apart(matched(-able, labels))
        drawn = np.random.default_rng(0).integers(0, len(self.cost), (DRAWN, 3))
        failed = (gaps[drawn[:, 0]] + gaps[drawn[:, 1]] + gaps[drawn[:, 2]] < UNIT).sum(axis=1)
        drawn = drawn[np.argsort(failed, kind="stable")[:KEPT]]
        scores = self.columns[drawn].sum(axis=1)
        close = (scores[:, upper, None] - scores[:, None, lower] < UNIT).mean(axis=0)
        return np.hstack([gaps, self._apart(matched(close, labels))])

    def _apart(self, pairs: IntArray) -> IntArray:
        return np.asarray(self.columns[:, pairs[:, 0]] - self.columns[:, pairs[:, 1]])


def _packed(chosen: NDArray[np.bool_]) -> Words:
    """Rows of bits, filled up to whole words."""
    bits = np.packbits(chosen, axis=1, bitorder="little")
    return np.pad(bits, ((0, 0), (0, -bits.shape[1] % 8))).view(np.uint64)


def main() -> None:
    parser = argparse.ArgumentParser(description="No network of a row with zero_one is below a value.")
    parser.add_argument("rows", nargs="+", metavar="ROW", help="a name or a pattern")
    parser.add_argument("--value", type=float, help="in place of the optimum that is known")
    options = parser.parse_args()
    for instance in chosen(options.rows):
        began = time.process_time()
        value = options.value if options.value is not None else instance.optima[0]
        covering = Covering(Counting.of(instance), value)
        found = covering.run(units_at_most(instance))
        answer = f"{found / 1000:.3f}" if found is not None else "none"
        print(
            f"{instance.name}, below {value:.3f}: {answer}, {covering.counted} networks counted,"
            f" {time.process_time() - began:.1f} s of CPU",
            flush=True,
        )


if __name__ == "__main__":
    main()
