"""Parameters: named numbers with a default that the user may override."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nnmip.hir.core import Constant
from nnmip.sema.domains import read_domain
from nnmip.sema.expressions import Elaborator
from nnmip.sema.networks import read_shape
from nnmip.sema.values import fail
from nnmip.source import Origin, SourceFile, Span
from nnmip.syntax import nodes
from nnmip.syntax.parser import parse


def read_parameter(elaborator: Elaborator, declaration: nodes.Param, overrides: Mapping[str, nodes.Expr]) -> Constant:
    """The value of a parameter: the override if there is one, else the default.

    Raises DiagnosticError NNM0206 where there is no value or it does not fit the declared type, shape or domain.
    """
    name = declaration.name.text
    expr = overrides.get(name, declaration.value)
    if expr is None:
        raise fail(
            "NNM0206",
            f"parameter `{name}` has no value",
            declaration.span,
            help=f"give a default, or run with  -D {name}=…",
        )
    value = elaborator.constant(expr)
    shape = read_shape(elaborator, declaration.type)
    base = declaration.type.base
    if value.shape != shape:
        raise fail(
            "NNM0206", f"`{name}` has shape {list(shape)}, and its value has shape {list(value.shape)}", expr.span
        )
    if value.boolean != (base == "bool") or (base == "int" and (value.value != np.floor(value.value)).any()):
        raise fail("NNM0206", f"`{name}` is declared `{base}`, and its value is not", expr.span)
    if declaration.domain is not None:
        domain = read_domain(declaration.domain, elaborator.constant)
        if (domain.distance(np.asarray(value.value)) > 0).any():
            raise fail("NNM0206", f"the value of `{name}` is outside its domain {domain}", expr.span)
    return Constant(value.value, Origin(declaration.name.span, name), value.boolean)


def parse_override(name: str, text: str) -> nodes.Expr:
    """The expression of `-D name=text`; DiagnosticError with a span in the command line where it is not one."""
    prefix = f"nnm 0.1\nlet {name} = "
    source = SourceFile(f"-D {name}", text)
    parsed = parse(SourceFile(source.path, prefix + text))
    declarations = parsed.file.declarations
    if parsed.diagnostics or len(declarations) != 1 or not isinstance(declarations[0], nodes.Let):
        raise fail(
            "NNM0206",
            f"`{text}` is not a value for `{name}`",
            Span(source, 0, len(text)),
            help="give a number, true, false or a list",
        )
    return declarations[0].value


def check_overrides(overrides: Mapping[str, str], declared: Mapping[str, object]) -> dict[str, nodes.Expr]:
    """Parse every override; DiagnosticError NNM0201 for a name that is not a parameter of the model."""
    parsed: dict[str, nodes.Expr] = {}
    for name, text in overrides.items():
        if not isinstance(declared.get(name), nodes.Param):
            parameters = [n for n, d in declared.items() if isinstance(d, nodes.Param)]
            has = f"the parameters are {', '.join(parameters)}" if parameters else "the model has none"
            raise fail(
                "NNM0201",
                f"no parameter is called `{name}`",
                Span(SourceFile(f"-D {name}", text), 0, len(text)),
                help=has,
            )
        parsed[name] = parse_override(name, text)
    return parsed
