"""Absolute values of entries: those of weights by their encodings, of other expressions by a positive part."""

from __future__ import annotations

from nnmip.hir.core import Gather, Join, Node, Reference
from nnmip.lowering.base import Lowering, Polarity
from nnmip.lowering.expressions import lower_expression
from nnmip.lowering.piecewise import defined, positive_part
from nnmip.lowering.ranges import bounds_of
from nnmip.milp.affine import Affine, concatenate


def magnitudes(low: Lowering, node: Node, polarity: Polarity, path: str) -> Affine:
    """|e| for every entry, of the node's shape: at least that with UPPER polarity, at most with LOWER.

    |e| = 2 max(0, e) - e. No binary where only the upper side is needed, or where the sign of e is proved. Exact.
    """
    match node:
        case Reference(decision=decision):
            return low.encodings[decision.path].absolute(low, polarity)
        case Gather(base=base, index=index) if _is_selection(base):
            return magnitudes(low, base, polarity, path).gather(index)
        case Join(parts=parts) if all(map(_is_selection, parts)):
            return concatenate([magnitudes(low, part, polarity, path) for part in parts])
    e = lower_expression(low, node, Polarity.EXACT)
    bounds = bounds_of(low.builder, e)
    e = defined(low, f"{path}.of", e, bounds, node.origin)
    return positive_part(low, path, e, bounds, polarity, node.origin).value * 2.0 - e


def _is_selection(node: Node) -> bool:
    """Whether every entry is one entry of a decision."""
    match node:
        case Reference():
            return True
        case Gather(base=base):
            return _is_selection(base)
        case Join(parts=parts):
            return all(map(_is_selection, parts))
    return False
