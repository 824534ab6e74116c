"""How values are written: numbers, quoted texts, and names of columns that need quotes."""

from __future__ import annotations

import math
import re

from nnmip.source import Span
from nnmip.syntax.literals import LiteralError, number_value, string_value
from nnmip.syntax.tokens import RESERVED

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_NUMBER = re.compile(r"[0-9]")
_SPELLED = {"INTEGER": "int", "BOOLEAN": "bool"}
_RESERVED_WORDS = frozenset(_SPELLED.get(kind, kind.lower()) for kind in RESERVED)
_ESCAPED = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}


def number_text(value: int | float, span: Span) -> str:
    """The number as its author wrote it where `span` still says so, else its shortest form.

    Raises ValueError for a number that cannot be written, such as infinity.
    """
    written = span.text
    if _NUMBER.match(written):
        try:
            found = number_value(written)
        except (LiteralError, ValueError):
            found = None
        if found == value and type(found) is type(value):
            return written
    if not math.isfinite(value):
        raise ValueError(f"{value} cannot be written as a number")
    return repr(value)


def quoted_text(value: str, span: Span | None = None) -> str:
    """A text in quotes, as its author wrote it where `span` still says so."""
    if span is not None and span.text[:1] == '"':
        try:
            if string_value(span.text) == value:
                return span.text
        except LiteralError:
            pass
    return '"' + "".join(map(_escaped, value)) + '"'


def _escaped(char: str) -> str:
    if char in _ESCAPED:
        return _ESCAPED[char]
    return char if char.isprintable() or ord(char) > 0xFFFF else f"\\u{ord(char):04x}"


def column_text(value: str, span: Span) -> str:
    """The name of a column or the text of a cell, in quotes where it is no plain name."""
    if span.text == value or span.text[:1] == '"':
        return value if span.text == value else quoted_text(value, span)
    return value if _NAME.match(value) and value not in _RESERVED_WORDS else quoted_text(value)


def same_token(one: str, other: str) -> bool:
    """Whether two tokens mean the same: equal, or quoted texts of equal content."""
    if one == other:
        return True
    if one[:1] != '"' or other[:1] != '"':
        return False
    try:
        return string_value(one) == string_value(other)
    except LiteralError:
        return False
