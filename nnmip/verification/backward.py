"""Backward linear bounds of a chain over batches of small boxes, of the neurons that are still unstable alone.

The walk and its lines are those of `bounds.crown` (CROWN, Zhang et al. 2018); here rows are gathered for every box, and
what is known of a box comes from the box that it was cut from. With A the coefficients on what a stage gives,

    A . relu(z)  >=  sum A_j s_j z_j + sum over A_j < 0 of A_j t_j,

s_j = 0 or 1 for A_j >= 0, and the slope of the chord for A_j < 0, whose shift is t_j. Then z = W a + b.

Rounding. With u = 2^-53, p >= |a| for what the stage reads and m >= |z|, all of it costs in one step at most

    gamma  sum over j of |A_j| e_j,      e = |W| p + |b| + 4 m,      gamma = 1.01 (n + 3 T + 100) u.              (1)

n is the largest width and T the number of stages. The product of a row with W loses gamma_n |A s| |W| p, what goes into
the constant gamma_n (|A| m + |A| |b|), and every later addition to the constant u of it, 3 T in all; a product A_j s_j,
with s_j made from a rounded difference, loses 3 u |A_j| m_j, and the chord, whose slope is off by 3 u at most, is a
valid line if t_j is raised by 4 u m_j. Coefficients and biases that stand for rounded numbers are off by 64 u of their
size (`composite.ROUNDED`). What underflows is charged once, for all that it is multiplied with.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from nnmip.bounds.crown import UNDERFLOW
from nnmip.bounds.interval import UNIT_ROUNDOFF, FloatArray, IntArray, Interval
from nnmip.bounds.relaxation import down
from nnmip.records import dataclass
from nnmip.verification.boxes import Boxes, Reached
from nnmip.verification.chain import Chain, Stage
from nnmip.verification.planes import Balls, Cut, least


@dataclass(frozen=True, slots=True, eq=False)
class _Lines:
    """The lines of a stage over boxes [n, width]: slopes below, what the chords have more, their shifts, and (1)."""

    low: FloatArray
    more: FloatArray
    tilt: FloatArray
    charge: FloatArray


class Backward:
    """Walks through a chain, with its constants, and room for rows that is used again and again."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        widths = [len(stage.bias) for stage in chain.stages]
        ends = np.cumsum([0, *widths])
        self.places = [slice(int(a), int(b)) for a, b in pairwise(ends)]
        self.neurons = int(ends[-1])
        self.sizes = [np.abs(stage.weights).T.copy() for stage in chain.stages]
        widest = max([*widths, chain.direct.shape[1]])
        self._room = [np.empty(0) for _ in range(3)]
        self.gamma = 1.01 * (widest + 3 * len(widths) + 100) * UNIT_ROUNDOFF

    def largest(self, x: FloatArray, rows: IntArray, *, has_slope: bool = True) -> tuple[FloatArray, FloatArray]:
        return self.chain.largest(x, rows, has_slope)

    def start(self, box: Interval) -> Interval:
        """Bounds of all neurons over boxes [n, entries] by intervals."""
        lo, hi = np.empty((len(box.lo), self.neurons)), np.empty((len(box.lo), self.neurons))
        a = box
        for stage, place, size in zip(self.chain.stages, self.places, self.sizes, strict=True):
            up, under = np.maximum(stage.weights, 0.0).T, np.minimum(stage.weights, 0.0).T
            slack = self.gamma * (a.magnitude @ size + stage.size) + UNDERFLOW * (1.0 + a.magnitude.sum())
            z = Interval(a.lo @ up + a.hi @ under + stage.bias, a.hi @ up + a.lo @ under + stage.bias).widened(slack)
            lo[:, place], hi[:, place] = z.lo, z.hi
            a = _given(stage, z)
        return Interval(lo, hi)

    def walk(self, boxes: Boxes, rows: IntArray) -> Reached:
        """Tighten the bounds of unstable neurons, stage by stage, and take some rows of the chain back to the point."""
        balls = Balls.of(boxes.box)
        lo, hi = boxes.neurons.lo.copy(), boxes.neurons.hi.copy()
        lines: list[_Lines] = []
        reached = Reached(balls, Interval(lo, hi), np.zeros(0), np.zeros(0))
        a = boxes.box
        total = a.magnitude.sum(axis=1)
        with np.errstate(all="ignore"):
            for number, stage in enumerate(self.chain.stages):
                reach = a.magnitude @ self.sizes[number] + stage.size
                own = Interval(lo[:, self.places[number]], hi[:, self.places[number]])
                if stage.is_relu.any():
                    self._tighten(number, own, reach, lines, reached, boxes.cut, total)
                lines.append(self._lines(stage, own, reach))
                a = _given(stage, own)
                total = total + a.magnitude.sum(axis=1)
            self._rows(rows, boxes, a, lines, reached, total)
        return reached

    def _tighten(
        self,
        number: int,
        own: Interval,
        reach: FloatArray,
        lines: list[_Lines],
        reached: Reached,
        cut: Cut,
        total: FloatArray,
    ) -> None:
        """Bounds of the unstable neurons of a stage, written into `own`."""
        stage = self.chain.stages[number]
        is_open = (own.lo < 0.0) & (own.hi > 0.0) & stage.is_relu
        most = int(is_open.sum(axis=1).max(initial=0))
        if not most:
            return
        index = np.argpartition(~is_open, most - 1, axis=1)[:, :most]
        count = index.shape[1]
        rows = self._rows_of(number % 2, (len(index), 2 * count, stage.weights.shape[1]))
        np.take(stage.weights, index, axis=0, out=rows[:, :count])
        np.negative(rows[:, :count], out=rows[:, count:])
        bias, lost = stage.bias[index], self.gamma * np.take_along_axis(reach, index, axis=1)
        shift = np.concatenate([bias - lost, -bias - lost], axis=1)
        slope, shift = self._back(number, rows, shift, lines, None)
        shift -= (UNDERFLOW * (1.0 + total))[:, None]
        found = least(slope, shift, reached.balls, cut)
        reached.planes[number] = self.places[number], index, slope[:, :count].copy()
        at = np.arange(len(index))[:, None]
        own.lo[at, index] = np.fmax(own.lo[at, index], found[:, :count])
        own.hi[at, index] = np.fmin(own.hi[at, index], -found[:, count:])

    def _lines(self, stage: Stage, z: Interval, reach: FloatArray) -> _Lines:
        magnitude = z.magnitude
        is_open = (z.lo < 0.0) & (z.hi > 0.0)
        rises = np.where(is_open, z.hi > -z.lo, z.hi > 0.0) | ~stage.is_relu
        low = rises.astype(np.float64)
        is_open &= stage.is_relu
        chord = np.where(is_open, z.hi / (z.hi - z.lo), low)
        charge = self.gamma * (reach + 4.0 * magnitude)
        return _Lines(low, chord - low, np.where(is_open, -chord * z.lo, 0.0) + 2.0 * charge, charge)

    def _back(
        self, number: int, rows: FloatArray, shift: FloatArray, lines: list[_Lines], met: dict[int, FloatArray] | None
    ) -> tuple[FloatArray, FloatArray]:
        """Take rows [n, k, width] on what the stage before `number` gives back to the point; `rows` is written over.

        |A| . e is A . e - 2 min(A, 0) . e, so that (1) needs no array of absolute values.
        """
        n, count = rows.shape[:2]
        for at in range(number - 1, -1, -1):
            stage, line = self.chain.stages[at], lines[at]
            if met is not None:
                met[at] = rows.copy()
            negative = np.minimum(rows, 0.0, out=self._rows_of(2, rows.shape))
            shift = shift - (rows @ line.charge[:, :, None])[..., 0] + (negative @ line.tilt[:, :, None])[..., 0]
            rows *= line.low[:, None]
            negative *= line.more[:, None]
            rows += negative
            shift += rows @ stage.bias
            into = self._rows_of(at % 2, (n, count, stage.weights.shape[1]))
            np.matmul(rows.reshape(n * count, -1), stage.weights, out=into.reshape(n * count, -1))
            rows = into
        return rows, shift

    def _rows_of(self, place: int, shape: tuple[int, ...]) -> FloatArray:
        """An array of a shape in one of the rooms; what it held is lost."""
        size = math.prod(shape)
        if len(self._room[place]) < size:
            self._room[place] = np.empty(size + size // 2)
        return self._room[place][:size].reshape(shape)

    def _rows(
        self, rows: IntArray, boxes: Boxes, a: Interval, lines: list[_Lines], reached: Reached, total: FloatArray
    ) -> None:
        chain = self.chain
        last, direct = chain.last[rows], chain.direct[rows]
        size = np.abs(chain.constant[rows]) + chain.sizes[rows]
        lost = self.gamma * (a.magnitude @ np.abs(last).T + boxes.box.magnitude @ np.abs(direct).T + size)
        start = np.repeat(last[None], len(boxes), axis=0)
        slope, shift = self._back(len(chain.stages), start, chain.constant[rows] - lost, lines, reached.met)
        slope = slope + direct
        joined = self.gamma * (np.abs(slope) @ boxes.box.magnitude[:, :, None])[..., 0]
        reached.slope, reached.shift = slope, down(shift - joined - (UNDERFLOW * (1.0 + total))[:, None])


def _given(stage: Stage, z: Interval) -> Interval:
    """Bounds of what a stage gives."""
    lo = np.where(stage.is_relu, np.maximum(z.lo, 0.0), z.lo)
    return Interval(lo, np.where(stage.is_relu, np.maximum(z.hi, 0.0), z.hi))
