"""`count`: how many entries of a Boolean tensor hold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Apply
from nnmip.ops.base import Kind, Meaning, Role, Word, each, scalar, whole

FloatArray = NDArray[np.float64]


def evaluate(node: Apply, operands: tuple[FloatArray, ...], meaning: Meaning) -> FloatArray:
    return np.asarray(each(node, operands[0]).sum(axis=-1))


WORD = Word(
    name="count",
    signature="count(p)",
    summary="how many entries of a Boolean tensor hold",
    parameters=(Kind.BOOLEANS,),
    options=(),
    boolean=False,
    role=Role.COMPACTNESS,
    shape=scalar,
    evaluate=evaluate,
    step=whole,
)
