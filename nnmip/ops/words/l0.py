"""`l0`: the number of nonzero entries of a tensor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Apply
from nnmip.ops.base import Kind, Meaning, Role, Word, each, scalar, whole

FloatArray = NDArray[np.float64]


def evaluate(node: Apply, operands: tuple[FloatArray, ...], meaning: Meaning) -> FloatArray:
    return np.asarray(np.count_nonzero(each(node, operands[0]), axis=-1), dtype=np.float64)


WORD = Word(
    name="l0",
    signature="l0(t)",
    summary="the number of nonzero entries of a tensor",
    parameters=(Kind.TENSOR,),
    options=(),
    boolean=False,
    role=Role.SPARSITY,
    shape=scalar,
    evaluate=evaluate,
    step=whole,
)
