"""The files of a model: the one that the user named, and what it includes."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

from nnmip.diagnostics import Diagnostic, DiagnosticError, Diagnostics
from nnmip.records import dataclass
from nnmip.sizes import TEXT, UNASKED, Allowance, counted
from nnmip.source import SourceFile, Span
from nnmip.syntax import nodes
from nnmip.syntax.parser import ParseResult, parse
from nnmip.syntax.read import read_source

MAX_FILES = 500
MAX_NESTED = 50
"""Most files of a model, and most that include one another: far more than a person writes."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Every declaration of a model in reading order: those of an included file stand where it is first included.

    directories: for each file, by its path, the folder that paths in it start from. broken: names that are declared
    where the text cannot be read. is_open: some file cannot be read, so any name may be declared there.
    """

    files: tuple[nodes.File, ...]
    declarations: tuple[nodes.Declaration, ...]
    directories: Mapping[str, Path]
    diagnostics: tuple[Diagnostic, ...]
    broken: frozenset[str]
    is_open: bool

    def directory(self, span: Span) -> Path:
        """The folder that paths at `span` start from."""
        return self.directories[span.file.path]


def read_includes(parsed: ParseResult, directory: Path, allowance: Allowance = UNASKED) -> Sources:
    """The files of the model whose main text is `parsed`; paths in it start from `directory`.

    Each file is read once, however often it is included. NNM0105 for a file that cannot be read and for too many,
    NNM0106 for files that include each other in a circle, NNM0310 for more text than is allowed, and what is wrong with
    the text of each.
    """
    reader = _Reader(allowance)
    reader.add(parsed, directory, _identity(directory / Path(parsed.file.source.path).name))
    return Sources(
        tuple(reader.files),
        tuple(reader.declarations),
        reader.directories,
        tuple(reader.diagnostics.items),
        frozenset(reader.broken),
        reader.is_open,
    )


class _Reader:
    """Goes through the files, outermost first. `reading`: those whose includes are being read, by their identity."""

    def __init__(self, allowance: Allowance) -> None:
        self.allowance = allowance
        self.files: list[nodes.File] = []
        self.declarations: list[nodes.Declaration] = []
        self.directories: dict[str, Path] = {}
        self.diagnostics = Diagnostics()
        self.broken: set[str] = set()
        self.is_open = False
        self.tokens = 0
        self.reading: dict[Path, str] = {}
        self.done: set[Path] = set()

    def add(self, parsed: ParseResult, directory: Path, identity: Path) -> None:
        self.files.append(parsed.file)
        self.directories[parsed.file.source.path] = directory
        self.broken.update(parsed.broken)
        self.tokens += parsed.tokens
        self.is_open = self.is_open or parsed.is_too_large
        for diagnostic in parsed.diagnostics:
            self.diagnostics.add(diagnostic)
        self.reading[identity] = Path(parsed.file.source.path).name
        for declaration in parsed.file.declarations:
            self.declarations.append(declaration)
            if isinstance(declaration, nodes.Include):
                self._include(declaration.path, directory)
        del self.reading[identity]
        self.done.add(identity)

    def _include(self, name: nodes.String, directory: Path) -> None:
        if self.diagnostics.is_full:
            self.is_open = True
            return
        try:
            source = self._source(name, directory)
        except DiagnosticError as error:
            self.is_open = True
            self.diagnostics.keep(error)
            return
        if source is not None:
            path = directory / name.value
            self.add(parse(source, self.allowance, self.tokens), path.parent, _identity(path))

    def _source(self, name: nodes.String, directory: Path) -> SourceFile | None:
        """The text of an included file, None where it has been read before."""
        if not name.value or "\0" in name.value:
            raise _unreadable(name, "an include names a file", 'write `include "file.nnm"`')
        path = directory / name.value
        identity = _identity(path)
        if identity in self.reading:
            raise self._circle(name, identity)
        if identity in self.done:
            return None
        if len(self.files) >= MAX_FILES or len(self.reading) >= MAX_NESTED:
            raise _unreadable(name, f"more than {MAX_NESTED} files inside one another, or {MAX_FILES} in all")
        try:
            if path.exists() and not path.is_file():
                raise _unreadable(name, f"`{name.value}` is not a file", "name a file in that folder")
            source = read_source(path, self.allowance)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise _unreadable(name, f"cannot read `{name.value}`: {reason}", _nearest(name.value, path)) from None
        total = sum(len(file.source.text) for file in self.files) + len(source.text)
        self.allowance.check(total, TEXT, f"the model with `{name.value}`, {counted(total, 'character')},", name.span)
        return source

    def _circle(self, name: nodes.String, identity: Path) -> DiagnosticError:
        files = list(self.reading)
        through = [self.reading[file] for file in files[files.index(identity) + 1 :]]
        message = f"`{self.reading[identity]}` includes itself"
        if through:
            message += f", through {', '.join(f'`{file}`' for file in through)}"
        help = "move what both files need into a third one, and include that in both" if through else "leave it out"
        return DiagnosticError([Diagnostic("NNM0106", message, name.span, help=help)])


def _identity(path: Path) -> Path:
    """The same for every way to write the path of a file."""
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):
        return path


def _unreadable(name: nodes.String, message: str, help: str = "") -> DiagnosticError:
    return DiagnosticError([Diagnostic("NNM0105", message, name.span, help=help)])


def _nearest(name: str, path: Path) -> str:
    """What the user may have meant: a model of a similar name in the same folder."""
    try:
        names = [entry.name for entry in path.parent.iterdir() if entry.is_file()]
    except (OSError, ValueError):
        return "a path starts from the folder of the file that includes it"
    near = get_close_matches(path.name, names, n=1, cutoff=0.6)
    if not near:
        return "a path starts from the folder of the file that includes it"
    return f"did you mean `{name[: len(name) - len(path.name)]}{near[0]}`?"
