"""Words that are written in terms of others: counting phrases, active units, fan-in, and a network at a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from nnmip.diagnostics import Label
from nnmip.diagnostics.edit import insert_before
from nnmip.hir.core import Applied, Apply, Constant, Fold, Gather, Join, LayerOutput, Network, Node
from nnmip.hir.stack import stacked
from nnmip.ops.base import Option
from nnmip.sema.arithmetic import compare
from nnmip.sema.binders import instances
from nnmip.sema.features import features_word, used_word
from nnmip.sema.knowledge import MIRRORS, at_most_one, exclusive_features, operations_of, parameters_of, tied_tensors
from nnmip.sema.logic import as_truth, negation, truth
from nnmip.sema.losses import check_inputs
from nnmip.sema.points import at_points
from nnmip.sema.regions import SIGNATURES as REGIONS
from nnmip.sema.regions import lipschitz_word, monotone_word
from nnmip.sema.steps import with_strictness
from nnmip.sema.units import incoming_weights, pre_activation
from nnmip.sema.values import (
    FeaturesValue,
    LayerValue,
    RowValue,
    as_tensor,
    describe,
    fail,
    integer,
    origin_of,
    quoted,
    short_text_of,
)
from nnmip.sema.words import apply_word, as_units, dot_product, read_options, reduced
from nnmip.source import Span
from nnmip.syntax import nodes

if TYPE_CHECKING:
    from nnmip.sema.expressions import Elaborator

_COMPARISONS = {"atmost": "<=", "atleast": ">=", "exactly": "="}

SIGNATURES: Mapping[str, str] = MappingProxyType(
    {
        "atmost": "atmost(k, p, ...)",
        "atleast": "atleast(k, p, ...)",
        "exactly": "exactly(k, p, ...)",
        "active": "active(units, row)",
        "dot": "dot(a, b)",
        "fan_in": "fan_in(units)",
        "features": "features(net)",
        "exclusive": "exclusive(p, ...)",
        "tied": "tied(t, ..., mirror: ...)",
        **REGIONS,
        "parameters": "parameters(net)",
        "operations": "operations(net)",
    }
)


def _counted(elaborator: Elaborator, name: str, call: nodes.Call) -> Node:
    """`atmost(k, p, q, ...)`: how many of the given Booleans hold, compared with a known number."""
    given = [a for a in call.arguments if isinstance(a, nodes.Positional | nodes.Each)]
    if len(given) < 2 or len(given) < len(call.arguments) or not isinstance(given[0], nodes.Positional):
        message = f"`{name}` takes a number and what it counts"
        raise fail("NNM0204", message, call.span, help=f"its signature is `{SIGNATURES[name]}`")
    number = elaborator.value(given[0].value)
    if not isinstance(number, Constant):
        message = f"`{name}` starts with a known number, and {quoted(given[0].span)} is none"
        help = f"say how many: `{name}(1, ...)`"
        raise fail("NNM0205", message, given[0].span, help=help, fix=insert_before(given[0].span, "1, "))
    k = integer(number, f"the number of `{name}`", given[0].span)
    counted = [part for argument in given[1:] for part in _booleans(elaborator, argument, name)]
    if all(isinstance(part, Constant) for part in counted):
        held = sum(int(np.sum(part.value)) for part in counted if isinstance(part, Constant))
        return truth({"atmost": held <= k, "atleast": held >= k, "exactly": held == k}[name], call.span)
    counts = Apply("count", (_joined(counted, call.span),), None, None, (), (), False, origin_of(call.span))
    limit = Constant(np.asarray(float(k)), origin_of(given[0].span))
    comparison = compare(_COMPARISONS[name], counts, limit, call.span)
    return with_strictness(elaborator.scope, comparison)


def _booleans(elaborator: Elaborator, argument: nodes.Argument, name: str) -> list[Node]:
    wanted = f"`{name}` counts Booleans"
    if isinstance(argument, nodes.Each):
        return each_stacked(
            [as_truth(inner.value(argument.body), argument.body, wanted) for inner in instances(elaborator, argument)]
        )
    assert isinstance(argument, nodes.Positional)
    return [as_truth(elaborator.value(argument.value), argument.value, wanted)]


def each_stacked(parts: Sequence[Node]) -> list[Node]:
    """The given nodes in as few tensors as possible; those of one shape and form become one."""
    by_shape: dict[tuple[int, ...], list[Node]] = {}
    for part in parts:
        by_shape.setdefault(part.shape, []).append(part)
    return [stack for group in by_shape.values() for stack in stacked(group)]


def _joined(parts: Sequence[Node], span: Span) -> Node:
    if not parts:
        return Constant(np.zeros(0), origin_of(span), boolean=True)
    return parts[0] if len(parts) == 1 else Join(tuple(parts), origin_of(span))


OVER_NUMBERS = frozenset({"sum", "max", "min"})
"""Words that reduce the numbers that a comprehension gives."""


def _together(parts: Sequence[Node], span: Span) -> Node:
    """The entries of some nodes in one vector, known numbers as such."""
    known = [part.value.reshape(-1) for part in parts if isinstance(part, Constant)]
    if len(known) == len(parts):
        return Constant(np.concatenate(known), origin_of(span), parts[0].boolean)
    return _joined(each_stacked(parts), span)


def comprehension(elaborator: Elaborator, name: str, call: nodes.Call, each: nodes.Each) -> Node:
    """`sum(i in D: e)`, `max`, `min`, and `count(i in D: p)`.

    Raises DiagnosticError: NNM0204 for another word, NNM0301 for a number with axes.
    """
    if len(call.arguments) > 1:
        raise fail("NNM0204", f"nothing stands beside `{quoted(each.span)[1:-1]}` in `{name}`", call.arguments[1].span)
    inner = list(instances(elaborator, each))
    if name == "count":
        bodies = [as_truth(e.value(each.body), each.body, "`count` counts Booleans") for e in inner]
    elif name in OVER_NUMBERS:
        bodies = [e.number(each.body) for e in inner]
        wrong = next((b for b in bodies if b.shape != ()), None)
        if wrong is not None:
            message = f"{quoted(each.body.span)} is {describe(wrong)}, but `{name}` goes over numbers here"
            raise fail("NNM0301", message, each.body.span, help=f"write `{name}({each.body.span.text})`")
    else:
        help = "`sum`, `max`, `min`, `count`, `atmost`, `atleast` and `exactly` go over an index"
        raise fail("NNM0204", f"`{name}` does not go over an index", each.span, help=help)
    if not bodies and name in ("max", "min"):
        raise fail("NNM0205", f"`{name}` of nothing has no value", each.span)
    if not bodies:
        return Constant(np.asarray(0.0), origin_of(call.span))
    return reduced(name, _together(bodies, call.span), 0, call.span)


def _extreme(elaborator: Elaborator, name: str, call: nodes.Call) -> Node:
    """`max(a, b, ...)` and `min(a, b, ...)` entry by entry; of one tensor its largest or least entry."""
    given = [a for a in call.arguments if isinstance(a, nodes.Positional)]
    if len(given) < 2 or len(given) < len(call.arguments):
        return apply_word(elaborator, name, call)
    parts = [elaborator.number(argument.value) for argument in given]
    shapes = {part.shape for part in parts if part.shape}
    if len(shapes) > 1:
        first, second = (next(a for a, p in zip(given, parts, strict=True) if p.shape == s) for s in list(shapes)[:2])
        message = f"`{name}` compares tensors entry by entry, and these have different shapes"
        raise fail("NNM0301", message, second.span, secondary=(Label(first.span, "another shape"),))
    shape = next(iter(shapes), ())
    sizes = np.cumsum([0, *(int(np.prod(part.shape, dtype=np.int64)) for part in parts)])
    places = [
        np.broadcast_to(start + np.arange(int(np.prod(part.shape, dtype=np.int64))).reshape(part.shape), shape)
        for start, part in zip(sizes, parts, strict=False)
    ]
    index, whole = np.stack(places, axis=-1), _together(parts, call.span)
    if isinstance(whole, Constant):
        operand: Node = Constant(whole.value[index], origin_of(call.span))
    else:
        operand = Gather(Join(tuple(parts), origin_of(call.span)), index, origin_of(call.span))
    return reduced(name, operand, len(shape), call.span)


def _dot(elaborator: Elaborator, name: str, call: nodes.Call) -> Node:
    """`dot(a, b)` of two vectors, one of them known."""
    given = [a for a in call.arguments if isinstance(a, nodes.Positional)]
    if len(given) != 2 or len(call.arguments) != 2:
        raise fail("NNM0204", "`dot` takes two vectors", call.span, help=f"its signature is `{SIGNATURES[name]}`")
    first, second = (argument.value for argument in given)
    a, b = elaborator.number(first), elaborator.number(second)
    return dot_product(a, b, first.span, second.span, call.span)


# ---- networks at rows ----------------------------------------------------------------------------------------------


def network_at(elaborator: Elaborator, network: Network, call: nodes.Call) -> Node:
    """`net(s)`: the result of a network for a row of a data set, of the shape that it returns; `net(x)`: at a point,
    or at several, for a network from a file."""
    point = _point(elaborator, call)
    if point is not None:
        at = call.arguments[0].span
        return at_points(elaborator.scope, network, point, at, call.span, elaborator.is_over_region)
    row = _row(elaborator, call.arguments, network.name, call.span)
    if elaborator.is_over_region and network.name not in elaborator.scope.known:
        check_inputs(elaborator.scope, network, row.data, call.span)
        own = Constant(row.data.raw[row.position].reshape(network.input_shape), origin_of(call.span))
        return Applied(network.name, own, network.output_shape, origin_of(call.span))
    output = _output(elaborator, network, network.result_layer, row, call.span)
    width = int(np.prod(output.shape[1:], dtype=np.int64))
    return Gather(output, row.position * width + network.result_index, origin_of(call.span))


def _point(elaborator: Elaborator, call: nodes.Call) -> Node | None:
    """The one argument where it is a tensor."""
    match call.arguments:
        case (nodes.Positional(value=value),):
            return as_tensor(elaborator.value(value))
    return None


def _active(elaborator: Elaborator, name: str, call: nodes.Call) -> Node:
    """`active(units, s)`: whether the pre-activation is above 0 at a row, for every given unit; for a filter, at some
    place."""
    if len(call.arguments) != 2 or not isinstance(call.arguments[0], nodes.Positional):
        message = "`active` takes units and a row"
        raise fail("NNM0204", message, call.span, help="write `forall s in data: ... active(net.a, s) ...`")
    first = call.arguments[0].value
    units = as_units(elaborator, elaborator.value(first), first, "active")
    network = elaborator.network(units.network, first.span)
    row = _row(elaborator, call.arguments[1:], "active", call.span)
    source = pre_activation(network, units.layer, first.span)
    output = _output(elaborator, network, network.input_name if source is None else source.name, row, call.span)
    width = int(np.prod(output.shape[1:], dtype=np.int64))
    places = np.arange(width).reshape(network.layer(units.layer).units, -1)[units.index]
    places = places[..., 0] if places.shape[-1] == 1 else places
    z = Gather(output, row.position * width + places, origin_of(call.span))
    zero = Constant(np.asarray(0.0), origin_of(call.span))
    above = negation(with_strictness(elaborator.scope, compare("<=", z, zero, call.span)), call.span)
    return above if z.shape == units.shape else Fold("or", above, origin_of(call.span), batch=units.index.ndim)


def _row(elaborator: Elaborator, arguments: tuple[nodes.Argument, ...], name: str, span: Span) -> RowValue:
    """The one argument that is a row of a data set."""
    if len(arguments) == 1 and isinstance(arguments[0], nodes.Positional):
        value = elaborator.value(arguments[0].value)
        if isinstance(value, RowValue):
            return value
        what = f"this is {describe(value)}"
    else:
        what = f"{len(arguments)} arguments are given"
    help = "rows come from a quantifier: `forall s in data: ...`"
    raise fail("NNM0205", f"`{name}` is applied to a row of a data set, and {what}", span, help=help)


def _output(elaborator: Elaborator, network: Network, layer: str, row: RowValue, span: Span) -> LayerOutput:
    check_inputs(elaborator.scope, network, row.data, span)
    shape = network.input_shape if layer == network.input_name else network.layer(layer).shape
    return LayerOutput(network.name, layer, row.data.name, (row.data.row_count, *shape), origin_of(span))


# ---- weights of units ----------------------------------------------------------------------------------------------


def _fan_in(elaborator: Elaborator, name: str, call: nodes.Call) -> Node:
    """`fan_in(units)`: for every unit the number of its incoming weights that are not 0."""
    if len(call.arguments) != 1 or not isinstance(call.arguments[0], nodes.Positional):
        raise fail("NNM0204", "`fan_in` takes units", call.span, help="its signature is `fan_in(units)`")
    first = call.arguments[0].value
    units = as_units(elaborator, elaborator.value(first), first, name)
    network = elaborator.network(units.network, first.span)
    incoming = incoming_weights(network, units.layer, units.index, first.span)
    return Apply("l0", (incoming,), None, None, (), units.shape, False, origin_of(call.span), batch=units.index.ndim)


def _size_of(elaborator: Elaborator, name: str, call: nodes.Call) -> Node:
    """`parameters(net)` and `operations(net)`, of a network or of one layer with weights."""
    argument = call.arguments[0] if len(call.arguments) == 1 else None
    if not isinstance(argument, nodes.Positional):
        message = f"`{name}` takes a network or a layer"
        raise fail("NNM0204", message, call.span, help=f"its signature is `{SIGNATURES[name]}`")
    value = elaborator.value(argument.value)
    match value:
        case Network():
            network, layers = value, value.layers
        case LayerValue(network=network, layer=layer) if layer.decisions:
            layers = (layer,)
        case LayerValue(network=network):
            message = f"`{name}` needs weights here, and {quoted(argument.span)} has none of its own"
            raise fail(
                "NNM0205", message, argument.span, help=f"name the layer before it, or write `{name}({network.name})`"
            )
        case _:
            message = f"`{name}` needs a network or a layer here, and this is {describe(value)}"
            raise fail("NNM0205", message, argument.span, help=f"its signature is `{SIGNATURES[name]}`")
    if name == "parameters":
        return parameters_of(layers, call.span)
    return operations_of(network, layers, call.span)


def _exclusive(elaborator: Elaborator, name: str, call: nodes.Call) -> Node:
    """`exclusive(p, q, ...)` of Booleans: at most one holds; of features: no unit reads two of them."""
    features = [
        value
        for argument in call.arguments
        if isinstance(argument, nodes.Positional)
        and isinstance(value := elaborator.value(argument.value), FeaturesValue)
    ]
    networks = {value.network.name: value.network for value in features}
    if features and len(features) == len(call.arguments) and len(networks) == 1:
        groups = [g for v in features for g in ([v.places] if v.is_column else v.places.reshape(-1, 1))]
        return exclusive_features(next(iter(networks.values())), groups, call.span)
    given = [a for a in call.arguments if isinstance(a, nodes.Positional | nodes.Each)]
    if not given or len(given) < len(call.arguments):
        message = "`exclusive` takes Booleans, or features of one network"
        raise fail("NNM0204", message, call.span, help=f"its signature is `{SIGNATURES[name]}`")
    counted = [part for argument in given for part in _booleans(elaborator, argument, name)]
    if all(isinstance(part, Constant) for part in counted):
        return truth(sum(int(np.sum(part.value)) for part in counted if isinstance(part, Constant)) <= 1, call.span)
    return at_most_one(counted, call.span)


_MIRROR = Option("mirror", "choice", choices=tuple(MIRRORS))


def _tied(elaborator: Elaborator, name: str, call: nodes.Call) -> Node:
    """`tied(t, u, ...)`: whether tensors are equal, or one is its own mirror image."""
    given = [a for a in call.arguments if isinstance(a, nodes.Positional)]
    named = [a for a in call.arguments if isinstance(a, nodes.Named)]
    mirror = read_options(elaborator, name, (_MIRROR,), named)["mirror"]
    if len(given) + len(named) < len(call.arguments) or len(given) < (2 if mirror is None else 1):
        message = "`tied` takes two tensors or more, or one and how it is mirrored"
        first = given[0].span if given else call.span
        help = f"name a second one, or write `tied({short_text_of(first)}, mirror: horizontal)`"
        raise fail("NNM0204", message, call.span, help=help if given else f"its signature is `{SIGNATURES[name]}`")
    return tied_tensors(elaborator.scope, [elaborator.number(a.value) for a in given], mirror, call.span)


def _used(elaborator: Elaborator, name: str, call: nodes.Call) -> Node:
    """`used(...)` of units, features or a one-hot column."""
    node = used_word(elaborator, call)
    return node if node is not None else apply_word(elaborator, name, call)


Builtin = Callable[["Elaborator", str, nodes.Call], Node]

BUILTINS: Mapping[str, Builtin] = MappingProxyType(
    {
        "atmost": _counted,
        "atleast": _counted,
        "exactly": _counted,
        "active": _active,
        "dot": _dot,
        "fan_in": _fan_in,
        "features": features_word,
        "used": _used,
        "max": _extreme,
        "min": _extreme,
        "exclusive": _exclusive,
        "tied": _tied,
        "monotone": monotone_word,
        "lipschitz": lipschitz_word,
        "parameters": _size_of,
        "operations": _size_of,
    }
)


def call_word(elaborator: Elaborator, name: str, call: nodes.Call) -> Node:
    """The HIR of a call of a word of the language, of either kind."""
    each = next((a for a in call.arguments if isinstance(a, nodes.Each)), None)
    if each is not None and name not in {*_COMPARISONS, "exclusive"}:
        return comprehension(elaborator, name, call, each)
    if name in BUILTINS:
        return BUILTINS[name](elaborator, name, call)
    return apply_word(elaborator, name, call)
