"""Boxes of points with what is known of them, and what a walk from rows back to the point finds for each."""

from __future__ import annotations

from dataclasses import field
from typing import Protocol

import numpy as np

from nnmip.bounds.interval import BoolArray, FloatArray, IntArray, Interval
from nnmip.records import dataclass
from nnmip.verification.planes import Balls, Cut

CANCELLED = 0.05
"""The share of slopes that cancel in a mixture of rows, for the choice of an axis."""


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """Boxes of points [n, entries] with what is known of their points that matter: bounds of all neurons, the stages
    one after the other, [n, neurons], and a cut."""

    box: Interval
    neurons: Interval
    cut: Cut

    def __len__(self) -> int:
        return len(self.box.lo)

    def at(self, index: IntArray) -> Boxes:
        box, neurons = (Interval(part.lo[index], part.hi[index]) for part in (self.box, self.neurons))
        return Boxes(box, neurons, self.cut.at(index))


@dataclass(slots=True, eq=False)
class Reached:
    """What a walk over boxes found: planes below rows, [n, rows, entries] and [n, rows], and bounds of all neurons.

    met: by stage, the coefficients of rows on what it gives, [n, rows, width]. planes: by stage, where its neurons are
    among all, which are unstable [n, m], and the slopes of planes below these [n, m, entries].
    """

    balls: Balls
    neurons: Interval
    slope: FloatArray
    shift: FloatArray
    met: dict[int, FloatArray] = field(default_factory=dict)
    planes: dict[int, tuple[slice, IntArray, FloatArray]] = field(default_factory=dict)

    @property
    def is_empty(self) -> BoolArray:
        """Which boxes have no point that matters, since bounds of a neuron crossed."""
        return np.asarray((self.neurons.lo > self.neurons.hi).any(axis=1))

    def scores(self, weights: FloatArray, counts_gaps: bool = True) -> FloatArray:
        """How much cutting an axis in half may lift a mixture of rows with weights [n, rows], shape [n, entries].

        Half of how much the plane varies along the axis; and half of what the lines of every unstable neuron lose, its
        coefficient times the largest gap between line and graph, in the share that the axis has in how it varies. Rows
        whose slopes cancel along an axis count a little: cutting it, too, may leave others to be mixed.
        """
        radius = self.balls.radius
        apart = CANCELLED * (weights[:, None] @ np.abs(self.slope))[:, 0]
        found = np.maximum(0.5 * np.abs((weights[:, None] @ self.slope)[:, 0]), apart) * radius
        if not counts_gaps:
            return found
        for stage, (place, index, planes) in self.planes.items():
            at = np.arange(len(index))[:, None]
            row = (weights[:, None] @ self.met[stage])[:, 0][at, index]
            lo, hi = self.neurons.lo[:, place][at, index], self.neurons.hi[:, place][at, index]
            is_open = (lo < 0.0) & (hi > 0.0)
            gap = np.where(row < 0.0, -hi * lo / np.where(is_open, hi - lo, 1.0), np.minimum(hi, -lo))
            lost = np.where(is_open, 0.5 * np.abs(row) * gap, 0.0)
            shares = np.abs(planes) * radius[:, None]
            whole = shares.sum(axis=2)
            found += ((lost / np.where(whole > 0.0, whole, 1.0))[:, None] @ shares)[:, 0]
        return found


class Walks(Protocol):
    """Rows as functions of the point, bounded over batches of boxes; `neurons` are what bounds are handed down for."""

    def start(self, box: Interval) -> Interval:
        """Bounds of all neurons over boxes [n, entries]."""
        ...

    def walk(self, boxes: Boxes, rows: IntArray) -> Reached:
        """Tighten the bounds of neurons, and find planes below some rows."""
        ...

    def largest(self, x: FloatArray, rows: IntArray, *, has_slope: bool = True) -> tuple[FloatArray, FloatArray]:
        """Some rows at points [n, entries], and with `has_slope` a subgradient of the largest of them, [n, entries]."""
        ...


@dataclass(slots=True, eq=False)
class Pile:
    """Boxes that are open, the last ones first, each with the ways to break the property that are open there [tasks].

    The arrays are made for more boxes than there are, and grow by half.
    """

    arrays: list[FloatArray]
    count: int = 0

    @staticmethod
    def of(boxes: Boxes, open_: BoolArray) -> Pile:
        parts = _parts(boxes, open_)
        pile = Pile([np.empty((256, *part.shape[1:]), dtype=part.dtype) for part in parts])
        pile.add(boxes, open_)
        return pile

    def __len__(self) -> int:
        return self.count

    def add(self, boxes: Boxes, open_: BoolArray) -> None:
        parts, end = _parts(boxes, open_), self.count + len(boxes)
        for place, (array, part) in enumerate(zip(self.arrays, parts, strict=True)):
            if end > len(array):
                self.arrays[place] = np.empty((end + end // 2, *array.shape[1:]), dtype=array.dtype)
                self.arrays[place][: self.count] = array[: self.count]
            self.arrays[place][self.count : end] = part
        self.count = end

    def taken(self, most: int) -> tuple[Boxes, BoolArray]:
        """The last boxes, at most so many, which are open no longer."""
        start = max(0, self.count - most)
        lo, hi, least, largest, slope, shift, open_ = (array[start : self.count].copy() for array in self.arrays)
        self.count = start
        return Boxes(Interval(lo, hi), Interval(least, largest), Cut(slope, shift)), open_.astype(bool)


def _parts(boxes: Boxes, open_: BoolArray) -> list[FloatArray]:
    box, neurons, cut = boxes.box, boxes.neurons, boxes.cut
    return [box.lo, box.hi, neurons.lo, neurons.hi, cut.slope, cut.shift, open_]  # type: ignore[list-item]
