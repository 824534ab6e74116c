"""What a diagnostic is, and how several are collected in one run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import field
from enum import StrEnum

from nnmip.diagnostics.codes import TITLES
from nnmip.diagnostics.edit import Edit, replacement
from nnmip.records import dataclass
from nnmip.source import Span

MOST_MISTAKES = 1_000
"""So many messages are told of one run; whoever has more mends some first."""


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Label:
    """A second place that a message talks about."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True, repr=False)
class Diagnostic:
    """One message to the user: what is wrong, where, and what to do about it.

    `message` is a lower-case headline without a full stop, with the user's own names in backquotes;
    `label` stands at the caret; `help` proposes an edit; `note` adds a fact.

    A help that says "did you mean `X`?" or "write `X`" means X in the place of `span`. Where the edit is another one,
    `fix` has it; see `edits`.
    """

    code: str
    message: str
    span: Span
    label: str = ""
    secondary: tuple[Label, ...] = ()
    help: str = ""
    note: str = ""
    severity: Severity = Severity.ERROR
    fix: tuple[Edit, ...] = ()

    def __post_init__(self) -> None:
        assert self.code in TITLES, f"diagnostic code {self.code} is not in the table"

    @property
    def edits(self) -> tuple[Edit, ...]:
        """What to change in the source so that this message goes away; empty where only the user can know, and for
        programs built in Python, since edits are in the language."""
        if not self.span.file.is_model:
            return ()
        if self.fix or not self.span.file.text:
            return self.fix
        text = replacement(self.help)
        if text is None:
            return ()
        is_quoted = self.span.text[:1] == '"' and text[:1] != '"'
        return (Edit(self.span, f'"{text}"' if is_quoted else text),)

    def __str__(self) -> str:
        """The message with its source lines, as `nnmip check` prints it."""
        from nnmip.diagnostics.render import render_text

        return render_text([self])

    def __repr__(self) -> str:
        return f"<{_in_a_line(self)}>"

    def _repr_html_(self) -> str:
        """For notebooks."""
        import html

        return f"<pre>{html.escape(str(self))}</pre>"


class DiagnosticError(Exception):
    """Raised when the user's input cannot be processed; carries every diagnostic of the run."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n".join(map(_in_a_line, self.diagnostics)))


def too_many(span: Span) -> Diagnostic:
    """What is said at the first of the mistakes that are not told."""
    message = f"more than {MOST_MISTAKES} mistakes: those from here on are left out"
    return Diagnostic("NNM0101", message, span, help="mend some of those before first")


def _in_a_line(d: Diagnostic) -> str:
    """Place, code, message and help of a diagnostic, for a traceback."""
    place = f"{d.span.file.path}:{d.span.line}:{d.span.column}" if d.span.file.text else d.span.file.path
    return f"{place}: {d.code}: {d.message}" + (f" ({d.help})" if d.help else "")


@dataclass(slots=True)
class Diagnostics:
    """The diagnostics of a run, in the order they were found."""

    items: list[Diagnostic] = field(default_factory=list)
    is_full: bool = False
    _places: dict[tuple[str, int, str], list[Diagnostic]] = field(default_factory=dict, repr=False)

    def add(self, diagnostic: Diagnostic) -> None:
        """Keep a diagnostic, once: a file may have so many that each is compared only with those of its place.

        Of more than MOST_MISTAKES the first stands for the others.
        """
        place = (diagnostic.span.file.path, diagnostic.span.start, diagnostic.code)
        known = self._places.setdefault(place, [])
        if diagnostic in known:
            return
        known.append(diagnostic)
        if len(self.items) < MOST_MISTAKES:
            self.items.append(diagnostic)
        elif diagnostic.severity is Severity.ERROR and not self.is_full:
            self.is_full = True
            self.items.append(too_many(diagnostic.span))

    def keep(self, error: DiagnosticError) -> None:
        """Keep what an exception carries."""
        for diagnostic in error.diagnostics:
            self.add(diagnostic)

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Keep the diagnostics of what is broken inside, and go on after it, unless there are too many."""
        try:
            yield
        except DiagnosticError as error:
            self.keep(error)
            self.stop_if_full()

    def stop_if_full(self) -> None:
        """Raise DiagnosticError where more mistakes would not be told: looking for them takes long for nothing."""
        if self.is_full:
            raise DiagnosticError(self.items)

    def error(
        self,
        code: str,
        message: str,
        span: Span,
        *,
        label: str = "",
        secondary: tuple[Label, ...] = (),
        help: str = "",
        note: str = "",
        fix: tuple[Edit, ...] = (),
    ) -> None:
        """Add an error, and go on unless there are too many; DiagnosticError then."""
        self.add(Diagnostic(code, message, span, label, secondary, help, note, fix=fix))
        self.stop_if_full()

    def warning(self, code: str, message: str, span: Span, *, help: str = "", note: str = "") -> None:
        self.add(Diagnostic(code, message, span, help=help, note=note, severity=Severity.WARNING))

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return tuple(d for d in self.items if d.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        return tuple(d for d in self.items if d.severity is Severity.WARNING)

    def raise_errors(self) -> None:
        """Raise DiagnosticError with everything collected if any of it is an error."""
        if self.errors:
            raise DiagnosticError(self.items)
