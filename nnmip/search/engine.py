"""Exact search over the columns of a hidden layer: exactly h members, for every h, each with a proved bound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nnmip.search.biases import Biases
from nnmip.search.bound import Bounds
from nnmip.search.choices import Choices, Everything
from nnmip.search.ending_one import OneScore
from nnmip.search.ending_several import SeveralScores
from nnmip.search.group_master import GroupMaster
from nnmip.search.groups import Groups, worth_groups
from nnmip.search.leaves import Leaves
from nnmip.search.loss import Shortfalls
from nnmip.search.master import Master, Relaxed
from nnmip.search.mistakes import Mistakes
from nnmip.search.one_score import best_bias, kink_range
from nnmip.search.patterns import Patterns, pays
from nnmip.search.peel import Ending, Partial, Peel
from nnmip.search.problem import Members, Outcome, Problem
from nnmip.search.record import Record, Stopped

FloatArray = NDArray[np.float64]


class Search:
    """start: networks known already; cutoff: the value of one that is not made of these columns. stop: whether to end
    the search with what is known. progress: told the best value and what no network is better than whenever they
    change."""

    def __init__(
        self,
        problem: Problem,
        start: tuple[Members, ...] = (),
        stop: Callable[[], bool] = lambda: False,
        progress: Callable[[float, float], None] = lambda value, bound: None,
        log: Callable[[str], None] = lambda text: None,
        cutoff: float = np.inf,
    ) -> None:
        self.problem, self._start, self._log = problem, start, log
        pool, heads = problem.pool, problem.heads
        loss = problem.loss.hinge if isinstance(problem.loss, Mistakes) else problem.loss
        reach = Bounds.reach_of(pool, heads) * problem.units
        biases = problem.biases
        if loss.outputs == 1 and (loss.slope != 0).all():
            biases = biases.narrowed(*kink_range(loss, reach))
        self._bounds = Bounds(pool, heads, loss, biases, problem.units)
        self.record = Record(problem, self._evaluation_error(), stop, progress, cutoff)
        self.master = Master(pool, heads, loss, biases, self._bounds)
        self.ending = self._ending(biases)
        self._peel = Peel(self.master, self.record, self.ending)
        self.root = -np.inf
        """What the relaxations prove."""
        apart = Master(pool, heads, loss, biases, self._bounds, apart=True)
        self._patterns = Patterns(apart, self.record, Peel(apart, self.record, self.ending))

    def _evaluation_error(self) -> float:
        return self._bounds.evaluation_error()

    def _ending(self, biases: Biases) -> Ending:
        assert isinstance(self.problem.loss, Shortfalls)
        best = best_bias(self.problem.loss, biases)
        if best is not None:
            return OneScore(self.problem, self.record, best, self._bounds)
        return SeveralScores(self.problem, self.record, self.master, self._bounds, biases)

    @property
    def nodes(self) -> int:
        return self._peel.nodes

    def run(self) -> Outcome:
        record = self.record
        finished = True
        try:
            self._search()
        except (Stopped, KeyboardInterrupt):
            finished = False
        biases = np.zeros(self.problem.loss.outputs)
        if record.members is not None:
            biases = self.ending.biases(record.members)
        return Outcome(record.value, record.members, biases, record.bound, finished)

    def _search(self) -> None:
        problem, record = self.problem, self.record
        for members in self._start:
            self.ending.offer(members)
        if 0 in problem.counts:
            self.ending.offer(())
            record.close(0)
        if not problem.pool.size:
            for count in problem.counts:
                record.close(count)
            return
        roots = self.relax()
        self.root = record.least_floor
        self._log(f"roots {[(round(record.floor(h), 6), h) for h in roots]} incumbent {record.value:.9f}")
        for count in list(roots):
            self._finish(roots.pop(count), count)

    def relax(self) -> dict[int, Relaxed]:
        """The relaxation for every number of members but 0, the least bound first, when local search has looked for
        networks near them."""
        counts = [count for count in self.problem.counts if count]
        self._floors(counts)
        roots = {count: self._root(count) for count in counts}
        counts.sort(key=self.record.floor)
        for count in counts:
            if self.record.floor(count) < self.record.goal:
                self.ending.improve(roots[count], count)
        return {count: roots[count] for count in counts}

    def _floors(self, counts: list[int]) -> None:
        """What the costs alone prove."""
        assert isinstance(self.problem.loss, Shortfalls)
        none = np.zeros(len(self.problem.loss.row))
        for count in counts:
            bound = self._bounds.of(none, self._nothing(), self.problem.spare(count), count)
            least = float(self.problem.pool.cost.min() + self.problem.heads.cost.min())
            self.record.raise_floor(count, bound.base + count * least)

    def _root(self, count: int) -> Relaxed:
        everything = Everything(self.problem.pool, self.problem.heads)
        spare = self.problem.spare(count)
        wanted = np.array([count])
        root = self.master.solve(everything, self._nothing(), spare, wanted, check=self.record.check)
        self._know(root, count)
        return root

    def _know(self, root: Relaxed, count: int) -> None:
        self.record.raise_floor(count, root.value(np.array([count])))

    def _finish(self, root: Relaxed, count: int) -> None:
        record = self.record
        if record.floor(count) < record.goal:
            keep = root.bound.base + root.reduced + (count - 1) * root.least[0] < record.goal
            choices = Choices.of(self.problem.pool, self.problem.heads, np.flatnonzero(keep))
            root = replace(root, reduced=root.reduced[keep])
            self._log(f"h {count}: {len(choices)} survivors, bound {record.floor(count):.6f}")
            self._choose(root, choices, count)
        record.close(count)

    def _choose(self, root: Relaxed, choices: Choices, count: int) -> None:
        """All that the root leaves, one pattern of output weights after the other where that is worth it."""
        start = Partial(self._nothing(), self.problem.spare(count))

        def floor(bound: float) -> None:
            self.record.raise_floor(count, bound)

        if self.problem.loss.outputs > 1 and pays(choices, count):
            self._patterns.search(start, choices, root, count, floor)
        elif isinstance(self.ending, OneScore) and self.problem.allowed is None and worth_groups(choices, count):
            master = GroupMaster(self.master.program, self._bounds, self.record, choices)
            leaves = Leaves(self.problem, self.record, self.ending, self._bounds, choices)
            groups = Groups(self.problem, self.record, self.ending, master, leaves, choices)
            groups.search(start, count, root, floor)
            self._peel.nodes += groups.nodes
        else:
            self._peel.search(start, choices, np.array([count]), floor)

    def _nothing(self) -> FloatArray:
        return np.zeros((self.problem.loss.rows, self.problem.loss.outputs))
