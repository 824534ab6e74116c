"""The syntax tree: one frozen dataclass for each construct of the grammar, with its span."""

from __future__ import annotations

from nnmip.records import dataclass
from nnmip.source import SourceFile, Span


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
    """`i in D`, with an optional type before `in` (`x : real[2] in [0, 1]`)."""

    name: Name
    type: TypeExpr | None
    domain: DomainExpr
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


# ---- declarations ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Header(Node):
    version: str
    span: Span


@dataclass(frozen=True, slots=True)
class Annotation(Node):
    name: Name
    arguments: tuple[Argument, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Include(Node):
    path: String
    annotations: tuple[Annotation, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Param(Node):
    name: Name
    type: TypeExpr
    domain: DomainExpr | None
    value: Expr | None
    annotations: tuple[Annotation, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Var(Node):
    name: Name
    type: TypeExpr
    domain: DomainExpr | None
    annotations: tuple[Annotation, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Let(Node):
    name: Name
    type: TypeExpr | None
    value: Expr
    annotations: tuple[Annotation, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Column(Node):
    """A column: its name in the file and, after `as`, its name in the model; `onehot` after `as onehot`."""

    source: Name
    alias: Name | None
    onehot: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Features(Node):
    columns: tuple[Column, ...]
    scale: Expr | None
    span: Span


@dataclass(frozen=True, slots=True)
class Code(Node):
    """`setosa: -1` in a label coding, or `setosa` in a list of classes; the key is the text of the cell."""

    key: Name
    value: Expr | None
    span: Span


@dataclass(frozen=True, slots=True)
class LabelField(Node):
    column: Column
    coding: tuple[Code, ...] | None
    span: Span


@dataclass(frozen=True, slots=True)
class TargetField(Node):
    """`target y, z`: the columns that a regression predicts."""

    columns: tuple[Column, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class GroupField(Node):
    """`group sex, ward`: columns that tell rows apart, which no network reads."""

    columns: tuple[Column, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class WeightField(Node):
    value: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class WhereField(Node):
    condition: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class MissingField(Node):
    """`missing drop rows` or `missing fill mean`: what becomes of missing cells."""

    action: Name
    value: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class SplitField(Node):
    """`split test 0.3 seed 1`: the share of rows that is kept apart."""

    part: Name
    share: Expr
    seed: Expr | None
    span: Span


DataField = Features | LabelField | TargetField | GroupField | WeightField | WhereField | MissingField | SplitField


@dataclass(frozen=True, slots=True)
class Data(Node):
    """A table or a tensor; without a `source` it is bound from outside."""

    name: Name
    type: TypeExpr | None
    source: Expr | None
    fields: tuple[DataField, ...]
    annotations: tuple[Annotation, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Input(Node):
    name: Name
    type: TypeExpr
    domain: DomainExpr | None
    span: Span


@dataclass(frozen=True, slots=True)
class Layer(Node):
    name: Name
    value: Expr
    annotations: tuple[Annotation, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Network(Node):
    name: Name
    inputs: tuple[Input, ...]
    layers: tuple[Layer, ...]
    result: Expr
    annotations: tuple[Annotation, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class NetworkFile(Node):
    """`network f = onnx("f.onnx")`."""

    name: Name
    value: Expr
    annotations: tuple[Annotation, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Constraint(Node):
    name: Name
    sentence: str | None
    body: Expr
    annotations: tuple[Annotation, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Stage(Node):
    """One stage of a goal; `sense` is None where a later stage leaves it out."""

    sense: str | None
    value: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Goal(Node):
    """`minimize a then b`: `sense` is `minimize` or `maximize`, the sense of the first stage."""

    sense: str
    stages: tuple[Stage, ...]
    annotations: tuple[Annotation, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Satisfy(Node):
    annotations: tuple[Annotation, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Verify(Node):
    name: Name
    sentence: str | None
    given: tuple[Binder, ...]
    assume: tuple[Expr, ...]
    prove: tuple[Expr, ...]
    annotations: tuple[Annotation, ...]
    span: Span


Declaration = Include | Param | Var | Let | Data | Network | NetworkFile | Constraint | Goal | Satisfy | Verify


@dataclass(frozen=True, slots=True)
class Comment(Node):
    """`# text`, or documentation where it starts with exactly two `#`."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class File(Node):
    """A whole text; `comments` has all of them in the order of the text, wherever they stand."""

    source: SourceFile
    header: Header | None
    declarations: tuple[Declaration, ...]
    comments: tuple[Comment, ...]

    def __repr__(self) -> str:
        counts = f"{len(self.declarations)} declarations, {len(self.comments)} comments"
        return f"File({self.source.path!r}, {counts})"
