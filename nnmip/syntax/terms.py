"""The syntax tree below declarations: expressions, domains and types."""

from __future__ import annotations

from nnmip.records import dataclass
from nnmip.source import Span


class Node:
    """What all parts of the tree share."""

    __slots__: tuple[str, ...] = ()

    def parts(self) -> tuple[object, ...]:
        """The values of the fields, in their order; `dataclasses.fields` takes much longer."""
        return tuple(getattr(self, name) for name in self.__slots__)


# ---- expressions -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A name where it is declared or used as a label, not an expression."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Ref(Node):
    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class Number(Node):
    """A literal; `value` is an int exactly when the text has no point and no exponent."""

    value: int | float
    span: Span


@dataclass(frozen=True, slots=True)
class String(Node):
    value: str
    span: Span


@dataclass(frozen=True, slots=True)
class Boolean(Node):
    value: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Paren(Node):
    inner: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class ListLiteral(Node):
    """`[a, b, c]`. After `in`, two elements are the ends of an interval."""

    items: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class SetLiteral(Node):
    items: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """`op` is one of `-`, `+`, `not`."""

    op: str
    operand: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """`op` is one of `+ - * / and or xor -> <->`."""

    op: str
    left: Expr
    right: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Chain(Node):
    """`a <= b < c`: operands one longer than ops; ops among `= != <= >= < >`."""

    operands: tuple[Expr, ...]
    ops: tuple[str, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Member(Node):
    """`x in D` or `x not in D`."""

    element: Expr
    domain: DomainExpr
    negated: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Binder(Node):
    """`i in D`, with an optional type before `in` (`x : real[2] in [0, 1]`); with a type the domain may be left out."""

    name: Name
    type: TypeExpr | None
    domain: DomainExpr | None
    span: Span


@dataclass(frozen=True, slots=True)
class Quantified(Node):
    """`kind` is `forall` or `exists`."""

    kind: str
    binders: tuple[Binder, ...]
    where: Expr | None
    body: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Conditional(Node):
    condition: Expr
    then: Expr
    otherwise: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Attribute(Node):
    base: Expr
    name: Name
    span: Span


@dataclass(frozen=True, slots=True)
class Slice(Node):
    start: Expr | None
    stop: Expr | None
    step: Expr | None
    span: Span


@dataclass(frozen=True, slots=True)
class Subscript(Node):
    base: Expr
    indices: tuple[Expr | Slice, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Positional(Node):
    value: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Named(Node):
    """`units: 4`."""

    name: Name
    value: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class DomainArgument(Node):
    """`weights in {-1, 0, 1}`: a membership of a bare name standing alone as an argument."""

    name: Name
    domain: DomainExpr
    span: Span


@dataclass(frozen=True, slots=True)
class Each(Node):
    """`i in A, j in B where p: e` inside a call."""

    binders: tuple[Binder, ...]
    where: Expr | None
    body: Expr
    span: Span


Argument = Positional | Named | DomainArgument | Each


@dataclass(frozen=True, slots=True)
class Call(Node):
    function: Expr
    arguments: tuple[Argument, ...]
    span: Span


Expr = (
    Ref
    | Number
    | String
    | Boolean
    | Paren
    | ListLiteral
    | SetLiteral
    | Unary
    | Binary
    | Chain
    | Member
    | Quantified
    | Conditional
    | Attribute
    | Subscript
    | Call
)


def left_spine(expr: Expr) -> tuple[Expr, tuple[Binary, ...]]:
    """The first operand of a chain such as `a + b * c - d`, and the operations applied to it, innermost first.

    Chains may have thousands of operands, and their tree leans left: go over them with this, not by recursion.
    """
    spine: list[Binary] = []
    while isinstance(expr, Binary):
        spine.append(expr)
        expr = expr.left
    return expr, tuple(reversed(spine))


# ---- domains and types -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Range(Node):
    """`low..high` (both included) or `low..<high` (`half_open`)."""

    low: Expr
    high: Expr
    half_open: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Stepped(Node):
    """`piece step s`."""

    piece: Range | Expr
    step: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Union(Node):
    """`A | B | C`, flattened."""

    pieces: tuple[Range | Stepped | Expr, ...]
    span: Span


DomainExpr = Union | Stepped | Range | Expr


@dataclass(frozen=True, slots=True)
class TypeExpr(Node):
    """`real[2, 3]`: `base` is `real`, `int` or `bool`."""

    base: str
    shape: tuple[Expr, ...]
    span: Span
