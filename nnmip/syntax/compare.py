"""Whether two syntax trees say the same."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
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
        elif is_dataclass(left):
            waiting.extend((getattr(left, field.name), getattr(right, field.name)) for field in fields(left))
        elif left != right:
            return False
    return True


def _essence(node: Any) -> Any:
    while isinstance(node, nodes.Paren):
        node = node.inner
    return node.text.rstrip() if isinstance(node, nodes.Comment) else node
