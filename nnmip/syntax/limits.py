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
"""Most operands of one chain such as `a + b + c`. The tree leans left; `nodes.left_spine` goes over it."""

_LEFT = frozenset({"+", "-", "*", "/", "and", "or"})


def check_depth(declaration: nodes.Declaration) -> Diagnostic | None:
    """The diagnostic for a declaration nested deeper than `MAX_DEPTH` or chained longer than `MAX_TERMS`."""
    span = declaration.span
    if span.end - span.start <= MAX_DEPTH:
        return None
    # (node, how deep it stands, how many operations of one chain end in it)
    waiting: list[tuple[Any, int, int]] = [(declaration, 0, 0)]
    while waiting:
        node, depth, chained = waiting.pop()
        if depth > MAX_DEPTH:
            return _too_deep(node.span)
        if isinstance(node, nodes.Binary) and node.op in _LEFT:
            if chained + 2 > MAX_TERMS:
                return _too_long(declaration.span)
            goes_on = isinstance(node.left, nodes.Binary) and node.left.op in _LEFT
            waiting.append((node.left, depth, chained + 1) if goes_on else (node.left, depth + 1, 0))
            waiting.append((node.right, depth + 1, 0))
        else:
            waiting.extend((child, depth + 1, 0) for child in _children(node))
    return None


def _children(node: Any) -> Iterator[Any]:
    """The nodes directly inside `node`; a leaf such as a name cannot be too deep on its own and is passed over."""
    for field in fields(node):
        value = getattr(node, field.name)
        for child in value if isinstance(value, tuple) else (value,):
            if hasattr(child, "span") and not isinstance(child, nodes.Ref | nodes.Number | nodes.Name):
                yield child


def _too_deep(span: Span) -> Diagnostic:
    return _limit(f"nested deeper than {MAX_DEPTH} levels", span, "take it apart into several declarations")


def _too_long(span: Span) -> Diagnostic:
    message = f"more than {MAX_TERMS} operands in one chain"
    return _limit(message, span, "add whole tensors up:  sum(net.layer.weights)")


def _limit(message: str, span: Span, help: str) -> Diagnostic:
    return Diagnostic("NNM0101", message, Span(span.file, span.start, span.start + 1), help=help)
