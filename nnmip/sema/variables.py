"""Variables: decisions of a model beside its networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nnmip.diagnostics import Label
from nnmip.diagnostics.edit import insert_after
from nnmip.hir.core import Decision, Reference, Shape
from nnmip.hir.domain import Domain
from nnmip.records import dataclass
from nnmip.sema.domains import MOST_VALUES, read_bounds
from nnmip.sema.expressions import Elaborator
from nnmip.sema.shapes import read_shape
from nnmip.sema.values import fail
from nnmip.source import Origin, Span
from nnmip.syntax import nodes

FloatArray = NDArray[np.float64]

VARIABLE = "variable"
"""The role of a decision that is not part of a network."""

BITS = Domain.of([], [0.0, 1.0])


MOST = 1e12
"""What constraints leave of a variable beyond this counts as no bound."""


class Interval(Protocol):
    """Bounds of the entries of a variable, in their order."""

    @property
    def lo(self) -> FloatArray: ...

    @property
    def hi(self) -> FloatArray: ...


Ranges = Mapping[str, Interval]
"""What constraints leave of variables without a domain, entry by entry, by their names."""


def is_open(declaration: object) -> bool:
    """Whether a declaration is that of a variable whose bounds have to come from constraints."""
    return isinstance(declaration, nodes.Var) and declaration.domain is None and declaration.type.base != "bool"


def read_variable(elaborator: Elaborator, declaration: nodes.Var, ranges: Ranges | None = None) -> Reference:
    """All entries of a variable; raises what `variable` does, and what shapes and domains raise.

    ranges: what constraints leave of variables without a domain; None where that is about to be found out, and such a
    variable has any value meanwhile.
    """
    name, type_ = declaration.name.text, declaration.type
    shape = read_shape(elaborator, type_, f"`{name}`")
    place = Place.of(Origin(declaration.name.span, name), type_, declaration.domain)
    if is_open(declaration):
        if ranges is None:
            return Reference(Decision(name, VARIABLE, shape, Domain.everything(), place.origin), place.origin)
        return variable(place, shape, type_.base, _derived(place, shape, type_.base, ranges.get(name)))
    return variable(place, shape, type_.base, stated_domain(elaborator, type_, declaration.domain))


def stated_domain(elaborator: Elaborator, type_: nodes.TypeExpr, written: nodes.DomainExpr | None) -> Domain | None:
    """The domain that stands behind a type; None without one, and for Booleans, which have no other than their own."""
    return None if written is None or type_.base == "bool" else read_bounds(written, elaborator.constant)


def _derived(place: Place, shape: Shape, base: str, found: Interval | None) -> Domain | None:
    """The interval around what constraints leave of all entries; None where they say nothing.

    Raises DiagnosticError NNM0401 where they leave one without an end.
    """
    if found is None:
        return None
    missing = [(end, side) for end, side in ((-found.lo, "lower"), (found.hi, "upper")) if (end > MOST).any()]
    if not missing:
        return Domain.of([(float(found.lo.min()), float(found.hi.max()))])
    if all((end > MOST).all() for end, _ in missing) and len(missing) == 2:
        return None
    end, side = missing[0]
    index = np.unravel_index(int((end > MOST).argmax()), shape)
    entry = f"{place.origin.path}[{', '.join(map(str, index))}]" if shape else place.origin.path
    example = "0..10" if base == "int" else "[0, 10]"
    message = f"`{entry}` has no {side} bound, neither from a domain nor from affine constraints"
    relation = "<= 10" if side == "upper" else ">= 0"
    help = f"write a domain behind its type: `in {example}`, or a constraint such as `{entry} {relation}`"
    raise fail("NNM0401", message, place.type, help=help, fix=insert_after(place.type, f" in {example}"))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a variable has its name, its type and its domain (None without one); of_what: the property or the rule of
    which it is a point."""

    origin: Origin
    type: Span
    domain: Span | None
    of_what: str = ""

    @staticmethod
    def of(origin: Origin, type_: nodes.TypeExpr, domain: nodes.DomainExpr | None, of_what: str = "") -> Place:
        return Place(origin, type_.span, domain.span if domain is not None else None, of_what)

    @property
    def said(self) -> str:
        """The variable as its text calls it."""
        return f"`{self.origin.span.text}`, a point of `{self.of_what}`," if self.of_what else f"`{self.origin.path}`"


def variable(place: Place, shape: Shape, base: str, domain: Domain | None) -> Reference:
    """A variable of type `base`: `real`, `int` or `bool`.

    Raises DiagnosticError NNM0401 for a number without a domain, NNM0303 for a domain that does not fit the type.
    """
    name = place.said
    if base == "bool":
        if place.domain is not None:
            message = f"{name} is `bool`, which is true or false and has no other domain"
            raise fail("NNM0303", message, place.domain, help="leave the domain out")
        domain = BITS
    elif domain is None:
        example = "0..10" if base == "int" else "[0, 10]"
        message = f"{name} has no bounds; every decision is bounded where it is declared"
        help = f"write a domain behind its type: `in {example}`"
        raise fail("NNM0401", message, place.type, help=help, fix=insert_after(place.type, f" in {example}"))
    elif base == "int":
        domain = _whole(domain, place)
    path = place.origin.path
    return Reference(Decision(path, VARIABLE, shape, domain, place.origin), place.origin, boolean=base == "bool")


def _whole(domain: Domain, place: Place) -> Domain:
    """The whole numbers of a domain."""
    name, where = place.said, place.domain or place.type
    wrong = [value for value in domain.values if value != np.floor(value)]
    if wrong:
        label = Label(place.type, "whole numbers only")
        message = f"{name} is `int`, and its domain has {wrong[0]:g}"
        raise fail("NNM0303", message, where, secondary=(label,), help="leave it out, or declare it `real`")
    ends = [(int(np.ceil(lo)), int(np.floor(hi))) for lo, hi in domain.intervals]
    count = len(domain.values) + sum(max(0, last - first + 1) for first, last in ends)
    if not count:
        raise fail("NNM0303", f"the domain of {name} has no whole numbers", where, help="widen it")
    if count > MOST_VALUES:
        message = f"the domain of {name} has {count:,} whole numbers; {MOST_VALUES:,} are the most"
        raise fail("NNM0303", message, where, help="take a coarser unit, or declare it `real`")
    return Domain.of([], [*domain.values, *(float(k) for first, last in ends for k in range(first, last + 1))])
