"""Where lines break: documents of tokens, spaces and possible breaks, laid out within a width.

The algebra is that of Wadler, "A prettier printer" (2003), with comments on tokens: a comment ends its line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field

from nnmip.records import dataclass

WIDTH = 100
"""Columns that a formatted line keeps to where its tokens allow; comments do not count."""

INDENT = 2


@dataclass(slots=True)
class Remark:
    """A comment on a line of its own; `blank`: an empty line stands in front of it."""

    text: str
    blank: bool


@dataclass(slots=True, eq=False)
class Text:
    """One token. before: comments on lines of their own; blank: an empty line follows these; after: a comment that
    ends the token's line. closes: closes a bracket, so that what stands before it belongs inside."""

    text: str
    closes: bool = False
    before: list[Remark] = field(default_factory=list)
    after: str = ""
    blank: bool = False


@dataclass(slots=True, eq=False)
class Pad:
    """Spaces that align neighbouring lines; how many is known when all of them are."""

    width: int = 0


@dataclass(frozen=True, slots=True)
class Space:
    """One space where no line breaks."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line end if the group around it is broken, else `flat`."""

    flat: str = " "


@dataclass(frozen=True, slots=True)
class Break:
    """A line end always; `keeps_blank`: followed by the empty line that the author put there."""

    keeps_blank: bool = False


@dataclass(frozen=True, slots=True)
class Nest:
    """`doc` with its line ends indented by `by` more columns."""

    doc: Doc
    by: int = INDENT


@dataclass(frozen=True, slots=True)
class Group:
    """`doc` on one line if it fits there, else with all its own line ends."""

    doc: Doc


@dataclass(frozen=True, slots=True)
class Fill:
    """As many items on each line as fit."""

    items: tuple[Doc, ...]


@dataclass(frozen=True, slots=True)
class _Rest:
    """The items of a fill from number `start` on, each with a line end in front."""

    items: tuple[Doc, ...]
    start: int


Doc = Text | Pad | Space | Line | Break | Nest | Group | Fill | _Rest | tuple["Doc", ...]

SPACE, LINE, SOFT, BREAK = Space(), Line(), Line(""), Break()


def texts(doc: Doc) -> Iterator[Text]:
    """The tokens of a document in order."""
    for leaf in leaves(doc):
        if isinstance(leaf, Text):
            yield leaf


def leaves(doc: Doc) -> Iterator[Text | Pad | Space | Line | Break]:
    """What a document consists of, in order."""
    waiting: list[Doc] = [doc]
    while waiting:
        match waiting.pop():
            case Nest(doc=inner) | Group(doc=inner):
                waiting.append(inner)
            case Fill(items=items):
                for number, item in enumerate(reversed(items)):
                    if number:
                        waiting.append(LINE)
                    waiting.append(item)
            case tuple() as parts:
                waiting.extend(reversed(parts))
            case _Rest():
                raise AssertionError("made while laying out")
            case leaf:
                yield leaf


def flat_width(doc: Doc) -> int | None:
    """The columns that a document takes on one line; None where it has to take several."""
    width = 0
    has_started = has_ended = False
    for leaf in leaves(doc):
        match leaf:
            case Text():
                if has_ended or (has_started and leaf.before):
                    return None
                has_started, has_ended = True, bool(leaf.after)
                width += len(leaf.text)
            case Pad():
                width += leaf.width
            case Space():
                width += 1
            case Line():
                width += len(leaf.flat)
            case Break():
                return None
    return width


def lay_out(doc: Doc) -> str:
    """The text of a document; every line, also the last, has its end."""
    writer = _Writer()
    waiting: list[tuple[int, bool, Doc]] = [(0, False, doc)]
    while waiting:
        indent, is_flat, current = waiting.pop()
        match current:
            case Text():
                writer.text(current, indent)
            case Pad():
                writer.space(current.width)
            case Space():
                writer.space(1)
            case Line():
                if is_flat:
                    writer.space(len(current.flat))
                else:
                    writer.line_end(indent, False, is_outside=False)
            case Break():
                writer.line_end(indent, current.keeps_blank)
            case Nest():
                waiting.append((indent + current.by, is_flat, current.doc))
            case Group():
                fits = is_flat or _fits(current.doc, waiting, writer)
                waiting.append((indent, fits, current.doc))
            case Fill():
                if len(current.items) > 1:
                    waiting.append((indent, is_flat, _Rest(current.items, 1)))
                waiting.append((indent, is_flat, current.items[0]))
            case _Rest():
                item = current.items[current.start]
                if current.start + 1 < len(current.items):
                    waiting.append((indent, is_flat, _Rest(current.items, current.start + 1)))
                fits = is_flat or _fits((LINE, item), waiting, writer)
                waiting.append((indent, is_flat, item))
                waiting.append((indent, fits, LINE))
            case tuple():
                waiting.extend((indent, is_flat, part) for part in reversed(current))
    return writer.result()


