"""Sums, products and comparisons of HIR nodes; what is known before solving is computed at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnmip.diagnostics import Label
from nnmip.hir.core import Compare, Constant, FloatArray, Node, Plus, Scale, Shape
from nnmip.sema.values import fail, origin_of, short_text_of
from nnmip.source import Span

MOST_TERMS = 100_000
"""Most terms of a sum: names that stand for sums can make it grow without end."""


@dataclass(slots=True)
class Sum:
    """A sum that grows term by term, so that thousands of terms make one node; constants in front are added up."""

    terms: list[Node]
    shape: Shape

    @staticmethod
    def of(first: Node) -> Sum:
        return Sum(list(first.terms) if isinstance(first, Plus) else [first], first.shape)

    def add(self, node: Node, span: Span) -> None:
        """Append a numeric tensor; `span` is the sum up to here. DiagnosticError NNM0301 for a wrong shape."""
        self.shape = broadcast(self.shape, node.shape, span)
        first = self.terms[0]
        if len(self.terms) == 1 and isinstance(first, Constant) and isinstance(node, Constant):
            with np.errstate(over="ignore"):
                self.terms = [known(first.value + node.value, span)]
        else:
            self.terms.extend(node.terms if isinstance(node, Plus) else (node,))
            if len(self.terms) > MOST_TERMS:
                message = f"this sum has more than {MOST_TERMS} terms"
                raise fail("NNM0310", message, span, help="add whole tensors up: `sum(net.weights)`")

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
            broadcast(left.shape, right.shape, span)
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
    return Compare(op, left, right, broadcast(left.shape, right.shape, span), origin_of(span))


def broadcast(left: Shape, right: Shape, span: Span) -> Shape:
    """The common shape of two operands; only a scalar is stretched, so that a wrong shape is not hidden."""
    if left == right or right == ():
        return left
    if left == ():
        return right
    raise fail("NNM0301", f"shapes {list(left)} and {list(right)} do not agree", span)


def known(value: FloatArray, span: Span) -> Constant:
    """A number or tensor that is known before solving; DiagnosticError NNM0205 where it is too large."""
    return Constant(_finite(value, span), origin_of(span))


def _finite(value: FloatArray, span: Span) -> FloatArray:
    if not np.isfinite(value).all():
        raise fail("NNM0205", f"`{short_text_of(span)}` is too large for a number", span)
    return np.asarray(value, dtype=np.float64)
