"""Expressions as affine tensors, with only the rows that the polarity needs."""

from __future__ import annotations

import numpy as np

from nnmip.hir.core import (
    Applied,
    Apply,
    Choose,
    Compare,
    Constant,
    Fold,
    Gather,
    Join,
    Junction,
    LayerOutput,
    Node,
    Not,
    Plus,
    Reference,
    Scale,
    Units,
    Xor,
)
from nnmip.lowering.base import Lowering, Polarity
from nnmip.milp.affine import Affine, add_up, concatenate
from nnmip.milp.model import FloatArray


def lower_expression(low: Lowering, node: Node, polarity: Polarity) -> Affine:
    """The node's tensor: with UPPER polarity at least, with LOWER at most, with EXACT equal to its true value.

    Booleans are 0/1 tensors. What stands in several places is encoded once for each polarity.
    """
    key = (id(node), polarity)
    if key not in low.lowered:
        low.lowered[key] = (node, _lower(low, node, polarity))
    return low.lowered[key][1]


def _lower(low: Lowering, node: Node, polarity: Polarity) -> Affine:
    from nnmip.lowering import logic

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
        case Applied():
            from nnmip.lowering.applied import lower_applied

            return lower_applied(low, node)
        case LayerOutput():
            return _layer_output(low, node)
        case Apply(word=word):
            from nnmip.lowering.predictions import PREDICTED, lower_predicted
            from nnmip.lowering.registry import WORD_LOWERINGS

            if word == PREDICTED:
                return lower_predicted(low, node, polarity)
            return WORD_LOWERINGS[word](low, node, polarity, low.label(word))
        case Not(operand=operand):
            return lower_expression(low, operand, polarity.flipped) * -1.0 + 1.0
        case Junction():
            return logic.lower_junction(low, node, polarity)
        case Fold():
            return logic.lower_fold(low, node, polarity)
        case Xor():
            return logic.lower_xor(low, node, polarity)
        case Compare():
            return logic.lower_compare(low, node, polarity)
        case Choose():
            return logic.lower_choice(low, node, polarity)
        case Units():
            raise AssertionError("units are not a value here")


def _layer_output(low: Lowering, node: LayerOutput) -> Affine:
    """The output of a layer for every row, from those of the distinct rows."""
    from nnmip.lowering.networks import apply_network

    passed = apply_network(low, node.network, node.data)
    value = passed.outputs[node.layer].value
    places = np.arange(value.size).reshape(value.shape)
    return value.gather(np.ascontiguousarray(places[passed.inverse]))


def scaled(polarity: Polarity, factor: FloatArray) -> Polarity:
    """The polarity of an operand that is multiplied by constants: kept, flipped, or both where the signs differ."""
    if (factor >= 0).all():
        return polarity
    return polarity.flipped if (factor <= 0).all() else Polarity.EXACT
