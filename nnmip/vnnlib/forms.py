"""The parentheses of a VNN-LIB file: forms of words and forms, each with its place."""

from __future__ import annotations

import re
from typing import NoReturn

from nnmip.diagnostics import Diagnostic, DiagnosticError
from nnmip.records import dataclass
from nnmip.source import SourceFile, Span

_TOKEN = re.compile(
    r'\s+|;[^\n]*|(?P<open>\()|(?P<shut>\))|(?P<word>"(?:[^"\\]|\\.)*"|[\[\],]|[^\s()\[\],;"]+)|(?P<bad>.)'
)


MOST_NESTED = 200


@dataclass(frozen=True, slots=True)
class Word:
    """A name, a number, a quoted text, a bracket or a comma."""

    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


@dataclass(slots=True)
class Form:
    """What stands between two parentheses."""

    items: list[Word | Form]
    start: int
    end: int

    @property
    def head(self) -> str:
        """Its first word, empty where there is none."""
        return self.items[0].text if self.items and isinstance(self.items[0], Word) else ""


@dataclass(frozen=True, slots=True)
class Text:
    """The file, to say where something in it is wrong."""

    source: SourceFile

    def span(self, at: Word | Form) -> Span:
        return Span(self.source, at.start, at.end)

    def fail(self, message: str, at: Word | Form, help: str = "", code: str = "NNM0631") -> DiagnosticError:
        return DiagnosticError([Diagnostic(code, message, self.span(at), help=help)])


def read_forms(source: SourceFile) -> list[Form]:
    """The forms of a file. DiagnosticError NNM0631 where parentheses or quotes do not match."""
    text, top = Text(source), Form([], 0, 0)
    open_ = [top]
    for match in _TOKEN.finditer(source.text):
        start = match.start()
        match match.lastgroup:
            case "open":
                form = Form([], start, start + 1)
                if len(open_) > MOST_NESTED:
                    raise text.fail(f"parentheses are nested more than {MOST_NESTED} deep", Word("(", start))
                open_[-1].items.append(form)
                open_.append(form)
            case "shut":
                if len(open_) == 1:
                    raise text.fail("a `)` that closes nothing", Word(")", start))
                open_.pop().end = start + 1
            case "word":
                open_[-1].items.append(Word(match["word"], start))
            case "bad":
                _unclosed(text, Word('"', start))
    if len(open_) > 1:
        raise text.fail("a `(` that is not closed", Word("(", open_[-1].start), "a file that was cut off?")
    for item in top.items:
        if isinstance(item, Word):
            raise text.fail(f"`{item.text[:40]}` stands outside of parentheses", item)
    return [item for item in top.items if isinstance(item, Form)]


def _unclosed(text: Text, at: Word) -> NoReturn:
    raise text.fail("a text whose quote is not closed", at)
