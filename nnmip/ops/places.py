"""What `argmax` and `argmin` share: the place of the largest entry, and how far it must be ahead of an earlier one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Apply
from nnmip.ops.base import Kind, Meaning, Option, Role, Word, each, scalar, whole
from nnmip.ops.scores import ROUNDING

FloatArray = NDArray[np.float64]

STRICTNESS = Option("strictness", "number", default=None, least=1e-5)
SIGNS = {"argmax": 1.0, "argmin": -1.0}
"""The words that name a place, and what makes of their operand one whose largest entry is meant."""


def evaluate(node: Apply, operands: tuple[FloatArray, ...], meaning: Meaning) -> FloatArray:
    """The first of the largest entries of each call (of the least ones), as NumPy and ONNX count; entries within the
    tolerance of the largest count as equal to it."""
    entries = SIGNS[node.word] * each(node, operands[0])
    near = max(meaning.tolerance, ROUNDING)
    is_largest = np.asarray(entries >= entries.max(axis=-1, keepdims=True) - near, dtype=bool)
    return np.asarray(is_largest.argmax(axis=-1), dtype=np.float64)


def place_word(name: str, which: str) -> Word:
    """The table's entry of `argmax` or `argmin`."""
    return Word(
        name=name,
        signature=f"{name}(v)",
        summary=f"the index of the {which} entry of a vector, the first of equal ones",
        parameters=(Kind.TENSOR,),
        options=(STRICTNESS,),
        boolean=False,
        role=Role.OTHER,
        shape=scalar,
        evaluate=evaluate,
        step=whole,
    )
