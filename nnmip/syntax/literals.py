"""The values of number and string tokens."""

from __future__ import annotations

import math
import re

from nnmip.records import dataclass

MAX_DIGITS = 640
"""Longest whole number accepted: Python writes and reads ints of this length under any setting."""

_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_ESCAPES = {'"': '"', "\\": "\\", "n": "\n", "t": "\t"}


@dataclass
class LiteralError(Exception):
    """A token of the right form without a value; `start:end` is the wrong part of it."""

    message: str
    help: str = ""
    start: int = 0
    end: int = 0


def number_value(text: str) -> int | float:
    """The value of `text`: an int exactly when it has neither point nor exponent.

    Raises LiteralError where a float would be infinite or an int has more than `MAX_DIGITS` digits.
    """
    if text.isascii() and text.replace("_", "").isdigit():
        if len(text) > MAX_DIGITS:
            raise LiteralError(f"a whole number has at most {MAX_DIGITS} digits")
        return int(text)
    value = float(text)
    if math.isinf(value):
        raise LiteralError(f"`{text}` is too large for a number", "the largest is about 1.8e308")
    return value


def string_value(text: str) -> str:
    """The content of a quoted string, with `\\\\`, `\\"`, `\\n`, `\\t` and `\\uXXXX` replaced by what they stand for.

    Raises LiteralError at an escape that is none of these.
    """
    if "\\" not in text:
        return text[1:-1]
    return _ESCAPE.sub(_unescape, text[1:-1])


def _unescape(match: re.Match[str]) -> str:
    escape = match[1]
    if escape in _ESCAPES:
        return _ESCAPES[escape]
    if len(escape) == 5 and not 0xD800 <= (code := int(escape[1:], 16)) <= 0xDFFF:
        return chr(code)
    # The match counts from the first character after the quote.
    start, end = match.start() + 1, match.end() + 1
    raise LiteralError(f"`\\{escape}` stands for no character", "a backslash itself is written `\\\\`", start, end)
