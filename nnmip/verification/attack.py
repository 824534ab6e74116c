"""Counterexamples by random points and projected gradients.

Starts from random points of the box, then walks the best of them down the largest row of a way to break the property,
in steps whose length falls, from elites with noise (as in projected gradient descent, Madry et al. 2018). What is found
is only a proposal: whoever asks replays it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nnmip.bounds.interval import FloatArray, Interval
from nnmip.records import dataclass
from nnmip.verification.composite import Composite, Map
from nnmip.verification.region import Region, Task

Check = Callable[[FloatArray], bool]


@dataclass(frozen=True, slots=True)
class Effort:
    """How many random points, rounds, elites and steps an attack takes."""

    points: int = 500
    rounds: int = 3
    elites: int = 20
    steps: int = 25


USUAL = Effort()


def attack(
    composite: Composite,
    region: Region,
    task: Task,
    move: Callable[[FloatArray], FloatArray],
    breaks: Check,
    random: np.random.Generator,
    effort: Effort = USUAL,
) -> tuple[FloatArray | None, float]:
    """A point [entries] that breaks the property, or None; and the least value that the largest row has had."""
    rows = region.map.joined(task.map)
    box = region.inside
    lo, hi = box.lo[0], box.hi[0]
    width = hi - lo
    starts = [0.5 * (lo + hi)[None], lo + width * random.random((effort.points, len(lo)))]
    corners = random.integers(0, 2, (effort.points // 5, len(lo))).astype(np.float64)
    x = move(np.clip(np.concatenate([*starts, lo + width * corners]), lo, hi))
    worst = composite.values(rows, x).max(axis=1, initial=-np.inf)
    best = np.inf
    for round_ in range(effort.rounds + 1):
        order = worst.argsort()[: effort.elites]
        elites, best = x[order], min(best, float(worst[order[0]]))
        for point, value in zip(elites, worst[order], strict=True):
            if value > 0:
                break
            if breaks(point):
                return point, best
        if round_ == effort.rounds or not len(rows.constant):
            break
        noise = width * 10.0 ** random.uniform(-4, -0.5, (len(elites), 1)) * random.normal(size=elites.shape)
        x = np.concatenate([elites, np.clip(elites + noise, lo, hi)])
        x, worst = _descended(composite, rows, x, box, move, effort.steps)
    return None, best


def _descended(
    composite: Composite,
    rows: Map,
    x: FloatArray,
    box: Interval,
    move: Callable[[FloatArray], FloatArray],
    steps: int,
) -> tuple[FloatArray, FloatArray]:
    """The best point of every walk, and its largest row."""
    lo, hi = box.lo[0], box.hi[0]
    best, value = x, np.full(len(x), np.inf)
    for step in range(steps):
        now, slope = composite.largest(rows, x, has_slope=True)
        worst = now.max(axis=1)
        better = worst < value
        best, value = np.where(better[:, None], x, best), np.where(better, worst, value)
        length = 0.25 * 0.85**step
        x = move(np.clip(x - length * (hi - lo) * np.sign(slope), lo, hi))
    worst = composite.values(rows, x).max(axis=1)
    better = worst < value
    return np.where(better[:, None], x, best), np.where(better, worst, value)
