"""The names of a file: resolved on demand, in any order, each once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from nnmip.diagnostics import DiagnosticError, Diagnostics, Label
from nnmip.ops.registry import LAYERS, WORDS
from nnmip.sema.values import Poisoned, Value, fail
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


@dataclass(slots=True)
class Scope:
    """Declarations by name. `resolve` builds the value of one and remembers it, or remembers that it is broken."""

    declarations: dict[str, Named]
    broken: set[str]
    diagnostics: Diagnostics
    build: Callable[[Named], Value]
    _values: dict[str, Value] = field(default_factory=dict)
    _open: list[str] = field(default_factory=list)

    def resolve(self, name: str, span: Span) -> Value:
        """The value of a declared name.

        Raises Poisoned where its declaration is broken, DiagnosticError NNM0201 where there is none or where it is
        defined by itself.
        """
        if name in self._values:
            return self._values[name]
        if name in self._open:
            raise fail("NNM0201", f"`{name}` is defined by itself: {' -> '.join([*self._open, name])}", span)
        if name in self.broken:
            raise Poisoned
        if name not in self.declarations:
            raise self.unknown(name, span)
        self._open.append(name)
        try:
            self._values[name] = self.build(self.declarations[name])
        except DiagnosticError as error:
            self.broken.add(name)
            for diagnostic in error.diagnostics:
                self.diagnostics.add(diagnostic)
            raise Poisoned from None
        except Poisoned:
            self.broken.add(name)
            raise
        finally:
            self._open.pop()
        return self._values[name]

    def unknown(self, name: str, span: Span, more: Mapping[str, object] | None = None) -> DiagnosticError:
        """NNM0201 with the nearest known name."""
        known = [*self.declarations, *(more or {})]
        near = closest(name, known)
        if name in WORDS or name in LAYERS:
            return fail(
                "NNM0201", f"`{name}` is a word of the language, not a value", span, help=f"call it:  {name}(…)"
            )
        help = f"did you mean `{near}`?" if near else ""
        return fail("NNM0201", f"nothing is called `{name}`", span, help=help)


def collect_names(declarations: tuple[nodes.Declaration, ...], diagnostics: Diagnostics) -> dict[str, Named]:
    """The named declarations; a second one of the same name is an error and is left out."""
    found: dict[str, Named] = {}
    for declaration in declarations:
        if not isinstance(declaration, Named):
            continue
        name = declaration.name
        if name.text in WORDS or name.text in LAYERS:
            diagnostics.error(
                "NNM0202", f"`{name.text}` is a word of the language", name.span, help="choose another name"
            )
        elif name.text in found:
            first = found[name.text].name.span
            diagnostics.error(
                "NNM0202",
                f"`{name.text}` is declared twice",
                name.span,
                secondary=(Label(first, "the first declaration"),),
                help="rename one of them; names are never shadowed",
            )
        else:
            found[name.text] = declaration
    return found
