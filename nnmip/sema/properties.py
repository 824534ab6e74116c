"""Properties: what must hold for every point of a region."""

from __future__ import annotations

from dataclasses import replace

from nnmip.hir.core import Node, Reference
from nnmip.hir.goals import Property
from nnmip.sema.binders import check_names
from nnmip.sema.domains import read_bounds
from nnmip.sema.expressions import Elaborator
from nnmip.sema.logic import as_truth, read_chain
from nnmip.sema.shapes import read_shape
from nnmip.sema.values import fail, not_yet
from nnmip.sema.variables import Place, variable
from nnmip.source import Origin
from nnmip.syntax import nodes


def read_property(elaborator: Elaborator, declaration: nodes.Verify) -> Property:
    """A property with its points, its assumptions and its conclusions.

    Raises DiagnosticError: what `variable` does for its points, NNM0202 for a name that is taken, NNM0205 for an
    assumption or a conclusion that is no Boolean, NNM0104 for sets of other things than numbers.
    """
    name = declaration.name.text
    check_names(elaborator, declaration.given)
    points = {binder.name.text: point_of(elaborator, name, binder) for binder in declaration.given}
    if not points:
        help = "say for which inputs it holds: `forall x : real[4] in [0, 1]`"
        raise fail("NNM0204", f"property `{name}` speaks of no inputs", declaration.name.span, help=help)
    inner = replace(elaborator, bound={**elaborator.bound, **points})
    return Property(
        name,
        declaration.sentence,
        tuple(points.values()),
        tuple(part for expr in declaration.assume for part in read_parts(inner, expr, "an assumption")),
        tuple(part for expr in declaration.prove for part in read_parts(inner, expr, "a conclusion")),
        Origin(declaration.span, name),
    )


def point_of(elaborator: Elaborator, name: str, binder: nodes.Binder) -> Reference:
    """All entries of an input that a property speaks of, as a decision of its own."""
    if binder.type is None:
        help = "write its type: `x : real[4] in [0, 1]`"
        raise not_yet("a property for each member of a set", binder.span, help=help)
    shape = read_shape(elaborator, binder.type, f"`{binder.name.text}`")
    domain = None if binder.type.base == "bool" else read_bounds(binder.domain, elaborator.constant)
    place = Place(Origin(binder.name.span, f"{name}.{binder.name.text}"), binder.type.span, binder.domain.span)
    return variable(place, shape, binder.type.base, domain)


def read_parts(elaborator: Elaborator, expr: nodes.Expr, what: str) -> tuple[Node, ...]:
    """What an expression says holds: the comparisons of a chain, or one Boolean; NNM0205 for anything else."""
    while isinstance(expr, nodes.Paren):
        expr = expr.inner
    if isinstance(expr, nodes.Chain):
        return read_chain(elaborator, expr)
    return (as_truth(elaborator.value(expr), expr, f"{what} says that something holds"),)
