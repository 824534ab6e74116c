"""What quantifiers and comprehensions go over: index sets, rows of a table, and the conditions on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from nnmip.arrays import distinct
from nnmip.data import Dataset
from nnmip.diagnostics import DiagnosticError, Label
from nnmip.hir.core import Constant, Network, Node, Shape, Units
from nnmip.records import dataclass
from nnmip.sema.domains import range_ends, read_domain
from nnmip.sema.logic import as_truth, over_all
from nnmip.sema.values import (
    NODE_TYPES,
    LayerValue,
    Poisoned,
    RowValue,
    Value,
    describe,
    fail,
    not_yet,
    origin_of,
    quoted,
)
from nnmip.sizes import EXPRESSION, counted
from nnmip.source import Span
from nnmip.syntax import nodes

if TYPE_CHECKING:
    from nnmip.sema.expressions import Elaborator

T = TypeVar("T")

_Quantifier = nodes.Quantified | nodes.Each

INDEX_SETS = ("units", "filters", "features", "classes", "indices")


@dataclass(frozen=True, slots=True)
class Members:
    """How many members a set has, and these in their order."""

    count: int
    each: Iterator[Value]


def read_quantified(elaborator: Elaborator, expr: nodes.Quantified) -> Node:
    """`forall ...: p` and `exists ...: p`; over nothing the first holds and the second does not."""
    wanted = f"`{expr.kind}` says that something holds"
    bodies = [as_truth(inner.value(expr.body), expr.body, wanted) for inner in instances(elaborator, expr)]
    return over_all("and" if expr.kind == "forall" else "or", bodies, expr.span)


def instances(elaborator: Elaborator, quantifier: _Quantifier) -> Iterator[Elaborator]:
    """One elaborator for each choice of the bound names that `where` keeps, in the order of the sets.

    Raises DiagnosticError NNM0310 before more expressions are read than are allowed: each choice reads its own.
    """
    check_names(elaborator, quantifier.binders)
    choices, first = _expected(elaborator, quantifier.binders)
    if first is None:
        return
    _check_read(elaborator, choices * _size(first, quantifier), choices, quantifier.span)
    own = _own_size(elaborator, quantifier)
    for inner in _choices(elaborator, quantifier.binders):
        elaborator.scope.read += own
        _check_read(elaborator, 0, choices, quantifier.span)
        if quantifier.where is None or _keeps(inner, quantifier.where):
            yield inner


def _check_read(elaborator: Elaborator, more: int, choices: int, span: Span) -> None:
    """NNM0310 where quantifiers read more expressions than is allowed, with `more` of them to come."""
    read = elaborator.scope.read + more
    help = "narrow the sets"
    what = f"what quantifiers say here, {counted(read, 'expression')},"
    label = f"goes over {counted(choices, 'choice')}"
    elaborator.scope.allowance.check(read, EXPRESSION, what, span, label, help)


def _own_size(elaborator: Elaborator, quantifier: _Quantifier) -> int:
    """How many expressions are read for each choice, without those inside quantifiers further inside."""
    return sum(own for own, _ in _parts(elaborator, quantifier))


def _size(elaborator: Elaborator, quantifier: _Quantifier) -> int:
    """How many expressions are read for the choice that `elaborator` has made, all in all."""
    parts = _parts(elaborator, quantifier)
    return sum(own + sum(_inside(elaborator, inner) for inner in nested) for own, nested in parts)


def _parts(elaborator: Elaborator, quantifier: _Quantifier) -> list[tuple[int, tuple[_Quantifier, ...]]]:
    """For the body and the condition: how many expressions there are, and the quantifiers among them."""
    parts = (quantifier.body,) if quantifier.where is None else (quantifier.body, quantifier.where)
    known = elaborator.scope.sizes
    for part in parts:
        if id(part) not in known:
            known[id(part)] = _counted(part)
    return [known[id(part)] for part in parts]


def _counted(part: nodes.Expr) -> tuple[int, tuple[_Quantifier, ...]]:
    total = 0
    nested: list[_Quantifier] = []
    stack: list[Any] = [part]
    while stack:
        match stack.pop():
            case tuple() as several:
                stack.extend(several)
            case (nodes.Quantified() | nodes.Each()) as inner:
                total += 1
                nested.append(inner)
            case nodes.Node() as node:
                total += 1
                stack.extend(node.parts())
    return total, tuple(nested)


def _inside(elaborator: Elaborator, inner: _Quantifier) -> int:
    """How many expressions a quantifier inside a body reads; 1 where that is not known, as after a mistake."""
    try:
        choices, first = _expected(elaborator, inner.binders)
    except (DiagnosticError, Poisoned):
        return 1
    return 0 if first is None else choices * _size(first, inner)


def _expected(elaborator: Elaborator, binders: tuple[nodes.Binder, ...]) -> tuple[int, Elaborator | None]:
    """How many choices there are, if every set has as many members as it has for the first choice of the others; and
    the first choice, None without any."""
    if not binders:
        return 1, elaborator
    found = members(elaborator, binders[0])
    first = next(found.each, None)
    if first is None:
        return 0, None
    bound = {**elaborator.bound, binders[0].name.text: first}
    rest, choice = _expected(replace(elaborator, bound=bound), binders[1:])
    return found.count * rest, choice


def _choices(elaborator: Elaborator, binders: tuple[nodes.Binder, ...]) -> Iterator[Elaborator]:
    if not binders:
        yield elaborator
        return
    binder = binders[0]
    for member in members(elaborator, binder).each:
        bound = {**elaborator.bound, binder.name.text: member}
        yield from _choices(replace(elaborator, bound=bound), binders[1:])


def check_names(elaborator: Elaborator, binders: tuple[nodes.Binder, ...]) -> None:
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


def members(elaborator: Elaborator, binder: nodes.Binder) -> Members:
    """The members of the set of a binder, in their order.

    Raises DiagnosticError: NNM0104 for regions of real numbers, NNM0205 for what is no set, NNM0303 for an interval.
    """
    domain = binder.domain
    if is_region(binder):
        help = "a region stands in front of a whole constraint: `constraint c: forall x in domain(net): ...`"
        raise not_yet("a region of inputs inside another rule", binder.span, help=help)
    assert domain is not None, "only a type stands without a domain"
    match domain:
        case nodes.Ref() | nodes.Attribute():
            return _members_of_value(elaborator.value(domain), domain)
        case nodes.Call(function=nodes.Ref(name=name)) if name in INDEX_SETS:
            return _numbers(index_set(elaborator, domain), domain.span)
        case nodes.Call(function=nodes.Ref(name="filters" as name)):
            raise not_yet(f"`{name}`", domain.span)
        case nodes.Number():
            text = domain.span.text
            help = f"write `0..<{text}` for the numbers below it, or `{{{text}}}` for it alone"
            raise fail("NNM0205", f"`{text}` is a number, not a set", domain.span, help=help)
        case nodes.Call():
            return _members_of_value(elaborator.value(domain), domain)
        case nodes.Range():
            lo, hi = (int(end) for end in range_ends(domain, elaborator.constant))
            origin = origin_of(domain.span)
            return Members(hi - lo + 1, (Constant(np.asarray(float(k)), origin) for k in range(lo, hi + 1)))
    known = read_domain(domain, elaborator.constant)
    if not known.is_finite:
        help = "for whole numbers write `0..3`; for grid points `[0, 1] step 0.1`"
        raise fail("NNM0303", "an interval has infinitely many members", domain.span, help=help)
    return _numbers(np.array(known.values), domain.span)


def is_region(binder: nodes.Binder) -> bool:
    """Whether a binder goes over all points of a region: it states a type, or the domain of a network."""
    return binder.type is not None or is_in_domain(binder)


def is_in_domain(binder: nodes.Binder) -> bool:
    """Whether a binder says `in domain(net)`."""
    match binder.domain:
        case nodes.Call(function=nodes.Ref(name="domain")):
            return True
    return False


def _members_of_value(value: Value, domain: nodes.Expr) -> Members:
    match value:
        case Dataset():
            return Members(value.row_count, (RowValue(value, row) for row in range(value.row_count)))
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


def _numbers(array: np.ndarray, span: Span) -> Members:
    origin = origin_of(span)
    return Members(len(array), (Constant(np.asarray(float(number)), origin) for number in array.tolist()))


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
        case "units" | "filters", LayerValue(layer=layer):
            return np.arange(layer.units)
        case "units", Units(index=index):
            return np.sort(index.reshape(-1))
        case "features", Dataset():
            return np.arange(len(value.feature_names))
        case "features", Network():
            return np.arange(int(np.prod(value.input_shape)))
        case "classes", Dataset() if value.label_name is not None:
            return distinct(value.labels)
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
    "filters": "filters(layer)",
    "features": "features(data)",
    "classes": "classes(data)",
    "indices": "indices(t)",
}
