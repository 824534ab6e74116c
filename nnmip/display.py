"""Small HTML for notebooks: texts are escaped here, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def escaped(text: object) -> str:
    """A text that shows as it is."""
    from html import escape

    return escape(str(text))


def caption(text: object) -> str:
    """A line in bold."""
    return f"<p><b>{escaped(text)}</b></p>"


def block(text: object) -> str:
    """Lines in a fixed-width font."""
    return f"<pre>{escaped(text)}</pre>"


def table(rows: Iterable[Sequence[object]], head: Sequence[object] = ()) -> str:
    """Rows of cells, under a head where there is one."""
    lines = [f"<tr>{''.join(f'<th>{escaped(cell)}</th>' for cell in head)}</tr>"] if head else []
    lines += [f"<tr>{''.join(f'<td>{escaped(cell)}</td>' for cell in row)}</tr>" for row in rows]
    return f"<table>{''.join(lines)}</table>"


def shortened(text: str, most: int = 60) -> str:
    """A text on one line, cut where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 3] + "..."
