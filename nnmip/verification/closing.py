"""Which ways to break a property are excluded in which boxes, by planes below their rows and mixtures of these."""

from __future__ import annotations

import numpy as np

from nnmip.bounds.interval import BoolArray, FloatArray, IntArray
from nnmip.records import dataclass
from nnmip.verification.boxes import Reached
from nnmip.verification.composite import Composite, Map
from nnmip.verification.planes import Balls, Cut, least, mixed, mixture
from nnmip.verification.region import Region, Task


@dataclass(frozen=True, slots=True, eq=False)
class Ways:
    """All rows of a region: those of every way to break the property, and those that are assumed, which belong to all.

    own: where the rows of each task are, and after them those assumed.
    """

    tasks: tuple[Task, ...]
    rows: Map
    own: tuple[IntArray, ...]

    @staticmethod
    def of(region: Region, composite: Composite) -> Ways:
        rows, own = composite.map_of(()), []
        for task in region.tasks:
            own.append(np.arange(len(rows.constant), len(rows.constant) + len(task.rows)))
            rows = rows.joined(task.map)
        assumed = np.arange(len(rows.constant), len(rows.constant) + len(region.rows))
        places = tuple(np.concatenate([each, assumed]) for each in own)
        return Ways(tuple(region.tasks), rows.joined(region.map), places)

    def rows_of(self, open_: BoolArray) -> IntArray:
        """The rows of the tasks that are open in some box; open_: [n, tasks]."""
        return np.unique(np.concatenate([self.own[task] for task in np.flatnonzero(open_.any(axis=0))]))


@dataclass(frozen=True, slots=True, eq=False)
class Closed:
    """What planes exclude in boxes [n].

    open: which tasks are left, [n, tasks]. weights, slope, shift: of the task that is farthest from excluded, the
    mixture of rows that comes nearest, and the plane below it. least: the least bound of what is excluded, 0 where a
    cut or crossed bounds leave nothing but a sign.
    """

    open: BoolArray
    weights: FloatArray
    slope: FloatArray
    shift: FloatArray
    least: float


@dataclass(frozen=True, slots=True, eq=False)
class _Mixture:
    """Of a task in some boxes: its mixture, the plane below it, and the largest bound of a row or of the mixture."""

    weights: FloatArray
    slope: FloatArray
    shift: FloatArray
    value: FloatArray


def close(ways: Ways, reached: Reached, rows: IntArray, cut: Cut, open_: BoolArray) -> Closed:
    """Exclude tasks in boxes; `rows` says which rows the planes are below."""
    left, n = open_ & ~reached.is_empty[:, None], len(open_)
    weights, slope = np.zeros((n, len(rows))), np.zeros((n, reached.slope.shape[2]))
    shift, worst = np.zeros(n), np.full(n, np.inf)
    is_bare = ~(cut.slope.any(axis=1) | reached.is_empty)
    smallest = np.inf if is_bare.all() else 0.0
    for number in np.flatnonzero(left.any(axis=0)):
        at = np.flatnonzero(left[:, number])
        places = np.searchsorted(rows, ways.own[number])
        found = _mixture(ways.tasks[number], reached, places, cut, at)
        done = found.value > 0.0
        left[at[done], number] = False
        smallest = min(smallest, float(found.value[done].min(initial=np.inf)))
        use = ~done & (found.value < worst[at])
        chosen = at[use]
        weights[chosen] = 0.0
        weights[chosen[:, None], places] = found.weights[use]
        slope[chosen], shift[chosen], worst[chosen] = found.slope[use], found.shift[use], found.value[use]
    return Closed(left, weights, slope, shift, smallest)


def _mixture(task: Task, reached: Reached, places: IntArray, cut: Cut, at: IntArray) -> _Mixture:
    """Mix the rows of a task in the boxes `at`."""
    balls = Balls(reached.balls.middle[at], reached.balls.radius[at])
    slope, shift = reached.slope[at][:, places], reached.shift[at][:, places]
    own = cut.at(at)
    single = least(slope, shift, balls, own)
    single = np.where(np.isnan(single), -np.inf, single)
    single[:, : len(task.rows)] = task.excesses(single[:, : len(task.rows)])
    weights = mixture(slope, shift, balls)
    if len(places) == 1:
        return _Mixture(weights, slope[:, 0], shift[:, 0], single[:, 0])
    plane, height = mixed(weights, slope, shift, balls)
    value = np.fmax(single.max(axis=1), least(plane[:, None], height[:, None], balls, own)[:, 0])
    return _Mixture(weights, plane, height, value)
