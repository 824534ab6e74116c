"""Inequalities that tie the value of a unit at one row to its values at the others, whichever phase the row is in."""

from __future__ import annotations

import numpy as np

from nnmip.backends.relaxation import SmallProgram
from nnmip.lowering.phases import Unit
from nnmip.milp.affine import Affine
from nnmip.milp.model import FloatArray

MOST = 20.0
"""The largest multiplier of a cut."""

TINY = 1e-9
"""Smaller multipliers and coefficients are left out, and paid for."""

SLACK = 1e-11
"""What the right side of a cut is raised by, for each unit of the sizes of its terms: more than they are rounded by."""


class PhaseCuts:
    """For row n of a unit max(0, w x + b), w = p - q, with the phase s, the most that the value at n can be:

        max  u x_n + v    such that    u x_m + v <= h_m  for the rows m whose values hold
             u = u+ - u-,   0 <= u+ <= p,   0 <= u- <= q
             u+ <= P s,  u- <= Q s  together:  u+ / P + u- / Q <= s,   (p - u+) / P + (q - u-) / Q <= 1 - s
             B0 s <= v <= B1 s,   B0 (1 - s) <= b - v <= B1 (1 - s)

    over u, v, for p in [0, P], q in [0, Q], p q = 0, b in [B0, B1]: in truth u = s w and v = s b, and then u x_n + v =
    h_n and u x_m + v is 0 or w x_m + b, so at most h_m. Any multipliers of these rows that are feasible for the dual
    linear program make a row in the columns of the MILP that holds at every network; the best ones cut a point off if
    any do. This is lift and project (Balas 1979; Balas, Ceria and Cornuejols 1993) for the phase of one row, written
    over d + 1 unknowns; without the rows in s it says that h is convex with slopes between -q and p.
    """

    def __init__(self, unit: Unit, columns: int) -> None:
        self.unit, self._columns = unit, columns
        self.held = np.flatnonzero(unit.holds)
        self._d = unit.rows.shape[1]
        self._matrix_of, self._scale = self._matrix(unit, self._d)
        self._dense = {name: _dense(part, columns) for name, part in self._parts().items()}
        self._program = SmallProgram(self._matrix_of, MOST)

    def _parts(self) -> dict[str, Affine]:
        unit = self.unit
        return {
            "shown": unit.shown,
            "phase": unit.phase,
            "positive": unit.positive,
            "negative": unit.negative,
            "bias": unit.bias,
        }

    def _matrix(self, unit: Unit, d: int) -> tuple[FloatArray, tuple[FloatArray, FloatArray]]:
        """The rows of u+, u- and v over the multipliers of the rows above, in their order."""
        up, down = _inverse(unit.above), _inverse(unit.below)
        held = unit.rows[self.held].T
        k, one, none = held.shape[1], np.eye(d), np.zeros((d, d))
        blocks = [
            np.vstack([held, -held, np.ones((1, k))]),
            np.vstack([one, none, np.zeros((1, d))]),
            np.vstack([none, one, np.zeros((1, d))]),
            np.vstack([one * up, one * down, np.zeros((1, d))]),
            np.vstack([-one * up, -one * down, np.zeros((1, d))]),
            np.vstack([np.zeros((2 * d, 4)), [[1.0, -1.0, 1.0, -1.0]]]),
        ]
        return np.hstack(blocks), (up, down)

    def _costs(self, n: int) -> tuple[FloatArray, FloatArray]:
        """The right sides of the rows above as functions of the columns: coefficients [multipliers, columns] and
        constants."""
        unit, dense, d = self.unit, self._dense, self._d
        up, down = self._scale
        low, high = unit.bias_box
        (h, h0), (s, s0), (p, p0), (q, q0), (b, b0) = (dense[name] for name in self._parts())
        phase, phase0 = s[n], s0[n]
        ones = np.ones((d, 1))
        rest = (p * up[:, None] + q * down[:, None], p0 * up + q0 * down)
        coefficients = np.vstack(
            [
                h[self.held],
                p,
                q,
                ones * phase,
                -ones * phase - rest[0],
                [high * phase, -low * phase, b[0] - low * -phase, high * -phase - b[0]],
            ]
        )
        constants = np.concatenate(
            [
                h0[self.held],
                p0,
                q0,
                np.full(d, phase0),
                1.0 - phase0 - rest[1],
                [high * phase0, -low * phase0, b0[0] - low * (1 - phase0), high * (1 - phase0) - b0[0]],
            ]
        )
        return coefficients, constants

    def separate(self, x: FloatArray, least: float, most_rows: int) -> list[tuple[float, FloatArray, float]]:
        """Cuts (violation, coefficients, right side) that x violates by at least `least`, one for a row, of the rows
        whose values are furthest above the true ones."""
        unit = self.unit
        shown = unit.shown.value(x)
        z = unit.rows @ (unit.positive.value(x) - unit.negative.value(x)) + unit.bias.value(x)[0]
        above = np.where(unit.has_phase, shown - np.maximum(z, 0.0), 0.0)
        wrong = np.argsort(-above, kind="stable")[:most_rows]
        phases, plain = unit.phase.value(x), self._plain_costs(x, shown)
        found = []
        for n in wrong[above[wrong] > least].tolist():
            costs = self._costs_with(plain, float(phases[n]), float(unit.bias.value(x)[0]))
            multipliers = self._best(unit.rows[n], costs)
            if multipliers is None or costs @ multipliers >= shown[n] - least:
                continue
            row, most = self._cut(n, multipliers, *self._costs(n))
            violation = float(row @ x - most)
            if violation > least:
                found.append((violation, row, most))
        return found

    def _plain_costs(self, x: FloatArray, shown: FloatArray) -> FloatArray:
        """The right sides at a point, in which the phase counts as 0 and b is left out."""
        up, down = self._scale
        p, q = self.unit.positive.value(x), self.unit.negative.value(x)
        rest = 1.0 - p * up - q * down
        return np.concatenate([shown[self.held], p, q, np.zeros(self._d), rest, np.zeros(4)])

    def _costs_with(self, plain: FloatArray, phase: float, bias: float) -> FloatArray:
        """The right sides at a point, with a phase and b."""
        low, high = self.unit.bias_box
        costs, d = plain.copy(), self._d
        costs[-4:] = high * phase, -low * phase, bias - low * (1.0 - phase), high * (1.0 - phase) - bias
        costs[-4 - 2 * d : -4 - d] = phase
        costs[-4 - d : -4] -= phase
        return costs

    def _best(self, row: FloatArray, costs: FloatArray) -> FloatArray | None:
        low = np.concatenate([row, -row, [1.0]])
        return self._program.solve(costs + TINY, low, np.append(np.full(len(low) - 1, np.inf), 1.0))

    def _cut(
        self, n: int, multipliers: FloatArray, coefficients: FloatArray, constants: FloatArray
    ) -> tuple[FloatArray, float]:
        """shown[n] <= multipliers @ (coefficients x + constants), with what the multipliers lack of being feasible, and
        all rounding, on the right side."""
        unit = self.unit
        y = np.where(multipliers > TINY, multipliers, 0.0)
        reached = self._matrix_of @ y
        lacks = np.concatenate([unit.rows[n], -unit.rows[n], [1.0]]) - reached
        far = np.concatenate([unit.above, unit.below, [max(abs(end) for end in unit.bias_box)]])
        paid = np.append(np.maximum(lacks[:-1], 0.0), abs(lacks[-1])) @ far
        shown, shown0 = self._dense["shown"]
        row = shown[n] - y @ coefficients
        most = float(y @ constants - shown0[n] + paid)
        size = float(np.abs(row).sum() + y @ np.abs(constants) + y.sum() * (1.0 + float(far.max(initial=0.0))))
        return row, most + SLACK * (1.0 + size)


def _inverse(ends: FloatArray) -> FloatArray:
    return np.divide(1.0, ends, out=np.zeros_like(ends), where=ends > 0)


def _dense(part: Affine, columns: int) -> tuple[FloatArray, FloatArray]:
    """The coefficients [entries, columns] and constants of a vector."""
    found = np.zeros((part.size, columns))
    np.add.at(found, (part.entry, part.column), part.coef)
    return found, part.const.reshape(-1)
