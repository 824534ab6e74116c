"""From the domains of the source to `hir.Domain`."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from nnmip.diagnostics.edit import substitute
from nnmip.hir.core import Constant
from nnmip.hir.domain import Domain
from nnmip.sema.values import describe, fail, quoted, short_text_of
from nnmip.source import Span
from nnmip.syntax import nodes

MOST_VALUES = 100_000

LARGEST_BOUND = 1e15
"""Above this a number and its neighbour are almost 1 apart."""

_WHOLE = 2**53
_SNAP = Fraction(1, 10**9)

Constants = Callable[[nodes.Expr], Constant]
Parts = tuple[list[tuple[float, float]], list[float]]
"""Intervals and single values."""


def read_domain(expr: nodes.DomainExpr, constants: Constants) -> Domain:
    """The bounded set that a domain expression denotes; `constants` evaluates its ends and values.

    Raises DiagnosticError NNM0303 for what is not a domain or too large to be listed.
    """
    intervals: list[tuple[float, float]] = []
    values: list[float] = []
    for piece in expr.pieces if isinstance(expr, nodes.Union) else (expr,):
        more_intervals, more_values = _piece(piece, constants)
        intervals.extend(more_intervals)
        values.extend(more_values)
        if len(values) > MOST_VALUES:
            raise _too_many(expr.span)
    return Domain.of(intervals, values)


def read_bounds(expr: nodes.DomainExpr, constants: Constants) -> Domain:
    """The domain of an input or a decision; also NNM0401 where its ends are too large to bound anything."""
    domain = read_domain(expr, constants)
    widest = max(abs(domain.lo), abs(domain.hi))
    if widest > LARGEST_BOUND:
        help = "take a narrower domain, and scale the data: `scale minmax`"
        raise fail("NNM0401", f"a bound of {widest:g} bounds nothing in 64-bit numbers", expr.span, help=help)
    return domain


def _piece(piece: nodes.DomainExpr, constants: Constants) -> Parts:
    match piece:
        case nodes.Paren(inner=inner):
            return _piece(inner, constants)
        case nodes.ListLiteral(items=(_, _)):
            return [_interval(piece, constants)], []
        case nodes.SetLiteral(items=items):
            return [], [_end(item, constants) for item in items]
        case nodes.Range():
            return [], _stepped(*range_ends(piece, constants), 1.0, piece.span)
        case nodes.Stepped(piece=inner, step=step):
            lo, hi = _stepped_ends(inner, constants)
            width = _end(step, constants)
            if width <= 0:
                raise fail("NNM0303", f"a step must be positive, this one is {width:g}", step.span)
            return [], _stepped(lo, hi, width, piece.span)
        case nodes.Number() | nodes.Unary():
            text = short_text_of(piece.span)
            raise fail(
                "NNM0303",
                f"{quoted(piece.span)} is not a domain",
                piece.span,
                help=f"a single value is a set: `{{{text}}}`",
                fix=substitute(piece.span, f"{{{piece.span.text}}}"),
            )
        case _:
            help = "write `[-1, 1]`, `{-1, 0, 1}`, `-3..3`, `[-1, 1] step 1/8`, or several of them joined by `|`"
    raise fail("NNM0303", f"{quoted(piece.span)} is not a domain", piece.span, help=help)


def _end(expr: nodes.Expr, constants: Constants) -> float:
    node = constants(expr)
    if node.shape != () or node.boolean:
        raise fail("NNM0303", f"{quoted(expr.span)} is {describe(node)}, but a domain has numbers", expr.span)
    return float(node.value)


def _interval(piece: nodes.ListLiteral, constants: Constants) -> tuple[float, float]:
    lo, hi = (_end(item, constants) for item in piece.items)
    if lo > hi:
        low, high = (short_text_of(item.span) for item in piece.items)
        message = f"the interval is empty: its first end, {lo:g}, is above its second, {hi:g}"
        raise fail("NNM0303", message, piece.span, help=f"write `[{high}, {low}]`")
    return lo, hi


def range_ends(piece: nodes.Range, constants: Constants) -> tuple[float, float]:
    """The least and the greatest member of a range; DiagnosticError NNM0303 where it is empty or not whole."""
    lo, hi = _end(piece.low, constants), _end(piece.high, constants)
    for value, end in ((lo, piece.low), (hi, piece.high)):
        if value != np.floor(value) or abs(value) > _WHOLE:
            message = f"the ends of a range are whole numbers, and {quoted(end.span)} is not"
            help = (
                f"for all numbers between write `[{short_text_of(piece.low.span)}, {short_text_of(piece.high.span)}]`"
            )
            raise fail("NNM0303", message, end.span, help=help)
    if lo > hi:
        help = f"write `{short_text_of(piece.high.span)}..{short_text_of(piece.low.span)}`"
        raise fail("NNM0303", f"the range is empty: {lo:g} is above {hi:g}", piece.span, help=help)
    if not piece.half_open:
        return lo, hi
    if lo == hi:
        help = f"`{short_text_of(piece.low.span)}..{short_text_of(piece.high.span)}` includes its end"
        raise fail("NNM0303", "the range is empty: it leaves out its end", piece.span, help=help)
    return lo, hi - 1.0


def _stepped_ends(inner: nodes.DomainExpr, constants: Constants) -> tuple[float, float]:
    match inner:
        case nodes.Paren(inner=deeper):
            return _stepped_ends(deeper, constants)
        case nodes.Range():
            return range_ends(inner, constants)
        case nodes.ListLiteral(items=(_, _)):
            return _interval(inner, constants)
    help = "for example `[-1, 1] step 1/8`"
    raise fail("NNM0303", "`step` follows an interval or a range", inner.span, help=help)


def _stepped(lo: float, hi: float, step: float, span: Span) -> list[float]:
    """lo, lo + step, ... up to hi.

    Computed in exact arithmetic on the decimal texts, so that steps of 0.1 stay decimal. A step such as 1/3, which is
    no decimal, fits the interval a whole number of times up to rounding: there the interval is divided exactly, so
    that 0 and the upper end are met.
    """
    first, last, width = Fraction(repr(lo)), Fraction(repr(hi)), Fraction(repr(step))
    steps = (last - first) / width
    if steps >= MOST_VALUES:
        raise _too_many(span)
    count = round(steps)
    if count and abs(steps - count) <= _SNAP * count:
        width = (last - first) / count
    else:
        count = int(steps)
    return [float(first + k * width) for k in range(count + 1)]


def _too_many(span: Span) -> Exception:
    help = "take a larger step, or an interval"
    return fail("NNM0303", f"a domain lists at most {MOST_VALUES} values, and this one has more", span, help=help)
