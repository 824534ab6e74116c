"""Proofs by cutting boxes of few inputs into halves, with backward linear bounds on batches of them.

A box is done with as soon as, for every way to break the property, a mixture of its rows is above 0 there. The others
are cut in the middle of the axis that promises most (`Reached.scores`), and hand down what is known: bounds of the
neurons, and, where one way to break the property is left, the plane below its rows, which must be at most 0 at all
points that matter (bisection of inputs: Wang et al., "Formal security analysis of neural networks using symbolic
intervals", 2018). Between the batches gradients look for points that break the property.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle

import numpy as np

from nnmip.bounds.interval import BoolArray, FloatArray, IntArray, Interval
from nnmip.records import dataclass
from nnmip.verification.attack import Attack
from nnmip.verification.boxes import Boxes, Pile, Walks
from nnmip.verification.closing import Closed, Ways, close
from nnmip.verification.planes import Cut
from nnmip.verification.region import Region

NARROW = 1e-9
"""A box whose best axis is this part of what it was at first is not cut any more."""
TRIED = 4
"""How many points of a batch are replayed at most."""
ALONE, EAGER = 0.25, 6.0
"""For how many seconds boxes are cut before gradients join in, and for how many these then have a large share."""
SHARES = 0.33, 0.14
"""What gradients get for each second of cutting, at first and later."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What splitting does beyond bisection; each part can be left out, to see what it is worth.

    counts_gaps: axes are chosen by what lines lose as well. inherits: bounds of neurons are handed down. cuts: planes
    are. has_elites: gradients start near the best points so far. batch: how many boxes are bounded at a time.
    """

    counts_gaps: bool = True
    inherits: bool = True
    cuts: bool = True
    has_elites: bool = True
    batch: int = 64


USUAL = Recipe()


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """What cutting came to: a point that breaks the property, or None, and who found it, `splitting` or `attack`; how
    many boxes were bounded and are open; the least bound of a box over the ways to break the property, 0 where only its
    sign is known."""

    point: FloatArray | None
    by: str
    boxes: int
    open: int
    least: float


@dataclass(slots=True, eq=False)
class Tree:
    """The boxes of a region that are open, cut further with every batch; `inside` is where points are tried."""

    walks: Walks
    ways: Ways
    recipe: Recipe
    inside: Interval
    root: Boxes
    pile: Pile
    count: int = 0
    least: float = np.inf
    is_stuck: bool = False

    @staticmethod
    def of(walks: Walks, ways: Ways, region: Region, recipe: Recipe) -> Tree:
        box = region.box
        root = Boxes(box, walks.start(box), Cut(np.zeros(box.lo.shape), np.zeros(len(box.lo))))
        open_ = np.ones((len(box.lo), len(ways.tasks)), dtype=bool)
        return Tree(walks, ways, recipe, region.inside, root, Pile.of(root, open_))

    def batch(self) -> FloatArray:
        """Bound the last boxes and cut those that stay open; points that seem to break the property, the best first."""
        boxes, open_ = self.pile.taken(self.recipe.batch)
        self.count += len(boxes)
        rows = self.ways.rows_of(open_)
        reached = self.walks.walk(boxes, rows)
        closed = close(self.ways, reached, rows, boxes.cut, open_)
        self.least = min(self.least, closed.least)
        left = np.flatnonzero(closed.open.any(axis=1))
        if not len(left):
            return np.zeros((0, boxes.box.lo.shape[1]))
        scores = reached.scores(closed.weights, self.recipe.counts_gaps)
        self._cut(self._heirs(boxes, reached.neurons, closed, left), closed.open[left], scores[left])
        return self._tempting(boxes.box, closed, left)

    def _heirs(self, boxes: Boxes, neurons: Interval, closed: Closed, left: IntArray) -> Boxes:
        """The boxes that are left, with what their halves are told."""
        slope, shift = boxes.cut.slope.copy(), boxes.cut.shift.copy()
        if self.recipe.cuts:
            is_single = closed.open.sum(axis=1) == 1
            slope[is_single], shift[is_single] = closed.slope[is_single], closed.shift[is_single]
        if not self.recipe.inherits:
            neurons = boxes.neurons
        return Boxes(boxes.box, neurons, Cut(slope, shift)).at(left)

    def _cut(self, boxes: Boxes, open_: BoolArray, scores: FloatArray) -> None:
        """Put both halves of every box on the pile."""
        lo, hi = boxes.box.lo, boxes.box.hi
        middle = 0.5 * lo + 0.5 * hi
        can = (lo < middle) & (middle < hi) & (hi - lo > NARROW * (self.root.box.hi - self.root.box.lo))
        if not can.any(axis=1).all():
            self.is_stuck = True
        axis = np.where(can, np.where(np.isnan(scores), 0.0, scores), -1.0).argmax(axis=1)
        at = np.arange(len(axis))
        most, least = hi.copy(), lo.copy()
        most[at, axis] = least[at, axis] = middle[at, axis]
        self.pile.add(Boxes(Interval(least, hi), boxes.neurons, boxes.cut), open_)
        self.pile.add(Boxes(Interval(lo, most), boxes.neurons, boxes.cut), open_)

    def _tempting(self, box: Interval, closed: Closed, left: IntArray) -> FloatArray:
        """Of the middles of the boxes, and the corners where the planes are least, those at which all rows of a task
        that is open are at most 0."""
        lo, hi, open_ = box.lo[left], box.hi[left], closed.open[left]
        corner = np.where(closed.slope[left] > 0.0, lo, hi)
        x = np.clip(np.concatenate([0.5 * lo + 0.5 * hi, corner]), self.inside.lo, self.inside.hi)
        values, _ = self.walks.largest(x, np.arange(len(self.ways.rows.constant)), has_slope=False)
        reach = np.full(len(x), np.inf)
        for task in np.flatnonzero(open_.any(axis=0)):
            own = values[:, self.ways.own[task]].max(axis=1)
            reach = np.minimum(reach, np.where(np.concatenate([open_[:, task]] * 2), own, np.inf))
        order = reach.argsort(kind="stable")[:TRIED]
        return np.asarray(x[order[reach[order] <= 0.0]])


def split(
    tree: Tree,
    attacks: Sequence[Attack],
    breaks: Callable[[FloatArray], bool],
    seconds: float,
    most: int,
    is_stopped: Callable[[], bool],
) -> Split:
    """Cut until nothing is open, `most` boxes are bounded, or `seconds` of CPU time are over."""
    begun, attacked = time.process_time(), 0.0
    turns: Iterator[Attack] = cycle(attacks)
    while len(tree.pile):
        spent = time.process_time() - begun
        if tree.is_stuck or tree.count >= most or spent > seconds or is_stopped():
            return Split(None, "", tree.count, len(tree.pile), -np.inf)
        share = SHARES[0] if attacked < EAGER else SHARES[1]
        by = "attack" if attacks and spent - attacked > ALONE and attacked < share * (spent - attacked) else "splitting"
        points = next(turns).round() if by == "attack" else tree.batch()
        for point in points:
            if breaks(point):
                return Split(point, by, tree.count, len(tree.pile), -np.inf)
        if by == "attack":
            attacked += time.process_time() - begun - spent
    return Split(None, "", tree.count, 0, tree.least)
