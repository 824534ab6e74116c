"""`norm_2sq`: the sum of the squares of the entries of a tensor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Apply
from nnmip.ops.base import Kind, Meaning, Role, Word, each, scalar

FloatArray = NDArray[np.float64]


def evaluate(node: Apply, operands: tuple[FloatArray, ...], meaning: Meaning) -> FloatArray:
    return np.asarray((each(node, operands[0]) ** 2).sum(axis=-1))


WORD = Word(
    name="norm_2sq",
    signature="norm_2sq(t)",
    summary="the sum of the squares of the entries of a tensor",
    parameters=(Kind.TENSOR,),
    options=(),
    boolean=False,
    role=Role.SPARSITY,
    shape=scalar,
    evaluate=evaluate,
)
