"""Properties: what must hold for every point of a region."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import cast

from nnmip.hir.core import Constant, Node
from nnmip.hir.goals import Property
from nnmip.sema.binders import check_names, instances, is_in_domain, is_region
from nnmip.sema.expressions import Elaborator
from nnmip.sema.indexing import Columns
from nnmip.sema.input_domains import Given, inputs_of, with_points
from nnmip.sema.logic import as_truth, read_chain
from nnmip.sema.shapes import read_shape
from nnmip.sema.values import RowValue, Value, fail
from nnmip.sema.variables import Place, stated_domain, variable
from nnmip.source import Origin
from nnmip.syntax import nodes


def read_properties(elaborator: Elaborator, declaration: nodes.Verify) -> Iterator[Property]:
    """A property with its points, its assumptions and its conclusions; where sets stand before the points, one for each
    choice of their members for which no assumption is known to be false.

    Raises DiagnosticError: what `variable` does for its points and `instances` for its sets, NNM0202 for a name that is
    taken, NNM0204 for one without points or without members, NNM0205 for an assumption or a conclusion that is no
    Boolean.
    """
    check_names(elaborator, declaration.given)
    points = [binder for binder in declaration.given if is_region(binder)]
    sets = tuple(binder for binder in declaration.given if not is_region(binder))
    if not points:
        help = "say for which inputs it holds: `forall x : real[4] in [0, 1]`"
        message = f"property `{declaration.name.text}` speaks of no inputs"
        raise fail("NNM0204", message, declaration.name.span, help=help)
    if not sets:
        yield _property(elaborator, declaration, points)
        return
    # What is read for each member is the whole declaration.
    quantifier = nodes.Quantified("forall", sets, None, cast(nodes.Expr, declaration), declaration.span)
    seen: set[str] = set()
    for inner in instances(elaborator, quantifier):
        member = ", ".join(_member(inner.bound[binder.name.text]) for binder in sets)
        found = _property(inner, declaration, points, member)
        is_left_out = any(isinstance(part, Constant) and not part.value.all() for part in found.assumptions)
        if member not in seen and not is_left_out:
            seen.add(member)
            yield found
    if not seen:
        message = f"no member of its sets is left for property `{declaration.name.text}`"
        help = "an assumption that is known for a member chooses among them, and here none has one that holds"
        raise fail("NNM0204", message, sets[0].span, help=help)


def _member(value: Value) -> str:
    """A member of a set in the name of its property: a number, or the number of a row, from 1."""
    match value:
        case RowValue(position=position):
            return str(position + 1)
        case Constant(value=number):
            return f"{float(number):g}"
    raise AssertionError(value)


def _property(
    elaborator: Elaborator, declaration: nodes.Verify, given: Sequence[nodes.Binder], member: str | None = None
) -> Property:
    declared = declaration.name.text
    name = declared if member is None else f"{declared}[{member}]"
    found = {binder.name.text: point_of(elaborator, name, binder) for binder in given}
    points = tuple(each.point for each in found.values())
    inner = with_points(elaborator, found)
    stated = (part for expr in declaration.assume for part in read_parts(inner, expr, "an assumption"))
    assumptions = (*(bound for each in found.values() for bound in each.bounds), *stated)
    conclusions = tuple(part for expr in declaration.prove for part in read_parts(inner, expr, "a conclusion"))
    origin, of = Origin(declaration.span, name), declared if member is not None else ""
    folded = elaborator.scope.known.folded_in([declaration], elaborator.scope.declarations)
    property = Property(name, declaration.sentence, points, assumptions, conclusions, origin)
    return replace(property, of=of, folded=folded)


def point_of(elaborator: Elaborator, name: str, binder: nodes.Binder) -> Given:
    """All entries of an input that a property speaks of, as a decision of its own, in the units of the table of a
    network whose domain it has."""
    path, span = f"{name}.{binder.name.text}", binder.name.span
    if is_in_domain(binder):
        assert binder.domain is not None
        return inputs_of(elaborator, binder).table_point(path, span, binder.domain.span)
    assert binder.type is not None
    shape = read_shape(elaborator, binder.type, f"`{binder.name.text}`")
    place = Place.of(Origin(span, path), binder.type, binder.domain, name)
    point = variable(place, shape, binder.type.base, stated_domain(elaborator, binder.type, binder.domain))
    return Given(point, point, Columns())


def read_parts(elaborator: Elaborator, expr: nodes.Expr, what: str) -> tuple[Node, ...]:
    """What an expression says holds: the comparisons of a chain, or one Boolean; NNM0205 for anything else."""
    while isinstance(expr, nodes.Paren):
        expr = expr.inner
    if isinstance(expr, nodes.Chain):
        return read_chain(elaborator, expr)
    return (as_truth(elaborator.value(expr), expr, f"{what} says that something holds"),)
