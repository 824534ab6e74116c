"""`nonzero`: which entries of a tensor are not 0."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Apply
from nnmip.ops.base import Kind, Meaning, Role, Word, same

FloatArray = NDArray[np.float64]


def evaluate(node: Apply, operands: tuple[FloatArray, ...], meaning: Meaning) -> FloatArray:
    return np.asarray(operands[0] != 0, dtype=np.float64)


WORD = Word(
    name="nonzero",
    signature="nonzero(t)",
    summary="which entries of a tensor are not 0",
    parameters=(Kind.TENSOR,),
    options=(),
    boolean=True,
    role=Role.OTHER,
    shape=same,
    evaluate=evaluate,
)
