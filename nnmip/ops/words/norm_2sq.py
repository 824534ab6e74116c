"""`norm_2sq`: the sum of the squares of the entries of a tensor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Apply
from nnmip.ops.base import Kind, Meaning, Role, Word, each, scalar
from nnmip.ops.scores import TOLERANCE

FloatArray = NDArray[np.float64]


def evaluate(node: Apply, operands: tuple[FloatArray, ...], meaning: Meaning) -> FloatArray:
    return np.asarray((each(node, operands[0]) ** 2).sum(axis=-1))


WORD = Word(
    name="norm_2sq",
    signature="norm_2sq(t, tolerance: 0.0001)",
    summary="the sum of the squares of the entries of a tensor",
    parameters=(Kind.TENSOR,),
    options=(TOLERANCE,),
    boolean=False,
    role=Role.SPARSITY,
    shape=scalar,
    evaluate=evaluate,
)
