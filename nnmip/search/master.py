"""The linear relaxation of choosing columns, in its dual form, by column generation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from nnmip.arrays import without
from nnmip.backends.linear import LinearAnswer, LinearProgram
from nnmip.records import dataclass
from nnmip.search.biases import Biases
from nnmip.search.bound import Bound, Bounds
from nnmip.search.choices import Offers
from nnmip.search.loss import Shortfalls
from nnmip.search.pool import Heads, Pool

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
CLOSE = 1e-9
BATCH = 60
MOST_ROUNDS = 200
MOST_ROWS = 400


@dataclass(frozen=True, slots=True, eq=False)
class Relaxed:
    """An LP solved by column generation: its bound, the reduced costs of all choices, and which columns it takes.

    key: those columns, the most taken ones first. least: the least reduced cost of the columns of every kind.
    """

    bound: Bound
    reduced: FloatArray
    key: IntArray
    least: FloatArray

    def value(self, wanted: IntArray) -> float:
        """What no network is better than with so many columns of every kind."""
        some = wanted > 0
        return self.bound.base + float(wanted[some] @ self.least[some])

    def others(self, wanted: IntArray, kind: IntArray) -> FloatArray:
        """The base and the least cost of the others besides one column of each kind, infinite where none is wanted."""
        possible = (wanted > 0) & np.isfinite(self.least)
        rest = np.full(len(wanted), np.inf)
        rest[possible] = self.value(wanted) - self.least[possible]
        return rest[kind]


class DualProgram:
    """max over u of  u @ (target - slope f_fixed) + sum_c t_c + wanted @ rc, where t_c is what the bias of score c
    costs: t_c <= cost - (sum u slope)_c bias  for each of its points, of whose multipliers the best bias is the mean.

    Columns: u, t and the least reduced cost rc of the columns of every kind. Rows: the points, the groups, then what
    else is added.
    """

    def __init__(self, loss: Shortfalls, biases: Biases, kinds: int, ample: float) -> None:
        self.loss, self.biases = loss, biases
        pieces, outputs = len(loss.row), loss.outputs
        self._target = np.concatenate([loss.target, np.ones(outputs), np.zeros(kinds)])
        lower = np.concatenate([np.zeros(pieces), np.full(outputs, -np.inf), np.full(kinds, -ample)])
        upper = np.concatenate([loss.limit, np.full(outputs, np.inf), np.full(kinds, ample)])
        self.program = LinearProgram(self._target, lower, upper)
        score = np.repeat(np.arange(outputs), [len(points) for points in biases.points])
        self.width = pieces + outputs + kinds
        points = np.zeros((len(score), self.width))
        points[:, :pieces] = loss.slope.T[score] * np.concatenate(biases.points)[:, None]
        points[np.arange(len(score)), pieces + score] = 1.0
        self.program.add_rows(points, np.concatenate(biases.cost))
        if not loss.is_separate:
            groups = np.zeros((len(loss.weight), self.width))
            groups[loss.group, np.arange(pieces)] = 1.0
            self.program.add_rows(groups, loss.weight)

    def solve(self, fixed: FloatArray, wanted: IntArray) -> LinearAnswer | None:
        cost = self._target.copy()
        cost[: len(self.loss.row)] -= np.einsum("rc,rc->r", self.loss.slope, fixed[self.loss.row])
        cost[len(cost) - len(wanted) :] = wanted
        self.program.set_cost(cost)
        return self.program.solve()

    def best_biases(self, answer: LinearAnswer) -> FloatArray:
        """[C], of the network whose scores were fixed."""
        weight, first = np.abs(answer.multipliers), 0
        result = np.zeros(self.loss.outputs)
        for c, points in enumerate(self.biases.points):
            share = weight[first : first + len(points)]
            result[c] = np.clip(share @ points, points.min(), points.max())
            first += len(points)
        return result


class Master:
    """Rows of the dual program are composite columns, generated where they are the cheapest.

    apart: whether the columns of every head are a kind of their own, of which some number is wanted; else all columns
    are of one kind.
    """

    def __init__(
        self, pool: Pool, heads: Heads, loss: Shortfalls, biases: Biases, bounds: Bounds, apart: bool = False
    ) -> None:
        self.apart, self.kinds = apart, len(heads.cost) if apart else 1
        self._pool, self._heads, self._loss, self._bounds = pool, heads, loss, bounds
        price = float(np.abs(pool.cost).max(initial=0.0) + np.abs(heads.cost).max())
        ample = 1.0 + price + bounds.reach_of(pool, heads) * float(loss.limit @ loss.steepness)
        self.program: Callable[[int], DualProgram] = lambda kinds: DualProgram(loss, biases, kinds, ample)
        """One without columns, which can be of so many kinds."""
        self._empty()
        self.solved = 0

    def _empty(self) -> None:
        self._dual = self.program(self.kinds)
        self._first = self._dual.program.rows
        self._key = np.zeros(0, dtype=np.int64)
        self._most = np.zeros(0)

    def solve(
        self,
        offers: Offers,
        fixed: FloatArray,
        fixed_cost: float,
        wanted: IntArray,
        goal: Callable[[], float] = lambda: np.inf,
        check: Callable[[], None] = lambda: None,
    ) -> Relaxed:
        """Stops where the bound reaches the goal."""
        self._admit(offers)
        best: Relaxed | None = None
        answer = None
        for _ in range(MOST_ROUNDS):
            check()
            answer = self._dual.solve(fixed, wanted)
            self.solved += 1
            multipliers = answer.x[: len(self._loss.row)] if answer is not None else np.zeros(len(self._loss.row))
            bound = self._bounds.of(multipliers, fixed, fixed_cost, int(wanted.sum()))
            reduced = offers.priced(bound.slopes)
            found = Relaxed(bound, reduced, self._key[:0], offers.least(reduced, self.apart))
            if best is None or found.value(wanted) > best.value(wanted):
                best = found
            if answer is None or self._is_close(answer.value + fixed_cost, best.value(wanted), goal()):
                break
            new = without(offers.cheapest(reduced, BATCH), self._key)
            if not len(new):
                break
            self._add(new)
        assert best is not None
        return Relaxed(best.bound, best.reduced, self._taken(answer), best.least)

    @staticmethod
    def _is_close(above: float, below: float, goal: float) -> bool:
        return above - below <= CLOSE * max(1.0, abs(above)) or below >= goal

    def _taken(self, answer: LinearAnswer | None) -> IntArray:
        if answer is None:
            return self._key[:0]
        amount = np.abs(answer.multipliers[self._first : self._first + len(self._most)])
        some = np.flatnonzero(amount > CLOSE)
        return np.asarray(self._key[: len(amount)][some[np.argsort(-amount[some], kind="stable")]])

    def _admit(self, offers: Offers) -> None:
        """The rows of the columns that are not offered are let go; where that leaves too many idle ones, all begins
        anew with those that are offered."""
        offered = self._key[offers.holds(self._key)]
        if len(self._key) > MOST_ROWS + len(offered):
            self._empty()
            if len(offered):
                self._add(offered)
        elif len(self._key):
            most = np.where(offers.holds(self._key), self._most, np.inf)
            self._dual.program.set_most(self._first + np.arange(len(self._key)), most)

    def _add(self, keys: IntArray) -> None:
        """Rows  rc + sum u (slope v) a <= cost  for composite columns."""
        loss = self._loss
        unit, head = keys // len(self._heads.cost), keys % len(self._heads.cost)
        sloped = self._heads.vectors[head] @ loss.slope.T
        gains = np.einsum("kpr,kpr->kr", self._pool.activations[unit][:, :, loss.row], sloped)
        rest = np.zeros((len(keys), loss.outputs + self.kinds))
        rest[np.arange(len(keys)), loss.outputs + (head if self.apart else 0)] = 1.0
        most = self._pool.cost[unit] + self._heads.cost[head]
        self._dual.program.add_rows(np.concatenate([gains, rest], axis=1), most)
        self._key, self._most = np.concatenate([self._key, keys]), np.concatenate([self._most, most])
