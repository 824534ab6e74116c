"""`max`: the largest entry of a tensor, or of several entry by entry."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Apply
from nnmip.ops.base import Kind, Meaning, Role, Word, each, scalar, step_of_operand

FloatArray = NDArray[np.float64]


def evaluate(node: Apply, operands: tuple[FloatArray, ...], meaning: Meaning) -> FloatArray:
    return np.asarray(each(node, operands[0]).max(axis=-1))


WORD = Word(
    name="max",
    signature="max(t, ...)",
    summary="the largest entry of a tensor, or of several entry by entry",
    parameters=(Kind.TENSOR,),
    options=(),
    boolean=False,
    role=Role.OTHER,
    shape=scalar,
    evaluate=evaluate,
    step=step_of_operand,
)
