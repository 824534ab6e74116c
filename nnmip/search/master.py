"""The linear relaxation of choosing columns, in its dual form, and the bound that any multipliers prove."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nnmip.backends.linear import LinearProgram
from nnmip.search.loss import Shortfalls
from nnmip.search.pool import Choices, Heads, Pool

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
EPS = 2.0**-52
CLOSE = 1e-9
BATCH = 60
MOST_ROUNDS = 200


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """No network made of what is fixed and of `count` more columns is better than base + the sum of their reduced
    costs, for the multipliers [R]; slopes [n, C] price the columns. Rounded outward."""

    multipliers: FloatArray
    slopes: FloatArray
    base: float


@dataclass(frozen=True, slots=True, eq=False)
class Relaxed:
    """An LP solved by column generation: its bound, the reduced costs of all choices, and which columns it takes."""

    bound: Bound
    reduced: FloatArray
    taken: dict[tuple[int, int], float]

    def least(self, count: int) -> float:
        """What no network is better than."""
        return self.bound.base + (count * float(self.reduced.min()) if count else 0.0)


class Master:
    """max over u of  sum u (target - slope f_fixed) + least over the bias of (- sum u slope) bias + count * least rc.

    Columns of the LP: the multipliers u, the two sides of the bias for every score, and the least reduced cost. Rows
    are composite columns, generated where they are the cheapest.
    """

    def __init__(self, pool: Pool, heads: Heads, loss: Shortfalls, low: FloatArray, high: FloatArray) -> None:
        self.pool, self.heads, self.loss, self.low, self.high = pool, heads, loss, low, high
        pieces, outputs = len(loss.row), loss.outputs
        limit = loss.limit
        self._own = pieces + 2 * outputs
        cost = np.concatenate([loss.target, -high, low, [1.0]])
        lower = np.concatenate([np.zeros(pieces + 2 * outputs), [-1e6]])
        upper = np.concatenate([limit, np.full(2 * outputs, float(limit.sum()) * np.abs(loss.slope).max() * 2), [1e6]])
        self._cost = cost
        self._lp = LinearProgram(cost, lower, upper)
        self.solved = 0
        self._known: dict[tuple[int, int], int] = {}
        self._most: list[float] = []
        self._open: set[int] = set()
        # sum u slope = p - q, as two inequalities
        balance = np.zeros((outputs, self._own + 1))
        balance[:, :pieces] = loss.slope.T
        balance[:, pieces : pieces + outputs] = -np.eye(outputs)
        balance[:, pieces + outputs : self._own] = np.eye(outputs)
        self._lp.add_rows(np.concatenate([balance, -balance]), np.zeros(2 * outputs))
        if not loss.is_separate:
            groups = np.zeros((len(loss.weight), self._own + 1))
            groups[loss.group, np.arange(pieces)] = 1.0
            self._lp.add_rows(groups, loss.weight)
        self._first = self._lp.rows

    def bound(self, multipliers: FloatArray, fixed: FloatArray | None, fixed_cost: float, count: int) -> Bound:
        """What multipliers prove; `fixed` are the scores of the columns already chosen."""
        loss, u = self.loss, self.loss.feasible(multipliers)
        slopes = loss.slopes(u)
        target = float(u @ loss.target)
        total = slopes.sum(axis=0)
        bias = np.minimum(-total * self.low, -total * self.high)
        given = float((slopes * fixed).sum()) if fixed is not None else 0.0
        scale = float(np.abs(slopes).sum())
        far = float(np.abs(fixed).max()) if fixed is not None else 0.0
        biggest = float(max(np.abs(self.low).max(), np.abs(self.high).max()))
        error = EPS * (loss.rows + 10) * (float(u @ np.abs(loss.target)) + scale * (biggest + far) + abs(fixed_cost))
        reach = self._reach * scale
        error += count * EPS * (loss.rows + 10) * (reach + 1.0)
        return Bound(u, slopes, target + float(bias.sum()) - given + fixed_cost - error)

    @property
    def _reach(self) -> float:
        if not hasattr(self, "_reach_value"):
            self._reach_value = float(
                np.abs(self.pool.activations).max(initial=0.0) * np.abs(self.heads.vectors).sum(axis=1).max()
            )
        return self._reach_value

    def solve(
        self,
        price: Callable[[FloatArray], tuple[FloatArray, Callable[[int], list[tuple[int, int]]]]],
        allowed: Callable[[tuple[int, int]], bool] | None,
        fixed: FloatArray | None,
        fixed_cost: float,
        count: int,
        enough: float = np.inf,
    ) -> Relaxed | None:
        """Column generation. `price(slopes)` gives reduced costs and the cheapest composite columns.

        Stops where the bound reaches `enough`.
        """
        loss = self.loss
        cost = self._cost.copy()
        if fixed is not None:
            cost[: len(loss.row)] -= np.einsum("rc,rc->r", loss.slope, fixed[loss.row])
        cost[-1] = count
        self._lp.set_cost(cost)
        self._admit(allowed)
        best: tuple[float, Bound, FloatArray] | None = None
        for _ in range(MOST_ROUNDS):
            answer = self._lp.solve()
            self.solved += 1
            if answer is None:
                return None
            bound = self.bound(answer.x[: len(loss.row)], fixed, fixed_cost, count)
            reduced, cheapest = price(bound.slopes)
            value = bound.base + (count * float(reduced.min()) if count else 0.0)
            if best is None or value > best[0]:
                best = value, bound, reduced
            upper = answer.value + fixed_cost
            if count == 0 or upper - best[0] <= CLOSE or best[0] >= enough or upper < best[0]:
                break
            new = [key for key in cheapest(BATCH) if key not in self._known]
            if not new:
                break
            self._add(new)
        taken = {}
        for key, row in self._known.items():
            if abs(answer.multipliers[row]) > 1e-9:
                taken[key] = abs(float(answer.multipliers[row]))
        assert best is not None
        return Relaxed(best[1], best[2], taken)

    def _admit(self, allowed: Callable[[tuple[int, int]], bool] | None) -> None:
        if not self._known:
            return
        keys = list(self._known)
        on = np.array([allowed is None or allowed(key) for key in keys])
        rows = np.array([self._known[key] for key in keys])
        most = np.where(on, np.array(self._most), np.inf)
        self._lp.set_most(rows, most)

    def _add(self, keys: list[tuple[int, int]]) -> None:
        """Rows  rc + sum u (slope v) a <= cost  for composite columns."""
        loss = self.loss
        unit, head = np.array([k for k, _ in keys]), np.array([v for _, v in keys])
        matrix = np.zeros((len(keys), self._own + 1))
        matrix[:, : len(loss.row)] = self.pool.activations[unit][:, loss.row] * (
            self.heads.vectors[head] @ loss.slope.T
        )
        matrix[:, -1] = 1.0
        most = self.pool.cost[unit] + self.heads.cost[head]
        first = self._lp.rows
        self._lp.add_rows(matrix, most)
        self._most.extend(most.tolist())
        self._known.update({key: first + i for i, key in enumerate(keys)})


def cheapest_of(reduced: FloatArray, unit: IntArray, head: IntArray) -> Callable[[int], list[tuple[int, int]]]:
    """The composite columns of least reduced cost, one for each unit."""

    def pick(count: int) -> list[tuple[int, int]]:
        some = min(len(reduced), 3 * count)
        order = np.argpartition(reduced, some - 1)[:some]
        order = order[np.argsort(reduced[order])]
        _, first = np.unique(unit[order], return_index=True)
        order = order[np.sort(first)][:count]
        return [(int(unit[i]), int(head[i])) for i in order]

    return pick
