"""From the syntax tree to the tokens of its canonical text, with the places where lines may break."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nnmip.records import dataclass
from nnmip.syntax import nodes
from nnmip.syntax.layout import BREAK, LINE, SOFT, SPACE, Break, Doc, Fill, Group, Nest, Pad, Text
from nnmip.syntax.pieces import chain_of, is_flat, is_fraction, joined, keyword, separated, words
from nnmip.syntax.precedence import (
    ATOM,
    DOMAIN_END,
    LOGIC,
    NOT_OPERAND,
    OPERAND,
    POSTFIX,
    SIGNED,
    TIGHTER,
    binary_level,
    is_open,
    level,
)
from nnmip.syntax.spelling import column_text, number_text, quoted_text

_FIELD_WIDTH = len("features")
_PART_WIDTH = len("assume")


@dataclass(slots=True)
class Entry:
    """One of several lines or blocks below each other; neighbours of one `kind` are aligned at `pad`."""

    kind: type
    doc: Doc
    pad: Pad | None = None


class Printer:
    """One method for each node; `lists` has the entries of every list of lines, which are aligned later.

    Parentheses that the tree does not have are added where the text would mean something else without them.
    """

    def __init__(self) -> None:
        self.lists: list[list[Entry]] = []

    def node(self, node: Any) -> Doc:
        """The document of any node but a comment."""
        printed: Doc = PRINTERS[type(node)](self, node)
        return printed

    # ---- file and declarations ---------------------------------------------------------------------------------

    def file(self, file: nodes.File) -> Doc:
        entries = [Entry(nodes.Header, self.node(file.header))] if file.header is not None else []
        entries += [self._entry(declaration) for declaration in file.declarations]
        return self._lines(entries)

    def header(self, header: nodes.Header) -> Doc:
        return words("nnm", header.version)

    def _entry(self, declaration: nodes.Declaration | nodes.Layer) -> Entry:
        pad = Pad()
        printed = _DECLARATIONS[type(declaration)](self, declaration, pad)
        if not declaration.annotations:
            return Entry(type(declaration), printed, pad)
        notes = tuple((self.node(note), BREAK) for note in declaration.annotations)
        return Entry(type(declaration), (*notes, printed), pad)

    def declaration(self, declaration: nodes.Declaration | nodes.Layer) -> Doc:
        return self._lines([self._entry(declaration)])

    def _lines(self, entries: list[Entry]) -> Doc:
        self.lists.append(entries)
        parts: list[Doc] = []
        for number, entry in enumerate(entries):
            if number:
                parts.append(Break(keeps_blank=True))
            parts.append(entry.doc)
        return tuple(parts)

    def _block(self, entries: list[Entry]) -> Doc:
        return Text("{"), Nest((BREAK, self._lines(entries))), BREAK, Text("}", closes=True)

    def annotation(self, annotation: nodes.Annotation) -> Doc:
        head = (Text("@"), Text(annotation.name.text))
        return (head, self._arguments(annotation.arguments)) if annotation.arguments else head

    def include(self, include: nodes.Include, pad: Pad) -> Doc:
        return Text("include"), SPACE, self.node(include.path)

    def param(self, param: nodes.Param, pad: Pad) -> Doc:
        head = words("param", param.name.text), pad, SPACE, Text(":"), SPACE, self.node(param.type)
        return head, self._in(param.domain), self._equals(param.value)

    def var(self, var: nodes.Var, pad: Pad) -> Doc:
        head = words("var", var.name.text), pad, SPACE, Text(":"), SPACE, self.node(var.type)
        return head, self._in(var.domain)

    def let(self, let: nodes.Let, pad: Pad) -> Doc:
        return words("let", let.name.text), pad, self._typed(let.type), self._equals(let.value)

    def _typed(self, type_: nodes.TypeExpr | None) -> Doc:
        return () if type_ is None else (SPACE, Text(":"), SPACE, self.node(type_))

    def _in(self, domain: nodes.DomainExpr | None) -> Doc:
        return () if domain is None else (SPACE, Text("in"), SPACE, self.domain(domain))

    def _equals(self, value: nodes.Expr | None) -> Doc:
        """` = value`, where a comparison gets parentheses: the first `=` defines, the second compares."""
        if value is None:
            return ()
        if isinstance(value, nodes.Chain) and "=" in value.ops:
            return SPACE, Text("="), SPACE, self._bracketed("(", [self.node(value)], ")")
        return SPACE, Text("="), self._after(value)

    def _after(self, value: nodes.Expr) -> Doc:
        """A value after a sign: on the same line, or where it does not fit and opens no bracket, on the next."""
        printed = self.node(value)
        if isinstance(value, nodes.Call | nodes.ListLiteral | nodes.SetLiteral | nodes.Paren | nodes.String):
            return SPACE, printed
        return Group(Nest((LINE, printed)))

    def constraint(self, constraint: nodes.Constraint, pad: Pad) -> Doc:
        head = words("constraint", constraint.name.text)
        body = self.node(constraint.body)
        if constraint.sentence is None:
            return head, pad, Text(":"), Group(Nest((LINE, body)))
        return head, SPACE, Text(quoted_text(constraint.sentence)), Text(":"), Nest((BREAK, body))

    def goal(self, goal: nodes.Goal, pad: Pad) -> Doc:
        first, *later = (self.node(stage) for stage in goal.stages)
        if not goal.stages[0].sense:
            first = (Text(goal.sense), SPACE, first)
        if not later:
            return first
        return Group((Nest(first), Nest(tuple((LINE, Text("then"), SPACE, stage) for stage in later))))

    def stage(self, stage: nodes.Stage) -> Doc:
        value = Group(self.node(stage.value))
        return (Text(stage.sense), SPACE, value) if stage.sense else value

    def satisfy(self, satisfy: nodes.Satisfy, pad: Pad) -> Doc:
        return Text("satisfy")

    def verify(self, verify: nodes.Verify, pad: Pad) -> Doc:
        sentence: Doc = () if verify.sentence is None else (SPACE, Text(quoted_text(verify.sentence)))
        parts: list[Entry] = []
        if verify.given:
            binders = separated([self.node(binder) for binder in verify.given])
            parts.append(self._part("forall", Nest(Fill(binders))))
        parts += [self._part("assume", self.node(expr)) for expr in verify.assume]
        parts += [self._part("prove", self.node(expr)) for expr in verify.prove]
        head = words("verify", verify.name.text), sentence, Text(":")
        return head, Nest((BREAK, self._lines(parts)))

    def _part(self, word: str, content: Doc) -> Entry:
        return Entry(nodes.Verify, keyword(word, _PART_WIDTH, content))

    # ---- data --------------------------------------------------------------------------------------------------

    def data(self, data: nodes.Data, pad: Pad) -> Doc:
        head = words("data", data.name.text), pad, self._typed(data.type), self._equals(data.source)
        if not data.fields:
            return head
        return head, SPACE, self._block([Entry(type(field), self.node(field)) for field in data.fields])

    def features(self, features: nodes.Features) -> Doc:
        *columns, last = separated([self.node(column) for column in features.columns])
        if features.scale is None:
            return keyword("features", _FIELD_WIDTH, Fill((*columns, last)))
        scale = Text("scale"), SPACE, self._operand(features.scale, OPERAND)
        return keyword("features", _FIELD_WIDTH, Fill((*columns, last, scale)))

    def label(self, label: nodes.LabelField) -> Doc:
        column = self.node(label.column)
        if label.coding is None:
            return keyword("label", _FIELD_WIDTH, column)
        codes = self._bracketed("{", [self.node(code) for code in label.coding], "}")
        return keyword("label", _FIELD_WIDTH, (column, SPACE, Text("as"), SPACE, codes))

    def target(self, target: nodes.TargetField) -> Doc:
        return keyword("target", _FIELD_WIDTH, Fill(separated([self.node(column) for column in target.columns])))

    def group(self, group: nodes.GroupField) -> Doc:
        return keyword("group", _FIELD_WIDTH, Fill(separated([self.node(column) for column in group.columns])))

    def weight(self, weight: nodes.WeightField) -> Doc:
        return keyword("weight", _FIELD_WIDTH, self._operand(weight.value, OPERAND))

    def where(self, where: nodes.WhereField) -> Doc:
        return keyword("where", _FIELD_WIDTH, self.node(where.condition))

    def missing(self, missing: nodes.MissingField) -> Doc:
        content = Text(missing.action.text), SPACE, self._operand(missing.value, OPERAND)
        return keyword("missing", _FIELD_WIDTH, content)

    def split(self, split: nodes.SplitField) -> Doc:
        content: Doc = Text(split.part.text), SPACE, self._operand(split.share, OPERAND)
        if split.seed is not None:
            content = content, SPACE, Text("seed"), SPACE, self._operand(split.seed, OPERAND)
        return keyword("split", _FIELD_WIDTH, content)

    def column(self, column: nodes.Column) -> Doc:
        names = [column.alias.text] if column.alias is not None else []
        names += ["onehot"] if column.onehot else []
        source = Text(column_text(column.source.text, column.source.span))
        return source, tuple((SPACE, words("as", name)) for name in names)

    def code(self, code: nodes.Code) -> Doc:
        key = Text(column_text(code.key.text, code.key.span))
        return key if code.value is None else (key, Text(":"), SPACE, self._operand(code.value, OPERAND))

    # ---- networks ----------------------------------------------------------------------------------------------

    def network(self, network: nodes.Network, pad: Pad) -> Doc:
        inputs = self._bracketed("(", [self.node(source) for source in network.inputs], ")")
        layers = [self._entry(layer) for layer in network.layers]
        result = Entry(nodes.Network, (Text("return"), self._after(network.result)))
        return words("network", network.name.text), inputs, SPACE, self._block([*layers, result])

    def network_file(self, network: nodes.NetworkFile, pad: Pad) -> Doc:
        return words("network", network.name.text), pad, self._equals(network.value)

    def input(self, source: nodes.Input) -> Doc:
        return Text(source.name.text), Text(":"), SPACE, self.node(source.type), self._in(source.domain)

    def layer(self, layer: nodes.Layer, pad: Pad) -> Doc:
        return words("layer", layer.name.text), pad, SPACE, Text("="), self._after(layer.value)

    # ---- types and domains -------------------------------------------------------------------------------------

    def type(self, type_: nodes.TypeExpr) -> Doc:
        if not type_.shape:
            return Text(type_.base)
        return Text(type_.base), self._bracketed("[", [self._operand(size, OPERAND) for size in type_.shape], "]")

    def domain(self, domain: nodes.DomainExpr) -> Doc:
        """A domain, whose ends are sums at the most."""
        if isinstance(domain, nodes.Union | nodes.Stepped | nodes.Range):
            return self.node(domain)
        return self._operand(domain, DOMAIN_END)

    def range(self, range_: nodes.Range) -> Doc:
        dots = Text("..<" if range_.half_open else "..")
        return self._operand(range_.low, DOMAIN_END), dots, self._operand(range_.high, DOMAIN_END)

    def stepped(self, stepped: nodes.Stepped) -> Doc:
        step = self._operand(stepped.step, DOMAIN_END)
        return self.domain(stepped.piece), SPACE, Text("step"), SPACE, step

    def union(self, union: nodes.Union) -> Doc:
        first, *others = (self.domain(piece) for piece in union.pieces)
        return Group(Nest((first, tuple((LINE, Text("|"), SPACE, piece) for piece in others))))

    def binder(self, binder: nodes.Binder) -> Doc:
        return Text(binder.name.text), self._typed(binder.type), self._in(binder.domain)

    # ---- logic and arithmetic ----------------------------------------------------------------------------------

    def _operand(self, expr: nodes.Expr, least: int, *, is_last: bool = False) -> Doc:
        """An operand that must bind at least as tightly as level `least`.

        The last operand of a logical operator may reach as far right as it can without parentheses.
        """
        printed = self.node(expr)
        if is_open(expr):
            if is_last and (not isinstance(expr, nodes.Binary | nodes.Unary) or level(expr) >= least):
                return printed
        elif level(expr) >= least:
            return printed
        return self._bracketed("(", [printed], ")")

    def unary(self, unary: nodes.Unary) -> Doc:
        if unary.op == "not":
            return Text("not"), SPACE, self._operand(unary.operand, NOT_OPERAND, is_last=True)
        operand = self._operand(unary.operand, SIGNED)
        return (Text(unary.op), SPACE, operand) if level(unary.operand) == SIGNED else (Text(unary.op), operand)

    def binary(self, binary: nodes.Binary) -> Doc:
        own = binary_level(binary.op)
        if is_fraction(binary):
            return self.node(binary.left), Text("/"), self.node(binary.right)
        operands, operators = chain_of(binary, own)
        last = len(operands) - 1
        printed: list[Doc] = []
        for number, operand in enumerate(operands):
            # Only the side to which the operator associates may have the same level without parentheses.
            is_left_end = number == 0 and binary.op not in ("->", "<->", "xor")
            is_right_end = number == last and binary.op == "->"
            least = own if is_left_end or is_right_end else own + TIGHTER
            printed.append(self._operand(operand, least, is_last=number == last and own <= LOGIC))
        first, *others = printed
        rest = [(Text(op), SPACE, operand) for op, operand in zip(operators, others, strict=True)]
        return Nest(Fill((first, *rest))) if own > LOGIC else Group(Nest((first, tuple((LINE, part) for part in rest))))

    def chain(self, chain: nodes.Chain) -> Doc:
        first, *others = (self._operand(operand, OPERAND) for operand in chain.operands)
        rest = tuple((LINE, Text(op), SPACE, operand) for op, operand in zip(chain.ops, others, strict=True))
        return Group(Nest((first, rest)))

    def member(self, member: nodes.Member) -> Doc:
        sign = words("not", "in") if member.negated else Text("in")
        return self._operand(member.element, OPERAND), SPACE, sign, SPACE, self.domain(member.domain)

    def quantified(self, quantified: nodes.Quantified) -> Doc:
        ranges = self._ranges(quantified.binders, quantified.where)
        return Group((Text(quantified.kind), SPACE, ranges, Text(":"), Nest((LINE, self.node(quantified.body)))))

    def _ranges(self, binders: Sequence[nodes.Binder], where: nodes.Expr | None) -> Doc:
        listed = Nest(Fill(separated([self.node(binder) for binder in binders])))
        if where is None:
            return listed
        return listed, Nest((LINE, Text("where"), SPACE, self.node(where)), by=4)

    def conditional(self, conditional: nodes.Conditional) -> Doc:
        condition, then, otherwise = map(self.node, (conditional.condition, conditional.then, conditional.otherwise))
        branches = LINE, Text("then"), SPACE, then, LINE, Text("else"), SPACE, otherwise
        return Group((Text("if"), SPACE, condition, Nest(branches)))

    # ---- postfix and atoms -------------------------------------------------------------------------------------

    def attribute(self, attribute: nodes.Attribute) -> Doc:
        # A point right behind a number would be read as part of it.
        least = ATOM + TIGHTER if isinstance(attribute.base, nodes.Number) else POSTFIX
        return self._operand(attribute.base, least), Text("."), Text(attribute.name.text)

    def subscript(self, subscript: nodes.Subscript) -> Doc:
        indices = [
            self.node(index) if isinstance(index, nodes.Slice) else self._operand(index, OPERAND)
            for index in subscript.indices
        ]
        return self._operand(subscript.base, POSTFIX), self._bracketed("[", indices, "]")

    def slice(self, slice_: nodes.Slice) -> Doc:
        start, stop = (() if end is None else self._operand(end, OPERAND) for end in (slice_.start, slice_.stop))
        if slice_.step is None:
            return start, Text(":"), stop
        return start, Text(":"), stop, Text(":"), self._operand(slice_.step, OPERAND)

    def call(self, call: nodes.Call) -> Doc:
        return self._operand(call.function, POSTFIX), self._arguments(call.arguments)

    def _arguments(self, arguments: Sequence[nodes.Argument]) -> Doc:
        return self._bracketed("(", [self.node(argument) for argument in arguments], ")")

    def positional(self, positional: nodes.Positional) -> Doc:
        """A test that would read as a domain or as a named argument is put in parentheses."""
        value = positional.value
        first, _ = nodes.left_spine(value)
        is_test = isinstance(first, nodes.Member) and isinstance(first.element, nodes.Ref)
        is_negated = first is value and isinstance(first, nodes.Member) and first.negated
        is_named = isinstance(value, nodes.Chain) and value.ops == ("=",) and isinstance(value.operands[0], nodes.Ref)
        if is_named or (is_test and not is_negated):
            return self._bracketed("(", [self.node(value)], ")")
        return self.node(value)

    def named(self, named: nodes.Named) -> Doc:
        return Text(named.name.text), Text(":"), SPACE, self.node(named.value)

    def domain_argument(self, argument: nodes.DomainArgument) -> Doc:
        return Text(argument.name.text), self._in(argument.domain)

    def each(self, each: nodes.Each) -> Doc:
        ranges = self._ranges(each.binders, each.where)
        return Group((ranges, Text(":"), Nest((LINE, self.node(each.body)))))

    def _bracketed(self, opening: str, items: Sequence[Doc], closing: str, *, fills: bool = False) -> Doc:
        """Items in brackets: on one line, else one to a line, or as many to a line as fit."""
        if not items:
            return Text(opening), Text(closing, closes=True)
        listed = separated(items)
        inner: Doc = Fill(listed) if fills else tuple(joined(listed))
        return Group((Text(opening), Nest((SOFT, inner)), SOFT, Text(closing, closes=True)))

    def paren(self, paren: nodes.Paren) -> Doc:
        return self._bracketed("(", [self.node(paren.inner)], ")")

    def list_literal(self, literal: nodes.ListLiteral) -> Doc:
        return self._bracketed("[", [self.node(item) for item in literal.items], "]", fills=is_flat(literal.items))

    def set_literal(self, literal: nodes.SetLiteral) -> Doc:
        return self._bracketed("{", [self.node(item) for item in literal.items], "}", fills=is_flat(literal.items))

    def ref(self, ref: nodes.Ref) -> Doc:
        return Text(ref.name)

    def name(self, name: nodes.Name) -> Doc:
        return Text(name.text)

    def number(self, number: nodes.Number) -> Doc:
        if number.value < 0:
            return Text("-"), Text(number_text(-number.value, number.span))
        return Text(number_text(number.value, number.span))

    def string(self, string: nodes.String) -> Doc:
        return Text(quoted_text(string.value, string.span))

    def boolean(self, boolean: nodes.Boolean) -> Doc:
        return Text("true" if boolean.value else "false")


_DECLARATIONS: dict[type, Callable[[Printer, Any, Pad], Doc]] = {
    nodes.Include: Printer.include,
    nodes.Param: Printer.param,
    nodes.Var: Printer.var,
    nodes.Let: Printer.let,
    nodes.Data: Printer.data,
    nodes.Network: Printer.network,
    nodes.NetworkFile: Printer.network_file,
    nodes.Layer: Printer.layer,
    nodes.Constraint: Printer.constraint,
    nodes.Goal: Printer.goal,
    nodes.Satisfy: Printer.satisfy,
    nodes.Verify: Printer.verify,
}

PRINTERS: dict[type, Callable[[Printer, Any], Doc]] = {
    nodes.File: Printer.file,
    nodes.Header: Printer.header,
    nodes.Annotation: Printer.annotation,
    **dict.fromkeys(_DECLARATIONS, Printer.declaration),
    nodes.Stage: Printer.stage,
    nodes.Features: Printer.features,
    nodes.LabelField: Printer.label,
    nodes.TargetField: Printer.target,
    nodes.GroupField: Printer.group,
    nodes.WeightField: Printer.weight,
    nodes.WhereField: Printer.where,
    nodes.MissingField: Printer.missing,
    nodes.SplitField: Printer.split,
    nodes.Column: Printer.column,
    nodes.Code: Printer.code,
    nodes.Input: Printer.input,
    nodes.TypeExpr: Printer.type,
    nodes.Range: Printer.range,
    nodes.Stepped: Printer.stepped,
    nodes.Union: Printer.union,
    nodes.Binder: Printer.binder,
    nodes.Unary: Printer.unary,
    nodes.Binary: Printer.binary,
    nodes.Chain: Printer.chain,
    nodes.Member: Printer.member,
    nodes.Quantified: Printer.quantified,
    nodes.Conditional: Printer.conditional,
    nodes.Attribute: Printer.attribute,
    nodes.Subscript: Printer.subscript,
    nodes.Slice: Printer.slice,
    nodes.Call: Printer.call,
    nodes.Positional: Printer.positional,
    nodes.Named: Printer.named,
    nodes.DomainArgument: Printer.domain_argument,
    nodes.Each: Printer.each,
    nodes.Paren: Printer.paren,
    nodes.ListLiteral: Printer.list_literal,
    nodes.SetLiteral: Printer.set_literal,
    nodes.Ref: Printer.ref,
    nodes.Name: Printer.name,
    nodes.Number: Printer.number,
    nodes.String: Printer.string,
    nodes.Boolean: Printer.boolean,
}
"""How each node is printed. A test fails when one is missing."""
