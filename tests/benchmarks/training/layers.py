"""No network of two hidden layers is below a value: its first layer unit by unit, with a bound by pairs of rows.

Run `python tests/benchmarks/training/layers.py ROW... [--value V]`, for rows of two classes with the hinge loss and two
hidden layers of finite sets. Nothing of `nnmip` is used. Without V, the least value that is not above the known optimum
is asked for, and so the optimum has to be found again.

A first unit k has links s_jk = v_j w_jk to the second units j, each -1, 0 or 1, where v_j is the output weight of j. As
a ReLU brings no two numbers further apart, the score of a row exceeds that of another row by at most

    gap = sum_j max(0, p_j),    p_j = sum_k s_jk (the activation of k for the one row less that for the other),

whatever the biases. That is the largest of the sums of p_j over sets of second units, which are sums over k. Rows of
the two classes are matched in pairs, and a pair costs at least max(0, 2 margin - gap). So of any m pairs of a network
with at most B of hinge loss, one costs at most B / m, and of its u first units that are not chosen yet some unit does
its share in the gap that this pair needs: one of those is next. The last unit is any whose bound is not above B; what
is left is counted with all output weights and all biases. All in whole numbers of ten-thousandths of a row.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from itertools import combinations, product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.training.columns import BIASES, UNIT, UNIT_COST, WEIGHT_COST, FloatArray, IntArray, units_of
from tests.benchmarks.training.instances import Instance, chosen
from tests.benchmarks.training.pairs import matched, sides

Flags = NDArray[np.bool_]
Report = Callable[[int, int], None]
"""Is told of each number of first and of second units that is done with."""

SCREEN, CHUNK, BATCH = 4, 64, 50
"""Pairs between looks at what is left; groups of units, and networks that are counted, at a time."""
DRAWN, MATCHINGS = 100_000, 4


class Links:
    """First units together with their links to so many second units, by increasing cost.

    activations [L, n], signs [L, seconds], cost [L]; gaps [sets, pairs, L]: what each adds to the sum of p_j over each
    set of second units for each pair of rows. Links that differ in the order of the second units alone are the `same`.
    """

    def __init__(self, units: IntArray, cost: IntArray, seconds: int, weight: int) -> None:
        self.seconds = seconds
        signs = np.array([each for each in product((-1, 0, 1), repeat=seconds) if any(each)])
        everything = np.add.outer(cost, weight * np.abs(signs).sum(axis=1)).ravel()
        order = np.argsort(everything, kind="stable")
        unit, sign = np.divmod(order, len(signs))
        self.cost, self.activations, self.signs = everything[order], units[unit], signs[sign]
        keys = np.column_stack([unit, np.sort(self.signs, axis=1)])
        self.same = np.unique(keys, axis=0, return_inverse=True)[1].ravel()

    def match(self, pairs: IntArray, first: int) -> None:
        """Set the gaps; so many pairs are looked at for candidates."""
        sets = [list(some) for size in range(self.seconds) for some in combinations(range(self.seconds), size + 1)]
        apart = (self.activations[:, pairs[:, 0]] - self.activations[:, pairs[:, 1]]).T
        self.gaps = np.stack([self.signs[:, some].sum(axis=1) * apart for some in sets]).astype(np.int32)
        self.sorted = np.sort(self.gaps[:, :first], axis=2)
        self.widest = np.maximum.accumulate(np.maximum(self.gaps.max(axis=0), 0), axis=1)

    def able(self, needed: IntArray) -> IntArray:
        """How many add at least so much [sets, pairs]."""
        flat = zip(self.sorted.reshape(-1, len(self.cost)), needed.ravel(), strict=True)
        return np.array([len(row) - np.searchsorted(row, least) for row, least in flat]).reshape(needed.shape)


class Layers:
    """Units of the first layer [K, n] with their costs [K]; `below` is what a better network has to be below.

    Values are sums over the rows, in ten-thousandths; so is the cost of a weight and of a second unit.
    """

    def __init__(self, units: IntArray, cost: IntArray, labels: IntArray, margin: int, weight: int, unit: int) -> None:
        self.units, self.cost, self.labels = units, cost, labels
        self.gap, self.weight, self.unit = 2 * margin, weight, unit
        self.upper, self.lower = sides(labels)
        self.matched = min(len(self.upper), len(self.lower))
        self.below = 0
        self.counted = 0

    @staticmethod
    def of(instance: Instance) -> Layers:
        pool = units_of(instance).distinct()
        labels = instance.read().labels
        whole = len(labels) * UNIT
        cost = np.round(pool.cost * whole).astype(np.int64)
        weight, unit = round(WEIGHT_COST * whole), round(UNIT_COST * whole)
        return Layers(pool.activations[:, 0], cost, labels, UNIT // 2, weight, unit)

    def run(self, wide: int, narrow: int, below: int, report: Report = lambda firsts, seconds: None) -> int | None:
        """The least value that is below a number, of at most so many units; None if there is none."""
        self.below = below
        self._offer(self._hinge(np.zeros((1, len(self.labels)), np.int64)))
        for seconds in range(1, narrow + 1):
            links = Links(self.units, self.cost, seconds, self.weight)
            fixed = seconds * (self.unit + self.weight)
            links.match(self._pairs(links, wide, fixed), self.matched)
            for firsts in range(1, wide + 1):
                self._extend(links, [], firsts, fixed, np.ones(len(links.cost), np.bool_))
                report(firsts, seconds)
        return self.below if self.below < below else None

    def _extend(self, links: Links, members: list[int], more: int, cost: int, is_open: Flags) -> None:
        """All networks of these first units and so many more of the open ones, cost being that of all but these."""
        if more == 1:
            self._last(links, members, None, cost, is_open)
            return
        able, candidates = self._candidates(links, members, more, cost, is_open)
        if more == 2 and members:
            self._last(links, members, candidates, cost, able)
            return
        for place in candidates:
            if able[place]:
                self._extend(links, [*members, int(place)], more - 1, cost + int(links.cost[place]), able)
                able[links.same == links.same[place] if not members else place] = False

    def _candidates(
        self, links: Links, members: list[int], units: int, cost: int, is_open: Flags
    ) -> tuple[Flags, IntArray]:
        """The links that may be among so many units that follow, and places of links, one of which is among them."""
        given = links.gaps[:, :, members].sum(axis=2)
        budget = self.below - 1 - cost - units * int(links.cost[0])
        place = np.flatnonzero(is_open & (links.cost - links.cost[0] <= budget))
        if not len(place):
            return np.zeros(len(is_open), np.bool_), place
        left = budget - (links.cost[place] - links.cost[0])
        most = np.searchsorted(links.cost, links.cost[0] + left, side="right") - 1
        gap = np.maximum((given[:, :, None] + links.gaps[:, :, place]).max(axis=0), 0)
        gap += (units - 1) * links.widest[:, most]
        loss = np.maximum(self.gap - gap, 0).reshape(-1, self.matched, len(place)).sum(axis=1).max(axis=0)
        place = place[loss <= left]
        able = np.zeros(len(is_open), np.bool_)
        able[place] = True
        return able, self._doing(links, given[:, : self.matched], place, units, budget)

    def _doing(self, links: Links, given: IntArray, place: IntArray, units: int, budget: int) -> IntArray:
        """The places of links that do their share for one of some pairs, chosen so that they are few."""
        choices = []
        # Among fewer pairs than this, none needs to have a gap.
        for count in range(budget // self.gap + 1, self.matched + 1):
            needed = -((given - (self.gap - budget // count)) // units)
            able = links.able(needed).sum(axis=0)
            some = np.argsort(able, kind="stable")[:count]
            choices.append((int(able[some].sum()), count, some, needed[:, some]))
        if not choices:
            return place
        _, _, some, needed = min(choices, key=lambda choice: choice[:2])
        return place[(links.gaps[:, some][:, :, place] >= needed[:, :, None]).any(axis=(0, 1))]

    def _last(self, links: Links, members: list[int], candidates: IntArray | None, cost: int, is_open: Flags) -> None:
        """Any open link as the last one, behind each candidate, if there are any, but for the candidates before it."""
        rank = np.where(is_open, len(links.cost), -1)
        groups = [members]
        if candidates is not None:
            rank[candidates] = np.arange(len(candidates))
            groups = [[*members, place] for place in candidates]
        for start in range(0, len(groups), CHUNK):
            some = np.array(groups[start : start + CHUNK], dtype=np.int64)
            costs = cost + links.cost[some[:, len(members) :]].sum(axis=1)
            place = np.flatnonzero(rank >= start)
            group, last = self._screened(links, some, costs, place)
            kept = rank[last] >= start + group
            self.counted += int(kept.sum())
            self._count(links, np.column_stack([some[group[kept]], last[kept]]), costs[group[kept]])

    def _screened(self, links: Links, groups: IntArray, costs: IntArray, place: IntArray) -> tuple[IntArray, IntArray]:
        """Groups and last links whose bound is below the value, by one matching after another."""
        given = links.gaps[:, :, groups].sum(axis=3, dtype=np.int32)
        costs = costs[:, None] + links.cost[place]
        loss = 0
        # No list of what is left as long as that is much.
        for pair in range(min(SCREEN, self.matched)):
            gap = np.int32(0)
            for one, other in zip(given[:, pair], links.gaps[:, pair, place], strict=True):
                gap = np.maximum(gap, one[:, None] + other)
            loss = loss + np.maximum(self.gap - gap, 0)
        group, last = np.nonzero(loss < self.below - costs)
        costs, last = costs[group, last], place[last]
        for start in range(0, len(links.gaps[0]), self.matched):
            loss = costs.copy()
            for first in range(start, start + self.matched, SCREEN):
                part = np.arange(first, min(first + SCREEN, start + self.matched))
                sums = given[:, part[:, None], group] + links.gaps[:, part[:, None], last]
                loss += np.maximum(self.gap - np.maximum(sums.max(axis=0), 0), 0).sum(axis=0)
                kept = loss < self.below
                group, last, costs, loss = group[kept], last[kept], costs[kept], loss[kept]
        return group, last

    def _count(self, links: Links, networks: IntArray, cost: IntArray) -> None:
        """Networks of these links with all biases and output weights; cost without that of the last link."""
        cost = cost + links.cost[networks[:, -1]]
        for start in range(0, len(networks), BATCH):
            some = networks[start : start + BATCH]
            scores = np.zeros((len(some), 1, len(self.labels)), np.int64)
            for second in range(links.seconds):
                sums = (links.signs[some, second, None] * links.activations[some]).sum(axis=1)
                shown = [v * np.maximum(v * sums[:, None] + BIASES[:, None], 0) for v in (-1, 1)]
                scores = (scores[:, :, None] + np.concatenate(shown, axis=1)[:, None]).reshape(
                    len(some), -1, len(self.labels)
                )
            self._offer(self._hinge(scores).min(axis=1) + cost[start : start + BATCH])

    def _offer(self, values: IntArray) -> None:
        self.below = min(self.below, int(values.min()))

    def _hinge(self, scores: IntArray) -> IntArray:
        """The least hinge loss over the output bias: as many rows as are of class +1 ask for no more than that."""
        asked = self.labels * (self.gap // 2) - scores
        bias = np.partition(asked, len(self.upper) - 1, axis=-1)[..., [len(self.upper) - 1]]
        return np.asarray(np.maximum(self.labels * (asked - bias), 0).sum(axis=-1))

    def _pairs(self, links: Links, units: int, cost: int) -> IntArray:
        """Matchings one after the other: first of pairs that few units part by a third, then of those that cost much
        in networks, drawn at random, that all matchings before leave."""
        ends = self.units[:, self.upper, None] - self.units[:, None, self.lower]
        able = (3 * np.abs(ends) >= self.gap).sum(axis=0)
        found = [matched(-able, self.labels)]
        drawn = np.random.default_rng(0).integers(0, len(links.cost), (DRAWN, units))
        left = self.below - cost - links.cost[drawn].sum(axis=1)
        while len(found) < MATCHINGS:
            links.match(found[-1], self.matched)
            sums = sum(links.gaps[:, :, place] for place in drawn.T)
            kept = np.maximum(self.gap - np.maximum(sums.max(axis=0), 0), 0).sum(axis=0) < left
            drawn, left = drawn[kept], left[kept]
            if not len(drawn):
                break
            found.append(matched(self._loss(links, drawn), self.labels))
        return np.concatenate(found)

    def _loss(self, links: Links, networks: IntArray) -> FloatArray:
        """What pairs of rows cost at least, on average."""
        total = np.zeros((len(self.upper), len(self.lower)))
        for some in networks:
            sums = links.signs[some].T @ links.activations[some]
            gap = np.maximum(sums[:, self.upper, None] - sums[:, None, self.lower], 0).sum(axis=0)
            total += np.maximum(self.gap - gap, 0)
        return total / len(networks)


def main() -> None:
    parser = argparse.ArgumentParser(description="No network of two hidden layers of a row is below a value.")
    parser.add_argument("rows", nargs="+", metavar="ROW", help="a name or a pattern")
    parser.add_argument("--value", type=float, help="in place of the optimum that is known")
    options = parser.parse_args()
    for instance in chosen(options.rows):
        began = time.process_time()
        layers = Layers.of(instance)
        whole = len(layers.labels) * UNIT
        value = options.value if options.value is not None else instance.optima[0]

        def report(firsts: int, seconds: int, layers: Layers = layers, began: float = began) -> None:
            counted = f"{layers.counted} networks counted, {time.process_time() - began:.1f} s of CPU"
            print(f"  {firsts} and {seconds} units: {counted} so far", flush=True)

        wide, narrow = instance.parameters.get("wide", 3), instance.parameters.get("narrow", 2)
        found = layers.run(wide, narrow, round(value * whole) + 1, report)
        answer = f"{found / whole:.10f}" if found is not None else "none"
        print(
            f"{instance.name}, at most {value:.10g}: {answer}, {time.process_time() - began:.1f} s of CPU", flush=True
        )


if __name__ == "__main__":
    main()
