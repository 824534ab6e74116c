"""How far networks with curves are from those of their files wherever a model, or a property, applies them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field

import numpy as np

from nnmip.bounds.crown import crown
from nnmip.bounds.distance import TooLarge, distances
from nnmip.bounds.expressions import bounds_of_node, in_scaling
from nnmip.bounds.interval import BoolArray, FloatArray, Interval
from nnmip.bounds.known import Unbounded
from nnmip.hir.core import Applied, Node, Program, Reference
from nnmip.hir.evaluate import result, smooth_result
from nnmip.hir.known import KnownNetwork
from nnmip.hir.walk import once
from nnmip.ops.drift import Jump
from nnmip.records import dataclass

FEW, PARTS, ROUNDS = 4, 64, 4
"""Boxes that are wide in so few directions at most are cut into so many parts, in so many rounds: the slope of a
function, and its distance from its curve, are known better in a small part."""

NEAR = 1.05
"""Boxes are cut where the bound is more than this above what was met."""


@dataclass(slots=True, eq=False)
class Nearby:
    """For a program. boxes: of decisions, by path, where they are known better than by their domains. errors: those
    that were asked for."""

    program: Program
    boxes: Mapping[str, Interval] = field(default_factory=dict)
    errors: dict[Node, FloatArray] = field(default_factory=dict)
    _bounds: Callable[[Node], Interval] = field(init=False)

    def __post_init__(self) -> None:
        def leaf(node: Reference | Applied) -> Interval:
            if isinstance(node, Reference):
                domain = Interval.box(node.shape, node.decision.domain.lo, node.decision.domain.hi)
                return self.boxes.get(node.decision.path, domain)
            known = self.program.known_network(node.network)
            found = crown(known.network, known.assignment, in_scaling(known, self._bounds(node.operand)))
            last = found.outputs[known.network.result_layer]
            flat = last.reshape((len(last.lo), -1))
            ends = (end[:, known.network.result_index].reshape(node.shape) for end in (flat.lo, flat.hi))
            return Interval(*ends)

        self._bounds = once(lambda node, inner: bounds_of_node(node, leaf, inner))

    def error(self, node: Applied) -> FloatArray:
        """How far every result [*output] is from that with the smooth functions at most, for all values of what is
        decided in its boxes and domains."""
        if node not in self.errors:
            self.errors[node] = self._error(node)
        return self.errors[node]

    def _error(self, node: Applied) -> FloatArray:
        known = self.program.known_network(node.network)
        assert known.smoothed is not None
        try:
            boxes = in_scaling(known, self._bounds(node.operand))
            parts = (Interval(boxes.lo[k : k + 1], boxes.hi[k : k + 1]) for k in range(len(boxes.lo)))
            return np.asarray(np.maximum.reduce([over_parts(known, part) for part in parts]))
        except (Jump, TooLarge, Unbounded):
            return known.smoothed.error


def over_parts(known: KnownNetwork, box: Interval) -> FloatArray:
    """How far every result is off at most for inputs in a box [1, *input]: [*output]. Raises as `distances` does."""
    found, wide = distances(known, box), box.hi - box.lo
    if not 0 < (wide > 0.0).sum() <= FEW:
        return np.asarray(found[0])
    boxes, met = box, _met(known, box)
    for _ in range(ROUNDS):
        worst = found.max(axis=0)
        cut = ((found >= worst / NEAR) & (worst > NEAR * met)).reshape(len(found), -1).any(axis=1)
        if not cut.any() or len(found) + cut.sum() > PARTS:
            break
        halves, above = _halves(boxes, wide, cut), np.concatenate([found[cut]] * 2)
        met = np.maximum(met, _met(known, halves))
        found = np.concatenate([found[~cut], np.minimum(distances(known, halves), above)])
        boxes = Interval(*(np.concatenate([a[~cut], b]) for a, b in ((boxes.lo, halves.lo), (boxes.hi, halves.hi))))
    return np.asarray(found.max(axis=0))


def _halves(boxes: Interval, wide: FloatArray, cut: BoolArray) -> Interval:
    """The boxes to cut, each in the direction in which it is widest for its whole; all lower halves come first."""
    lo, hi = (end[cut].reshape(int(cut.sum()), -1) for end in (boxes.lo, boxes.hi))
    share = (hi - lo) / np.where(wide > 0.0, wide, 1.0).reshape(1, -1)
    at = np.arange(len(lo)), share.argmax(axis=1)
    middle = lo[at] + 0.5 * (hi[at] - lo[at])
    upper, lower = lo.copy(), hi.copy()
    upper[at], lower[at] = middle, middle
    shape = (-1, *boxes.shape[1:])
    return Interval(np.concatenate([lo, upper]).reshape(shape), np.concatenate([lower, hi]).reshape(shape))


def _met(known: KnownNetwork, boxes: Interval) -> FloatArray:
    """How far results are off in the middles of boxes: [*output]."""
    x = boxes.lo + 0.5 * (boxes.hi - boxes.lo)
    return np.asarray(np.abs(result(known.network, known.assignment, x) - smooth_result(known, x)).max(axis=0))
