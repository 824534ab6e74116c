"""What multipliers prove about all networks, rounded outward."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnmip.records import dataclass
from nnmip.search.biases import Biases
from nnmip.search.loss import EPS, Shortfalls
from nnmip.search.pool import Heads, Pool

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """No network made of what is fixed and of `count` more columns is better than base + the sum of their reduced
    costs, for the multipliers [R]; slopes [n, C] price the columns. The sum may be formed in floats, in any order."""

    multipliers: FloatArray
    slopes: FloatArray
    base: float


class Bounds:
    """Weak duality in float64.

    Exactly: let u >= 0 with sum of u[r] over a group at most its weight (`Shortfalls.feasible` makes it so). Then the
    loss is at least  sum_r u[r] (target[r] - slope[r] @ f[row[r]]), and with W[i] = sum of u[r] slope[r] over the
    pieces of row i and f = fixed + bias + sum_k a_k v_k this is

        u @ target - <W, fixed> - (sum_i W[i]) @ bias - sum_k <a_k @ W, v_k>,

    <., .> over positions and scores. With the costs, the least over the bias and rc_k = cost_k - <a_k @ W, v_k>: base +
    sum_k rc_k.

    Rounded: let e = 2^-53 and g(t) = t e / (1 - t e). A number that comes out of t roundings of a sum of products, in
    whatever order or with fused steps, is off by at most g(t) times the sum of the magnitudes of the products. Every
    quantity above is linear in u with data as coefficients, and each of its products passes through at most
        N = n (sum over rows) + R (sum over pieces) + P C (positions, scores) + P H (units added to the scores) + 12
    roundings: 12 for the products themselves, for inputs that are themselves nearest floats of the exact data (weights
    are no inputs here: `feasible` takes care of them), for the sums of the parts of the base and for those that form
    base + sum of rc. The magnitudes add up to at most
        M = u @ |target| + S (|fixed| + |bias| + count * reach) + |costs|,   S = sum_r u[r] |slope[r]|,
    |slope[r]| summed over the scores; |fixed|, |bias|, reach = P |a_k| |v_k| the largest magnitudes. `fixed` is a
    rounded sum of at most H columns itself: off by g(P H + 1) H reach, within what H reach instead of |fixed| covers;
    what is paid for them likewise. Hence every float base + sum of rc is above the true one by at most g(N) M; 2 N e M,
    which is taken off the base, is more than g(N) M (1 + g(N)) as long as N < 2^50, and so covers that M is computed in
    floats, too.
    """

    def __init__(self, pool: Pool, heads: Heads, loss: Shortfalls, biases: Biases, units: int) -> None:
        self._loss, self._biases = loss, biases
        self._reach = self.reach_of(pool, heads)
        self._far = units * self._reach + biases.reach
        self._most_cost = float(np.abs(pool.cost).max(initial=0.0) + np.abs(heads.cost).max())
        self._units = units
        self._roundings = loss.rows + len(loss.row) + heads.positions * (loss.outputs + units) + 12

    @staticmethod
    def reach_of(pool: Pool, heads: Heads) -> float:
        """How much one unit can change a score."""
        return pool.largest * float(np.abs(heads.vectors).max()) * heads.positions

    def of(self, multipliers: FloatArray, fixed: FloatArray, fixed_cost: float, count: int) -> Bound:
        """`fixed`: the scores of the columns already chosen; `count`: how many columns are still to come."""
        loss = self._loss
        u = loss.feasible(multipliers)
        slopes = loss.slopes(u)
        base = float(u @ loss.target) + self._biases.least(slopes.sum(axis=0)) - float((slopes * fixed).sum())
        return Bound(u, slopes, base + fixed_cost - self._error(u, fixed_cost, count))

    def _error(self, u: FloatArray, fixed_cost: float, count: int) -> float:
        steep = float(u @ self._loss.steepness)
        scores = float(u @ np.abs(self._loss.target)) + steep * (self._far + count * self._reach)
        costs = abs(fixed_cost) + self._biases.most_cost + (count + self._units) * self._most_cost
        return self._roundings * EPS * (scores + costs)

    def evaluation_error(self) -> float:
        """By how much the value of a network that is evaluated in floats can be off.

        The same count of roundings; a piece is at most |target| + steepness (|fixed| + |bias|), and the closed forms
        of `one_score` add and subtract every piece at most three times.
        """
        loss = self._loss
        pieces = np.abs(loss.target) + loss.steepness * self._far
        scale = float(loss.limit @ pieces) + self._units * self._most_cost + self._biases.most_cost
        return 3 * self._roundings * EPS * scale
