"""Numbers as reports print them."""

from __future__ import annotations

DIGITS, MOST_DIGITS = 6, 17


def number(value: float, digits: int = DIGITS) -> str:
    """A number as reports print it, six significant digits unless told otherwise."""
    return f"{value + 0.0:.{digits}g}"
