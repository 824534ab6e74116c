"""A source line with what is marked in it, laid out in display columns."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import replace

from nnmip.records import dataclass

_TAB = 4
_CUT = "..."
_REACH = 4
"""Of a long line so many widths before and behind the start of a mark are laid out: it may have a thousand marks."""
_REPLACEMENT = "\ufffd"

Cell = tuple[str, bool | None]
"""A piece of a row, and whether it belongs to the primary mark, to a secondary one (False) or to none (None)."""

Row = list[Cell]


@dataclass(frozen=True, slots=True)
class Mark:
    """`start:end` are offsets in line number `line`, both from 0, with `start < end`."""

    line: int
    start: int
    end: int
    text: str
    is_primary: bool


def clean(text: str) -> str:
    """`text` on one line, with every character that would disturb a terminal replaced."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if char.isprintable() else " " if char.isspace() else _REPLACEMENT for char in text)


def line_rows(text: str, marks: list[Mark], width: int) -> Iterator[tuple[str, list[Row]]]:
    """The line as shown and the rows below it; a line wider than `width` comes once for each mark, cut around it."""
    if len(text) <= 2 * _REACH * width:
        shown, columns = _expand(text, max(mark.end for mark in marks))
        placed = [replace(mark, start=columns[mark.start], end=columns[mark.end]) for mark in marks]
        if columns[-1] <= width:
            yield shown, _mark_rows(placed)
            return
    for mark in marks:
        yield _cut_around(mark, *_near(text, mark, _REACH * width), width)


def _near(text: str, mark: Mark, reach: int) -> tuple[str, int]:
    """The part of a line that is at most `reach` characters before or behind the start of a mark, and its offset."""
    start = max(0, mark.start - reach)
    return text[start : mark.start + reach], start


def _cut_around(mark: Mark, text: str, start: int, width: int) -> tuple[str, list[Row]]:
    """The columns around a mark in the part of a line that begins at `start`, and the rows below them."""
    first, last = mark.start - start, mark.end - start
    shown, columns = _expand(text, first + 1)
    begin, end = columns[first], columns[min(last, len(columns) - 1)]
    left = max(0, min(begin - width // 3, columns[-1] - width))
    part, offset = _window(shown, left, width)
    moved = replace(mark, start=begin - left + offset, end=min(end, left + width) - left + offset)
    return part, _mark_rows([moved])


def _expand(text: str, length: int) -> tuple[str, list[int]]:
    """`text` with tabs as blanks, and the display column of every offset up to at least `length`."""
    pieces: list[str] = []
    columns = [0]
    for char in text:
        column = columns[-1]
        if " " <= char <= "~":
            piece, size = char, 1
        elif char == "\t":
            size = _TAB - column % _TAB
            piece = " " * size
        elif not char.isprintable():
            piece, size = _REPLACEMENT, 1
        else:
            piece, size = char, _char_width(char)
        pieces.append(piece)
        columns.append(column + size)
    columns.extend(columns[-1] + extra for extra in range(1, length - len(text) + 1))
    return "".join(pieces), columns


def _char_width(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1


def _window(shown: str, left: int, width: int) -> tuple[str, int]:
    """The columns `left:left + width` of a line, with dots where it goes on, and how far they move it to the right."""
    kept: list[str] = []
    column = pad = 0
    for char in shown:
        if column >= left + width:
            kept.append(_CUT)
            break
        if column >= left:
            pad = pad if kept else column - left
            kept.append(char)
        column += 1 if char.isascii() else _char_width(char)
    before = _CUT if left > 0 else ""
    return before + " " * pad + "".join(kept), len(before)


def _mark_rows(marks: list[Mark]) -> list[Row]:
    """The row of carets and dashes, then one row for each text that has no room behind them."""
    marks = sorted(marks, key=lambda mark: (mark.start, mark.end))
    last = max(marks, key=lambda mark: mark.end)
    underline: list[Cell] = [(" ", None)] * last.end
    for mark in sorted(marks, key=lambda mark: mark.is_primary):
        sign = "^" if mark.is_primary else "-"
        underline[mark.start : mark.end] = [(sign, mark.is_primary)] * (mark.end - mark.start)
    if last.text:
        underline.append((f" {clean(last.text)}", last.is_primary))
    waiting = [mark for mark in marks if mark.text and mark is not last]
    rows = [underline]
    if waiting:
        rows.append(_pipes(waiting))
    while waiting:
        mark = waiting.pop()
        row = _pipes([other for other in waiting if other.start < mark.start])
        row.extend([(" ", None)] * (mark.start - len(row)))
        row.append((clean(mark.text), mark.is_primary))
        rows.append(row)
    return rows


def _pipes(marks: list[Mark]) -> Row:
    row: Row = []
    for mark in marks:
        row.extend([(" ", None)] * (mark.start - len(row)))
        if len(row) == mark.start:
            row.append(("|", mark.is_primary))
    return row
