"""Proofs by cutting boxes of few inputs into halves, with backward linear bounds on batches of them.

The axis to cut is the one along which the planes below the rows vary most. A box is done with as soon as for every way
to break the property some row is above 0 there (Wang et al., "Formal security analysis of neural networks using
symbolic intervals", 2018, for the idea of bisecting inputs).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from nnmip.bounds.interval import FloatArray, Interval
from nnmip.records import dataclass
from nnmip.verification.composite import Composite
from nnmip.verification.region import Region, Task

BATCH = 64


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """What cutting came to: a point that breaks the property, or None; how many boxes were bounded and are open; the
    least bound of a box, over the ways to break the property."""

    point: FloatArray | None
    boxes: int
    open: int
    least: float


def split(
    composite: Composite,
    region: Region,
    breaks: Callable[[FloatArray], bool],
    seconds: float,
    most: int,
    is_stopped: Callable[[], bool],
) -> Split:
    """Cut the box of a region until nothing is open, `most` boxes are bounded, or `seconds` of CPU time are over."""
    lo, hi = region.box.lo.copy(), region.box.hi.copy()
    begun, count, least = time.process_time(), 0, np.inf
    while len(lo):
        if count >= most or time.process_time() - begun > seconds or is_stopped():
            return Split(None, count, len(lo), -np.inf)
        part_lo, part_hi = lo[-BATCH:], hi[-BATCH:]
        lo, hi = lo[:-BATCH], hi[:-BATCH]
        count += len(part_lo)
        box = Interval(part_lo, part_hi)
        reach, slope = _bounded(composite, region, region.tasks, box)
        for point in (0.5 * (part_lo + part_hi))[reach <= 0]:
            if breaks(point):
                return Split(point, count, len(lo), -np.inf)
        done = reach > 0
        least = min(least, float(reach[done].min(initial=np.inf)))
        part_lo, part_hi, slope = part_lo[~done], part_hi[~done], slope[~done]
        axis = (slope * (part_hi - part_lo)).argmax(axis=1)
        middle = 0.5 * (part_lo + part_hi)
        at = np.arange(len(axis))
        if (part_hi[at, axis] - part_lo[at, axis] <= 1e-9).any():
            return Split(None, count, len(lo) + len(part_lo), -np.inf)
        left, right = part_hi.copy(), part_lo.copy()
        left[at, axis] = right[at, axis] = middle[at, axis]
        lo, hi = np.concatenate([lo, part_lo, right]), np.concatenate([hi, left, part_hi])
    return Split(None, count, 0, least)


def _bounded(
    composite: Composite, region: Region, tasks: Sequence[Task], box: Interval
) -> tuple[FloatArray, FloatArray]:
    """For every box [n]: the least, over the ways to break the property, of the best bound of a row; and how much the
    plane below that row varies along each axis, [n, entries]."""
    n = len(box.lo)
    reach, slopes = np.full(n, np.inf), np.zeros(box.lo.shape)
    for task in tasks:
        own, slope = _best_row(composite, region, task, box)
        worse = own < reach
        reach, slopes = np.where(worse, own, reach), np.where(worse[:, None], np.abs(slope), slopes)
    return reach, slopes


def _best_row(composite: Composite, region: Region, task: Task, box: Interval) -> tuple[FloatArray, FloatArray]:
    rows = task.map.joined(region.map)
    planes = composite.walk(rows, box, steps=0).planes(rows)
    least = planes.least(box)
    least[:, : len(task.rows)] = task.excesses(least[:, : len(task.rows)])
    slope = np.broadcast_to(planes.slope, (len(least), *planes.slope.shape[1:]))
    best = least.argmax(axis=1)
    at = np.arange(len(best))
    return least[at, best], slope[at, best]
