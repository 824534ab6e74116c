"""What quantifiers and comprehensions go over: index sets, rows of a table, and the conditions on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from nnmip.data import Dataset
from nnmip.diagnostics import Label
from nnmip.hir.core import Constant, Network, Node, Shape, Units
from nnmip.sema.domains import read_domain
from nnmip.sema.logic import as_truth, over_all
from nnmip.sema.values import NODE_TYPES, LayerValue, RowValue, Value, describe, fail, not_yet, origin_of, quoted
from nnmip.source import Span
from nnmip.syntax import nodes

if TYPE_CHECKING:
    from nnmip.sema.expressions import Elaborator

T = TypeVar("T")

MOST_INSTANCES = 200_000
"""Most things that one quantifier goes over: each is an expression of its own."""

INDEX_SETS = ("units", "features", "classes", "indices")


def read_quantified(elaborator: Elaborator, expr: nodes.Quantified) -> Node:
    """`forall ...: p` and `exists ...: p`; over nothing the first holds and the second does not."""
    wanted = f"`{expr.kind}` says that something holds"
    bodies = [
        as_truth(inner.value(expr.body), expr.body, wanted)
        for inner in instances(elaborator, expr.binders, expr.where, expr.span)
    ]
    return over_all("and" if expr.kind == "forall" else "or", bodies, expr.span)


def instances(
    elaborator: Elaborator, binders: tuple[nodes.Binder, ...], where: nodes.Expr | None, span: Span
) -> Iterator[Elaborator]:
    """One elaborator for each choice of the bound names that `where` keeps, in the order of the sets."""
    _check_names(elaborator, binders)
    count = 0
    for inner in _choices(elaborator, binders):
        if where is not None and not _keeps(inner, where):
            continue
        count += 1
        if count > MOST_INSTANCES:
            message = f"this goes over more than {MOST_INSTANCES} things"
            raise fail("NNM0301", message, span, help="narrow the sets, or the condition after `where`")
        yield inner


def _choices(elaborator: Elaborator, binders: tuple[nodes.Binder, ...]) -> Iterator[Elaborator]:
    if not binders:
        yield elaborator
        return
    binder = binders[0]
    for member in members(elaborator, binder):
        bound = {**elaborator.bound, binder.name.text: member}
        yield from _choices(replace(elaborator, bound=bound), binders[1:])


def _check_names(elaborator: Elaborator, binders: tuple[nodes.Binder, ...]) -> None:
    """NNM0202 for a bound name that something else has already."""
    seen: dict[str, Span] = {}
    for binder in binders:
        name = binder.name
        declared = elaborator.scope.declarations.get(name.text)
        earlier = declared.name.span if declared is not None else seen.get(name.text)
        if earlier is not None or name.text in elaborator.bound:
            secondary = (Label(earlier, "the other"),) if earlier is not None else ()
            message = f"`{name.text}` already means something here"
            raise fail("NNM0202", message, name.span, secondary=secondary, help="choose another name for the index")
        seen[name.text] = name.span


def _keeps(elaborator: Elaborator, where: nodes.Expr) -> bool:
    """Whether the condition on the bound names holds; NNM0205 where the solver would have to decide it."""
    condition = elaborator.truth(where)
    if not isinstance(condition, Constant) or condition.shape != ():
        message = f"{quoted(where.span)} is {_undecided(condition)}, but what follows `where` must be known"
        raise fail("NNM0205", message, where.span, help="put it in front of the rule: `... : condition -> rule`")
    return bool(condition.value)


def _undecided(condition: Node) -> str:
    return describe(condition) if isinstance(condition, Constant) else "decided by the solver"


def members(elaborator: Elaborator, binder: nodes.Binder) -> Iterator[Value]:
    """The members of the set of a binder, in their order.

    Raises DiagnosticError: NNM0104 for regions of real numbers, NNM0205 for what is no set, NNM0303 for an interval.
    """
    domain = binder.domain
    if binder.type is not None:
        raise not_yet("a rule over a region of inputs", binder.span)
    match domain:
        case nodes.Ref() | nodes.Attribute():
            return _members_of_value(elaborator.value(domain), domain)
        case nodes.Call(function=nodes.Ref(name=name)) if name in INDEX_SETS:
            return _numbers(index_set(elaborator, domain), domain.span)
        case nodes.Call(function=nodes.Ref(name="domain" | "filters" as name)):
            raise not_yet(f"`{name}`", domain.span)
        case nodes.Call():
            return _members_of_value(elaborator.value(domain), domain)
    known = read_domain(domain, elaborator.constant)
    if not known.is_finite:
        help = "for whole numbers write `0..3`; for grid points `[0, 1] step 0.1`"
        raise fail("NNM0303", "an interval has infinitely many members", domain.span, help=help)
    return _numbers(np.array(known.values), domain.span)


def _members_of_value(value: Value, domain: nodes.Expr) -> Iterator[Value]:
    match value:
        case Dataset():
            return (RowValue(value, row) for row in range(value.row_count))
        case Constant(boolean=False, value=array) if array.ndim == 1:
            return _numbers(array, domain.span)
        case LayerValue(layer=layer):
            help = f"for its units write `units({domain.span.text})`" if layer.shape else ""
            raise fail("NNM0205", f"{quoted(domain.span)} is a layer, not a set", domain.span, help=help)
        case Constant(shape=()):
            help = f"for the numbers below it write `0..<{domain.span.text}`"
            raise fail("NNM0205", f"{quoted(domain.span)} is a number, not a set", domain.span, help=help)
    help = "sets are ranges such as `0..3`, `{1, 4}`, `units(net.a)`, `features(data)`, or the rows of a data set"
    raise fail("NNM0205", f"{quoted(domain.span)} is {describe(value)}, not a set", domain.span, help=help)


def _numbers(array: np.ndarray, span: Span) -> Iterator[Value]:
    return (Constant(np.asarray(float(number)), origin_of(span)) for number in array.tolist())


def index_set(elaborator: Elaborator, call: nodes.Call) -> np.ndarray:
    """The numbers in `units(layer)`, `features(data)`, `classes(data)` or `indices(t)`.

    Raises DiagnosticError NNM0204 or NNM0205 for wrong arguments.
    """
    assert isinstance(call.function, nodes.Ref)
    name = call.function.name
    if len(call.arguments) != 1 or not isinstance(call.arguments[0], nodes.Positional):
        raise fail("NNM0204", f"`{name}` takes one argument", call.span, help=f"its signature is `{_SIGNATURES[name]}`")
    argument = call.arguments[0].value
    value = elaborator.value(argument)
    match name, value:
        case "units", LayerValue(layer=layer):
            return np.arange(layer.units)
        case "units", Units(index=index):
            return np.sort(index.reshape(-1))
        case "features", Dataset():
            return np.arange(len(value.feature_names))
        case "features", Network():
            return np.arange(int(np.prod(value.input_shape)))
        case "classes", Dataset() if value.label_name is not None:
            return np.unique(value.labels)
        case "indices", _ if isinstance(value, NODE_TYPES) and _first_axis(value.shape):
            return np.arange(value.shape[0])
    raise fail(
        "NNM0205",
        f"`{name}` cannot be asked of {describe(value)}",
        argument.span,
        help=f"its signature is `{_SIGNATURES[name]}`",
    )


def _first_axis(shape: Shape) -> bool:
    return len(shape) > 0


_SIGNATURES = {
    "units": "units(layer)",
    "features": "features(data)",
    "classes": "classes(data)",
    "indices": "indices(t)",
}