def _fits(doc: Doc, rest: list[tuple[int, bool, Doc]], writer: _Writer) -> bool:
    """Whether `doc` on one line, and what follows up to the next possible line end, stays within the width."""
    left = WIDTH - writer.column
    is_first = writer.is_at_start
    has_ended = writer.must_end
    inner: list[tuple[bool, Doc]] = [(True, doc)]
    outer = len(rest)
    while left >= 0:
        if not inner:
            if outer == 0:
                return True
            outer -= 1
            inner.append((rest[outer][1], rest[outer][2]))
        is_flat, current = inner.pop()
        match current:
            case Text():
                if not current.text:
                    return True
                if has_ended or (current.before and not is_first):
                    return False
                left -= len(current.text)
                is_first, has_ended = False, bool(current.after)
            case Pad():
                left -= current.width
            case Space():
                left -= 1
            case Line():
                if not is_flat:
                    return True
                left -= len(current.flat)
            case Break():
                return not is_flat
            case Nest() | Group():
                # A group further right may still be broken, so only its beginning must fit.
                inner.append((is_flat, current.doc))
            case Fill():
                if len(current.items) > 1:
                    inner.append((is_flat, _Rest(current.items, 1)))
                inner.append((is_flat, current.items[0]))
            case _Rest():
                if not is_flat:
                    return True
                for item in reversed(current.items[current.start :]):
                    inner.extend(((True, item), (True, LINE)))
            case tuple():
                inner.extend((is_flat, part) for part in reversed(current))
    return False


class _Writer:
    """The text so far, with spaces and line ends written only when a token follows."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._line: list[str] = []
        self._spaces = 0
        self._keeps_blank = False
        self._is_outside = True  # between declarations or lines of a block, where empty lines may stand
        self.column = 0
        self.must_end = False

    @property
    def is_at_start(self) -> bool:
        """Whether nothing stands on the current line yet."""
        return not self._line

    def space(self, count: int) -> None:
        if self._line:
            self._spaces += count
            self.column += count

    def line_end(self, indent: int, keeps_blank: bool, *, is_outside: bool = True) -> None:
        if self._line:
            self._lines.append("".join(self._line))
        self._line.clear()
        self._spaces = self.column = indent
        self.must_end = False
        self._keeps_blank, self._is_outside = keeps_blank, is_outside

    def _blank_line(self) -> None:
        if self._lines:
            self._lines.append("")

    def _write(self, text: str) -> None:
        self._line.append(" " * self._spaces + text)
        self.column += len(text)
        self._spaces = 0

    def text(self, token: Text, indent: int) -> None:
        is_between = self._is_outside and self.is_at_start
        if self.is_at_start:
            # A line starts where it is, however deeply its first token is nested: comments do not push it.
            indent = self._spaces
        for number, remark in enumerate(token.before):
            if self._line:
                self.line_end(indent, False)
            if remark.blank and is_between and (number or self._keeps_blank):
                self._blank_line()
            self._spaces = indent + (INDENT if token.closes else 0)
            self._write(remark.text)
            self.line_end(indent, is_between)
        if self.must_end:
            self.line_end(indent, False)
        if token.blank and is_between and self._keeps_blank and token.text and not token.closes:
            self._blank_line()
        if token.text:
            self._write(token.text)
        if token.after:
            self._line.append("  " + token.after)
            self.must_end = True
        self._is_outside = False

    def result(self) -> str:
        self.line_end(0, False)
        return "".join(f"{line}\n" for line in self._lines)
