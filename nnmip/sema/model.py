"""From the syntax tree to the HIR of a whole file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from nnmip.data import Dataset
from nnmip.diagnostics import DiagnosticError, Diagnostics
from nnmip.hir.core import Constant, Network, Program
from nnmip.sema.expressions import Elaborator
from nnmip.sema.goals import check_single_goal, read_constraint, read_goal
from nnmip.sema.networks import NetworkReader
from nnmip.sema.parameters import check_overrides, read_parameter
from nnmip.sema.scope import Named, Scope, collect_names
from nnmip.sema.tables import read_data
from nnmip.sema.values import Poisoned, Value, not_yet
from nnmip.source import Span
from nnmip.syntax import nodes
from nnmip.syntax.parser import ParseResult

LATER: dict[type, str] = {
    nodes.Include: "`include`",
    nodes.Var: "`var`",
    nodes.Let: "`let`",
    nodes.NetworkFile: "a network from a file",
    nodes.Verify: "`verify`",
}


def build_program(
    parsed: ParseResult, directory: Path, overrides: Mapping[str, str], diagnostics: Diagnostics
) -> Program | None:
    """The HIR of a parsed file, or None with errors in `diagnostics`, as many as are independent of each other.

    Data paths start from `directory`; `overrides` gives parameters other values, as texts.
    """
    for diagnostic in parsed.diagnostics:
        diagnostics.add(diagnostic)
    file = parsed.file
    declarations = collect_names(file.declarations, diagnostics)
    try:
        builder = _Builder(declarations, directory, overrides, diagnostics, set(parsed.broken))
        return builder.build(file)
    except DiagnosticError as error:
        for diagnostic in error.diagnostics:
            diagnostics.add(diagnostic)
        return None


class _Builder:
    """Builds every declaration once, in any order, and keeps going after an error."""

    def __init__(
        self,
        declarations: dict[str, Named],
        directory: Path,
        overrides: Mapping[str, str],
        diagnostics: Diagnostics,
        broken: set[str],
    ) -> None:
        self.directory = directory
        self.diagnostics = diagnostics
        self.overrides = check_overrides(overrides, declarations)
        self.scope = Scope(declarations, broken, diagnostics, self._declaration)
        self.elaborator = Elaborator(self.scope)

    def build(self, file: nodes.File) -> Program | None:
        goals = [d for d in file.declarations if isinstance(d, nodes.Goal | nodes.Satisfy)]
        start = file.header.span if file.header is not None else Span(file.source, 0, 0)
        if not self.scope.broken:
            check_single_goal(goals, start, self.diagnostics)
        for declaration in file.declarations:
            with _collected(self.diagnostics):
                self._refuse_later(declaration)
                if isinstance(declaration, nodes.Param | nodes.Data | nodes.Network):
                    self.scope.resolve(declaration.name.text, declaration.name.span)
        bindings = self._bindings(file)
        elaborator = Elaborator(self.scope, bindings)
        stages, constraints = [], []
        for declaration in file.declarations:
            with _collected(self.diagnostics):
                if isinstance(declaration, nodes.Goal):
                    stages.append(read_goal(elaborator, declaration))
                elif isinstance(declaration, nodes.Constraint):
                    constraints.append(read_constraint(elaborator, declaration))
        if self.diagnostics.errors:
            return None
        values = [self.scope.resolve(name, d.name.span) for name, d in self._values()]
        names = [name for name, _ in self._values()]
        return Program(
            source=file.source,
            parameters=tuple((n, v.value) for n, v in zip(names, values, strict=True) if isinstance(v, Constant)),
            datasets=tuple(v for v in values if isinstance(v, Dataset)),
            networks=tuple(v for v in values if isinstance(v, Network)),
            stages=tuple(stages),
            constraints=tuple(constraints),
            bindings=bindings,
        )

    def _values(self) -> list[tuple[str, Named]]:
        kinds = (nodes.Param, nodes.Data, nodes.Network)
        return [(name, d) for name, d in self.scope.declarations.items() if isinstance(d, kinds)]

    def _declaration(self, declaration: Named) -> Value:
        match declaration:
            case nodes.Param():
                return read_parameter(self.elaborator, declaration, self.overrides)
            case nodes.Data():
                return read_data(self.elaborator, declaration, self.directory)
            case nodes.Network():
                return NetworkReader(self.elaborator, declaration, self.diagnostics).read()
            case nodes.Constraint(name=name):
                raise not_yet("a constraint used as a value", name.span)
        raise Poisoned

    def _refuse_later(self, declaration: nodes.Declaration) -> None:
        if declaration.annotations:
            raise not_yet("an annotation", declaration.annotations[0].span)
        if type(declaration) in LATER:
            raise not_yet(LATER[type(declaration)], declaration.span)

    def _bindings(self, file: nodes.File) -> tuple[tuple[str, str], ...]:
        """Which networks meet which data sets in a call of a goal or constraint, in the order of the text."""
        declared = self.scope.declarations
        found: list[tuple[str, str]] = []
        for declaration in file.declarations:
            if not isinstance(declaration, nodes.Goal | nodes.Constraint):
                continue
            for call in _calls(declaration):
                names = [
                    a.value.name
                    for a in call.arguments
                    if isinstance(a, nodes.Positional) and isinstance(a.value, nodes.Ref)
                ]
                networks = [n for n in names if isinstance(declared.get(n), nodes.Network)]
                tables = [n for n in names if isinstance(declared.get(n), nodes.Data)]
                found.extend((n, t) for n in networks for t in tables if not {n, t} & self.scope.broken)
        return tuple(dict.fromkeys(found))


def _calls(node: Any) -> Iterator[nodes.Call]:
    """Every call below a syntax node."""
    stack = [node]
    while stack:
        current = stack.pop()
        if isinstance(current, nodes.Call):
            yield current
        if isinstance(current, tuple):
            stack.extend(reversed(current))
        elif is_dataclass(current) and not isinstance(current, Span):
            stack.extend(getattr(current, f.name) for f in reversed(fields(current)))


@contextmanager
def _collected(diagnostics: Diagnostics) -> Iterator[None]:
    """Keep the diagnostics of a broken declaration and go on after it."""
    try:
        yield
    except DiagnosticError as error:
        for diagnostic in error.diagnostics:
            diagnostics.add(diagnostic)
    except Poisoned:
        pass
