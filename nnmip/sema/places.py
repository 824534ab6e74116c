"""Where `argmax` and `argmin` may stand, and how far the entry that they name is ahead of an earlier one."""

from __future__ import annotations

from typing import Any

from nnmip.diagnostics.edit import substitute
from nnmip.hir.core import Node
from nnmip.sema.arithmetic import entries_of
from nnmip.sema.steps import Names, strictness_of
from nnmip.sema.values import describe, fail
from nnmip.source import Span


def place_options(names: Names, word: str, operand: Node, options: dict[str, Any], span: Span) -> dict[str, Any]:
    """Fill in `strictness` and `is_exact`: the exact step of the entries where there is one, so that nothing is lost,
    else what is stated, or 1e-4.

    Raises DiagnosticError NNM0301 for anything but a vector with entries.
    """
    if len(operand.shape) != 1 or not operand.shape[0]:
        row = entries_of(operand, operand.shape[-1:], span)
        help = f"name one row: `{word}({row})`" if row else "give it a vector, such as the scores of a network"
        fix = substitute(operand.origin.span, row) if row else ()
        message = f"`{word}` names a place in a vector, and this is {describe(operand)}"
        raise fail("NNM0301", message, span, help=help, fix=fix)
    stated = options.get("strictness")
    strictness, is_exact = strictness_of(names, operand)
    if stated is not None and not is_exact:
        strictness = stated
    return {**options, "strictness": strictness, "is_exact": is_exact}
