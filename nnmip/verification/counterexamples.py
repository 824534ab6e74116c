"""What makes a counterexample easy to read: an input of short numbers, and the comparisons that fail there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Compare, FloatArray, Junction, Node, Not
from nnmip.hir.evaluate import Evaluator
from nnmip.hir.goals import Property
from nnmip.records import dataclass

PLACES = (0, 1, 2, 3, 4)
"""Decimals that an entry is rounded to, the fewest first."""
FEW = 32
"""Up to so many entries are rounded one by one."""


def shorter(point: FloatArray, box: Interval | None, breaks: Callable[[FloatArray], bool]) -> FloatArray:
    """A point [entries] near one that breaks a property and breaks it too, its entries rounded to few decimals: all of
    them to the same, or else, where they are few, each to as few as it can. Entries never leave the box.
    """

    def rounded(values: FloatArray, places: int) -> FloatArray:
        near = np.round(values, places) + 0.0
        return near if box is None else np.clip(near, box.lo.reshape(-1), box.hi.reshape(-1))

    for places in PLACES:
        if breaks(all_ := rounded(point, places)):
            return all_
    for entry in range(point.size if point.size <= FEW else 0):
        for places in PLACES:
            moved = point.copy()
            moved[entry] = rounded(point, places)[entry]
            if breaks(moved):
                point = moved
                break
    return point


@dataclass(frozen=True, slots=True)
class Broken:
    """A comparison that fails: its text in the source, and its two sides, in the units of the model.

    entry: the flat entry that fails by most, None where there is one only.
    """

    text: str
    op: str
    left: float
    right: float
    entry: int | None = None

    def to_json(self) -> dict[str, Any]:
        return {field: getattr(self, field) for field in ("text", "op", "left", "right", "entry")}


def broken_at(property: Property, at: Evaluator) -> tuple[Broken, ...]:
    """The comparisons whose failing breaks the conclusions of a property at a point, in the order of the source."""
    return tuple(_found(node, op, at) for part in property.conclusions for node, op in _failing(part, at))


def _failing(node: Node, at: Evaluator) -> Iterator[tuple[Compare, str]]:
    """The comparisons below `and` and `or` that fail in an entry, with what they say, which is `!=` below a `not` of
    theirs; what else stands below `not` is left out."""
    if np.all(at.value(node) > 0.5):
        return
    match node:
        case Junction(terms=terms):
            for term in terms:
                yield from _failing(term, at)
        case Compare(op=op):
            yield node, op
        case Not(operand=Compare(op="=") as equal):
            yield equal, "!="


def _found(node: Compare, op: str, at: Evaluator) -> Broken:
    left, right = np.broadcast_arrays(at.value(node.left), at.value(node.right))
    apart = np.abs(left - right)
    excess = {"<=": left - right, ">=": right - left, "=": apart, "!=": -apart}[op].reshape(-1)
    worst = int(np.argmax(excess))
    text = " ".join(node.origin.span.text.split())
    entry = worst if excess.size > 1 else None
    return Broken(text, op, float(left.reshape(-1)[worst]), float(right.reshape(-1)[worst]), entry)
