"""Properties over the whole input domain of a network, as rules about its weights: `monotone` and `lipschitz`.

A network that is affine in its input, one layer with weights and no activation, has such a property exactly where its
weights obey a rule (formulation: the derivative is the row of weights).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from nnmip.hir.core import Apply, Constant, Gather, IntArray, Network, Node, Reference
from nnmip.ops.base import Option
from nnmip.ops.registry import LAYERS
from nnmip.sema.features import features_at
from nnmip.sema.logic import comparison, over_all
from nnmip.sema.steps import Names
from nnmip.sema.values import FeaturesValue, InputValue, describe, fail, not_yet, origin_of
from nnmip.sema.words import read_options
from nnmip.source import Span
from nnmip.syntax import nodes
from nnmip.syntax.suggest import closest

if TYPE_CHECKING:
    from nnmip.sema.expressions import Elaborator

DIRECTIONS = ("increasing", "decreasing")
NORMS = ("norm_inf", "norm_1")

SIGNATURES = {
    "monotone": "monotone(net, feature, increasing)",
    "lipschitz": "lipschitz(net, number, norm: norm_inf)",
}

_RESHAPING = frozenset({"flatten", "reshape"})
_NORM = Option("norm", "choice", default=NORMS[0], choices=NORMS)


def monotone_in(names: Names, network: Network, features: IntArray, direction: str, span: Span) -> Node:
    """Whether no output falls (for `decreasing`: rises) anywhere in the input domain where one of some features rises.

    `features` are flat positions in the input; scaling keeps the order of a column. Raises DiagnosticError NNM0104 for
    a network that is not affine in its input.
    """
    op = {"increasing": ">=", "decreasing": "<="}[direction]
    zero = Constant(np.asarray(0.0), origin_of(span))
    rules: list[Node] = []
    for weights, feature in _rows(network, "monotone", span):
        read = Gather(weights.base, weights.index[np.isin(feature, features)], origin_of(span))
        rules.extend([comparison(names, op, read, zero, span)] if read.index.size else [])
    return over_all("and", rules, span)


def lipschitz_within(names: Names, network: Network, most: float, norm: str, span: Span) -> Node:
    """Whether outputs at any two points x, y of the input domain differ by at most `most` times the norm of x - y.

    For `norm_inf` that is the sum of the absolute weights of an output, for `norm_1` the largest of them. Raises
    DiagnosticError NNM0104 for a network that is not affine in its input.
    """
    dual = {"norm_inf": "norm_1", "norm_1": "norm_inf"}[norm]
    limit = Constant(np.asarray(most), origin_of(span))
    rules: list[Node] = []
    for weights, _ in _rows(network, "lipschitz", span):
        size = Apply(dual, (weights,), None, None, (), (), False, origin_of(span))
        rules.append(comparison(names, "<=", size, limit, span))
    return over_all("and", rules, span)


def _rows(network: Network, word: str, span: Span) -> Iterator[tuple[Gather, IntArray]]:
    """For every output of a network that is affine in its input the weights that it is a sum of, and the entry of the
    input, a flat position, that each of them multiplies."""
    weighted = [layer for layer in network.layers if layer.decisions]
    others = [layer for layer in network.layers if not layer.decisions]
    is_affine = len(weighted) == 1 and all(layer.op in _RESHAPING and layer.skip is None for layer in others)
    if not is_affine or weighted[0].skip is not None:
        help = "it is there for networks of one layer with weights, without activations"
        raise not_yet(f"`{word}` of `{network.name}`, which is not affine in its input,", span, help=help)
    (layer,) = weighted
    weights, connect = layer.decision("weights"), LAYERS[layer.op].connect
    assert weights is not None and connect is not None
    sources = {network.input_name: network.input_shape} | {other.name: other.shape for other in network.layers}
    connections = connect(sources[layer.inputs[0]], dict(layer.options))
    for output in network.result_index.reshape(-1):
        source = connections.source[output]
        places = connections.unit[output] * len(source) + np.flatnonzero(source >= 0)
        yield Gather(Reference(weights, origin_of(span)), places, origin_of(span)), source[source >= 0]


# ---- calls ---------------------------------------------------------------------------------------------------------


def monotone_word(elaborator: Elaborator, name: str, call: nodes.Call) -> Node:
    """`monotone(net, feature, increasing)`; DiagnosticError NNM0204 or NNM0205 for wrong arguments."""
    network, given = _network(elaborator, name, call, 3)
    feature, direction = (argument.value for argument in given[1:])
    known = direction.name if isinstance(direction, nodes.Ref) else ""
    if known not in DIRECTIONS:
        near = closest(known, DIRECTIONS) or DIRECTIONS[0]
        help = f"write `{near}`; its signature is `{SIGNATURES[name]}`"
        raise fail("NNM0205", "`monotone` is `increasing` or `decreasing`", direction.span, help=help)
    if isinstance(feature, nodes.Subscript):
        value = elaborator.value(feature)
    else:
        value = features_at(elaborator, InputValue(network), nodes.Subscript(feature, (feature,), feature.span))
    if not isinstance(value, FeaturesValue) or value.network is not network:
        message = f"`monotone` needs a feature of `{network.name}` here, and this is {describe(value)}"
        raise fail("NNM0205", message, feature.span, help=f"its signature is `{SIGNATURES[name]}`")
    if value.is_column:
        help = "name one of its categories, such as `colour_red`"
        raise fail("NNM0205", "the categories of a column have no order", feature.span, help=help)
    return monotone_in(elaborator.scope, network, value.places.reshape(-1), known, call.span)


def lipschitz_word(elaborator: Elaborator, name: str, call: nodes.Call) -> Node:
    """`lipschitz(net, 2)`; DiagnosticError NNM0204 or NNM0205 for wrong arguments."""
    network, given = _network(elaborator, name, call, 2)
    named = [argument for argument in call.arguments if isinstance(argument, nodes.Named)]
    norm = read_options(elaborator, name, (_NORM,), named)["norm"]
    most = elaborator.scalar(given[1].value, "the limit of `lipschitz`")
    if most < 0:
        raise fail("NNM0205", f"`lipschitz` limits a slope, and {most:g} is negative", given[1].span)
    return lipschitz_within(elaborator.scope, network, most, norm, call.span)


def _network(elaborator: Elaborator, name: str, call: nodes.Call, count: int) -> tuple[Network, list[nodes.Positional]]:
    given = [argument for argument in call.arguments if isinstance(argument, nodes.Positional)]
    if len(given) != count:
        message = f"`{name}` takes {count} arguments, not {len(given)}"
        raise fail("NNM0204", message, call.span, help=f"its signature is `{SIGNATURES[name]}`")
    network = elaborator.value(given[0].value)
    if not isinstance(network, Network):
        message = f"`{name}` needs a network here, and this is {describe(network)}"
        raise fail("NNM0205", message, given[0].span, help=f"its signature is `{SIGNATURES[name]}`")
    return network, given
