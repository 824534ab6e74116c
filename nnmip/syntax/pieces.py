"""Small pieces of which the printer puts documents together: words in a row, lists, the operands of a chain."""

from __future__ import annotations

from collections.abc import Sequence

from nnmip.syntax import nodes
from nnmip.syntax.layout import LINE, SPACE, Doc, Group, Nest, Pad, Text
from nnmip.syntax.precedence import binary_level


def words(*texts: str) -> Doc:
    """Tokens with a space between."""
    parts: list[Doc] = []
    for number, text in enumerate(texts):
        if number:
            parts.append(SPACE)
        parts.append(Text(text))
    return tuple(parts)


def keyword(word: str, width: int, content: Doc) -> Doc:
    """`word` padded to `width`, and what follows it, whose further lines start below its first."""
    return Text(word), Pad(width - len(word)), SPACE, Nest(Group(content), by=width + 1)


def separated(items: Sequence[Doc]) -> tuple[Doc, ...]:
    """The items, each but the last with its comma."""
    return (*((item, Text(",")) for item in items[:-1]), *items[-1:])


def joined(items: Sequence[Doc]) -> list[Doc]:
    parts: list[Doc] = []
    for number, item in enumerate(items):
        parts += [LINE, item] if number else [item]
    return parts


def is_flat(items: Sequence[nodes.Expr]) -> bool:
    """Whether no item is a list or a call itself, so that several can share a line."""
    return not any(isinstance(item, nodes.ListLiteral | nodes.SetLiteral | nodes.Call) for item in items)


def is_fraction(binary: nodes.Binary) -> bool:
    """Whether it is a quotient of two whole numbers, such as 1/8."""
    sides = binary.left, binary.right
    return binary.op == "/" and all(isinstance(s, nodes.Number) and type(s.value) is int for s in sides)


def chain_of(binary: nodes.Binary, own: int) -> tuple[list[nodes.Expr], list[str]]:
    """The operands and operators of `a + b - c`, or of `a -> b -> c`, which leans to the right."""
    operands: list[nodes.Expr] = []
    operators: list[str] = []
    expr: nodes.Expr = binary
    if binary.op == "->":
        while isinstance(expr, nodes.Binary) and expr.op == "->":
            operands.append(expr.left)
            operators.append(expr.op)
            expr = expr.right
        return [*operands, expr], operators
    is_one = binary.op in ("<->", "xor")
    while isinstance(expr, nodes.Binary) and binary_level(expr.op) == own and not (is_one and operators):
        if is_fraction(expr) and operators and operators[-1] != "/":
            break
        operands.append(expr.right)
        operators.append(expr.op)
        expr = expr.left
    return [expr, *reversed(operands)], operators[::-1]
