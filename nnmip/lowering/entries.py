"""Which entries of which decisions an expression lists, for words that look at single weights."""

from __future__ import annotations

from collections.abc import Callable

from nnmip.diagnostics import Diagnostic, DiagnosticError
from nnmip.hir.core import Apply, Decision, Gather, Join, Node, Reference
from nnmip.milp.affine import Affine, concatenate


def gathered(node: Apply, of: Callable[[Decision], Affine]) -> Affine:
    """The tensor `of(decision)` for every entry that the operand of `node` lists, in its order: (*batch, entries).

    Raises DiagnosticError NNM0313 where the operand is not a selection of weights or biases.
    """

    def visit(operand: Node) -> Affine:
        match operand:
            case Reference(decision=decision):
                return of(decision).reshape((-1,))
            case Gather(base=base, index=index):
                return visit(base).gather(index.reshape(-1))
            case Join(parts=parts):
                return concatenate([visit(p) for p in parts])
        raise DiagnosticError(
            [
                Diagnostic(
                    "NNM0313",
                    f"`{node.word}` looks at single weights and biases, not at expressions of them",
                    operand.origin.span,
                    help=f"apply `{node.word}` to tensors such as `net.weights`, `net.layer.weights` or parts of them",
                )
            ]
        )

    operand = node.operands[0]
    return visit(operand).reshape((*operand.shape[: node.batch], -1))
