"""From the domains of the source to `hir.Domain`."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from nnmip.hir.core import Constant
from nnmip.hir.domain import Domain
from nnmip.sema.values import fail
from nnmip.source import Span
from nnmip.syntax import nodes

MOST_VALUES = 100_000

Constants = Callable[[nodes.Expr], Constant]


def read_domain(expr: nodes.DomainExpr, constants: Constants) -> Domain:
    """The bounded set that a domain expression denotes; `constants` evaluates its ends and values.

    Raises DiagnosticError NNM0303 for what is not a domain or too large to be listed.
    """
    intervals: list[tuple[float, float]] = []
    values: list[float] = []
    for piece in expr.pieces if isinstance(expr, nodes.Union) else (expr,):
        part = _piece(piece, constants)
        intervals.extend(part[0])
        values.extend(part[1])
    if len(values) > MOST_VALUES:
        raise fail("NNM0303", f"a domain of {len(values)} values is too large", expr.span)
    return Domain.of(intervals, values)


def _piece(piece: nodes.DomainExpr, constants: Constants) -> tuple[list[tuple[float, float]], list[float]]:
    match piece:
        case nodes.Paren(inner=inner):
            return _piece(inner, constants)
        case nodes.ListLiteral(items=(low, high)):
            lo, hi = _end(low, constants), _end(high, constants)
            _check_order(lo, hi, piece.span)
            return [(lo, hi)], []
        case nodes.SetLiteral(items=items) if items:
            return [], [_end(item, constants) for item in items]
        case nodes.Range():
            return [], _stepped(*_range_ends(piece, constants), 1.0, piece.span)
        case nodes.Stepped(piece=inner, step=step):
            lo, hi = _stepped_ends(inner, constants)
            width = _end(step, constants)
            if width <= 0:
                raise fail("NNM0303", f"a step must be positive, this one is {width:g}", step.span)
            return [], _stepped(lo, hi, width, piece.span)
    raise fail(
        "NNM0303",
        f"`{piece.span.text}` is not a domain",
        piece.span,
        help="write an interval [-1, 1], a set {-1, 0, 1}, a range -3..3, a grid [-1, 1] step 1/8, or a union with `|`",
    )


def _end(expr: nodes.Expr, constants: Constants) -> float:
    node = constants(expr)
    if node.shape != () or node.boolean:
        raise fail("NNM0303", f"`{expr.span.text}` is not a number", expr.span)
    return float(node.value)


def _range_ends(piece: nodes.Range, constants: Constants) -> tuple[float, float]:
    lo, hi = _end(piece.low, constants), _end(piece.high, constants)
    for value, end in ((lo, piece.low), (hi, piece.high)):
        if value != np.floor(value):
            raise fail(
                "NNM0303",
                f"the ends of a range are integers, `{end.span.text}` is not",
                end.span,
                help=f"for all numbers between write  [{lo:g}, {hi:g}]",
            )
    if piece.half_open:
        hi -= 1.0
    _check_order(lo, hi, piece.span)
    return lo, hi


def _stepped_ends(inner: nodes.DomainExpr, constants: Constants) -> tuple[float, float]:
    match inner:
        case nodes.Paren(inner=deeper):
            return _stepped_ends(deeper, constants)
        case nodes.Range():
            return _range_ends(inner, constants)
        case nodes.ListLiteral(items=(low, high)):
            lo, hi = _end(low, constants), _end(high, constants)
            _check_order(lo, hi, inner.span)
            return lo, hi
    raise fail("NNM0303", "`step` follows an interval or a range", inner.span, help="write  [-1, 1] step 1/8")


def _check_order(lo: float, hi: float, span: Span) -> None:
    if not (np.isfinite(lo) and np.isfinite(hi)):
        raise fail("NNM0303", "the ends of a domain must be finite", span)
    if lo > hi:
        raise fail("NNM0303", f"the domain is empty: {lo:g} is above {hi:g}", span, help=f"write  [{hi:g}, {lo:g}]")


def _stepped(lo: float, hi: float, step: float, span: Span) -> list[float]:
    """lo, lo + step, ... up to hi, in exact arithmetic on the decimal texts so that 0.1 steps stay decimal."""
    first, width = Fraction(repr(lo)), Fraction(repr(step))
    count = int((Fraction(repr(hi)) - first) / width) + 1
    if count > MOST_VALUES:
        raise fail("NNM0303", f"a domain of {count} values is too large", span, help="take a larger step")
    return [float(first + k * width) for k in range(count)]
