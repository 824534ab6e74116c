"""Properties over the whole input domain of a network, as rules about its weights: `monotone` and `lipschitz`.

A network that is affine in its input, one layer with weights and no activation, has such a property exactly where its
weights obey a rule (formulation: the derivative is the row of weights). For others a condition that is enough, but not
needed, is there for those who ask for it by name; it stands only where the model wants it to hold, because where it
fails nothing is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nnmip.diagnostics import Edit, Label
from nnmip.diagnostics.edit import insert_before
from nnmip.hir.core import (
    Apply,
    Constant,
    Fold,
    Gather,
    IntArray,
    Join,
    Junction,
    Layer,
    Network,
    Node,
    Not,
    Reference,
    children,
)
from nnmip.hir.walk import sufficient_words
from nnmip.ops.base import Option
from nnmip.ops.registry import LAYERS, WORDS
from nnmip.records import dataclass
from nnmip.sema.features import features_at
from nnmip.sema.logic import comparison, over_all
from nnmip.sema.scope import Known
from nnmip.sema.values import FeaturesValue, InputValue, describe, fail, not_yet, origin_of
from nnmip.sema.words import read_options
from nnmip.source import Origin, Span
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

SUFFICIENT = "sufficient"
"""The annotation that asks for a condition that is enough."""

_RESHAPING = frozenset({"flatten", "reshape"})
_NORM = Option("norm", "choice", default=NORMS[0], choices=NORMS)


@dataclass(frozen=True, slots=True, eq=False)
class Monotone:
    """What a call of `monotone` says: `features` are flat positions in the input, direction one of `DIRECTIONS`."""

    network: Network
    features: IntArray
    direction: str


@dataclass(frozen=True, slots=True)
class Asked:
    """Whether a condition that is enough is asked for; where it is not, how to ask for it."""

    is_sufficient: bool
    help: str
    fix: tuple[Edit, ...] = ()


def monotone_in(names: Known, network: Network, features: IntArray, direction: str, span: Span, asked: Asked) -> Node:
    """Whether no output falls (for `decreasing`: rises) anywhere in the input domain where one of some features rises.

    `features` are flat positions in the input; scaling keeps the order of a column. Raises DiagnosticError NNM0104 for
    a network that is not affine in its input, unless a condition that is enough is asked for.
    """
    if not is_affine(network):
        options = {"features": tuple(features.tolist()), "direction": direction}
        return _sufficient(names, "monotone", network, options, span, asked)
    op = {"increasing": ">=", "decreasing": "<="}[direction]
    zero = Constant(np.asarray(0.0), origin_of(span))
    rules: list[Node] = []
    for weights, feature in _rows(network, span):
        read = Gather(weights.base, weights.index[np.isin(feature, features)], origin_of(span))
        rules.extend([comparison(names, op, read, zero, span)] if read.index.size else [])
    return over_all("and", rules, span)


def lipschitz_within(names: Known, network: Network, most: float, norm: str, span: Span, asked: Asked) -> Node:
    """Whether outputs at any two points x, y of the input domain differ by at most `most` times the norm of x - y.

    For `norm_inf` that is the sum of the absolute weights of an output, for `norm_1` the largest of them. Raises
    DiagnosticError NNM0104 for a network that is not affine in its input, unless a condition that is enough is asked
    for; and then NNM0205 for one that jumps.
    """
    if not is_affine(network):
        return _sufficient(names, "lipschitz", network, {"most": most, "norm": norm}, span, asked)
    dual = {"norm_inf": "norm_1", "norm_1": "norm_inf"}[norm]
    limit = Constant(np.asarray(most), origin_of(span))
    rules: list[Node] = []
    for weights, _ in _rows(network, span):
        size = Apply(dual, (weights,), None, None, (), (), False, origin_of(span))
        rules.append(comparison(names, "<=", size, limit, span))
    return over_all("and", rules, span)


def is_affine(network: Network) -> bool:
    """Whether a network is one layer with weights, and no activation: then properties are rules about its weights."""
    return _affine_layer(network) is not None


def _affine_layer(network: Network) -> Layer | None:
    """The only layer with weights of a network that is affine in its input; None where it is not, or not always."""
    weighted = [layer for layer in network.layers if layer.decisions]
    others = [layer for layer in network.layers if not layer.decisions]
    is_affine = len(weighted) == 1 and all(layer.op in _RESHAPING and layer.skip is None for layer in others)
    return weighted[0] if is_affine and weighted[0].skip is None else None


def _rows(network: Network, span: Span) -> Iterator[tuple[Gather, IntArray]]:
    """For every output of a network that is affine in its input the weights that it is a sum of, and the entry of the
    input, a flat position, that each of them multiplies."""
    layer = _affine_layer(network)
    assert layer is not None
    weights, connect = layer.decision("weights"), LAYERS[layer.op].connect
    assert weights is not None and connect is not None
    sources = {network.input_name: network.input_shape} | {other.name: other.shape for other in network.layers}
    connections = connect(sources[layer.inputs[0]], dict(layer.options))
    for output in network.result_index.reshape(-1):
        source = connections.source[output]
        places = connections.unit[output] * len(source) + np.flatnonzero(source >= 0)
        yield Gather(Reference(weights, origin_of(span)), places, origin_of(span)), source[source >= 0]


# ---- conditions that are enough ------------------------------------------------------------------------------------


def _sufficient(names: Known, word: str, network: Network, options: dict[str, Any], span: Span, asked: Asked) -> Node:
    """The condition of the table for a property of a network that is not affine in its input."""
    what = f"`{word}` of `{network.name}`, which is not affine in its input,"
    if network.name in names.known:
        claim = {"monotone": "f(x) <= f(y)", "lipschitz": "f(x) - f(y) <= 2 * norm_inf(x - y)"}[word]
        said = claim.replace("f(", f"{network.name}(")
        help = "of a network from a file only one without hidden layers can be asked"
        raise not_yet(what, span, help=f"{help}; compare it at two points in a `verify`, as in `prove {said}`")
    if not asked.is_sufficient:
        raise not_yet(what, span, help=asked.help, fix=asked.fix)
    if word == "lipschitz":
        _check_steady(network, span)
    return Apply(word, (), network.name, None, tuple(options.items()), (), True, Origin(span, word))


def _check_steady(network: Network, span: Span) -> None:
    """NNM0205 where a layer jumps, so that no number limits a slope."""
    layer = jumping(network)
    if layer is not None:
        message = f"`{layer.op}` jumps, so that no number limits the slope of `{network.name}`"
        label = Label(layer.origin.span, "this layer")
        raise fail("NNM0205", message, span, secondary=(label,), help="take `clip` or `hard_tanh` in its place")


def jumping(network: Network) -> Layer | None:
    """The first layer of a network that jumps, None where there is none."""
    for layer in network.layers:
        op = LAYERS[layer.op]
        if not np.isfinite(op.slope(dict(layer.options))).all() or op.reads_bits:
            return layer
    return None


def check_sufficient(parts: Sequence[Node]) -> None:
    """NNM0205 where a constraint is glad of a condition that fails: that it fails says nothing about the property."""
    open_ = [(part, True) for part in parts]
    seen: set[tuple[int, bool]] = set()
    while open_:
        node, is_wanted = open_.pop()
        if (id(node), is_wanted) in seen:
            continue
        seen.add((id(node), is_wanted))
        match node:
            case Apply(word=word) if WORDS[word].is_sufficient and is_wanted:
                pass
            case Junction() | Fold() | Gather() | Join():
                open_.extend((child, is_wanted) for child in children(node))
            case Not(operand=operand):
                open_.append((operand, not is_wanted))
            case _:
                refuse_sufficient(node)


def refuse_sufficient(value: Node) -> None:
    """NNM0205 where an expression reads whether a condition that is only enough holds."""
    for node in sufficient_words([value]):
        message = f"what is only sufficient for `{node.word}` says nothing where it does not hold"
        help = "it stands where it is to hold: alone, behind `->`, or joined with others by `and` and `or`"
        raise fail("NNM0205", message, node.origin.span, help=help)


# ---- calls ---------------------------------------------------------------------------------------------------------


def monotone_word(elaborator: Elaborator, name: str, call: nodes.Call) -> Node:
    """`monotone(net, feature, increasing)` as a rule about weights; errors are those of `monotone_in` and of
    `read_monotone`."""
    said = read_monotone(elaborator, name, call)
    asked = _asked(elaborator)
    alone = f"let it stand alone, as a constraint that `solve` meets by rounds; or {asked.help}"
    asked = replace(asked, help=alone)
    return monotone_in(elaborator.scope, said.network, said.features, said.direction, call.span, asked)


def read_monotone(elaborator: Elaborator, name: str, call: nodes.Call) -> Monotone:
    """The arguments of `monotone`; DiagnosticError NNM0204 or NNM0205 for wrong ones."""
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
    return Monotone(network, value.places.reshape(-1), known)


def lipschitz_word(elaborator: Elaborator, name: str, call: nodes.Call) -> Node:
    """`lipschitz(net, 2)`; DiagnosticError NNM0204 or NNM0205 for wrong arguments."""
    network, given = _network(elaborator, name, call, 2)
    named = [argument for argument in call.arguments if isinstance(argument, nodes.Named)]
    norm = read_options(elaborator, name, (_NORM,), named)["norm"]
    most = elaborator.scalar(given[1].value, "the limit of `lipschitz`")
    if most < 0:
        raise fail("NNM0205", f"`lipschitz` limits a slope, and {most:g} is negative", given[1].span)
    return lipschitz_within(elaborator.scope, network, most, norm, call.span, _asked(elaborator))


def _asked(elaborator: Elaborator) -> Asked:
    """What the constraint around a call says."""
    around, why = elaborator.around, "which asks for a stronger condition that has an encoding"
    if around is None:
        return Asked(False, f"it can stand in a constraint with `@{SUFFICIENT}`, {why}")
    is_there = any(annotation.name.text == SUFFICIENT for annotation in around.annotations)
    return Asked(
        is_there, f"put `@{SUFFICIENT}` before the constraint, {why}", insert_before(around.span, f"@{SUFFICIENT}\n")
    )


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
