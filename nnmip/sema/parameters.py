"""Parameters: named numbers with a default that the user may override."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nnmip.diagnostics import Diagnostics, Label
from nnmip.hir.core import Constant, Shape
from nnmip.sema.domains import read_domain
from nnmip.sema.expressions import Elaborator
from nnmip.sema.shapes import read_shape
from nnmip.sema.values import collected, fail, listed, quoted
from nnmip.source import Origin, SourceFile, Span
from nnmip.syntax import nodes
from nnmip.syntax.parser import parse_expression
from nnmip.syntax.suggest import closest

_WANTED = {"real": "a number such as `0.5`", "int": "a whole number such as `3`", "bool": "`true` or `false`"}


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
        raise fail("NNM0206", message, expr.span, secondary=declared, help=help)
    if declaration.domain is not None:
        domain = read_domain(declaration.domain, elaborator.constant)
        if (domain.distance(np.asarray(value.value)) > 0).any():
            label = Label(declaration.domain.span, "its domain")
            raise fail("NNM0206", f"the value of `{name}` is outside {domain}", expr.span, secondary=(label,))
    return Constant(value.value, Origin(declaration.name.span, name), value.boolean)


def _shaped(shape: Shape) -> str:
    return f"a tensor of shape {list(shape)}" if shape else "a single value"


def _misfit(base: str, value: Constant) -> str:
    """What keeps a value from being of type `base`; empty where nothing does."""
    if value.boolean != (base == "bool"):
        return "Boolean" if value.boolean else "a number"
    return "not a whole number" if base == "int" and (value.value != np.floor(value.value)).any() else ""


def read_overrides(
    overrides: Mapping[str, str], declared: Mapping[str, object], broken: set[str], diagnostics: Diagnostics
) -> dict[str, nodes.Expr]:
    """The expression of every override `name=text`.

    Reports NNM0201 for a name that is no parameter of the model, and NNM0206 for a text that is no expression or one
    unknown word; the parameter is then `broken`.
    """
    expressions: dict[str, nodes.Expr] = {}
    for name, text in overrides.items():
        source = SourceFile(f"-D {name}", text)
        with collected(diagnostics):
            parameter = declared.get(name)
            if not isinstance(parameter, nodes.Param):
                if name not in broken:
                    raise _no_parameter(name, declared, Span(source, 0, len(text)))
                continue
            expr = parse_expression(source)
            if expr is not None and not _is_bare_text(expr, declared, broken):
                expressions[name] = expr
                continue
            broken.add(name)
            message = f"`{text}` is not a value for `{name}`"
            raise fail("NNM0206", message, Span(source, 0, len(text)), help=f"`{name}` takes {_wanted(parameter)}")
    return expressions


def _is_bare_text(expr: nodes.Expr, declared: Mapping[str, object], broken: set[str]) -> bool:
    """Whether a value is one word that nothing declares, and so no value at all."""
    return isinstance(expr, nodes.Ref) and expr.name not in declared and expr.name not in broken


def _wanted(parameter: nodes.Param) -> str:
    """What a parameter takes by its declared type."""
    if parameter.type.shape:
        return "a list such as `[1, 2]`"
    return _WANTED[parameter.type.base]


def _no_parameter(name: str, declared: Mapping[str, object], span: Span) -> Exception:
    parameters = [n for n, d in declared.items() if isinstance(d, nodes.Param)]
    near = closest(name, parameters)
    has = f"the parameters are {listed(parameters)}" if parameters else "the model has none"
    help = f"did you mean `{near}`?" if near else has
    return fail("NNM0201", f"no parameter is called `{name}`", span, help=help)
