"""Walks for networks of any layers, by `bounds.crown` over whole batches: slower than `backward`, and without cuts."""

from __future__ import annotations

import numpy as np

from nnmip.bounds.interval import FloatArray, IntArray, Interval
from nnmip.records import dataclass
from nnmip.verification.backward import Backward
from nnmip.verification.boxes import Boxes, Reached, Walks
from nnmip.verification.chain import chain_of
from nnmip.verification.composite import Composite, Map, Walk
from nnmip.verification.planes import Balls


def walks_of(composite: Composite, rows: Map, box: Interval) -> Walks:
    """How rows are bounded over parts of a box: as a chain where they are one whose values do not overflow."""
    chain = chain_of(composite, rows)
    if chain is not None:
        walks = Backward(chain)
        found = walks.start(box)
        if np.isfinite(found.lo).all() and np.isfinite(found.hi).all():
            return walks
    return Layered(composite, rows)


@dataclass(frozen=True, slots=True, eq=False)
class Layered:
    """Rows over networks of any layers; the neurons are all entries of all tensors."""

    composite: Composite
    rows: Map

    def largest(self, x: FloatArray, rows: IntArray, *, has_slope: bool = True) -> tuple[FloatArray, FloatArray]:
        return self.composite.largest(self.rows.at(rows), x, has_slope)

    def start(self, box: Interval) -> Interval:
        return _flat(self.composite.walk(self.rows, box, steps=0))

    def walk(self, boxes: Boxes, rows: IntArray) -> Reached:
        given = self._given(boxes.neurons)
        walk = self.composite.walk(self.rows, boxes.box, steps=0, given=given)
        planes = walk.planes(self.rows.at(rows))
        slope = np.broadcast_to(planes.slope, (len(boxes), *planes.slope.shape[1:]))
        shift = np.broadcast_to(planes.shift, slope.shape[:2])
        return Reached(Balls.of(boxes.box), _flat(walk), slope, shift)

    def _given(self, neurons: Interval) -> dict[int, dict[str, Interval]]:
        """The bounds of all tensors, by the number of their network and their name."""
        found: dict[int, dict[str, Interval]] = {}
        start = 0
        for number in self.composite.needed(self.rows):
            found[number] = {}
            for layer in self.composite.stations[number - 1].known.network.layers:
                part = slice(start, start + int(np.prod(layer.shape, dtype=np.int64)))
                shape = (len(neurons.lo), *layer.shape)
                found[number][layer.name] = Interval(
                    neurons.lo[:, part].reshape(shape), neurons.hi[:, part].reshape(shape)
                )
                start = part.stop
        return found


def _flat(walk: Walk) -> Interval:
    n = len(walk.box.lo)
    lo: list[FloatArray] = []
    hi: list[FloatArray] = []
    for _, crown in sorted(walk.crowns.items()):
        for layer in crown.known.network.layers:
            found = crown.outputs[layer.name]
            for end, ends in ((found.lo, lo), (found.hi, hi)):
                ends.append(np.broadcast_to(end, (n, *layer.shape)).reshape(n, -1))
    return Interval(np.concatenate(lo, axis=1), np.concatenate(hi, axis=1))
