"""Shapes from types such as `real[2, 3]`."""

from __future__ import annotations

from nnmip.hir.core import Shape
from nnmip.sema.expressions import Elaborator
from nnmip.sema.values import check_size, fail, integer
from nnmip.syntax import nodes


def read_shape(elaborator: Elaborator, type_: nodes.TypeExpr, what: str) -> Shape:
    """The shape that a type gives to `what`; DiagnosticError NNM0205, NNM0301 or NNM0310."""
    sizes = [integer(elaborator.constant(size), "a size", size.span) for size in type_.shape]
    for size, expr in zip(sizes, type_.shape, strict=True):
        if size < 1:
            raise fail("NNM0301", f"a size must be at least 1, not {size}", expr.span)
    check_size(tuple(sizes), what, type_.span, elaborator.scope.allowance)
    return tuple(sizes)
