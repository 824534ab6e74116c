"""From the syntax tree to the HIR of a whole file."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeGuard

from nnmip.data import Dataset
from nnmip.diagnostics import Diagnostic, DiagnosticError, Diagnostics
from nnmip.hir.core import Constant, Network, Node, Program, Reference
from nnmip.hir.goals import Annotation, Constraint, Property, RegionRule, Stage
from nnmip.ops.base import Option
from nnmip.sema.annotations import read_annotations
from nnmip.sema.expressions import Elaborator
from nnmip.sema.goals import check_single_goal, read_constraint, read_goal
from nnmip.sema.known import NetworkReaders, read_network_file, warn_of_curves, warn_of_scores
from nnmip.sema.lets import read_let
from nnmip.sema.networks import NetworkReader
from nnmip.sema.outside import HeadersOnly, read_outside
from nnmip.sema.over_regions import read_rule
from nnmip.sema.parameters import read_parameter
from nnmip.sema.properties import read_properties
from nnmip.sema.scope import Named, Scope, collect_names
from nnmip.sema.sources import read_data, warn_of_one_class
from nnmip.sema.values import Poisoned, Value, as_tensor, collected
from nnmip.sema.variables import Ranges, is_open, read_variable
from nnmip.sema.words import checked_number
from nnmip.sizes import MEETING, UNASKED, Allowance, counted
from nnmip.source import Span
from nnmip.syntax import nodes
from nnmip.syntax.documentation import declared_path, documentation
from nnmip.syntax.includes import Sources, read_includes
from nnmip.syntax.parser import ParseResult


def build_program(
    parsed: ParseResult,
    directory: Path,
    overrides: Mapping[str, str],
    diagnostics: Diagnostics,
    bound: Mapping[str, Any] = MappingProxyType({}),
    allowance: Allowance = UNASKED,
    headers: HeadersOnly | None = None,
    readers: NetworkReaders = MappingProxyType({}),
    ranges: RangeFinder | None = None,
) -> Program | None:
    """The HIR of a parsed file and what it includes, or None with errors in `diagnostics`, as many as are independent.

    Paths in the file start from `directory`, those in an included file from its folder. `overrides` gives parameters
    other values, as texts, and data declarations other files; `bound` gives data declarations arrays and data frames.
    What is larger than `allowance` is not built. With `headers` no more is read of data files than their headers, where
    that is enough for the shapes; a few rows then stand in for theirs, and None without errors says that something
    depends on numbers that were not read. `readers` read networks from
    files, by their names in the language. `ranges` finds what constraints leave of variables that have no domain.
    """
    try:
        sources = read_includes(parsed, directory, allowance)
        for diagnostic in sources.diagnostics:
            diagnostics.add(diagnostic)
        return _Builder(sources, overrides, diagnostics, bound, allowance, headers, readers, ranges).build()
    except DiagnosticError as error:  # more mistakes than are told
        diagnostics.keep(error)
        return None


RangeFinder = Callable[[Program, frozenset[str]], Ranges]
"""What finds what constraints leave of the variables of a program, some of which are whole numbers, by their names."""


class _Builder:
    """Builds every declaration once, in any order, and keeps going after an error."""

    def __init__(
        self,
        sources: Sources,
        overrides: Mapping[str, str],
        diagnostics: Diagnostics,
        bound: Mapping[str, Any],
        allowance: Allowance,
        headers: HeadersOnly | None,
        readers: NetworkReaders,
        ranges: RangeFinder | None,
    ) -> None:
        main = sources.files[0]
        self.find_ranges, self.ranges = ranges, dict[str, Any]()
        self.is_trial = False
        self.sources, self.readers = sources, readers
        self.start = main.header.span if main.header is not None else Span(main.source, 0, 0)
        self.diagnostics = diagnostics
        self.is_readable = not sources.diagnostics
        self.is_too_deep = False
        self.annotations: dict[str, tuple[Annotation, ...]] = {}
        broken = set(sources.broken)
        self.goals = [d for d in sources.declarations if isinstance(d, nodes.Goal | nodes.Satisfy)]
        self.has_properties = any(isinstance(d, nodes.Verify) for d in sources.declarations)
        self.declarations = _without_mistakes(sources.declarations, sources.diagnostics, broken)
        names = collect_names(self.declarations, broken, diagnostics)
        self.outside = read_outside(overrides, bound, names, broken, diagnostics, headers)
        self.scope = Scope(names, broken, diagnostics, self._value, is_open=sources.is_open, allowance=allowance)
        self.scope.known.allowance = allowance
        self.meetings = [names for declaration in self.declarations for names in _meetings(declaration)]
        self.elaborator = Elaborator(self.scope, self._bindings())

    def build(self) -> Program | None:
        may_be_missing = not self.is_readable or self.scope.is_open or self.has_properties
        check_single_goal(self.goals, may_be_missing, self.start, self.diagnostics)
        self._take_ranges()
        for declaration in self.declarations:
            self._annotate(declaration)
            with self._guarded(declaration):
                if _has_value(declaration):
                    self.scope.resolve(declaration.name.text, declaration.name.span)
        bindings = self._bindings()
        elaborator = Elaborator(self.scope, bindings)
        stages, constraints, regions = self._statements(elaborator)
        properties = self._properties(elaborator)
        if self.diagnostics.errors or self.scope.skipped:
            return None
        return self._program(bindings, stages, constraints, properties, regions)

    def _take_ranges(self) -> None:
        """What constraints leave of variables without a domain, in a model where these have any value."""
        names = [n for n, d in self.scope.declarations.items() if isinstance(d, nodes.Var | nodes.Let)]
        endless = {n: d for n in names if is_open(d := self.scope.declarations[n]) and isinstance(d, nodes.Var)}
        if self.find_ranges is None or not endless:
            return
        for name, declaration in self.scope.declarations.items():
            if name not in names and _has_value(declaration):
                with self._guarded(declaration):
                    self.scope.resolve(name, declaration.name.span)
        outer = self.diagnostics
        with self.scope.on_trial(names) as self.diagnostics:
            self.is_trial = True
            bindings = self._bindings()
            with collected(self.diagnostics):
                _, constraints, _ = self._statements(Elaborator(self.scope, bindings))
                if not self.diagnostics.errors and not self.scope.skipped:
                    whole = frozenset(name for name, d in endless.items() if d.type.base == "int")
                    self.ranges = dict(self.find_ranges(self._program(bindings, (), constraints, (), ()), whole))
            self.is_trial = False
        self.diagnostics = outer

    def _program(
        self,
        bindings: tuple[tuple[str, str], ...],
        stages: tuple[Stage, ...],
        constraints: tuple[Constraint, ...],
        properties: tuple[Property, ...],
        regions: tuple[RegionRule, ...],
    ) -> Program:
        values = {n: self.scope.resolve(n, d.name.span) for n, d in self.scope.declarations.items() if _has_value(d)}
        return Program(
            source=self.sources.files[0].source,
            parameters=tuple((name, v.value) for name, v in values.items() if isinstance(v, Constant)),
            datasets=tuple(v for v in values.values() if isinstance(v, Dataset)),
            networks=tuple(v for n, v in values.items() if isinstance(v, Network) and n not in self.scope.known),
            stages=stages,
            constraints=constraints,
            bindings=bindings,
            included=tuple(file.source for file in self.sources.files[1:]),
            documentation=self._documentation(),
            annotations=tuple((path, found) for path, found in self.annotations.items() if found),
            lets=self._lets(values),
            known=tuple(self.scope.known.networks.values()),
            variables=self._variables(values),
            properties=properties,
            regions=regions,
        )

    def _properties(self, elaborator: Elaborator) -> tuple[Property, ...]:
        found: list[Property] = []
        for declaration in self.declarations:
            if isinstance(declaration, nodes.Verify):
                with self._guarded(declaration):
                    found.extend(read_properties(elaborator, declaration))
        return tuple(found)

    def _variables(self, values: Mapping[str, Value]) -> tuple[Reference, ...]:
        declared = [name for name, d in self.scope.declarations.items() if isinstance(d, nodes.Var)]
        return tuple(found for found in map(values.get, declared) if isinstance(found, Reference))

    def _lets(self, values: Mapping[str, Value]) -> tuple[tuple[str, Node], ...]:
        """The named expressions that are numbers."""
        lets = {name for name, d in self.scope.declarations.items() if isinstance(d, nodes.Let)}
        tensors = ((name, as_tensor(value)) for name, value in values.items() if name in lets)
        return tuple((n, node) for n, node in tensors if node is not None and node.shape == () and not node.boolean)

    def _annotate(self, declaration: nodes.Declaration) -> None:
        """Keep the annotations of a declaration, and of the layers inside it."""
        path = declared_path(declaration)
        layers = declaration.layers if isinstance(declaration, nodes.Network) else ()
        for place, node in ((path, declaration), *((f"{path}.{layer.name.text}", layer) for layer in layers)):
            with collected(self.diagnostics):
                self.annotations[place] = read_annotations(node)

    def _documentation(self) -> tuple[tuple[str, str], ...]:
        """The `##` comments by the path of what they document; only the main file is documented itself."""
        main, *included = map(documentation, self.sources.files)
        found = {path: text for each in included for path, text in each.items() if path}
        return tuple((main | found).items())

    def _statements(
        self, elaborator: Elaborator
    ) -> tuple[tuple[Stage, ...], tuple[Constraint, ...], tuple[RegionRule, ...]]:
        stages: list[Stage] = []
        constraints: list[Constraint] = []
        regions: list[RegionRule] = []
        for declaration in self.declarations:
            with self._guarded(declaration):
                if isinstance(declaration, nodes.Goal):
                    stages.extend(read_goal(elaborator, declaration))
                elif isinstance(declaration, nodes.Constraint):
                    rule = read_rule(elaborator, declaration)
                    if rule is not None:
                        regions.append(rule[0])
                        constraints.extend(rule[1])
                    else:
                        constraints.append(read_constraint(elaborator, declaration))
        return tuple(stages), tuple(constraints), tuple(regions)

    @contextmanager
    def _guarded(self, declaration: nodes.Declaration) -> Iterator[None]:
        """Keep what is wrong with a declaration and go on after it, even where it is too deep for Python's stack."""
        try:
            with collected(self.diagnostics):
                yield
        except RecursionError:
            if self.is_too_deep:
                return
            self.is_too_deep = True
            span = Span(declaration.span.file, declaration.span.start, declaration.span.start + 1)
            message = "the declaration is nested too deeply, in itself or through others that it reads"
            self.diagnostics.error("NNM0101", message, span)

    def _value(self, declaration: Named) -> Value:
        match declaration:
            case nodes.Param():
                return read_parameter(self.elaborator, declaration, self.outside.parameters)
            case nodes.Data():
                return self._data(declaration)
            case nodes.Network():
                return NetworkReader(self.elaborator, declaration, self.diagnostics).read()
            case nodes.NetworkFile():
                directory = self.sources.directory(declaration.span)
                known = self.scope.known
                found = read_network_file(declaration, directory, self.outside, self.readers, known, self._number)
                warn_of_scores(declaration, known.networks[found.name], self.diagnostics)
                warn_of_curves(declaration, known.networks[found.name], self.diagnostics)
                return found
            case nodes.Var():
                return read_variable(self.elaborator, declaration, None if self.is_trial else self.ranges)
            case nodes.Let():
                return read_let(self.elaborator, declaration)
        raise Poisoned

    def _number(self, option: Option, expr: nodes.Expr) -> float:
        return checked_number(option, self.elaborator.scalar(expr, f"`{option.name}`"), expr.span)

    def _data(self, declaration: nodes.Data) -> Value:
        data = read_data(self.elaborator, declaration, self.sources.directory(declaration.span), self.outside)
        if data is None:
            raise self.scope.unread()
        if isinstance(data, Dataset) and data.is_read:
            warn_of_one_class(declaration, data, self.diagnostics)
        return data

    def _bindings(self) -> tuple[tuple[str, str], ...]:
        """Which networks meet which data sets in the goal and constraints, in the order of the text.

        A broken data set is among them, so that its columns are not called unknown.
        """
        declared, broken = self.scope.declarations, self.scope.broken
        found: dict[tuple[str, str], None] = {}
        unread = broken - declared.keys()
        for names in self.meetings:
            bases = {name: name.partition(".")[0] for name in names}
            networks = [n for n in bases if isinstance(declared.get(n), nodes.Network) and n not in broken]
            tables = [n for n, base in bases.items() if base in unread or _is_table(declared.get(base))]
            pairs = len(found) + len(networks) * len(tables)
            what = f"the work on {counted(pairs, 'pair')} of a network and a table"
            self.scope.allowance.check(pairs, MEETING, what, self.start, help="name fewer of them in one call")
            found.update(((n, t), None) for n in networks for t in tables)
        return tuple(found)


