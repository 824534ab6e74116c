"""Points of the input domain of a network: `x in domain(net)`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from nnmip.data import Scaling
from nnmip.diagnostics.edit import substitute
from nnmip.hir.core import Compare, Constant, Decision, Network, Node, Plus, Reference, Scale
from nnmip.hir.domain import Domain
from nnmip.records import dataclass
from nnmip.sema.expressions import Elaborator
from nnmip.sema.features import table_of
from nnmip.sema.indexing import Columns
from nnmip.sema.shapes import read_shape
from nnmip.sema.values import describe, fail, not_yet
from nnmip.sema.variables import VARIABLE
from nnmip.source import Origin, Span
from nnmip.syntax import nodes


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """A point that a rule speaks of. value: what its name stands for there. columns: the names of its entries. bounds:
    of its entries, beyond its domain."""

    point: Reference
    value: Node
    columns: Columns
    bounds: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """What a network reads. columns: the names of its entries, where a table names them. scaling: from the units of
    that table, None where there are no others."""

    network: Network
    columns: Columns
    scaling: Scaling | None

    @staticmethod
    def of(elaborator: Elaborator, network: Network, span: Span) -> Inputs:
        """Those of a network from a file, or of one that is to be trained, as the model applies it to a table."""
        known = elaborator.scope.known.networks.get(network.name)
        if known is not None:
            names, table, scaling, unbound = known.features, network.name, known.scaling, ""
        else:
            data = table_of(elaborator, network, span)
            names, table = ((), "") if data is None else (data.feature_names, data.name)
            scaling, unbound = None if data is None else data.scaling, network.name
        columns = Columns(unbound=unbound)
        if names and len(network.input_shape) == 1:
            columns = Columns(0, names, table)
        return Inputs(network, columns, None if scaling is None or scaling.is_identity else scaling)

    # ---- decisions in scaled units -----------------------------------------------------------------------------

    def scaled_point(self, path: str, span: Span) -> Given:
        """A point, a decision in scaled units; its value is in those of the table."""
        origin = Origin(span, path)
        shape, domain = self.network.input_shape, self.network.input_domain
        point = Reference(Decision(path, VARIABLE, shape, domain, origin), origin)
        return Given(point, self.in_table(point), self.columns)

    def in_table(self, point: Reference, feature: int | None = None) -> Node:
        """A point in scaled units, or one entry of it, in the units of the table."""
        if self.scaling is None:
            return point
        scaling = self.scaling
        factor = scaling.width / (scaling.high - scaling.low)
        shift = scaling.shift - scaling.low * factor
        at = slice(None) if feature is None else feature
        shape, origin = point.shape, point.origin
        moved = Scale(np.asarray(factor[at]).reshape(shape), point, shape, origin)
        return Plus((moved, Constant(np.asarray(shift[at]).reshape(shape), origin)), shape, origin)

    # ---- decisions in the units of the table -------------------------------------------------------------------

    def table_point(self, path: str, span: Span, domain: Span) -> Given:
        """A point, a decision in the units of the table, with the bounds of its entries where these differ.

        Raises DiagnosticError NNM0104 for a domain that is not an interval where a table has other units.
        """
        origin, shape, own = Origin(span, path), self.network.input_shape, self.network.input_domain
        if self.scaling is None:
            point = Reference(Decision(path, VARIABLE, shape, own, origin), origin)
            return Given(point, point, self.columns)
        if not own.is_interval:
            what = f"the domain of `{self.network.name}`, which is no interval, in the units of its table,"
            raise not_yet(what, domain, help=f"write its type and its domain, as in `{_typed(self.network)}`")
        ends = [self.scaling.undo(np.full(len(self.scaling.kinds), end)).reshape(shape) for end in (own.lo, own.hi)]
        hull = Domain.of([(float(ends[0].min()), float(ends[1].max()))])
        point = Reference(Decision(path, VARIABLE, shape, hull, origin), origin)
        sides = zip((">=", "<="), ends, (hull.lo, hull.hi), strict=True)
        bounds = tuple(
            Compare(op, point, Constant(end, origin), shape, origin) for op, end, most in sides if (end != most).any()
        )
        return Given(point, point, self.columns, bounds)


def inputs_of(elaborator: Elaborator, binder: nodes.Binder) -> Inputs:
    """Those of the network of `x in domain(net)`.

    Raises DiagnosticError: NNM0204 or NNM0205 for anything but one network, NNM0301 for a type that is not that of its
    input, NNM0401 for a network whose file states no domain.
    """
    call = binder.domain
    assert isinstance(call, nodes.Call)
    signature = "its signature is `domain(net)`"
    if len(call.arguments) != 1 or not isinstance(call.arguments[0], nodes.Positional):
        raise fail("NNM0204", "`domain` takes one network", call.span, help=signature)
    argument = call.arguments[0].value
    network = elaborator.value(argument)
    if not isinstance(network, Network):
        message = f"`domain` needs a network, and this is {describe(network)}"
        raise fail("NNM0205", message, argument.span, help=signature)
    _check_type(elaborator, binder, network)
    if network.input_domain == Domain.everything():
        message = f"the file of `{network.name}` does not state its input domain"
        help = f"say which inputs are meant: `{binder.name.text} : {_typed(network)}`, or whatever they are"
        raise fail("NNM0401", message, argument.span, help=help)
    return Inputs.of(elaborator, network, binder.span)


def _typed(network: Network) -> str:
    return f"real{list(network.input_shape)} in [0, 1]"


def _check_type(elaborator: Elaborator, binder: nodes.Binder, network: Network) -> None:
    """NNM0301 for a type that is not that of what a network reads."""
    if binder.type is None:
        return
    shape = read_shape(elaborator, binder.type, f"`{binder.name.text}`")
    if binder.type.base == "real" and shape == network.input_shape:
        return
    meant = f"real{list(network.input_shape)}"
    message = f"`{network.name}` reads `{meant}`, and `{binder.name.text}` is `{binder.type.span.text}`"
    help = f"leave the type out, or write `{meant}`"
    raise fail("NNM0301", message, binder.type.span, help=help, fix=substitute(binder.type.span, meant))


def with_points(elaborator: Elaborator, given: Mapping[str, Given]) -> Elaborator:
    """An elaborator that knows points by their names, and the names of their entries."""
    values = {name: each.value for name, each in given.items()}
    columns = {id(each.value): each.columns for each in given.values()}
    return replace(
        elaborator,
        bound=MappingProxyType({**elaborator.bound, **values}),
        columns=MappingProxyType({**elaborator.columns, **columns}),
    )
