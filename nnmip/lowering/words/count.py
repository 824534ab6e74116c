"""`count` as the sum of 0/1 values."""

from __future__ import annotations

from nnmip.hir.core import Apply
from nnmip.lowering.base import Lowering, Polarity
from nnmip.lowering.expressions import lower_expression
from nnmip.milp.affine import Affine


def lower(low: Lowering, node: Apply, polarity: Polarity, path: str) -> Affine:
    operand = lower_expression(low, node.operands[0], polarity)
    return operand.reshape((*operand.shape[: node.batch], -1)).sum(axis=-1)
