"""How deep a declaration may be nested, so that later phases may recurse over it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from nnmip.diagnostics import Diagnostic
from nnmip.source import SourceFile, Span
from nnmip.syntax import nodes
from nnmip.syntax.tokens import Token

MAX_DEPTH = 200
"""Most constructs inside one another, where `a + b + c` counts once."""

MAX_OPEN = 6 * MAX_DEPTH
"""Most words, signs and parts that may wait for the end of what they begin. No construct has more than five in front of
the next one inside it, so what has more than this many is nested deeper than MAX_DEPTH: the parser need not go on."""

MAX_TERMS = 10_000
"""Most operands of one chain such as `a + b + c`. The tree leans left; `nodes.left_spine` goes over it."""

_LEVELS = frozenset(
    "LPAR LSQB LBRACE NOT IF FORALL EXISTS IMPLIES IFF AND OR XOR PLUS MINUS STAR SLASH".split()  # noqa: SIM905
)
"""Kinds of token behind which, while they wait, a construct stands inside another."""

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


def too_deep(opened: Sequence[Token], source: SourceFile) -> Diagnostic:
    """The diagnostic for a text in which all of `opened` wait for their end."""
    levels = [token for token in opened if token.type in _LEVELS] or opened
    token = levels[min(MAX_DEPTH, len(levels) - 1)]
    return _too_deep(Span(source, token.start_pos, token.end_pos))


def _children(node: Any) -> Iterator[Any]:
    """The nodes directly inside `node`; a leaf such as a name cannot be too deep on its own and is passed over."""
    for value in node.parts():
        for child in value if isinstance(value, tuple) else (value,):
            if isinstance(child, nodes.Node) and not isinstance(child, nodes.Ref | nodes.Number | nodes.Name):
                yield child


def _too_deep(span: Span) -> Diagnostic:
    return _limit(f"nested deeper than {MAX_DEPTH} levels", span, "take it apart into several declarations")


def _too_long(span: Span) -> Diagnostic:
    message = f"more than {MAX_TERMS} operands in one chain"
    return _limit(message, span, "add whole tensors up:  sum(net.layer.weights)")


def _limit(message: str, span: Span, help: str) -> Diagnostic:
    return Diagnostic("NNM0101", message, Span(span.file, span.start, span.start + 1), help=help)
