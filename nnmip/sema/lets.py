"""Named expressions."""

from __future__ import annotations

from nnmip.diagnostics import Label
from nnmip.sema.expressions import Elaborator
from nnmip.sema.shapes import read_shape
from nnmip.sema.values import Value, as_tensor, describe, fail, quoted
from nnmip.syntax import nodes


def read_let(elaborator: Elaborator, declaration: nodes.Let) -> Value:
    """The value of a named expression; NNM0206 where it is not of the declared type."""
    value = elaborator.value(declaration.value)
    if declaration.type is None:
        return value
    shape = read_shape(elaborator, declaration.type, f"`{declaration.name.text}`")
    tensor = as_tensor(value)
    if tensor is None or tensor.shape != shape or tensor.boolean != (declaration.type.base == "bool"):
        name, span = declaration.name.text, declaration.value.span
        message = f"`{name}` is declared `{declaration.type.span.text}`, but {quoted(span)} is {describe(value)}"
        label = Label(declaration.type.span, f"the type of `{name}`")
        raise fail("NNM0206", message, span, secondary=(label,), help="leave the type out, or correct it")
    return value
