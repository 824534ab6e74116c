"""Whether two syntax trees say the same."""

from __future__ import annotations

from typing import Any

from nnmip.source import SourceFile, Span
from nnmip.syntax import nodes


def same_tree(one: Any, other: Any) -> bool:
    """Whether two nodes are equal up to spans, blanks at the end of comments, and parentheses that change nothing."""
    waiting = [(one, other)]
    while waiting:
        left, right = map(_essence, waiting.pop())
        if type(left) is not type(right):
            return False
        if isinstance(left, tuple):
            if len(left) != len(right):
                return False
            waiting.extend(zip(left, right, strict=True))
        elif isinstance(left, Span | SourceFile):
            continue
        elif isinstance(left, nodes.Node):
            waiting.extend(zip(left.parts(), right.parts(), strict=True))
        elif left != right:
            return False
    return True


def _essence(node: Any) -> Any:
    while isinstance(node, nodes.Paren):
        node = node.inner
    return node.text.rstrip() if isinstance(node, nodes.Comment) else node
