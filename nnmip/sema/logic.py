"""Boolean expressions: connectives, comparisons and memberships as HIR nodes; what is known is decided at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nnmip.diagnostics import DiagnosticError, Diagnostics
from nnmip.diagnostics.edit import insert_after
from nnmip.hir.core import BoolArray, Choose, Constant, FloatArray, Fold, Junction, Node, Not, Shape, Units, Xor
from nnmip.hir.stack import stacked
from nnmip.ops.scores import ROUNDING
from nnmip.sema.arithmetic import broadcast, compare
from nnmip.sema.classes import class_number
from nnmip.sema.domains import read_domain
from nnmip.sema.known import KNOWN
from nnmip.sema.steps import Names, is_whole, with_strictness
from nnmip.sema.values import (
    NODE_TYPES,
    FeaturesValue,
    InputValue,
    Poisoned,
    RowValue,
    Value,
    collected,
    describe,
    fail,
    listed,
    origin_of,
    quoted,
    short_text_of,
)
from nnmip.source import Span
from nnmip.syntax import nodes
from nnmip.syntax.suggest import closest

if TYPE_CHECKING:
    from nnmip.sema.expressions import Elaborator

_KNOWN: dict[str, Callable[[FloatArray, FloatArray], BoolArray]] = {
    "<=": np.less_equal,
    ">=": np.greater_equal,
    "=": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    ">": np.greater,
}


# ---- connectives ---------------------------------------------------------------------------------------------------


def truth(holds: bool, span: Span) -> Constant:
    """A known Boolean."""
    return Constant(np.asarray(float(holds)), origin_of(span), boolean=True)


def negation(node: Node, span: Span) -> Node:
    """`not node`."""
    if isinstance(node, Constant):
        return Constant(1.0 - node.value, origin_of(span), boolean=True)
    return node.operand if isinstance(node, Not) else Not(node, origin_of(span))


def junction(op: str, terms: Iterable[Node], span: Span) -> Node:
    """`and` or `or` of Booleans entry by entry; DiagnosticError NNM0301 for shapes that do not agree."""
    neutral = float(op == "and")
    shape: Shape = ()
    open_: list[Node] = []
    for term in terms:
        shape = broadcast(shape, term.shape, span, (*open_, term))
        if isinstance(term, Constant) and (term.value == neutral).all():
            continue
        if isinstance(term, Constant) and (term.value != neutral).all():
            return Constant(np.full(shape or term.shape, 1.0 - neutral), origin_of(span), boolean=True)
        open_.extend(term.terms if isinstance(term, Junction) and term.op == op else (term,))
    open_ = list({id(term): term for term in open_}.values())
    if not open_:
        return Constant(np.full(shape, neutral), origin_of(span), boolean=True)
    if len(open_) == 1 and open_[0].shape == shape:
        return open_[0]
    return Junction(op, tuple(open_), shape, origin_of(span))


def exclusive(left: Node, right: Node, span: Span) -> Node:
    """`left xor right` entry by entry; DiagnosticError NNM0301 for shapes that do not agree."""
    shape = broadcast(left.shape, right.shape, span, (left, right))
    for known, other in ((left, right), (right, left)):
        if isinstance(known, Constant) and (known.value == known.value.reshape(-1)[0]).all() and other.shape == shape:
            return negation(other, span) if known.value.reshape(-1)[0] else other
    return Xor(left, right, shape, origin_of(span))


def over_all(op: str, parts: Sequence[Node], span: Span) -> Node:
    """`and` or `or` over every entry of every part, a scalar."""
    neutral = float(op == "and")
    known = [p for p in parts if isinstance(p, Constant)]
    if any((p.value != neutral).any() for p in known):
        return truth(not neutral, span)
    by_shape: dict[Shape, list[Node]] = {}
    for part in parts:
        if not isinstance(part, Constant):
            by_shape.setdefault(part.shape, []).append(part)
    stacks = [stack for group in by_shape.values() for stack in stacked(group)]
    return junction(op, [Fold(op, stack, origin_of(span)) for stack in stacks], span)


CONNECTIVES: dict[str, Callable[[Node, Node, Span], Node]] = {
    "and": lambda a, b, span: junction("and", (a, b), span),
    "or": lambda a, b, span: junction("or", (a, b), span),
    "xor": exclusive,
    "->": lambda a, b, span: junction("or", (negation(a, span), b), span),
    "<->": lambda a, b, span: negation(exclusive(a, b, span), span),
}


def read_connective(elaborator: Elaborator, expr: nodes.Binary) -> Node:
    """`a op b` with a word of logic; both sides are read, so that each wrong one is reported.

    A chain of one operator, such as `a and b and ...`, is read from left to right without recursion.
    """
    first, operations = nodes.left_spine(expr)
    if any(o.op not in ("and", "or") for o in operations):
        first, operations = expr.left, (expr,)
    operands = _all_read([elaborator.truth], [first, *(o.right for o in operations)])
    total = operands[0]
    if len({o.op for o in operations}) == 1 and len(operations) > 1:
        return junction(operations[0].op, operands, expr.span)
    for operation, right in zip(operations, operands[1:], strict=True):
        total = CONNECTIVES[operation.op](total, right, operation.span)
    return total


def _all_read(readers: Sequence[Callable[[nodes.Expr], Node]], exprs: Sequence[nodes.Expr]) -> list[Node]:
    """The value of every expression by the reader for its place (the last one for the rest)."""
    found: list[Node] = []
    problems = Diagnostics()
    for place, expr in enumerate(exprs):
        with collected(problems):
            found.append(readers[min(place, len(readers) - 1)](expr))
    problems.raise_errors()
    if len(found) < len(exprs):
        raise Poisoned
    return found


def read_conditional(elaborator: Elaborator, expr: nodes.Conditional) -> Node:
    """`if c then a else b`, of numbers or of Booleans; NNM0205 where the branches are of two kinds."""
    condition = elaborator.truth(expr.condition)
    branches = _all_read([elaborator.tensor], [expr.then, expr.otherwise])
    then, otherwise = branches
    span = expr.span
    if then.boolean != otherwise.boolean:
        message = f"one branch is {describe(then)} and the other {describe(otherwise)}"
        raise fail("NNM0205", message, span, help="both branches are numbers, or both are Booleans")
    shape = broadcast(broadcast(condition.shape, then.shape, span), otherwise.shape, span)
    if isinstance(condition, Constant) and condition.shape == () and then.shape == otherwise.shape:
        return then if condition.value else otherwise
    if then.boolean:
        chosen = junction("and", (condition, then), span)
        return junction("or", (chosen, junction("and", (negation(condition, span), otherwise), span)), span)
    return Choose(condition, then, otherwise, shape, origin_of(span))


# ---- comparisons ---------------------------------------------------------------------------------------------------


def read_chain(elaborator: Elaborator, chain: nodes.Chain) -> tuple[Node, ...]:
    """`a <= b <= c` as its comparisons; every operand is read once, so that each wrong one is reported."""
    rows = [_row_of(elaborator, operand) for operand in chain.operands]
    if any(rows) and any(isinstance(operand, nodes.String) for operand in chain.operands):
        return _text_comparisons(chain, rows)

    def number(expr: nodes.Expr) -> Node:
        if isinstance(expr, nodes.String):
            return class_number(elaborator, expr, chain.operands)
        return elaborator.number(expr)

    operands = _all_read([number], chain.operands)
    spans = [operand.span for operand in chain.operands]
    return tuple(
        _comparison(elaborator, op, operands[i], operands[i + 1], spans[i], spans[i + 1])
        for i, op in enumerate(chain.ops)
    )


def _row_of(elaborator: Elaborator, expr: nodes.Expr) -> RowValue | None:
    """The row whose column an expression such as `s.species` reads."""
    match expr:
        case nodes.Attribute(base=nodes.Ref(name=name)):
            row = elaborator.bound.get(name)
            return row if isinstance(row, RowValue) else None
    return None


def _text_comparisons(chain: nodes.Chain, rows: Sequence[RowValue | None]) -> tuple[Node, ...]:
    """Comparisons of the label of a row with texts, known before solving."""
    for op in chain.ops:
        if op not in ("=", "!="):
            equal = f"{short_text_of(chain.operands[0].span)} = {short_text_of(chain.operands[1].span)}"
            raise fail("NNM0205", "text has no order", chain.span, help=f"write `{equal}`, or compare with `!=`")
    texts = [_text_of_cell(expr, row) for expr, row in zip(chain.operands, rows, strict=True)]
    cells = [(e, row) for e, row in zip(chain.operands, rows, strict=True) if row and isinstance(e, nodes.Attribute)]
    for expr in chain.operands:
        if isinstance(expr, nodes.String):
            _check_class(expr, cells[0][1], cells[0][0].name.text)
    pairs = zip(chain.ops, texts, texts[1:], strict=False)
    return tuple(truth((a == b) == (op == "="), chain.span) for op, a, b in pairs)


def _check_class(text: nodes.String, row: RowValue, column: str) -> None:
    """NNM0201 (of groups, which the rows list, NNM0503) for a text that no row can have."""
    known, what = row.known_texts(column), "class" if row.data.group(column) is None else "group"
    if known and text.value not in known:
        near = closest(text.value, known)
        many = {"class": "classes", "group": "groups"}[what]
        help = f"did you mean `{near}`?" if near else f"its {many} are {listed(known)}"
        message = f"`{row.data.name}` has no {what} {quoted(text.span)}"
        raise fail("NNM0201" if what == "class" else "NNM0503", message, text.span, help=help)


def _text_of_cell(expr: nodes.Expr, row: RowValue | None) -> str:
    """The text that an operand stands for: a literal, or the label or group of a row."""
    if isinstance(expr, nodes.String):
        return expr.value
    text = row.text(expr.name.text) if row is not None and isinstance(expr, nodes.Attribute) else None
    if text is None:
        help = "texts are compared with the label of a row that has texts, or with a group"
        raise fail("NNM0205", f"{quoted(expr.span)} is no text", expr.span, help=help)
    return text


def _comparison(elaborator: Elaborator, op: str, left: Node, right: Node, left_span: Span, right_span: Span) -> Node:
    if op in ("<", ">") and not (isinstance(left, Constant) and isinstance(right, Constant)):
        raise strict_comparison(op, left, right, left_span, right_span)
    return comparison(elaborator.scope, op, left, right, left_span.to(right_span))


def comparison(names: Names, op: str, left: Node, right: Node, span: Span) -> Node:
    """`left op right` entry by entry, known where both sides are; strict only then.

    Raises DiagnosticError NNM0301 for shapes that do not agree.
    """
    if isinstance(left, Constant) and isinstance(right, Constant):
        shape = broadcast(left.shape, right.shape, span, (left, right))
        holds = np.broadcast_to(_KNOWN[op](*_sides(left, right)), shape).astype(np.float64)
        return Constant(holds, origin_of(span), boolean=True)
    if op == "!=":
        return negation(with_strictness(names, compare("=", left, right, span)), span)
    return with_strictness(names, compare(op, left, right, span))


def _sides(left: Constant, right: Constant) -> tuple[FloatArray, FloatArray]:
    """The numbers to compare; what a network from a file gives counts as equal to a number up to rounding."""
    if KNOWN not in (left.origin.path, right.origin.path):
        return left.value, right.value
    difference = left.value - right.value
    return np.where(np.abs(difference) <= ROUNDING, 0.0, difference), np.zeros(())


def strict_comparison(op: str, left: Node, right: Node, left_span: Span, right_span: Span) -> DiagnosticError:
    """NNM0205 for `<` or `>` where a side is decided by the solver."""
    help = _without_strictness(op, left, right, short_text_of(left_span), short_text_of(right_span))
    message = f"a strict `{op}` between numbers needs a margin, so that it can be proved"
    return fail("NNM0205", message, left_span.to(right_span), help=help)


def _without_strictness(op: str, left: Node, right: Node, lesser: str, greater: str) -> str:
    """The edit that keeps the meaning of `<` or `>`: one less between whole numbers, else a margin."""
    sign = "-" if op == "<" else "+"
    if not (is_whole(left) and is_whole(right)):
        return f"write `{lesser} {op}= {greater}`, or state a margin: `{lesser} {op}= {greater} {sign} 0.001`"
    if isinstance(right, Constant) and right.shape == ():
        return f"both sides are whole numbers: write `{lesser} {op}= {float(right.value) + float(f'{sign}1'):g}`"
    return f"both sides are whole numbers: write `{lesser} {op}= {greater} {sign} 1`"


def read_membership(elaborator: Elaborator, member: nodes.Member) -> Node:
    """`e in D` and `e not in D` for a number or a numeric tensor, entry by entry."""
    element = elaborator.number(member.element)

    def constant(expr: nodes.Expr) -> Constant:
        if isinstance(expr, nodes.String):
            return class_number(elaborator, expr, [member.element])
        return elaborator.constant(expr)

    domain = read_domain(member.domain, constant)
    span, at = member.span, member.element.span
    if isinstance(element, Constant):
        inside: Node = Constant((domain.distance(element.value) == 0).astype(np.float64), origin_of(span), boolean=True)
        return negation(inside, span) if member.negated else inside

    def compared(op: str, end: float) -> Node:
        return _comparison(elaborator, op, element, Constant(np.asarray(end), origin_of(span)), at, member.domain.span)

    pieces = [junction("and", (compared(">=", lo), compared("<=", hi)), span) for lo, hi in domain.intervals]
    pieces += [compared("=", value) for value in domain.values]
    inside = junction("or", pieces, span)
    return negation(inside, span) if member.negated else inside


def as_truth(value: Value, expr: nodes.Expr, wanted: str) -> Node:
    """The Boolean that `value` is; NNM0205 for anything else, with `wanted` as what is asked for."""
    if isinstance(value, NODE_TYPES) and not isinstance(value, Units) and value.boolean:
        return value
    is_number = isinstance(value, NODE_TYPES) and not isinstance(value, Units)
    help = f"compare it: `{short_text_of(expr.span)} <= 1`" if is_number else ""
    fix = insert_after(expr.span, " <= 1") if is_number else ()
    if isinstance(value, Units | InputValue | FeaturesValue):
        help = f"write `used({short_text_of(expr.span)})`"
    raise fail("NNM0205", f"{wanted}, and this is {describe(value)}", expr.span, help=help, fix=fix)
