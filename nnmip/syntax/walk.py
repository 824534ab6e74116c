"""Going over syntax trees, and showing them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from nnmip.display import escaped
from nnmip.source import SourceFile, Span

_LONGEST = 60


def children(node: Any) -> Iterator[tuple[str, Any]]:
    """The nodes directly inside `node` in the order of its fields, each with the name of its field."""
    for field in fields(node):
        value = getattr(node, field.name)
        for child in value if isinstance(value, tuple) else (value,):
            if is_dataclass(child) and not isinstance(child, Span | SourceFile):
                yield field.name, child


def walk(node: Any) -> Iterator[Any]:
    """`node` and every node inside it, a node before those inside it; however deep the tree is."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        yield current
        waiting.extend(reversed([child for _, child in children(current)]))


def dump(node: Any) -> str:
    """The tree as indented lines: the field that holds a node, its type, its plain values and its place."""
    lines: list[str] = []
    waiting: list[tuple[int, str, Any]] = [(0, "", node)]
    while waiting:
        depth, role, current = waiting.pop()
        lines.append(f"{'  ' * depth}{f'{role}: ' if role else ''}{_head(current)}")
        waiting.extend(reversed([(depth + 1, name, child) for name, child in children(current)]))
    return "\n".join(lines)


def dump_html(node: Any) -> str:
    """The tree as nested foldable HTML lists, open down to the declarations."""
    parts: list[str] = []
    waiting: list[tuple[int, str, Any]] = [(0, "", node)]
    while waiting:
        depth, role, current = waiting.pop()
        if isinstance(current, str):
            parts.append(current)
            continue
        inner = list(children(current))
        label = f"{escaped(role)}: " if role else ""
        head = f"{label}<code>{escaped(_head(current))}</code>"
        if not inner:
            parts.append(f"<li>{head}</li>")
            continue
        opened = " open" if depth < 1 else ""
        parts.append(f"<li><details{opened}><summary>{head}</summary><ul>")
        waiting.append((depth, "", "</ul></details></li>"))
        waiting.extend(reversed([(depth + 1, name, child) for name, child in inner]))
    return f"<ul>{''.join(parts)}</ul>"


def _head(node: Any) -> str:
    """`Binary '+' 3:5-3:10`: a node without those inside it."""
    words = [type(node).__name__]
    for field in fields(node):
        value = getattr(node, field.name)
        values = value if isinstance(value, tuple) else (value,)
        words.extend(_short(repr(v)) for v in values if isinstance(v, str | int | float))
    span = getattr(node, "span", None)
    if isinstance(span, Span):
        words.append(f"{span.line}:{span.column}-{span.end_line}:{span.end_column}")
    return " ".join(words)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
