"""Bounds of expressions from those of what is decided in them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nnmip.bounds.interval import Interval, times
from nnmip.hir.core import Applied, Apply, Choose, Constant, Gather, Join, Node, Plus, Reference, Scale
from nnmip.hir.known import KnownNetwork

AMONG = frozenset({"max", "min"})
"""Words that give one of the numbers they are given."""

Leaf = Callable[[Reference | Applied], Interval]


def bounds_of_node(node: Node, leaf: Leaf, bounds_of: Callable[[Node], Interval]) -> Interval:
    """Bounds of every entry of a node, outward rounded; infinite ones of a word that has no rule here.

    `leaf` has those of decisions and of networks at points, `bounds_of` those of the nodes that this one is made of.
    """
    match node:
        case Constant(value=value):
            return Interval.point(np.asarray(value, dtype=np.float64))
        case Reference() | Applied():
            return leaf(node)
        case Gather(base=base, index=index):
            found = bounds_of(base)
            return Interval(found.lo.reshape(-1)[index], found.hi.reshape(-1)[index])
        case Join(parts=parts):
            ends = [bounds_of(part) for part in parts]
            return Interval(*(np.concatenate([side.ravel() for side in s]) for s in _sides(ends)))
        case Plus(terms=terms, shape=shape):
            total = _wide(bounds_of(terms[0]), shape)
            for term in terms[1:]:
                total = total + _wide(bounds_of(term), shape)
            return total
        case Scale(factor=factor, operand=operand, shape=shape):
            return times(_wide(bounds_of(operand), shape), np.broadcast_to(factor, shape))
        case Choose(then=then, otherwise=otherwise, shape=shape):
            return _wide(bounds_of(then), shape).join(_wide(bounds_of(otherwise), shape))
        case Apply(word="abs", operands=(operand,), shape=shape) if operand.shape == shape:
            found = bounds_of(operand)
            least = np.maximum(np.maximum(found.lo, -found.hi), 0.0)
            return Interval(least, found.magnitude)
        case Apply(word=word, operands=operands, shape=shape) if word in AMONG:
            ends = [bounds_of(operand) for operand in operands]
            return Interval.box(shape, min(float(e.lo.min()) for e in ends), max(float(e.hi.max()) for e in ends))
    return Interval.box(node.shape, 0.0, 1.0) if node.boolean else Interval.box(node.shape, -np.inf, np.inf)


def _sides(ends: list[Interval]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    return [end.lo for end in ends], [end.hi for end in ends]


def _wide(bounds: Interval, shape: tuple[int, ...]) -> Interval:
    lo = np.broadcast_to(bounds.lo, shape)
    return Interval(lo, lo if bounds.is_known else np.broadcast_to(bounds.hi, shape))


def in_scaling(known: KnownNetwork, box: Interval) -> Interval:
    """Bounds of points (*batch, *input) as the network reads them: [n, *input], in its own scaling."""
    shape = known.network.input_shape
    flat = box.reshape((-1, int(np.prod(shape, dtype=np.int64))))
    if known.scaling is not None:
        factor = known.scaling.factor
        shift = known.scaling.low - known.scaling.shift * factor
        moved = times(flat, factor)
        wide = moved.widened(4 * np.finfo(np.float64).eps * (moved.magnitude + np.abs(shift)))
        flat = Interval(wide.lo + shift, wide.hi + shift)
    return flat.reshape((-1, *shape))
