"""Properties of networks with curves in the place of smooth functions.

Each result of such a network is within a proved error of that of the network of the file, at all points of the region
(`bounds.nearby`). So a row of a way to break a property, and a row that is assumed, can be at most 0 for the
file only where the row over the curves is at most the errors of what it reads, each times its factor: with the rows
lowered by that, every bound above 0 is one for the file. What breaks a property is replayed with the smooth functions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from nnmip.bounds.nearby import Nearby
from nnmip.hir.core import Applied, Constant, FloatArray, Gather, Node, Plus, Program
from nnmip.hir.evaluate import Evaluator, smooth_result
from nnmip.hir.goals import Property
from nnmip.hir.known import KnownNetwork
from nnmip.hir.walk import walk
from nnmip.sema.values import fail
from nnmip.source import Span
from nnmip.verification.claims import Case, Row, terms_of

RELATIVE = 1e-12
"""More than what the error of a row loses in the products and sums that make it, relative to it."""

NEAR_CURVES = (
    "it holds or fails within the error of the curves, whose results are within {:.3g} of those of the file:"
    " read it with a smaller `smooth`"
)


class Meant(Evaluator):
    """Values of expressions in which networks have their smooth functions."""

    def _applied(self, known: KnownNetwork, points: FloatArray) -> FloatArray:
        if known.smoothed is None:
            return super()._applied(known, points)
        return smooth_result(known, known.points(points.reshape(-1, *known.network.input_shape)), self.tolerance)


def refuse_curves(program: Program, property: Property) -> None:
    """NNM0621 for a rule over a region that reads a network with curves: what they give is not what it says."""
    for span, known in _read(program, property):
        message = f"`{known.name}` has curves in the place of smooth functions, so that no rule over a region reads it"
        help = "state a property of it, `verify`, which allows for the error of its curves"
        raise fail("NNM0621", message, span, help=help)


def check_read(program: Program, property: Property) -> None:
    """NNM0621 where what a network with curves gives is known already, or is read by another network."""
    for span, known in _folded(program, property):
        message = f"`{known.name}` has curves in the place of smooth functions, and is asked for a number here"
        help = "ask it at an input of the property, `forall x : real[2] in [0, 1]`, so that their error is allowed for"
        raise fail("NNM0621", message, span, help=help)
    for node in _nodes(property):
        if not isinstance(node, Applied):
            continue
        for inner in walk(node.operand):
            if isinstance(inner, Applied) and program.known_network(inner.network).smoothed is not None:
                message = f"`{inner.network}` has curves in the place of smooth functions, which `{node.network}` reads"
                help = "the error of the curves is known for its own results: state a property of these"
                raise fail("NNM0621", message, inner.origin.span, help=help)


def _read(program: Program, property: Property) -> Iterator[tuple[Span, KnownNetwork]]:
    """Where a property reads networks with curves, and which."""
    near = {known.name: known for known in program.known if known.smoothed is not None}
    for node in _nodes(property):
        name = getattr(node, "network", None)
        if name in near:
            yield node.origin.span, near[name]
    yield from _folded(program, property)


def _folded(program: Program, property: Property) -> Iterator[tuple[Span, KnownNetwork]]:
    near = {known.name: known for known in program.known if known.smoothed is not None}
    return ((span, near[name]) for name, span in property.folded if name in near)


def _nodes(property: Property) -> Iterator[Node]:
    return (found for root in (*property.assumptions, *property.conclusions) for found in walk(root))


def largest_error(program: Program, property: Property) -> float:
    """How far a result that a property reads may be from that of its file; 0 without curves."""
    errors = [k.smoothed.error.max(initial=0.0) for _, k in _read(program, property) if k.smoothed is not None]
    return float(max(errors, default=0.0))


def loosened(case: Case, nearby: Nearby) -> Case:
    """Rows that are at most 0 wherever the rows with the smooth functions are, for points in the boxes of `nearby`."""
    return tuple([_loosened(row, nearby) for row in case])


def _loosened(row: Row, nearby: Nearby) -> Row:
    errors = [abs(factor) * _error(term, nearby) for term, factor in terms_of(row.value, row.entry)]
    room = math.fsum(errors) * (1.0 + RELATIVE)
    if not room:
        return row
    origin = row.value.origin
    value = row.value if row.value.shape == () else Gather(row.value, np.asarray(row.entry), origin)
    return Row(Plus((value, Constant(np.asarray(-row.sign * room), origin)), (), origin), 0, row.sign, row.is_strict)


def _error(term: Node, nearby: Nearby) -> float:
    """How far a scalar may be from what it is with the smooth functions."""
    base, at = (term.base, int(term.index)) if isinstance(term, Gather) else (term, 0)
    if not isinstance(base, Applied) or nearby.program.known_network(base.network).smoothed is None:
        return 0.0
    error = nearby.error(base).reshape(-1)
    return float(error[at % len(error)])
