"""Exact search over the columns of a hidden layer: exactly h units, for h = 0, 1, ..., each with a proved bound."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nnmip.search.loss import Shortfalls
from nnmip.search.master import Master, Relaxed, cheapest_of
from nnmip.search.pool import Choices, Heads, Pool

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MARGIN = 1e-9
"""A network must be better than the best one by this much to be looked for."""
MOST_PAIRS = 4_000_000
CELLS = 2_000_000
"""How many numbers one batch of evaluations holds."""


@dataclass
class Best:
    value: float
    members: tuple[tuple[int, int], ...] = ()


@dataclass
class Problem:
    pool: Pool
    heads: Heads
    loss: Shortfalls
    low: FloatArray
    high: FloatArray
    units: int
    idle: float = 0.0


class Search:
    def __init__(self, problem: Problem, log: Callable[[str], None] = lambda text: None) -> None:
        self.problem = problem
        self.master = Master(problem.pool, problem.heads, problem.loss, problem.low, problem.high)
        self.best = Best(math.inf)
        self.log = log
        self.leaves = 0
        self.nodes = 0
        self.single = problem.loss.outputs == 1

    @property
    def goal(self) -> float:
        """What a node must be better than to be looked at."""
        return self.best.value - MARGIN * max(1.0, abs(self.best.value))

    # ---- roots --------------------------------------------------------------------------------------------------

    def _price(self, slopes: FloatArray):
        problem = self.problem
        gains = (problem.pool.activations @ slopes) @ problem.heads.vectors.T
        reduced = problem.pool.cost[:, None] + problem.heads.cost - gains
        heads = len(problem.heads.cost)
        unit = np.arange(problem.pool.size).repeat(heads)
        head = np.tile(np.arange(heads), problem.pool.size)
        return reduced.reshape(-1), cheapest_of(reduced.reshape(-1), unit, head)

    def run(self) -> Best:
        problem = self.problem
        outputs = problem.loss.outputs
        zero = np.zeros((problem.loss.rows, outputs))
        self._offer((), self._value(zero, 0.0))
        roots: list[tuple[float, int, Relaxed]] = []
        for count in range(1, problem.units + 1):
            root = self.master.solve(self._price, None, None, 0.0, count)
            assert root is not None
            roots.append((root.least(count), count, root))
        roots.sort(key=lambda item: item[0])
        for bound, count, root in roots:
            if bound < self.goal:
                self._improve(root, count)
        self.log(f"roots {[(round(b, 6), h) for b, h, _ in roots]} incumbent {self.best.value:.9f}")
        for bound, count, root in roots:
            if bound >= self.goal:
                continue
            survivors = self._survivors(root, count)
            self.log(f"h {count}: {len(survivors)} survivors, bound {bound:.6f}")
            self._search(zero, 0.0, (), survivors, count)
        return self.best

    def _survivors(self, root: Relaxed, count: int) -> Choices:
        heads = len(self.problem.heads.cost)
        kept = np.flatnonzero(root.bound.base + root.reduced + (count - 1) * root.reduced.min() < self.goal)
        return Choices.of(self.problem.pool, self.problem.heads, kept // heads, kept % heads)

    # ---- incumbents ---------------------------------------------------------------------------------------------

    def _offer(self, members: tuple[tuple[int, int], ...], value: float) -> None:
        if value < self.best.value:
            self.best = Best(value, members)

    def _value(self, scores: FloatArray, cost: float) -> float:
        """The goal of one network at its best bias."""
        if self.single:
            return cost + float(self.problem.loss.best_values(scores[None, :, 0].copy())[0])
        leaf = self.master.solve(lambda slopes: (np.zeros(1), lambda c: []), lambda key: False, scores, cost, 0)
        assert leaf is not None
        return self._upper

    def _improve(self, root: Relaxed, count: int) -> None:
        """Local search from the support of the LP: add, drop, swap."""
        if not self.single:
            return
        heads = len(self.problem.heads.cost)
        most = int(min(len(root.reduced), max(200, min(3000, 3_000_000 // self.problem.loss.rows))))
        near = np.argpartition(root.reduced, most - 1)[:most] if most < len(root.reduced) else np.arange(most)
        choices = Choices.of(self.problem.pool, self.problem.heads, near // heads, near % heads)
        place = {key: i for i, key in enumerate(zip((near // heads).tolist(), (near % heads).tolist(), strict=True))}
        taken = sorted(root.taken, key=lambda key: -root.taken[key])
        start = [place[key] for key in taken if key in place][:count]
        self._climb(choices, start, count)
        rng = np.random.default_rng(0)
        support = [place[key] for key in taken if key in place]
        for _ in range(5):
            if len(support) > count:
                self._climb(choices, list(rng.choice(support, count, replace=False)), count)

    def _climb(self, choices: Choices, chosen: list[int], count: int) -> None:
        assert choices.signed is not None
        value = math.inf
        improved = True
        while improved:
            improved = False
            for position in range(-1, len(chosen)):
                if position == -1 and len(chosen) >= count:
                    continue
                rest = [c for i, c in enumerate(chosen) if i != position]
                scores = choices.signed[rest].sum(axis=0) if rest else np.zeros(self.problem.loss.rows)
                cost = float(choices.cost[rest].sum())
                values = choices.cost + cost + self._batch(choices.signed, scores)
                place = int(values.argmin())
                if values[place] < value - 1e-12:
                    value, chosen, improved = float(values[place]), [*rest, place], True
                    break
        members = tuple((int(choices.unit[c]), int(choices.head[c])) for c in chosen)
        self._offer(members, value)

    def _batch(self, signed: FloatArray, scores: FloatArray) -> FloatArray:
        step = max(1, CELLS // self.problem.loss.rows)
        parts = [self.problem.loss.best_values(signed[i : i + step] + scores) for i in range(0, len(signed), step)]
        self.leaves += len(signed)
        return np.concatenate(parts) if parts else np.zeros(0)

    # ---- the search ---------------------------------------------------------------------------------------------

    def _search(
        self, scores: FloatArray, cost: float, members: tuple[tuple[int, int], ...], choices: Choices, count: int
    ) -> None:
        """Find every network better than the best that has what is fixed and `count` more of the choices."""
        if not len(choices):
            return
        if count == 1 and self.single:
            self._last(scores, cost, members, choices)
            return
        while len(choices):
            self.nodes += 1
            node = self._relax(scores, cost, choices, count)
            if node.least(count) >= self.goal:
                return
            least = node.reduced.min()
            keep = node.bound.base + node.reduced + (count - 1) * least < self.goal
            reduced = node.reduced[keep]
            choices = choices.take(keep)
            if not len(choices):
                return
            if count == 2 and self.single:
                pairs = self._pairs(reduced, self.goal - node.bound.base)
                if pairs <= MOST_PAIRS:
                    self._list_pairs(scores, cost, members, choices, reduced, node.bound.base)
                    return
            taken = {key: x for key, x in node.taken.items()}
            index = {key: i for i, key in enumerate(zip(choices.unit.tolist(), choices.head.tolist(), strict=True))}
            known = [(x, index[key]) for key, x in taken.items() if key in index]
            pick = max(known)[1] if known else int(reduced.argmin())
            member = (int(choices.unit[pick]), int(choices.head[pick]))
            child = choices.take(node.bound.base + reduced + reduced[pick] + (count - 2) * least < self.goal)
            self._search(
                scores + choices.scores(pick), cost + float(choices.cost[pick]), (*members, member), child, count - 1
            )
            choices = choices.take(np.arange(len(choices)) != pick)

    def _relax(self, scores: FloatArray, cost: float, choices: Choices, count: int) -> Relaxed:
        inside = set(zip(choices.unit.tolist(), choices.head.tolist(), strict=True))

        def price(slopes: FloatArray):
            reduced = choices.priced(slopes)
            return reduced, cheapest_of(reduced, choices.unit, choices.head)

        node = self.master.solve(price, inside.__contains__, scores, cost, count, self.goal)
        assert node is not None
        return node

    def _last(self, scores: FloatArray, cost: float, members: tuple[tuple[int, int], ...], choices: Choices) -> None:
        assert choices.signed is not None
        values = choices.cost + cost + self._batch(choices.signed, scores[:, 0])
        place = int(values.argmin())
        self._offer((*members, (int(choices.unit[place]), int(choices.head[place]))), float(values[place]))

    @staticmethod
    def _pairs(reduced: FloatArray, room: float) -> int:
        ordered = np.sort(reduced)
        until = np.searchsorted(ordered, room - ordered)
        return int(np.maximum(until - np.arange(len(ordered)), 0).sum())

    def _list_pairs(
        self,
        scores: FloatArray,
        cost: float,
        members: tuple[tuple[int, int], ...],
        choices: Choices,
        reduced: FloatArray,
        base: float,
    ) -> None:
        order = np.argsort(reduced)
        choices, reduced = choices.take(order), reduced[order]
        assert choices.signed is not None
        for i in range(len(reduced)):
            until = int(np.searchsorted(reduced, self.goal - base - reduced[i]))
            if until <= i:
                break
            values = self._batch(choices.signed[i:until], scores[:, 0] + choices.signed[i])
            values += choices.cost[i:until] + (cost + choices.cost[i])
            place = int(values.argmin())
            if values[place] < self.best.value:
                both = ((int(choices.unit[c]), int(choices.head[c])) for c in (i, i + place))
                self._offer((*members, *both), float(values[place]))
