"""Diagnostics as text for people and as plain dictionaries for programs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from nnmip.diagnostics.model import Diagnostic, Label
from nnmip.diagnostics.snippet import Mark, Row, clean, line_rows
from nnmip.records import dataclass
from nnmip.source import SourceFile, Span

WIDTH = 160
"""Longest source line shown whole."""

_MIN_GUTTER = 2
_GAP = "..."
_COLORS = {"error": "\x1b[1;31m", "warning": "\x1b[1;33m", "frame": "\x1b[1;34m", "strong": "\x1b[1m"}
_RESET = "\x1b[0m"


@dataclass(frozen=True, slots=True)
class _Painter:
    """Wraps text in ANSI colour codes, or leaves it alone."""

    color: bool

    def __call__(self, style: str, text: str) -> str:
        return f"{_COLORS[style]}{text}{_RESET}" if self.color and text else text


_LONG_QUOTATION = re.compile("(`[^`]{120})[^`]{80,}`")


def render_text(diagnostics: Iterable[Diagnostic], color: bool = False, width: int = WIDTH) -> str:
    """Every diagnostic with its source lines, separated by blank lines; no line end after the last.

    A file without text, such as an archive, is named without a line.

    Source lines wider than `width` columns are shown in part, around what is marked.
    """
    paint = _Painter(color)
    return "\n\n".join("\n".join(_render(diagnostic, paint, width)) for diagnostic in diagnostics)


def to_json(diagnostics: Iterable[Diagnostic]) -> list[dict[str, Any]]:
    """One dictionary of plain values for each diagnostic; lines and columns count from 1, end columns are exclusive.

    `edits` has what the help proposes: each puts `text` in the place of a span.
    """
    return [
        {
            "code": diagnostic.code,
            "severity": diagnostic.severity.value,
            "message": diagnostic.message,
            **_place(diagnostic.span),
            "label": diagnostic.label,
            "help": diagnostic.help,
            "note": diagnostic.note,
            "edits": [{**_place(edit.span), "text": edit.text} for edit in diagnostic.edits],
            "secondary": [{**_place(label.span), "label": label.text} for label in diagnostic.secondary],
        }
        for diagnostic in diagnostics
    ]


def _told(text: str) -> str:
    """A message without what would disturb a terminal, its quotations cut where they are long."""
    return _LONG_QUOTATION.sub(r"\1...`", clean(text))


def _place(span: Span) -> dict[str, Any]:
    return {
        "file": span.file.path,
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
    }


def _render(diagnostic: Diagnostic, paint: _Painter, width: int) -> list[str]:
    severity = diagnostic.severity.value
    by_file = _marks_by_file(diagnostic)
    gutter = max(_MIN_GUTTER, *(len(str(mark.line)) for _, marks in by_file for mark in marks))
    headline = paint(severity, f"{severity}[{diagnostic.code}]")
    rows = [headline + paint("strong", f": {_told(diagnostic.message)}")]
    arrow, place = "-->", diagnostic.span
    for first, marks in by_file:
        if first is not diagnostic.span:
            arrow, place = ":::", first
        if not place.file.text:
            rows.append(f"{' ' * gutter}{paint('frame', arrow)} {clean(place.file.path)}")
            continue
        where = f"{clean(place.file.path)}:{place.line}:{place.column}"
        rows.append(f"{' ' * gutter}{paint('frame', arrow)} {where}")
        rows.append(f"{' ' * gutter} {paint('frame', '|')}")
        rows.extend(_snippet(place.file, marks, gutter, severity, paint, width))
    for kind, text in (("help", diagnostic.help), ("note", diagnostic.note)):
        if text:
            rows.append(f"{' ' * gutter} {paint('frame', '=')} {paint('strong', kind)}: {_told(text)}")
    return rows


def _marks_by_file(diagnostic: Diagnostic) -> list[tuple[Span, list[Mark]]]:
    """For each file, the span of its location line and its marks in line order; the primary file first."""
    labels = [Label(diagnostic.span, diagnostic.label), *diagnostic.secondary]
    grouped: list[tuple[Span, list[Mark]]] = []
    for number, label in enumerate(labels):
        own = next((marks for first, marks in grouped if first.file is label.span.file), None)
        if own is None:
            own = []
            grouped.append((label.span, own))
        own.append(_mark(label, is_primary=number == 0))
    return [(first, sorted(marks, key=lambda mark: mark.line)) for first, marks in grouped]


def _mark(label: Label, *, is_primary: bool) -> Mark:
    """A span over several lines is marked on its first line only."""
    span = label.span
    start = span.column - 1
    end = span.end_column - 1 if span.end_line == span.line else len(span.file.line(span.line))
    return Mark(span.line, start, max(end, start + 1), label.text, is_primary)


def _snippet(
    file: SourceFile, marks: list[Mark], gutter: int, severity: str, paint: _Painter, width: int
) -> Iterator[str]:
    """The marked lines with their marks; dots stand for more than one line left out."""
    styles = {True: severity, False: "frame"}
    bar = paint("frame", "|")
    shown_before: int | None = None
    for number, group in groupby(marks, key=lambda mark: mark.line):
        if shown_before is not None and number > shown_before + 2:
            yield _GAP
        shown_before = number
        for text, rows in line_rows(file.line(number), list(group), width):
            yield f"{paint('frame', f'{number:>{gutter}}')} {bar} {text}".rstrip()
            for row in rows:
                yield f"{' ' * gutter} {bar} {_paint_row(row, styles, paint)}"


def _paint_row(row: Row, styles: dict[bool, str], paint: _Painter) -> str:
    parts: list[str] = []
    for is_primary, cells in groupby(row, key=lambda cell: cell[1]):
        text = "".join(cell[0] for cell in cells)
        parts.append(text if is_primary is None else paint(styles[is_primary], text))
    return "".join(parts)
