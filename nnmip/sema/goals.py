"""Goals as sums of terms, constraints as comparisons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from nnmip.diagnostics import Diagnostics, Label
from nnmip.hir.core import (
    Apply,
    Compare,
    Constant,
    Constraint,
    FloatArray,
    Gather,
    Node,
    Plus,
    Reference,
    Scale,
    Stage,
    Term,
    Units,
)
from nnmip.ops.base import Role
from nnmip.ops.registry import WORDS
from nnmip.sema.arithmetic import compare
from nnmip.sema.expressions import Elaborator
from nnmip.sema.values import NODE_TYPES, Poisoned, collected, describe, fail, not_yet, quoted, short_text_of, text_of
from nnmip.source import Origin, Span
from nnmip.syntax import nodes

_COUNTS = frozenset({"l0", "count"})


def read_goal(elaborator: Elaborator, goal: nodes.Goal) -> Stage:
    """One stage with its addends; DiagnosticError NNM0104 for later stages, NNM0301 for a goal that is no scalar."""
    if len(goal.stages) > 1:
        raise not_yet("`then`", goal.stages[1].span)
    expr = goal.stages[0].value
    value = elaborator.number(expr)
    if value.shape != ():
        wrong = next(t for t in (value.terms if isinstance(value, Plus) else (value,)) if t.shape != ()).origin.span
        message = f"a goal is one number, and {quoted(wrong)} has shape {list(value.shape)}"
        raise fail("NNM0301", message, wrong, help=f"write `sum({short_text_of(wrong)})`")
    seen: dict[str, int] = {}
    terms: list[Term] = []
    for term in _terms(value, np.asarray(1.0)):
        seen[term.label] = seen.get(term.label, 0) + 1
        count = seen[term.label]
        terms.append(term if count == 1 else replace(term, label=f"{term.label} ({count})"))
    return Stage(goal.sense, tuple(terms), Origin(goal.span, goal.sense))


def _terms(value: Node, coefficient: FloatArray) -> Iterator[Term]:
    """The addends of a scalar with their known coefficients, each under the text that it has in the source."""
    match value:
        case Plus(terms=terms):
            for term in terms:
                yield from _terms(term, coefficient)
        case Scale(factor=factor, operand=operand):
            yield from _terms(operand, coefficient * factor)
        case _:
            role = WORDS[value.word].role if isinstance(value, Apply) else Role.OTHER
            label = "constant" if isinstance(value, Constant) else text_of(value.origin.span)
            yield Term(label, float(coefficient), value, role)


def read_constraint(elaborator: Elaborator, declaration: nodes.Constraint) -> Constraint:
    """A chain of comparisons, or a Boolean that must hold.

    Raises DiagnosticError: NNM0104 for logic that is not there yet, NNM0205 for a strict comparison.
    """
    body: nodes.Expr = declaration.body
    while isinstance(body, nodes.Paren):
        body = body.inner
    name, origin = declaration.name.text, Origin(declaration.span, declaration.name.text)
    if isinstance(body, nodes.Chain):
        return Constraint(name, declaration.sentence, _comparisons(elaborator, body), origin)
    if isinstance(body, nodes.Binary) and body.op == "and":
        raise not_yet("`and`", body.span, help="write two constraints, one for each side")
    value = elaborator.value(body)
    if not isinstance(value, NODE_TYPES) or isinstance(value, Units) or not value.boolean:
        message = f"a constraint says that something holds, and this is {describe(value)}"
        is_number = isinstance(value, NODE_TYPES) and not isinstance(value, Units)
        help = f"compare it: `{short_text_of(body.span)} <= 1`" if is_number else ""
        raise fail("NNM0205", message, body.span, help=help)
    one = Constant(np.asarray(1.0), Origin(body.span, "true"))
    return Constraint(name, declaration.sentence, (compare(">=", value, one, body.span),), origin)


def _comparisons(elaborator: Elaborator, chain: nodes.Chain) -> tuple[Compare, ...]:
    """`a <= b <= c` as two comparisons; every operand is read once, so that each wrong one is reported."""
    operands: list[Node] = []
    problems = Diagnostics()
    for operand in chain.operands:
        with collected(problems):
            operands.append(elaborator.number(operand))
    problems.raise_errors()
    if len(operands) < len(chain.operands):
        raise Poisoned
    spans = [operand.span for operand in chain.operands]
    return tuple(
        _comparison(op, operands[i], operands[i + 1], spans[i], spans[i + 1]) for i, op in enumerate(chain.ops)
    )


def _comparison(op: str, left: Node, right: Node, left_span: Span, right_span: Span) -> Compare:
    span = left_span.to(right_span)
    if op == "!=":
        help = "use `<=` or `>=` with a margin, or a domain without that value"
        raise not_yet("`!=`", span, help=help)
    if op not in ("<", ">"):
        return compare(op, left, right, span)
    help = _without_strictness(op, left, right, short_text_of(left_span), short_text_of(right_span))
    raise fail("NNM0205", f"a strict `{op}` between numbers needs a margin, so that it can be proved", span, help=help)


def _without_strictness(op: str, left: Node, right: Node, lesser: str, greater: str) -> str:
    """The edit that keeps the meaning of `<` or `>`: one less between whole numbers, else a margin."""
    sign = "-" if op == "<" else "+"
    if not (is_whole(left) and is_whole(right)):
        return f"write `{lesser} {op}= {greater}`, or state a margin: `{lesser} {op}= {greater} {sign} 0.001`"
    if isinstance(right, Constant) and right.shape == ():
        return f"both sides are whole numbers: write `{lesser} {op}= {float(right.value) + float(f'{sign}1'):g}`"
    return f"both sides are whole numbers: write `{lesser} {op}= {greater} {sign} 1`"


def is_whole(node: Node) -> bool:
    """Whether a numeric tensor has only whole numbers, whatever the solver decides."""
    match node:
        case Constant(value=value) | Scale(factor=value) if not (value == np.floor(value)).all():
            return False
        case Constant():
            return True
        case Scale(operand=inner) | Gather(base=inner):
            return is_whole(inner)
        case Reference(decision=decision):
            return decision.domain.is_finite and all(value == np.floor(value) for value in decision.domain.values)
        case Plus(terms=terms):
            return all(is_whole(term) for term in terms)
        case Apply(word=word):
            return word in _COUNTS
    return False


def check_single_goal(
    goals: list[nodes.Goal | nodes.Satisfy], may_be_missing: bool, start: Span, diagnostics: Diagnostics
) -> None:
    """NNM0207 unless the file has exactly one goal; `may_be_missing` where unreadable text may hold it."""
    if not goals and not may_be_missing:
        help = "add `minimize ...`, `maximize ...`, or `satisfy` where any network that fits will do"
        diagnostics.error("NNM0207", "the file has no goal", start, help=help)
    any_satisfy = any(isinstance(goal, nodes.Satisfy) for goal in goals)
    for extra in goals[1:]:
        diagnostics.error(
            "NNM0207",
            "the file has more than one goal",
            extra.span,
            secondary=(Label(goals[0].span, "the first goal"),),
            help="keep one of them" if any_satisfy else "add them up in one goal",
        )
