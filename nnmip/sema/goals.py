"""Goals as sums of terms, constraints as comparisons."""

from __future__ import annotations

import numpy as np

from nnmip.diagnostics import Diagnostics, Label
from nnmip.hir.core import Apply, Compare, Constant, Constraint, Stage, Term, Units
from nnmip.ops.base import Role
from nnmip.ops.registry import WORDS
from nnmip.sema.expressions import Elaborator, compare, text_of
from nnmip.sema.values import NODE_TYPES, describe, fail, not_yet
from nnmip.source import Origin, Span
from nnmip.syntax import nodes


def read_goal(elaborator: Elaborator, goal: nodes.Goal) -> Stage:
    """One stage with its addends; DiagnosticError NNM0104 for later stages, NNM0301 for a goal that is no scalar."""
    if len(goal.stages) > 1:
        raise not_yet("`then`", goal.stages[1].span)
    terms: list[Term] = []
    _split(elaborator, goal.stages[0].value, 1.0, terms)
    labels: dict[str, int] = {}
    named: list[Term] = []
    for term in terms:
        labels[term.label] = labels.get(term.label, 0) + 1
        count = labels[term.label]
        label = term.label if count == 1 else f"{term.label} ({count})"
        named.append(Term(label, term.coefficient, term.value, term.role))
    return Stage(goal.sense, tuple(named), Origin(goal.span, goal.sense))


def _split(elaborator: Elaborator, expr: nodes.Expr, coefficient: float, terms: list[Term]) -> None:
    """Collect the addends of a sum with their constant coefficients."""
    match expr:
        case nodes.Paren(inner=inner):
            return _split(elaborator, inner, coefficient, terms)
        case nodes.Unary(op="-" | "+" as op, operand=operand):
            return _split(elaborator, operand, coefficient if op == "+" else -coefficient, terms)
        case nodes.Binary(op="+" | "-" as op, left=left, right=right):
            _split(elaborator, left, coefficient, terms)
            return _split(elaborator, right, coefficient if op == "+" else -coefficient, terms)
        case nodes.Binary(op="*" | "/" as op, left=left, right=right):
            number = elaborator.number(left)
            if op == "*" and isinstance(number, Constant) and number.shape == ():
                return _split(elaborator, right, coefficient * float(number.value), terms)
            other = elaborator.number(right)
            if isinstance(other, Constant) and other.shape == () and not isinstance(number, Constant):
                factor = float(other.value)
                if op == "/" and factor == 0:
                    raise fail("NNM0205", "division by zero", right.span)
                return _split(elaborator, left, coefficient * (factor if op == "*" else 1.0 / factor), terms)
    value = elaborator.number(expr)
    if value.shape != ():
        raise fail(
            "NNM0301",
            f"a goal is one number, and this has shape {list(value.shape)}",
            expr.span,
            help=f"sum({text_of(expr.span)})",
        )
    role = WORDS[value.word].role if isinstance(value, Apply) else Role.OTHER
    terms.append(Term(text_of(expr.span), coefficient, value, role))
    return None


def read_constraint(elaborator: Elaborator, declaration: nodes.Constraint) -> Constraint:
    """A chain of comparisons, or a Boolean that must hold.

    Raises DiagnosticError: NNM0104 for logic that is not there yet, NNM0205 for a strict comparison.
    """
    body: nodes.Expr = declaration.body
    while isinstance(body, nodes.Paren):
        body = body.inner
    origin = Origin(declaration.span, declaration.name.text)
    if isinstance(body, nodes.Chain):
        parts = [_comparison(elaborator, body, i) for i in range(len(body.ops))]
        return Constraint(declaration.name.text, declaration.sentence, tuple(parts), origin)
    value = elaborator.value(body)
    if not isinstance(value, NODE_TYPES) or isinstance(value, Units) or not value.boolean:
        raise fail(
            "NNM0205",
            f"a constraint says that something holds, and this is {describe(value)}",
            body.span,
            help=f"compare it:  {text_of(body.span)} <= …",
        )
    one = Constant(np.asarray(1.0), Origin(body.span, "true"))
    return Constraint(declaration.name.text, declaration.sentence, (compare(">=", value, one, body.span),), origin)


def _comparison(elaborator: Elaborator, chain: nodes.Chain, position: int) -> Compare:
    op, left, right = chain.ops[position], chain.operands[position], chain.operands[position + 1]
    span = Span(left.span.file, left.span.start, right.span.end)
    if op == "!=":
        raise not_yet("`!=`", span)
    if op in ("<", ">"):
        soft = f"{op}="
        margin = "+ 0.001" if op == "<" else "- 0.001"
        raise fail(
            "NNM0205",
            f"a strict `{op}` between real numbers cannot be proved without a margin",
            span,
            help=f"write  {text_of(left.span)} {margin} {soft} {text_of(right.span)}  or use `{soft}`",
        )
    return compare(op, elaborator.number(left), elaborator.number(right), span)


def check_single_goal(goals: list[nodes.Goal | nodes.Satisfy], start: Span, diagnostics: Diagnostics) -> None:
    """NNM0207 unless the file has exactly one goal."""
    if not goals:
        help = "add  minimize …,  maximize …  or  satisfy"
        diagnostics.error("NNM0207", "the file has no goal", start, help=help)
    for extra in goals[1:]:
        diagnostics.error(
            "NNM0207",
            "the file has more than one goal",
            extra.span,
            secondary=(Label(goals[0].span, "the first goal"),),
            help="add them up in one goal",
        )
