"""What multipliers prove about a linear program, rounded outward."""

from __future__ import annotations

import numpy as np

from nnmip.milp.model import FloatArray, IntArray, Milp

EPS = 2.0**-52


class Certifier:
    """Lower bounds by weak duality (Neumaier and Shcherbina 2004; Jansson 2004).

    For minimise c x + o with rows lo <= A x <= up, cuts C x <= most and bounds l <= x <= u, any multipliers y, z >= 0
    and any point x give

        c x + o >= o + sum of (lo y where y > 0, up y where y < 0) - most z + sum of min(d l, d u),  d = c - A'y + C'z.

    In floats every number of the right-hand side is a sum of at most N = rows + cuts + columns products, with factors
    that are themselves nearest floats of the exact ones; 4 (N + 16) 2^-52 times the sum of the magnitudes of the
    products is more than the errors of all of them, as long as N < 2^40, and is taken off.
    """

    def __init__(self, milp: Milp) -> None:
        self._milp = milp
        self._rows = milp.row_of_entry
        self.cuts = np.zeros((0, milp.num_columns))
        self.most = np.zeros(0)

    def add(self, cuts: FloatArray, most: FloatArray) -> None:
        """Further rows `cuts @ x <= most`."""
        self.cuts, self.most = np.vstack([self.cuts, cuts]), np.concatenate([self.most, most])

    def keep(self, kept: IntArray) -> None:
        """Only some of the cuts, by their positions."""
        self.cuts, self.most = self.cuts[kept], self.most[kept]

    def bound(self, multipliers: FloatArray, low: FloatArray, high: FloatArray) -> float:
        """No point within the bounds is better, whatever the multipliers [rows + cuts] are."""
        return self._least(multipliers, low, high, self._milp.cost, self._milp.offset)

    def is_empty(self, ray: FloatArray, low: FloatArray, high: FloatArray) -> bool:
        """Whether a ray shows that no point is within the bounds (Farkas): the goal 0 would be above 0 there."""
        nothing = np.zeros(self._milp.num_columns)
        return any(self._least(sign * ray, low, high, nothing, 0.0) > 0.0 for sign in (1.0, -1.0))

    def _least(
        self, multipliers: FloatArray, low: FloatArray, high: FloatArray, cost: FloatArray, offset: float
    ) -> float:
        milp = self._milp
        y, z = multipliers[: milp.num_rows], np.maximum(-multipliers[milp.num_rows :], 0.0)
        side = np.where(y > 0, milp.row_lb, milp.row_ub)
        y = np.where(np.isfinite(side), y, 0.0)
        sides = y * np.where(np.isfinite(side), side, 0.0)
        used = milp.data * y[self._rows]
        d = cost - np.bincount(milp.indices, used, milp.num_columns) + z @ self.cuts
        size = np.abs(cost) + np.bincount(milp.indices, np.abs(used), milp.num_columns) + z @ np.abs(self.cuts)
        far = np.maximum(np.abs(low), np.abs(high))
        total = offset + sides.sum() - self.most @ z + np.minimum(d * low, d * high).sum()
        magnitude = abs(offset) + np.abs(sides).sum() + np.abs(self.most) @ z + size @ far
        terms = milp.num_rows + len(self.most) + milp.num_columns + 16
        return float(total - 4 * terms * EPS * magnitude)
