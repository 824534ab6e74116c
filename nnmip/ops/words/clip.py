"""`clip`: every entry of a tensor cut at two ends."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Apply
from nnmip.ops.base import Kind, Meaning, Option, Role, Word, same

FloatArray = NDArray[np.float64]


def evaluate(node: Apply, operands: tuple[FloatArray, ...], meaning: Meaning) -> FloatArray:
    return np.asarray(np.clip(operands[0], node.option("low"), node.option("high")))


WORD = Word(
    name="clip",
    signature="clip(t, low: 0, high: 1)",
    summary="every entry of a tensor cut at two ends",
    parameters=(Kind.TENSOR,),
    options=(Option("low", "number", required=True), Option("high", "number", required=True)),
    boolean=False,
    role=Role.OTHER,
    shape=same,
    evaluate=evaluate,
)
