"""Edits of the source that a message proposes, for editors and for `nnmip check --format json` and `sarif`."""

from __future__ import annotations

import re
from collections.abc import Iterable

from nnmip.records import dataclass
from nnmip.source import SourceFile, Span

_REPLACEMENT = re.compile(r"(?:[^`]*: )?(?:did you mean|write) `([^`]+)`\??(?:[,;: ].*)?")
"""A help that quotes what should stand in the place of the caret; further proposals may follow."""

_OPEN = ("...", "…")
"""What stands for something that only the user knows."""


@dataclass(frozen=True, slots=True)
class Edit:
    """`text` in the place of `span`: an empty span inserts, an empty text deletes."""

    span: Span
    text: str


def insert_before(span: Span, text: str) -> tuple[Edit]:
    """The edit that puts `text` in front of a span."""
    return (Edit(Span(span.file, span.start, span.start), text),)


def insert_after(span: Span, text: str) -> tuple[Edit]:
    """The edit that puts `text` behind a span."""
    return (Edit(Span(span.file, span.end, span.end), text),)


def delete(span: Span) -> tuple[Edit]:
    """The edit that deletes a span, with its line where nothing else stands on it, else with the blanks before it."""
    text, start, end = span.file.text, span.start, span.end
    while start > 0 and text[start - 1] in " \t":
        start -= 1
    if (start == 0 or text[start - 1] == "\n") and (end == len(text) or text[end] == "\n"):
        return (Edit(Span(span.file, start, min(end + 1, len(text))), ""),)
    return (Edit(Span(span.file, start, end), ""),)


def substitute(span: Span, text: str) -> tuple[Edit]:
    """The edit that puts `text` in the place of a span."""
    return (Edit(span, text),)


def substitute_inside(span: Span, word: str, text: str) -> tuple[Edit, ...]:
    """The edit that puts `text` in the place of `word` inside a span, if it stands there once as a whole word."""
    found = list(re.finditer(rf"(?<!\w){re.escape(word)}(?!\w)", span.text))
    if len(found) != 1:
        return ()
    start = span.start + found[0].start()
    return (Edit(Span(span.file, start, start + len(word)), text),)


def replacement(help: str) -> str | None:
    """What a help of the form "did you mean `X`?" or "write `X`" says should stand in the place of the caret."""
    found = _REPLACEMENT.fullmatch(help)
    if found is None or any(hole in found[1] for hole in _OPEN):
        return None
    return found[1]


def apply_edits(file: SourceFile, edits: Iterable[Edit]) -> str:
    """The text of `file` with the edits that belong to it; of two that overlap, the first in the text counts."""
    parts: list[str] = []
    position = 0
    for edit in sorted(edits, key=lambda edit: (edit.span.start, edit.span.end)):
        if edit.span.file is file and edit.span.start >= position:
            parts += [file.text[position : edit.span.start], edit.text]
            position = edit.span.end
    return "".join([*parts, file.text[position:]])
