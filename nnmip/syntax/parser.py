"""From text to syntax tree."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lark import UnexpectedToken

from nnmip.diagnostics import Diagnostic
from nnmip.source import SourceFile, Span
from nnmip.syntax import nodes
from nnmip.syntax.grammar import Grammar, load_grammar


@dataclass(frozen=True, slots=True)
class ParseResult:
    """The declarations that could be read, and what is wrong with the others, in the order of the text."""

    file: nodes.File
    diagnostics: tuple[Diagnostic, ...]


def parse(source: SourceFile) -> ParseResult:
    """The syntax tree of `source`. Never raises on what the user wrote: every defect is a diagnostic with its span."""
    grammar = load_grammar()
    with grammar.lock, _collector_paused():
        return _parse(grammar, source)


def _parse(grammar: Grammar, source: SourceFile) -> ParseResult:
    builder = grammar.builder
    builder.start(source)
    tokens = grammar.lex(source.text)
    try:
        header, declarations = grammar.feed(tokens, "file")
    except UnexpectedToken as error:
        token = error.token
        span = Span(source, min(token.start_pos, len(source.text)), min(token.end_pos, len(source.text)))
        wrong = Diagnostic("NNM0101", f"unexpected `{token.value}`", span)
        return ParseResult(nodes.File(source, None, (), tuple(builder.comments)), (wrong,))
    file = nodes.File(source, header, declarations, tuple(builder.comments))
    return ParseResult(file, tuple(builder.diagnostics))


@contextmanager
def _collector_paused() -> Iterator[None]:
    """No garbage collection inside: a growing tree has no garbage, and looking for it takes a quarter of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
