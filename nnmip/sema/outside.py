"""What comes from outside a model: values of parameters, files and values for its data declarations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

import numpy as np

from nnmip.diagnostics import DiagnosticError, Diagnostics
from nnmip.records import dataclass
from nnmip.sema.values import collected, fail, listed
from nnmip.source import SourceFile, Span
from nnmip.syntax import nodes
from nnmip.syntax.parser import parse_expression
from nnmip.syntax.suggest import closest

MOST_BOUND = 100_000
"""Most numbers in a list that is bound to a parameter; a tensor of data has no such limit."""

_WANTED = {"real": "a number such as `0.5`", "int": "a whole number such as `3`", "bool": "`true` or `false`"}


@dataclass(slots=True)
class HeadersOnly:
    """Asks that no more than the headers of data files is read, and keeps what was read all the same.

    `unread` has the names of the files whose rows were not read; `needed` says which were read, and what for.
    """

    unread: list[str] = field(default_factory=list)
    needed: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Outside:
    """Expressions for parameters; for data declarations paths, which start from the working directory, and values.

    `headers` where only the headers of files are to be read.
    """

    parameters: Mapping[str, nodes.Expr] = field(default_factory=dict)
    paths: Mapping[str, Path] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    headers: HeadersOnly | None = None


def read_outside(
    overrides: Mapping[str, str],
    bound: Mapping[str, Any],
    declared: Mapping[str, object],
    broken: set[str],
    diagnostics: Diagnostics,
    headers: HeadersOnly | None = None,
) -> Outside:
    """Sort what is given as `name=text` (`overrides`) and as a value from Python (`bound`).

    Reports NNM0201 for a name that is neither a parameter nor data of the model, and NNM0206 for a text that is no
    expression or one unknown word; the parameter is then `broken`.
    """
    expressions: dict[str, nodes.Expr] = {}
    paths: dict[str, Path] = {}
    values: dict[str, Any] = {}
    for name, text in overrides.items():
        source = SourceFile(f"-D {name}", text)
        with collected(diagnostics):
            match declared.get(name):
                case nodes.Param() as parameter:
                    expr = _expression(parameter, source, declared, broken)
                    if expr is not None:
                        expressions[name] = expr
                case nodes.Data() | nodes.NetworkFile():
                    paths[name] = Path(text)
                case _ if name not in broken:
                    raise _unknown(name, declared, Span(source, 0, len(text)))
    for name, value in bound.items():
        shown = f"bind({name}=...)"
        with collected(diagnostics):
            match declared.get(name):
                case nodes.Data(type=None) as table if isinstance(value, int | float | np.generic) or value is None:
                    broken.add(name)
                    message = f"table `{name}` cannot be `{value}`"
                    help = f'bind columns, as `{name}={{"x": [1, 2], "y": [0, 1]}}`, an array, or a pair of arrays'
                    raise fail("NNM0301", message, table.name.span, help=help)
                case nodes.Data() | nodes.NetworkFile():
                    values[name] = value
                case nodes.Param() as parameter:
                    source = SourceFile(f"bind({name})", _literal(parameter, value))
                    expr = _expression(parameter, source, declared, broken)
                    if expr is not None:
                        expressions[name] = expr
                case _ if name not in broken:
                    raise _unknown(name, declared, Span(SourceFile("bind", shown), 0, len(shown)))
    return Outside(expressions, paths, values, headers)


def _literal(parameter: nodes.Param, value: Any) -> str:
    """A number, a truth value or an array of them as the language writes it; NNM0206 for anything else."""
    if isinstance(value, int | float | np.generic):
        number = value.item() if isinstance(value, np.generic) else value
        return str(int(number) if isinstance(number, float) and number.is_integer() else number).lower()
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.asarray(None)
    if array.dtype.kind not in "biuf" or not array.size or array.size > MOST_BOUND:
        message = f"what is bound to parameter `{parameter.name.text}` is not a number or a list of numbers"
        help = f"it takes {_wanted(parameter)}; a table is bound to a data declaration"
        raise fail("NNM0206", message, parameter.name.span, help=help)
    return str(array.tolist()).lower()


def _expression(
    parameter: nodes.Param, source: SourceFile, declared: Mapping[str, object], broken: set[str]
) -> nodes.Expr | None:
    expr = parse_expression(source)
    if expr is not None and not _is_bare_text(expr, declared, broken):
        return expr
    name = parameter.name.text
    broken.add(name)
    message = f"`{source.text}` is not a value for `{name}`"
    help = f"`{name}` takes {_wanted(parameter)}"
    raise fail("NNM0206", message, Span(source, 0, len(source.text)), help=help)


def _is_bare_text(expr: nodes.Expr, declared: Mapping[str, object], broken: set[str]) -> bool:
    """Whether a value is one word that nothing declares, and so no value at all."""
    return isinstance(expr, nodes.Ref) and expr.name not in declared and expr.name not in broken


def _wanted(parameter: nodes.Param) -> str:
    """What a parameter takes by its declared type."""
    if parameter.type.shape:
        return "a list such as `[1, 2]`"
    return _WANTED[parameter.type.base]


def _unknown(name: str, declared: Mapping[str, object], span: Span) -> DiagnosticError:
    known = [n for n, d in declared.items() if isinstance(d, nodes.Param | nodes.Data)]
    parameters = [n for n, d in declared.items() if isinstance(d, nodes.Param)]
    near = closest(name, known)
    has = f"the parameters are {listed(parameters)}" if parameters else "the model has none"
    return fail("NNM0201", f"no parameter is called `{name}`", span, help=f"did you mean `{near}`?" if near else has)
