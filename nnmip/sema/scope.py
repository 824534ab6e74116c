"""The names of a file: resolved on demand, in any order, each once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import field
from typing import Any, Protocol

from nnmip.data import Dataset
from nnmip.diagnostics import DiagnosticError, Diagnostics, Label
from nnmip.diagnostics.edit import substitute
from nnmip.ops.registry import LAYERS, PHRASES, WORDS
from nnmip.records import dataclass
from nnmip.sema.known import KnownNetworks
from nnmip.sema.values import Poisoned, Value, fail, listed
from nnmip.sizes import UNASKED, Allowance
from nnmip.source import Span
from nnmip.syntax import nodes
from nnmip.syntax.suggest import closest

Named = (
    nodes.Param
    | nodes.Var
    | nodes.Let
    | nodes.Data
    | nodes.Network
    | nodes.NetworkFile
    | nodes.Constraint
    | nodes.Verify
)

_WITHOUT_VALUE: dict[type, str] = {nodes.Constraint: "a constraint", nodes.Verify: "a property"}

_INFINITE = frozenset({"inf", "infinity", "nan"})


_MOST_PROPOSALS = 20
"""Names are proposed for the first so many mistakes: comparing all with all takes long."""


@dataclass(frozen=True, slots=True)
class NetworkPlaces:
    """Where a network says what it returns, and the shape and the domain of its input; `is_file` where a file does."""

    returned: Span
    shape: Span
    domain: Span
    is_file: bool = False


class Known(Protocol):
    """What the checks ask of whoever declares networks and data sets: a file, or a program in Python.

    `fitting` remembers which networks have been found to fit which data sets. `known` has the networks from files.
    """

    fitting: set[tuple[str, str]]
    known: KnownNetworks

    def resolve(self, name: str, span: Span) -> Value:
        """The value of a name; `span` is what reads it."""

    def places(self, network: str) -> NetworkPlaces:
        """The places of a network that is declared."""


@dataclass(slots=True)
class Scope:
    """Declarations by name. `resolve` builds the value of one and remembers it, or remembers that it is broken.

    `fitting` remembers which networks have been found to fit which data sets. `is_open` where the file includes others,
    whose names are not known: then no name is called unknown. `allowance` limits the size of what is built. `read` has
    the number of expressions that quantifiers have read, and `sizes` that of those in a syntax node, by its id.
    `skipped` says that something depends on numbers which were not read.
    """

    declarations: dict[str, Named]
    broken: set[str]
    diagnostics: Diagnostics
    build: Callable[[Named], Value]
    is_open: bool = False
    allowance: Allowance = UNASKED
    read: int = 0
    skipped: bool = False
    sizes: dict[int, Any] = field(default_factory=dict)
    fitting: set[tuple[str, str]] = field(default_factory=set)
    known: KnownNetworks = field(default_factory=KnownNetworks)
    _values: dict[str, Value] = field(default_factory=dict)
    _building: list[str] = field(default_factory=list)

    def resolve(self, name: str, span: Span) -> Value:
        """The value of a declared name.

        Raises Poisoned where its declaration is broken, DiagnosticError NNM0201 where there is none or where it is
        defined by itself, NNM0205 where it has no value.
        """
        if name in self._values:
            return self._values[name]
        if name in self._building:
            circle = [*self._building[self._building.index(name) + 1 :], name]
            help = f"it reads {', which reads '.join(f'`{n}`' for n in circle)}"
            raise fail("NNM0201", f"`{name}` is defined by itself", span, help=help)
        if name in self.broken:
            raise Poisoned
        if name not in self.declarations:
            raise self._unknown(name, span)
        declaration = self.declarations[name]
        if type(declaration) in _WITHOUT_VALUE:
            what = _WITHOUT_VALUE[type(declaration)]
            label = Label(declaration.name.span, "declared here")
            raise fail("NNM0205", f"`{name}` is {what}, and has no value", span, secondary=(label,))
        self._building.append(name)
        try:
            self._values[name] = self.build(declaration)
        except DiagnosticError as error:
            self.broken.add(name)
            self.diagnostics.keep(error)
            self.diagnostics.stop_if_full()
            raise Poisoned from None
        except (Poisoned, RecursionError):
            self.broken.add(name)
            raise
        finally:
            self._building.pop()
        return self._values[name]

    @contextmanager
    def on_trial(self, names: Iterable[str]) -> Iterator[Diagnostics]:
        """Forget afterwards what some names were found to be inside, and what was wrong with them."""
        before = self.broken.copy(), self.skipped, self.diagnostics
        self.diagnostics = Diagnostics()
        try:
            yield self.diagnostics
        finally:
            self.broken.clear()
            self.broken.update(before[0])
            _, self.skipped, self.diagnostics = before
            for name in names:
                self._values.pop(name, None)

    def places(self, network: str) -> NetworkPlaces:
        """The places of a network that is declared."""
        declaration = self.declarations[network]
        if isinstance(declaration, nodes.NetworkFile):
            return NetworkPlaces(declaration.span, declaration.span, declaration.span, is_file=True)
        assert isinstance(declaration, nodes.Network)
        (source,) = declaration.inputs
        domain = source.domain.span if source.domain is not None else source.span
        return NetworkPlaces(declaration.result.span, source.type.span, domain)

    def unread(self) -> Poisoned:
        """What to raise where a value is asked for that was not read, as with a header alone: nothing is said of it."""
        self.skipped = True
        return Poisoned()

    def _unknown(self, name: str, span: Span) -> Exception:
        """NNM0201 with what the user may have meant."""
        if self.is_open:
            return Poisoned()
        message = f"nothing is called `{name}`"
        if name.lower() in _INFINITE:
            message = f"`{name}` is not a number here: every decision and every input is bounded"
            help = "write finite ends, such as `[-10, 10]`"
            return fail("NNM0401", message, span, help=help, fix=substitute(span, "10"))
        if name.lower() in ("true", "false"):
            return fail("NNM0201", message, span, help=f"write `{name.lower()}`")
        if name in WORDS:
            return fail(
                "NNM0201", f"`{name}` stands without its arguments", span, help=f"write `{WORDS[name].signature}`"
            )
        if name in LAYERS:
            return fail("NNM0201", f"`{name}` is a layer, not a value", span, help="it stands inside a network")
        if len(self.diagnostics.items) >= _MOST_PROPOSALS:
            return fail("NNM0201", message, span)
        if (path := self._inside_network(name)) is not None:
            return fail("NNM0201", message, span, help=f"did you mean `{path}`?")
        if self._is_class(name):
            fix = substitute(span, f'"{name}"')
            return fail("NNM0201", message, span, help=f'the name of a class is a text: write `"{name}"`', fix=fix)
        near = closest(name, self.declarations)
        if near:
            help = f"did you mean `{near}`?"
        else:
            values = [n for n, d in self.declarations.items() if type(d) not in _WITHOUT_VALUE]
            help = f"the file declares {listed(values)}" if values else "the file declares no names"
        return fail("NNM0201", message, span, help=help)

    def _is_class(self, name: str) -> bool:
        """Whether a label of a table that is read by now is called so."""
        tables = [value for value in self._values.values() if isinstance(value, Dataset)]
        return any(name in (*data.classes, *(text for text, _ in data.coding or ())) for data in tables)

    def _inside_network(self, name: str) -> str | None:
        """`net.name` where a network has a layer of that name, or where it is one of the words for all weights."""
        networks = [d for d in self.declarations.values() if isinstance(d, nodes.Network)]
        for network in networks:
            if name in ("weights", "biases") or any(layer.name.text == name for layer in network.layers):
                return f"{network.name.text}.{name}"
        return None


def collect_names(
    declarations: tuple[nodes.Declaration, ...], broken: set[str], diagnostics: Diagnostics
) -> dict[str, Named]:
    """The named declarations; a second one of the same name is an error and is left out.

    A value called like a word of the language is left out too, and its name added to `broken`; constraints, which no
    expression can mean, may be called like one.
    """
    found: dict[str, Named] = {}
    for declaration in declarations:
        if not isinstance(declaration, Named):
            continue
        name = declaration.name
        is_word = name.text in WORDS or name.text in LAYERS or name.text in PHRASES
        if is_word and type(declaration) not in _WITHOUT_VALUE:
            broken.add(name.text)
            message = f"`{name.text}` is a word of the language"
            other = f"{name.text}_1"
            help = f"choose another name, such as `{other}`"
            diagnostics.error("NNM0202", message, name.span, help=help, fix=substitute(name.span, other))
        elif name.text in found:
            diagnostics.error(
                "NNM0202",
                f"`{name.text}` is declared twice",
                name.span,
                secondary=(Label(found[name.text].name.span, "the first declaration"),),
                help=f"rename one of them, such as `{name.text}_2`; names are never shadowed",
                fix=substitute(name.span, f"{name.text}_2"),
            )
        else:
            found[name.text] = declaration
    return found
