"""Parameters: named numbers with a default that the user may override."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nnmip.diagnostics import Label
from nnmip.hir.core import Constant, Shape
from nnmip.sema.domains import read_domain
from nnmip.sema.expressions import Elaborator
from nnmip.sema.shapes import read_shape
from nnmip.sema.values import fail, quoted
from nnmip.source import Origin
from nnmip.syntax import nodes


def read_parameter(elaborator: Elaborator, declaration: nodes.Param, overrides: Mapping[str, nodes.Expr]) -> Constant:
    """The value of a parameter: the override if there is one, else the default.

    Raises DiagnosticError NNM0206 where there is no value or it does not fit the declared type, shape or domain.
    """
    name = declaration.name.text
    shape = read_shape(elaborator, declaration.type, f"`{name}`")
    expr = overrides.get(name, declaration.value)
    if expr is None:
        help = f"give it a default, or a value for this run: `-D {name}=...`"
        raise fail("NNM0206", f"parameter `{name}` has no value", declaration.span, help=help)
    value = elaborator.constant(expr)
    declared = (Label(declaration.type.span, f"the type of `{name}`"),)
    if value.shape != shape:
        message = f"`{name}` is {_shaped(shape)}, but its value is {_shaped(value.shape)}"
        raise fail("NNM0206", message, expr.span, secondary=declared)
    misfit = _misfit(declaration.type.base, value)
    if misfit:
        message = f"`{name}` is declared `{declaration.type.base}`, but {quoted(expr.span)} is {misfit}"
        help = "write `true` or `false`" if declaration.type.base == "bool" else ""
        if declaration.type.base == "int" and value.shape == () and not value.boolean:
            whole = int(np.floor(value.value))
            help = f"write `{whole}` or `{whole + 1}`, or declare it `real`"
        raise fail("NNM0206", message, expr.span, secondary=declared, help=help)
    if declaration.domain is not None:
        domain = read_domain(declaration.domain, elaborator.constant)
        if (domain.distance(np.asarray(value.value)) > 0).any():
            label = Label(declaration.domain.span, "its domain")
            help = ""
            if value.shape == () and not value.boolean:
                nearest = float(domain.project(np.asarray(value.value)))
                help = f"write `{nearest:g}`, the nearest value in it, or widen the domain"
            message = f"the value of `{name}` is outside {domain}"
            raise fail("NNM0206", message, expr.span, secondary=(label,), help=help)
    return Constant(value.value, Origin(declaration.name.span, name), value.boolean)


def _shaped(shape: Shape) -> str:
    return f"a tensor of shape {list(shape)}" if shape else "a single value"


def _misfit(base: str, value: Constant) -> str:
    """What keeps a value from being of type `base`; empty where nothing does."""
    if value.boolean != (base == "bool"):
        return "Boolean" if value.boolean else "a number"
    return "not a whole number" if base == "int" and (value.value != np.floor(value.value)).any() else ""
