"""`norm_inf`: the largest absolute value among the entries of a tensor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Apply
from nnmip.ops.base import Kind, Meaning, Role, Word, each, scalar

FloatArray = NDArray[np.float64]


def evaluate(node: Apply, operands: tuple[FloatArray, ...], meaning: Meaning) -> FloatArray:
    return np.asarray(np.abs(each(node, operands[0])).max(axis=-1))


WORD = Word(
    name="norm_inf",
    signature="norm_inf(t)",
    summary="the largest absolute value among the entries of a tensor",
    parameters=(Kind.TENSOR,),
    options=(),
    boolean=False,
    role=Role.SPARSITY,
    shape=scalar,
    evaluate=evaluate,
)
