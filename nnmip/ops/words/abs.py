"""`abs`: the absolute value of every entry of a tensor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Apply
from nnmip.ops.base import Kind, Meaning, Role, Word, same, step_of_operand

FloatArray = NDArray[np.float64]


def evaluate(node: Apply, operands: tuple[FloatArray, ...], meaning: Meaning) -> FloatArray:
    return np.asarray(np.abs(operands[0]))


WORD = Word(
    name="abs",
    signature="abs(t)",
    summary="the absolute value of every entry of a tensor",
    parameters=(Kind.TENSOR,),
    options=(),
    boolean=False,
    role=Role.OTHER,
    shape=same,
    evaluate=evaluate,
    step=step_of_operand,
)