def _name_of(value: nodes.DomainExpr) -> str:
    """The name that an argument is, `points` or `points.test`; empty for anything else."""
    match value:
        case nodes.Ref(name=name):
            return name
        case nodes.Attribute(base=nodes.Ref(name=name), name=nodes.Name(text="test")):
            return f"{name}.test"
    return ""


def _is_table(declaration: object) -> bool:
    return isinstance(declaration, nodes.Data) and declaration.type is None


def _without_mistakes(
    declarations: tuple[nodes.Declaration, ...], mistakes: tuple[Diagnostic, ...], broken: set[str]
) -> tuple[nodes.Declaration, ...]:
    """The declarations that are free of syntax errors; the names of the others are added to `broken`."""
    places: dict[str, list[int]] = {}
    for mistake in mistakes:
        places.setdefault(mistake.span.file.path, []).append(mistake.span.start)
    places = {path: sorted(starts) for path, starts in places.items()}
    kept: list[nodes.Declaration] = []
    for declaration in declarations:
        span = declaration.span
        starts = places.get(span.file.path, [])
        if bisect_left(starts, span.start) == bisect_left(starts, span.end):
            kept.append(declaration)
        elif isinstance(declaration, Named):
            broken.add(declaration.name.text)
    return tuple(kept)


def _has_value(
    declaration: nodes.Declaration,
) -> TypeGuard[nodes.Param | nodes.Data | nodes.Network | nodes.NetworkFile | nodes.Var | nodes.Let]:
    valued = nodes.Param | nodes.Data | nodes.Network | nodes.NetworkFile | nodes.Var | nodes.Let
    return isinstance(declaration, valued)


def _meetings(declaration: nodes.Declaration) -> Iterator[list[str]]:
    """Names that stand together in a goal, constraint or `let`: the arguments of a call, and a set with what is said of
    its members."""
    if not isinstance(declaration, nodes.Goal | nodes.Constraint | nodes.Let):
        return
    for node in _below(declaration):
        match node:
            case nodes.Call(arguments=arguments):
                names = (_name_of(a.value) for a in arguments if isinstance(a, nodes.Positional))
                if len(found := [name for name in names if name]) > 1:
                    yield found
            case nodes.Quantified(binders=binders, body=body) | nodes.Each(binders=binders, body=body):
                sets = [name for name in (_name_of(b.domain) for b in binders if b.domain is not None) if name]
                if sets:
                    yield [*sets, *(inner.name for inner in _below(body) if isinstance(inner, nodes.Ref))]


def _below(node: Any) -> Iterator[Any]:
    """A syntax node and every one below it, in the order of the text."""
    stack = [node]
    while stack:
        current = stack.pop()
        if isinstance(current, tuple):
            stack.extend(reversed(current))
        elif isinstance(current, nodes.Node):
            yield current
            stack.extend(reversed(current.parts()))
