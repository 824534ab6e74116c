"""From the parser's reductions to the syntax tree, with the checks that the grammar leaves open."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from nnmip.diagnostics import Diagnostic, Edit, Label
from nnmip.diagnostics.edit import substitute
from nnmip.records import dataclass
from nnmip.source import SourceFile, Span
from nnmip.syntax import nodes
from nnmip.syntax.literals import LiteralError, number_value, string_value
from nnmip.syntax.tokens import Token

Children = list[Any]
"""What a rule matched, in order: tokens, nodes, and None for each absent optional part."""

ONEHOT = "onehot"
"""What follows `as` where the values of a column become features of their own."""

_LONGEST_REPEAT = 40
_MOST_STAGES = 100


@dataclass(frozen=True, slots=True)
class _Part:
    """A line of a `verify` block: binders after `forall`, or one expression."""

    kind: str
    content: Any
    span: Span


class Builder:
    """One method for each rule of the grammar; the parser calls it when the rule is complete, innermost first.

    A construct that breaks a rule of the language beyond the grammar is still built, and adds to `diagnostics`.
    """

    def __init__(self) -> None:
        self.start(SourceFile("", ""))

    def start(self, source: SourceFile) -> None:
        """Forget the last text and build spans of `source` from now on."""
        self.source = source
        self.diagnostics: list[Diagnostic] = []
        self.comments: list[nodes.Comment] = []

    def comment(self, token: Token) -> Token:
        self.comments.append(nodes.Comment(token.value, self.span_of(token)))
        return token

    def span_of(self, token: Token) -> Span:
        return Span(self.source, token.start_pos, token.end_pos)

    def _span(self, children: Children) -> Span:
        first = next(child for child in children if child is not None)
        last = next(child for child in reversed(children) if child is not None)
        start = first.start_pos if first.__class__ is Token else first.span.start
        end = last.end_pos if last.__class__ is Token else last.span.end
        return Span(self.source, start, end)

    def _name(self, token: Token) -> nodes.Name:
        return nodes.Name(token.value, self.span_of(token))

    def _error(
        self,
        message: str,
        span: Span,
        *,
        label: str = "",
        help: str = "",
        at: Label | None = None,
        fix: tuple[Edit, ...] = (),
    ) -> None:
        self.diagnostics.append(Diagnostic("NNM0101", message, span, label, (at,) if at else (), help, fix=fix))

    # ---- file --------------------------------------------------------------------------------------------------

    def file(self, children: Children) -> tuple[nodes.Header | None, tuple[nodes.Declaration, ...]]:
        header, *declarations = children
        return header, tuple(declarations)

    def items(self, children: Children) -> tuple[nodes.Declaration, ...]:
        return tuple(children)

    def header(self, children: Children) -> nodes.Header:
        return nodes.Header(children[1].value, self._span(children))

    def item(self, children: Children) -> nodes.Declaration:
        *annotations, declaration = children
        return _annotated(declaration, annotations)

    def annotation(self, children: Children) -> nodes.Annotation:
        return nodes.Annotation(self._name(children[1]), self._call_arguments(children[2:]), self._span(children))

    # ---- declarations ------------------------------------------------------------------------------------------

    def include(self, children: Children) -> nodes.Include:
        return nodes.Include(self.string(children[1:]), (), self._span(children))

    def param(self, children: Children) -> nodes.Param:
        _, name, _, type_, _, domain, _, value = children
        self._check_domain(domain)
        return nodes.Param(self._name(name), type_, domain, value, (), self._span(children))

    def var(self, children: Children) -> nodes.Var:
        _, name, _, type_, _, domain = children
        self._check_domain(domain)
        return nodes.Var(self._name(name), type_, domain, (), self._span(children))

    def let(self, children: Children) -> nodes.Let:
        _, name, _, type_, _, value = children
        return nodes.Let(self._name(name), type_, value, (), self._span(children))

    def constraint(self, children: Children) -> nodes.Constraint:
        _, name, sentence, _, body = children
        return nodes.Constraint(self._name(name), self._sentence(sentence), body, (), self._span(children))

    def satisfy(self, children: Children) -> nodes.Satisfy:
        return nodes.Satisfy((), self._span(children))

    def goal(self, children: Children) -> nodes.Goal:
        sense, value = children[:2]
        first = nodes.Stage(sense.value, value, self._span(children[:2]))
        stages = (first, *_nodes(children[2:]))
        if len(stages) > _MOST_STAGES:
            message = f"a goal has at most {_MOST_STAGES} stages, and this one has {len(stages)}"
            self._error(message, self.span_of(sense), help="weigh goals against each other:  10 * a + b")
        return nodes.Goal(sense.value, stages, (), self._span(children))

    def stage(self, children: Children) -> nodes.Stage:
        sense, value = children
        return nodes.Stage(sense and sense.value, value, self._span(children))

    def verify(self, children: Children) -> nodes.Verify:
        _, name, sentence, _, *parts = children
        given = tuple(binder for part in parts if part.kind == "forall" for binder in part.content)
        assume = tuple(part.content for part in parts if part.kind == "assume")
        prove = tuple(part.content for part in parts if part.kind == "prove")
        span = self._span(children)
        return nodes.Verify(self._name(name), self._sentence(sentence), given, assume, prove, (), span)

    def given(self, children: Children) -> _Part:
        keyword, binders = children
        return _Part("forall", binders, self.span_of(keyword).to(binders[-1].span))

    def assume(self, children: Children) -> _Part:
        return _Part("assume", children[1], self._span(children))

    def prove(self, children: Children) -> _Part:
        return _Part("prove", children[1], self._span(children))

    def _sentence(self, token: Token | None) -> str | None:
        return None if token is None else self.string([token]).value

    # ---- data --------------------------------------------------------------------------------------------------

    def data(self, children: Children) -> nodes.Data:
        _, name, _, type_, _, source, *fields = children
        return nodes.Data(self._name(name), type_, source, _nodes(fields), (), self._span(children))

    def features(self, children: Children) -> nodes.Features:
        *columns, _, scale = children
        return nodes.Features(_nodes(columns), scale, self._span(children))

    def label(self, children: Children) -> nodes.LabelField:
        *column, _, coding = children
        codes = None if coding is None else coding.content
        return nodes.LabelField(self.column([*column[1:], None, None]), codes, self._span(children))

    def target(self, children: Children) -> nodes.TargetField:
        return nodes.TargetField(_nodes(children), self._span(children))

    def group(self, children: Children) -> nodes.GroupField:
        return nodes.GroupField(_nodes(children), self._span(children))

    def sample_weight(self, children: Children) -> nodes.WeightField:
        return nodes.WeightField(children[1], self._span(children))

    def row_filter(self, children: Children) -> nodes.WhereField:
        return nodes.WhereField(children[1], self._span(children))

    def missing(self, children: Children) -> nodes.MissingField:
        _, action, value = children
        return nodes.MissingField(self._name(action), value, self._span(children))

    def split(self, children: Children) -> nodes.SplitField:
        _, part, share, _, seed = children
        return nodes.SplitField(self._name(part), share, seed, self._span(children))

    def column(self, children: Children) -> nodes.Column:
        """`SOURCE [as ALIAS] [as onehot]`; the grammar accepts any name in the last place."""
        source, _, *names = children
        alias, last = names[0], names[2]
        onehot = (last if last is not None else alias) is not None and (last or alias).value == ONEHOT
        if last is not None and not onehot:
            message = f"`{last.value}` is a second name for the column"
            self._error(message, self.span_of(last), help="after its name a column takes only `as onehot`")
        elif onehot and last is None:
            alias = None
        return nodes.Column(self._quoted(source), alias and self._name(alias), onehot, self._span(children))

    def coding(self, children: Children) -> _Part:
        return _Part("coding", _nodes(children), self._span(children))

    def code(self, children: Children) -> nodes.Code:
        key, _, value = children
        return nodes.Code(self._quoted(key), value, self._span(children))

    def _quoted(self, token: Token) -> nodes.Name:
        """A column or cell, written as a name, a number or in quotes."""
        text = self.string([token]).value if token.type == "STRING" else token.value
        return nodes.Name(text, self.span_of(token))

    # ---- networks ----------------------------------------------------------------------------------------------

    def network(self, children: Children) -> nodes.Network:
        _, name, *parts = children
        built = _nodes(parts)
        inputs = tuple(part for part in built if isinstance(part, nodes.Input))
        layers = tuple(part for part in built if isinstance(part, nodes.Layer))
        return nodes.Network(self._name(name), inputs, layers, built[-1].content, (), self._span(children))

    def network_file(self, children: Children) -> nodes.NetworkFile:
        _, name, _, value = children
        return nodes.NetworkFile(self._name(name), value, (), self._span(children))

    def input(self, children: Children) -> nodes.Input:
        name, _, type_, _, domain = children
        self._check_domain(domain)
        return nodes.Input(self._name(name), type_, domain, self._span(children))

    def layer(self, children: Children) -> nodes.Layer:
        *annotations, keyword, name, _, value = children
        span = self.span_of(keyword).to(value.span)
        return nodes.Layer(self._name(name), value, tuple(annotations), span)

    def return_(self, children: Children) -> _Part:
        return _Part("return", children[1], self._span(children))

    # ---- types, domains, binders -------------------------------------------------------------------------------

    def type(self, children: Children) -> nodes.TypeExpr:
        base, *shape = children
        return nodes.TypeExpr(base.value, _nodes(shape), self._span(children))

    def union(self, children: Children) -> nodes.Union:
        return nodes.Union(_nodes(children), self._span(children))

    def stepped(self, children: Children) -> nodes.Stepped:
        piece, _, step = children
        return nodes.Stepped(piece, step, self._span(children))

    def range(self, children: Children) -> nodes.Range:
        low, dots, high = children
        return nodes.Range(low, high, dots.type == "BELOW", self._span(children))

    def binders(self, children: Children) -> tuple[nodes.Binder, ...]:
        return _nodes(children)

    def binder(self, children: Children) -> nodes.Binder:
        name, *rest = children
        type_ = rest[1] if len(rest) > 2 else None
        domain = rest[-1]
        self._check_domain(domain)
        return nodes.Binder(self._name(name), type_, domain, self._span(children))

    def _check_domain(self, domain: nodes.DomainExpr | None) -> None:
        """After `in`, brackets are an interval and must have two ends."""
        for piece in domain.pieces if isinstance(domain, nodes.Union) else (domain,):
            ends = piece.piece if isinstance(piece, nodes.Stepped) else piece
            if isinstance(ends, nodes.ListLiteral) and len(ends.items) != 2:
                values = ", ".join(item.span.text for item in ends.items)
                self._error(
                    f"an interval has two ends, this one has {'one' if len(ends.items) == 1 else len(ends.items)}",
                    ends.span,
                    help=f"a list of values uses braces: `{{{values if _is_short(values) else 'a, b, c'}}}`",
                    fix=substitute(ends.span, f"{{{values}}}"),
                )

    # ---- logic and arithmetic ----------------------------------------------------------------------------------

    def binary(self, children: Children) -> nodes.Binary:
        left, operator, right = children
        return nodes.Binary(operator.value, left, right, self._span(children))

    def unary(self, children: Children) -> nodes.Unary:
        operator, operand = children
        return nodes.Unary(operator.value, operand, self._span(children))

    def chain(self, children: Children) -> nodes.Chain:
        operators = tuple(token.value for token in children[1::2])
        return nodes.Chain(tuple(children[::2]), operators, self._span(children))

    def member(self, children: Children) -> nodes.Member:
        element, domain = children[0], children[-1]
        self._check_domain(domain)
        return nodes.Member(element, domain, len(children) == 4, self._span(children))

    def quantified(self, children: Children) -> nodes.Quantified:
        kind, binders, _, where, _, body = children
        return nodes.Quantified(kind.value, binders, where, body, self.span_of(kind).to(body.span))

    def conditional(self, children: Children) -> nodes.Conditional:
        _, condition, _, then, _, otherwise = children
        return nodes.Conditional(condition, then, otherwise, self._span(children))

    # ---- postfix -----------------------------------------------------------------------------------------------

    def attribute(self, children: Children) -> nodes.Attribute:
        base, _, name = children
        return nodes.Attribute(base, self._name(name), self._span(children))

    def subscript(self, children: Children) -> nodes.Subscript:
        base, *indices = children
        return nodes.Subscript(base, _nodes(indices), self._span(children))

    def slice(self, children: Children) -> nodes.Slice:
        start, _, stop, _, step = children
        return nodes.Slice(start, stop, step, self._span(children))

    def call(self, children: Children) -> nodes.Call:
        function, *arguments = children
        return nodes.Call(function, self._call_arguments(arguments), self._span(children))

    def named(self, children: Children) -> nodes.Named:
        name, _, value = children
        return nodes.Named(self._name(name), value, self._span(children))

    def each(self, children: Children) -> nodes.Each:
        member, _, where, _, body = children
        return nodes.Each((self._member_binder(member),), where, body, self._span(children))

    def _member_binder(self, member: nodes.Member) -> nodes.Binder:
        element = member.element
        if not isinstance(element, nodes.Ref):
            self._error(
                "only a name can run over a domain",
                element.span,
                help="write `i in D: ...` with a new name `i`",
            )
        return nodes.Binder(nodes.Name(element.span.text, element.span), None, member.domain, member.span)

    def _call_arguments(self, children: Children) -> tuple[nodes.Argument, ...]:
        """The arguments of a call; neighbouring memberships before the `:` part become its binders."""
        arguments: list[nodes.Argument] = []
        for child in _nodes(children):
            if isinstance(child, nodes.Each):
                child = _with_earlier_binders(arguments, child)
            elif not isinstance(child, nodes.Named):
                child = self._plain_argument(child)
            arguments.append(child)
        return tuple(arguments)

    def _plain_argument(self, value: nodes.Expr) -> nodes.Argument:
        if isinstance(value, nodes.Member) and isinstance(value.element, nodes.Ref) and not value.negated:
            name = nodes.Name(value.element.name, value.element.span)
            return nodes.DomainArgument(name, value.domain, value.span)
        self._check_positional(value)
        return nodes.Positional(value, value.span)

    def _check_positional(self, value: nodes.Expr) -> None:
        """Refuse what reads like a named argument or a domain but would be a truth value."""
        if isinstance(value, nodes.Chain) and value.ops == ("=",) and isinstance(value.operands[0], nodes.Ref):
            name, right = (operand.span.text for operand in value.operands)
            gap = Span(self.source, value.operands[0].span.end, value.operands[1].span.start)
            fix = substitute(gap, " in " if _is_domain(value.operands[1]) else ": ")
            right = right if _is_short(right) else "..."
            equals = value.span.start + value.span.text.index("=", len(name))
            message = "named arguments use `:`"
            help = f"write `{name}: {right}`; a comparison as an argument needs parentheses: `({name} = {right})`"
            if _is_domain(value.operands[1]):
                message, help = "a domain follows `in`", f"write `{name} in {right}`"
            self._error(message, Span(self.source, equals, equals + 1), help=help, fix=fix)
            return
        first, _ = nodes.left_spine(value)
        if first is not value and isinstance(first, nodes.Member) and isinstance(first.element, nodes.Ref):
            test = first.span.text if _is_short(first.span.text) else f"{first.element.name} in ..."
            message = f"a test `{first.element.name} in ...` inside an argument needs its own parentheses"
            self._error(message, first.span, help=f"write `({test})`")

    # ---- atoms -------------------------------------------------------------------------------------------------

    def ref(self, children: Children) -> nodes.Ref:
        return nodes.Ref(children[0].value, self.span_of(children[0]))

    def number(self, children: Children) -> nodes.Number:
        span = self.span_of(children[0])
        try:
            return nodes.Number(number_value(children[0].value), span)
        except LiteralError as error:
            self._error(error.message, span, help=error.help)
            return nodes.Number(0, span)

    def string(self, children: Children) -> nodes.String:
        span = self.span_of(children[0])
        try:
            return nodes.String(string_value(children[0].value), span)
        except LiteralError as error:
            place = Span(self.source, span.start + error.start, span.start + error.end)
            self._error(error.message, place, help=error.help)
            return nodes.String("", span)

    def boolean(self, children: Children) -> nodes.Boolean:
        return nodes.Boolean(children[0].type == "TRUE", self.span_of(children[0]))

    def paren(self, children: Children) -> nodes.Paren:
        return nodes.Paren(children[1], self._span(children))

    def list_literal(self, children: Children) -> nodes.ListLiteral:
        return nodes.ListLiteral(_nodes(children), self._span(children))

    def set_literal(self, children: Children) -> nodes.SetLiteral:
        return nodes.SetLiteral(_nodes(children), self._span(children))


def _nodes(children: Children) -> tuple[Any, ...]:
    return tuple(child for child in children if child is not None and child.__class__ is not Token)


def _annotated(declaration: Any, annotations: Children) -> nodes.Declaration:
    if annotations:
        declaration = replace(declaration, annotations=tuple(annotations))
    checked: nodes.Declaration = declaration
    return checked


def _with_earlier_binders(arguments: list[nodes.Argument], each: nodes.Each) -> nodes.Each:
    """`each` with the memberships at the end of `arguments`, which are taken away, as its first binders."""
    binders = each.binders
    while arguments and isinstance(earlier := arguments[-1], nodes.DomainArgument):
        binders = (nodes.Binder(earlier.name, None, earlier.domain, earlier.span), *binders)
        arguments.pop()
    return replace(each, binders=binders, span=binders[0].span.to(each.span))


def _is_domain(expr: nodes.Expr) -> bool:
    """Whether `expr` reads like an interval or a set."""
    return isinstance(expr, nodes.SetLiteral) or (isinstance(expr, nodes.ListLiteral) and len(expr.items) == 2)


def _is_short(text: str) -> bool:
    """Whether `text` can be repeated in a message."""
    return len(text) <= _LONGEST_REPEAT and "\n" not in text
