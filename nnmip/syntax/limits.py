"""How deep a declaration may be nested, so that later phases may recurse over it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from nnmip.diagnostics import Diagnostic
from nnmip.source import Span
from nnmip.syntax import nodes

MAX_DEPTH = 200
"""Most constructs inside one another, where `a + b + c` counts once."""

MAX_TERMS = 10_000
"""Most operands of one chain such as `a + b + c`. The tree leans left; `nodes.terms` walks it without recursion."""

_LEFT = frozenset({"+", "-", "*", "/", "and", "or"})


def check_depth(declaration: nodes.Declaration) -> Diagnostic | None:
    """The diagnostic for a declaration nested deeper than `MAX_DEPTH` or chained longer than `MAX_TERMS`."""
    span = declaration.span
    if span.end - span.start <= MAX_DEPTH:
        return None
    waiting: list[tuple[Any, int, int]] = [(declaration, 0, 1)]
    while waiting:
        node, depth, terms = waiting.pop()
        if depth > MAX_DEPTH:
            return _too_deep(node.span)
        if terms > MAX_TERMS:
            return _too_long(declaration)
        if isinstance(node, nodes.Binary) and node.op in _LEFT:
            is_chain = isinstance(node.left, nodes.Binary) and node.left.op in _LEFT
            waiting.append((node.left, depth, terms + 1) if is_chain else (node.left, depth + 1, 1))
            waiting.append((node.right, depth + 1, 1))
        else:
            waiting.extend((child, depth + 1, 1) for child in _children(node))
    return None


def _children(node: Any) -> Iterator[Any]:
    """The nodes directly inside `node`; a leaf such as a name cannot be too deep on its own and is passed over."""
    for field in fields(node):
        value = getattr(node, field.name)
        for child in value if isinstance(value, tuple) else (value,):
            if hasattr(child, "span") and not isinstance(child, nodes.Ref | nodes.Number | nodes.Name):
                yield child


def _too_deep(span: Span) -> Diagnostic:
    return Diagnostic(
        "NNM0101",
        f"nested deeper than {MAX_DEPTH} levels",
        Span(span.file, span.start, min(span.end, span.start + 1)),
        help="name an inner part with `let`",
    )


def _too_long(declaration: nodes.Declaration) -> Diagnostic:
    span = declaration.span
    return Diagnostic(
        "NNM0101",
        f"more than {MAX_TERMS} operands in one chain",
        Span(span.file, span.start, min(span.end, span.start + 1)),
        help="write a sum over an index: `sum(i in 0..<n: x[i])`",
    )
