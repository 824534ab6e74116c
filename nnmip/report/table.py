"""Tables of text."""

from __future__ import annotations

from collections.abc import Sequence


def table(rows: Sequence[tuple[str, ...]], *, indent: int, right: bool = False) -> list[str]:
    """Lines with aligned columns; with `right`, all but the first column are aligned at their ends."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]

    def cell(i: int, text: str) -> str:
        return text.rjust(widths[i]) if right and i else text.ljust(widths[i])

    return [" " * indent + "  ".join(cell(i, text) for i, text in enumerate(row)).rstrip() for row in rows]
