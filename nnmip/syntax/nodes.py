"""The syntax tree: one frozen dataclass for each construct of the grammar, with its span.

Those of expressions, domains and types stand in `terms`; here are declarations, and the names of all.
"""

from __future__ import annotations

from nnmip.records import dataclass
from nnmip.source import SourceFile, Span
from nnmip.syntax.terms import (
    Argument,
    Attribute,
    Binary,
    Binder,
    Boolean,
    Call,
    Chain,
    Conditional,
    DomainArgument,
    DomainExpr,
    Each,
    Expr,
    ListLiteral,
    Member,
    Name,
    Named,
    Node,
    Number,
    Paren,
    Positional,
    Quantified,
    Range,
    Ref,
    SetLiteral,
    Slice,
    Stepped,
    String,
    Subscript,
    TypeExpr,
    Unary,
    Union,
    left_spine,
)

__all__ = [
    "Annotation",
    "Argument",
    "Attribute",
    "Binary",
    "Binder",
    "Boolean",
    "Call",
    "Chain",
    "Code",
    "Column",
    "Comment",
    "Conditional",
    "Constraint",
    "Data",
    "DataField",
    "Declaration",
    "DomainArgument",
    "DomainExpr",
    "Each",
    "Expr",
    "Features",
    "File",
    "Goal",
    "GroupField",
    "Header",
    "Include",
    "Input",
    "LabelField",
    "Layer",
    "Let",
    "ListLiteral",
    "Member",
    "MissingField",
    "Name",
    "Named",
    "Network",
    "NetworkFile",
    "Node",
    "Number",
    "Param",
    "Paren",
    "Positional",
    "Quantified",
    "Range",
    "Ref",
    "Satisfy",
    "SetLiteral",
    "Slice",
    "SplitField",
    "Stage",
    "Stepped",
    "String",
    "Subscript",
    "TargetField",
    "TypeExpr",
    "Unary",
    "Union",
    "Var",
    "Verify",
    "WeightField",
    "WhereField",
    "left_spine",
]


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
