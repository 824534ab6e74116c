"""Exact search of networks with two hidden layers of finite sets.

A network is a multiset of columns of the first layer, a table of links by which the second layer reads them, and
biases and output weights of the second layer. For every table of links the columns are chosen by branch and bound:
first only up to clusters of similar columns, whose matched pairs of rows mostly prove enough (`Branching`), in the end
one by one. What is left is evaluated with every choice of biases and output weights, and the best output bias.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Assignment
from nnmip.search.biases import Biases
from nnmip.search.clusters import Clusters
from nnmip.search.conflicts import Conflicts, Matcher
from nnmip.search.deep_climb import DeepClimb
from nnmip.search.deep_links import Links, all_links
from nnmip.search.deep_networks import Made, Networks
from nnmip.search.deep_nodes import Branching
from nnmip.search.deep_view import Deep, best_of, column_count, shown_by
from nnmip.search.loss import EPS
from nnmip.search.mistakes import Mistakes
from nnmip.search.one_score import kink_range
from nnmip.search.record import Standing, Stopped
from nnmip.search.solve import Found, Report, value_of

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
HARDEST = 10
"""So many rows of each kind are asked about clusters of columns."""
SAMPLES = 1000
ERROR = 1e-12
"""What sums of weights and costs can be off by."""


class DeepSearch:
    def __init__(self, deep: Deep, stop: Callable[[], bool], report: Report, start: Assignment | None = None) -> None:
        self._deep, self._report, self._start = deep, report, start
        self._known = value_of(deep.program, start) if start is not None else math.inf
        self._shown = shown_by(deep)
        loss, biases = deep.loss, deep.biases
        reach = self._reach()
        if not isinstance(loss, Mistakes):
            biases = biases.narrowed(*kink_range(loss, reach))
        self.networks = Networks(deep, self._shown, best_of(loss, biases))
        is_free = self._is_free(biases, reach)
        self._links = sorted(all_links(deep, constants=not is_free), key=self._least)
        far = reach + biases.reach
        self.record = Standing[Made](range(len(self._links)), None, self._error(far), stop, self._progress, self._known)
        self.nodes = 0
        self._best_shown = math.inf
        self._root = -math.inf

    def _least(self, links: Links) -> float:
        """What the costs alone prove."""
        return links.cost + int(links.links.shape[1]) * float(self._shown.cost.min())

    def _is_free(self, biases: Biases, reach: float) -> bool:
        """Whether the best output bias lies inside its domain, with whatever is added to it: so that an idle unit
        serves as well as one that reads nothing."""
        if biases.listed or not (self._deep.heads == 0).any() or isinstance(self._deep.loss, Mistakes):
            return False
        low, high = self._deep.biases.points[0]
        least, most = kink_range(self._deep.loss, 2 * reach)
        return bool(low <= least and most <= high)

    def _reach(self) -> float:
        """How large a score without its bias can be, or any sum that is formed for it."""
        deep, second = self._deep, self._deep.second
        sums = deep.first.units * np.abs(second.values).max() * np.abs(self._shown.activations).max()
        ends = np.array([-sums, sums]) + np.array([second.biases.min(), second.biases.max()])
        most = max(1.0, float(np.abs(ends).max()), float(np.abs(second.activation.of(ends)).max()))
        steep = max([1.0, *(high for _, high, _ in second.activation.rises if math.isfinite(high))])
        return float(most * steep * second.units * max(1.0, float(np.abs(deep.heads).max())))

    def _error(self, far: float) -> float:
        """By how much the value of a network can be off, as in `Bounds.evaluation_error`: every product passes through
        no more roundings than there are rows, pieces, and numbers that are added up in a score or a cost."""
        loss, deep = self._deep.loss, self._deep
        if isinstance(loss, Mistakes):
            return ERROR
        units = deep.first.units + deep.second.units
        roundings = loss.rows + len(loss.row) + (units + 4) * (deep.rows.shape[1] + units + 4)
        costs = self._shown.cost.max() * deep.first.units + max((links.cost for links in self._links), default=0.0)
        pieces = np.abs(loss.target) + loss.steepness * far
        return float(3 * roundings * EPS * (loss.limit @ pieces + abs(costs) + abs(deep.constant)))

    def run(self) -> Found:
        finished = True
        try:
            self._search()
        except (Stopped, KeyboardInterrupt):
            finished = False
        made, record = self.record.members, self.record
        assignment, value = self._start, self._known
        if made is not None and record.value < self._known:
            assignment, value = self.networks.assignment(made), record.value
        bound = min(record.bound, value)
        columns = column_count(self._deep)
        seen = self.networks.evaluated
        root = min(self._root, value)
        return Found(assignment, value, bound, finished, columns, self.nodes, seen, root=root)

    def _search(self) -> None:
        record = self.record
        self._without_second()
        for number, links in enumerate(self._links):
            record.raise_floor(number, self._least(links) - ERROR)
        self._root = record.least_floor
        climb = DeepClimb(self.networks, record)
        for h2, h1 in sorted({links.links.shape for links in self._links}):
            climb.run(h1, h2)
        proofs = self._proofs()
        for number, links in enumerate(self._links):
            if record.floor(number) < record.goal:
                rises = self._deep.second.activation.rises
                some, every = (Branching(clusters, matcher, links, rises) for clusters, matcher in proofs)
                self._choose(number, links, some, every)
            record.close(number)

    def _without_second(self) -> None:
        """The networks whose score is the output bias."""
        deep = self._deep
        if (deep.heads == 0).any():
            cheapest = np.full(0 if deep.skips else deep.first.units, self._shown.cost.argmin())
            self._offer(cheapest, None)

    def _proofs(self) -> tuple[tuple[Clusters, Matcher], tuple[Clusters, Matcher]]:
        """The clusters by the rows that are hardest to tell apart, and the single columns by all."""
        deep = self._deep
        sums = (deep.first.units + 1) * (deep.second.units + 1)
        conflicts = Conflicts.of(deep.loss, self._reach(), sums)
        hardest = conflicts.hardest(self._typical(conflicts), HARDEST)
        columns, cost = self._shown.activations, self._shown.cost
        single = Clusters.single(conflicts.apart(columns), cost)
        return (Clusters.of(hardest.apart(columns), cost), Matcher(hardest)), (single, Matcher(conflicts))

    def _typical(self, conflicts: Conflicts) -> FloatArray:
        """How far pairs of rows can be apart in random networks at most."""
        deep, rng = self._deep, np.random.default_rng(0)
        found = []
        for _ in range(SAMPLES):
            columns = rng.integers(len(self._shown.cost), size=deep.first.units)
            moved = np.abs(conflicts.apart(self._shown.activations[columns])).sum(axis=0)
            found.append(moved * deep.second.units * np.abs(deep.heads).max() * np.abs(deep.second.values).max())
        return np.array(found)

    def _choose(self, number: int, links: Links, some: Branching, every: Branching) -> None:
        """All columns for one table of links, by what some rows prove and in the end every row."""
        record, before = self.record, self.nodes

        def tell(bound: float) -> None:
            self.nodes = before + some.seen
            record.check()
            record.raise_floor(number, min(bound, record.goal) - ERROR)

        for leaves in some.leaves(lambda: record.goal, tell):
            for columns in every.open(leaves, record.goal):
                self._offer(columns, links)
        self.nodes = before + some.seen

    def _offer(self, columns: IntArray, links: Links | None) -> None:
        """The best network with these columns and links."""
        networks = self.networks
        options = networks.of_links(columns, links.kinds, links.links) if links is not None else []
        values, _ = networks.together(columns, options)
        self.record.offer(values, lambda place: networks.made(columns, options, place))

    def _progress(self, value: float, bound: float) -> None:
        made = self.record.members
        self._report.progress(min(value, self._known), bound)
        if made is not None and value < min(self._known, self._best_shown):
            self._best_shown = value
            self._report.better(self.networks.assignment(made), value)
