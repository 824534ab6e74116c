"""Expressions as affine tensors, with only the rows that the polarity needs."""

from __future__ import annotations

import numpy as np

from nnmip.hir.core import Apply, Compare, Constant, Gather, Join, Node, Plus, Reference, Scale, Units
from nnmip.lowering.base import Lowering, Polarity
from nnmip.milp.affine import Affine, add_up, concatenate
from nnmip.milp.model import FloatArray


def lower_expression(low: Lowering, node: Node, polarity: Polarity) -> Affine:
    """The node's tensor: with UPPER polarity at least, with LOWER at most, with EXACT equal to its true value."""
    match node:
        case Constant(value=value):
            return Affine.constant(value)
        case Reference(decision=decision):
            return low.encodings[decision.path].value
        case Gather(base=base, index=index):
            return lower_expression(low, base, polarity).gather(index)
        case Join(parts=parts):
            return concatenate([lower_expression(low, p, polarity) for p in parts])
        case Plus(terms=terms, shape=shape):
            return add_up([lower_expression(low, term, polarity) for term in terms], shape)
        case Scale(factor=factor, operand=operand):
            return lower_expression(low, operand, scaled(polarity, factor)) * factor
        case Apply(word=word):
            from nnmip.lowering.registry import WORD_LOWERINGS

            return WORD_LOWERINGS[word](low, node, polarity, low.path(node))
        case Compare() | Units():
            raise AssertionError(f"{type(node).__name__} is not a value here")


def scaled(polarity: Polarity, factor: FloatArray) -> Polarity:
    """The polarity of an operand that is multiplied by constants: kept, flipped, or both where the signs differ."""
    if (factor >= 0).all():
        return polarity
    return polarity.flipped if (factor <= 0).all() else Polarity.EXACT


def lower_comparison(low: Lowering, path: str, node: Compare) -> None:
    """Rows for `left op right` in every entry; each side needs only the bound that the comparison uses."""
    left_side = {"<=": Polarity.UPPER, ">=": Polarity.LOWER, "=": Polarity.EXACT}[node.op]
    left = lower_expression(low, node.left, left_side)
    right = lower_expression(low, node.right, left_side.flipped)
    difference = left - right
    lb = 0.0 if node.op in (">=", "=") else -np.inf
    ub = 0.0 if node.op in ("<=", "=") else np.inf
    low.builder.rows(path, difference, node.origin, lb=lb, ub=ub)
