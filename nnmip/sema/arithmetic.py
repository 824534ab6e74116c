"""Sums, products and comparisons of HIR nodes; what is known before solving is computed at once."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from nnmip.diagnostics import Label
from nnmip.diagnostics.edit import Edit, substitute
from nnmip.hir.core import Compare, Constant, FloatArray, Node, Plus, Scale, Shape
from nnmip.records import dataclass
from nnmip.sema.values import fail, origin_of, short_text_of
from nnmip.sizes import TERM, Allowance, counted
from nnmip.source import Span

_INDEXED = re.compile(r"[\w.]+(\([^()]*\))?(\[[^\[\]]*\])*|\[[^\[\]]*\]")
"""Texts that an index can follow without parentheses: names, calls, and lists."""


@dataclass(slots=True)
class Sum:
    """A sum that grows term by term, so that thousands of terms make one node; constants in front are added up."""

    terms: list[Node]
    shape: Shape
    allowance: Allowance

    @staticmethod
    def of(first: Node, allowance: Allowance) -> Sum:
        return Sum(list(first.terms) if isinstance(first, Plus) else [first], first.shape, allowance)

    def add(self, node: Node, span: Span) -> None:
        """Append a numeric tensor; `span` is the sum up to here.

        Raises DiagnosticError: NNM0301 for a wrong shape, NNM0310 for more terms than are allowed.
        """
        self.shape = broadcast(self.shape, node.shape, span, (*self.terms, node))
        first = self.terms[0]
        if len(self.terms) == 1 and isinstance(first, Constant) and isinstance(node, Constant):
            with np.errstate(over="ignore"):
                self.terms = [known(first.value + node.value, span)]
        else:
            self.terms.extend(node.terms if isinstance(node, Plus) else (node,))
            count = len(self.terms)
            help = "add whole tensors up: `sum(net.weights)`"
            self.allowance.check(count, TERM, f"a sum of {counted(count, 'term')}", span, help=help)

    def node(self, span: Span) -> Node:
        """The sum so far, written at `span`."""
        return self.terms[0] if len(self.terms) == 1 else Plus(tuple(self.terms), self.shape, origin_of(span))


def negated(node: Node, span: Span) -> Node:
    """Minus a numeric tensor."""
    return scaled(np.asarray(-1.0), node, span)


def product(left: Node, right: Node, left_span: Span, right_span: Span) -> Node:
    """`left * right`, of which one is known; DiagnosticError NNM0301 or NNM0312."""
    span = left_span.to(right_span)
    if isinstance(left, Constant):
        return scaled(left.value, right, span)
    if isinstance(right, Constant):
        return scaled(right.value, left, span)
    raise fail(
        "NNM0312",
        "a product of two decisions in an expression has no exact encoding",
        left_span,
        label="decided by the solver",
        secondary=(Label(right_span, "and so is this"),),
        help="multiply by a number or a `param`",
    )


def quotient(left: Node, right: Node, left_span: Span, right_span: Span) -> Node:
    """`left / right` with a known divisor; DiagnosticError NNM0205, NNM0301 or NNM0313."""
    span = left_span.to(right_span)
    if not isinstance(right, Constant):
        raise fail("NNM0313", "only known numbers can divide", right_span, label="decided by the solver")
    if (right.value == 0).any():
        raise fail("NNM0205", "division by zero", right_span)
    with np.errstate(over="ignore"):
        if isinstance(left, Constant):
            broadcast(left.shape, right.shape, span, (left, right))
            return known(left.value / right.value, span)
        return scaled(1.0 / right.value, left, span)


def scaled(factor: FloatArray, node: Node, span: Span) -> Node:
    """A known tensor times a numeric tensor; factors of factors are multiplied, so that they do not nest."""
    shape = broadcast(factor.shape, node.shape, span)
    with np.errstate(over="ignore"):
        if isinstance(node, Constant):
            return known(factor * node.value, span)
        if isinstance(node, Scale):
            factor, node = factor * node.factor, node.operand
    return Scale(_finite(factor, span), node, shape, origin_of(span))


def compare(op: str, left: Node, right: Node, span: Span) -> Compare:
    """`left op right` with `op` one of `<= >= =`; DiagnosticError NNM0301 for shapes that do not agree."""
    shape = broadcast(left.shape, right.shape, span, (left, right))
    return Compare(op, left, right, shape, origin_of(span))


def broadcast(left: Shape, right: Shape, span: Span, operands: Sequence[Node] = ()) -> Shape:
    """The common shape of two operands; only a scalar is stretched, so that a wrong shape is not hidden.

    DiagnosticError NNM0301 at `span`; of the `operands` that stand there entries are proposed that fit.
    """
    if left == right or right == ():
        return left
    if left == ():
        return right
    message, help = f"shapes {list(left)} and {list(right)} do not agree", ""
    fix: tuple[Edit, ...] = ()
    for operand in operands:
        other = right if operand.shape == left else left
        entries = entries_of(operand, other, span)
        if entries and not help:
            help, fix = f"take as many entries on both sides: `{entries}`", substitute(operand.origin.span, entries)
    raise fail("NNM0301", message, span, help=help or "only a single number goes with a tensor of any shape", fix=fix)


def entries_of(operand: Node, shape: Shape, within: Span) -> str:
    """The first entries of an operand that have a shape, as a text; empty where it has too few, or is written
    elsewhere."""
    own, span = operand.shape, operand.origin.span
    more = len(own) - len(shape)
    if own[more:] == shape and more > 0:
        index = ", ".join("0" for _ in range(more))
    elif more == 0 and all(few <= many for few, many in zip(shape, own, strict=True)):
        index = ", ".join(f"0:{few}" for few in shape)
    else:
        return ""
    # What is built in Python has the span of a whole line.
    is_part = within.start <= span.start < span.end <= within.end and span != within
    if span.file is not within.file or not is_part:
        return ""
    text = span.text
    return f"{text}[{index}]" if _INDEXED.fullmatch(text) else f"({text})[{index}]"


def known(value: FloatArray, span: Span) -> Constant:
    """A number or tensor that is known before solving; DiagnosticError NNM0205 where it is too large."""
    return Constant(_finite(value, span), origin_of(span))


def _finite(value: FloatArray, span: Span) -> FloatArray:
    if not np.isfinite(value).all():
        raise fail("NNM0205", f"`{short_text_of(span)}` is too large for a number", span)
    return np.asarray(value, dtype=np.float64)
