"""How tightly each expression binds, as in the grammar and the table of the manual; loosest first."""

from __future__ import annotations

from nnmip.syntax import nodes

_OPERATORS = (("<->",), ("->",), ("or",), ("xor",), ("and",))
_LEVELS = {op: number for number, ops in enumerate(_OPERATORS, start=1) for op in ops}

ANY = 0
TIGHTER = 1
LOGIC = 6
NOT_OPERAND = 6
COMPARISON = 7
OPERAND = DOMAIN_END = 8
FACTOR = 9
SIGNED = 10
POSTFIX = 11
ATOM = 12


def binary_level(op: str) -> int:
    """The level of a binary operator."""
    if op in _LEVELS:
        return _LEVELS[op]
    return OPERAND if op in "+-" else FACTOR


def level(expr: nodes.Expr) -> int:
    """The level of an expression: operands of tighter operators need parentheses."""
    match expr:
        case nodes.Quantified() | nodes.Conditional():
            return ANY
        case nodes.Binary(op=op):
            return binary_level(op)
        case nodes.Unary(op="not"):
            return NOT_OPERAND
        case nodes.Chain() | nodes.Member():
            return COMPARISON
        case nodes.Unary():
            return SIGNED
        case nodes.Number(value=value) if value < 0:
            return SIGNED
        case nodes.Attribute() | nodes.Subscript() | nodes.Call():
            return POSTFIX
    return ATOM


def is_open(expr: nodes.Expr) -> bool:
    """Whether it ends in a quantifier or a conditional, which reaches as far to the right as it can."""
    while True:
        match expr:
            case nodes.Quantified() | nodes.Conditional():
                return True
            case nodes.Binary(op=op, right=right) if op in _LEVELS:
                expr = right
            case nodes.Unary(op="not", operand=operand):
                expr = operand
            case _:
                return False
