"""The words of the language as functions of tensors, networks, tables and layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nnmip.build.draft import Draft
from nnmip.build.expressions import Tensor, chosen, connected, number, truth
from nnmip.build.networks import LayerRef, NetworkRef
from nnmip.build.places import here
from nnmip.build.tables import Table
from nnmip.hir.core import Apply, Constant, Join, Layer, Network, Node
from nnmip.ops.registry import WORDS
from nnmip.sema import logic
from nnmip.sema.arithmetic import known
from nnmip.sema.features import count_of_features
from nnmip.sema.knowledge import (
    MIRRORS,
    at_most_one,
    exclusive_features,
    operations_of,
    parameters_of,
    tied_tensors,
)
from nnmip.sema.regions import DIRECTIONS, NORMS, Asked, lipschitz_within, monotone_in
from nnmip.sema.units import incoming_weights, pre_activation
from nnmip.sema.values import fail, origin_of
from nnmip.sema.words import dot_product
from nnmip.source import Span


def word(name: str) -> Callable[..., Tensor]:
    """The function of a word in the table; AttributeError for another name."""
    if name not in WORDS:
        raise AttributeError(f"`nnmip.build` has no `{name}`")

    def call(*arguments: Any, **options: Any) -> Tensor:
        return _draft(arguments, here(name), name).word(name, *arguments, **options)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"{WORDS[name].summary}\n\n`{WORDS[name].signature}`; raises DiagnosticError as in a file."
    return call


def implies(condition: Any, conclusion: Any) -> Tensor:
    """`condition -> conclusion`, entry by entry; DiagnosticError NNM0205 or NNM0301."""
    return _connected("->", condition, conclusion)


def iff(left: Any, right: Any) -> Tensor:
    """`left <-> right`, entry by entry; DiagnosticError NNM0205 or NNM0301."""
    return _connected("<->", left, right)


def _connected(op: str, left: Any, right: Any) -> Tensor:
    span = here(f"... {op} ...")
    return connected(_draft((left, right), span, op), op, left, right, span)


def where(condition: Any, then: Any, otherwise: Any) -> Tensor:
    """`if condition then ... else ...` of numbers, entry by entry; DiagnosticError NNM0205 or NNM0301."""
    span = here("where")
    return chosen(_draft((condition, then, otherwise), span, "where"), condition, then, otherwise, span)


def atmost(k: int, *counted: Any) -> Tensor:
    """At most k of all entries of the given Booleans hold; DiagnosticError NNM0205."""
    return _counted("<=", "atmost", k, counted)


def atleast(k: int, *counted: Any) -> Tensor:
    """At least k of all entries of the given Booleans hold; DiagnosticError NNM0205."""
    return _counted(">=", "atleast", k, counted)


def exactly(k: int, *counted: Any) -> Tensor:
    """Exactly k of all entries of the given Booleans hold; DiagnosticError NNM0205."""
    return _counted("=", "exactly", k, counted)


def _counted(op: str, name: str, k: int, counted: tuple[Any, ...]) -> Tensor:
    span = here(f"{name}({k}, ...)")
    draft = _draft(counted, span, name)
    if isinstance(k, bool) or not isinstance(k, int | np.integer):
        raise fail("NNM0205", f"`{name}` starts with a whole number, not {k!r}", span, help=f"write `{name}(2, ...)`")
    parts = [truth(draft, part, span) for part in counted]
    joined = parts[0] if len(parts) == 1 else Join(tuple(parts), origin_of(span))
    count = Apply("count", (joined,), None, None, (), (), False, origin_of(span))
    return Tensor(draft, logic.comparison(draft, op, count, known(np.asarray(float(k)), span), span))


def active(layer: LayerRef, table: Table) -> Tensor:
    """Whether the pre-activation of every entry is above 0 in every row, shape (rows, *shape of the layer).

    Raises DiagnosticError NNM0205 for anything but a layer and a table.
    """
    span = here("active(...)")
    if not (isinstance(layer, LayerRef) and isinstance(table, Table)):
        raise fail("NNM0205", "`active` takes a layer and a table", span, help='write `active(net["a"], table)`')
    network = layer.owner.finished(span)
    source = pre_activation(network, layer.name, span)
    z = layer.owner.output(network.input_name if source is None else source.name, layer.shape, layer.index, table, span)
    zero = Constant(np.asarray(0.0), origin_of(span))
    return Tensor(z.draft, logic.negation(logic.comparison(z.draft, "<=", z.node, zero, span), span))


def dot(a: Any, b: Any) -> Tensor:
    """The sum of the products of the entries of two vectors, one of them known; DiagnosticError NNM0301 or NNM0312."""
    span = here("dot(...)")
    draft = _draft((a, b), span, "dot")
    return Tensor(draft, dot_product(number(draft, a, span), number(draft, b, span), span, span, span))


def fan_in(layer: LayerRef) -> Tensor:
    """For every unit of a layer the number of its incoming weights that are not 0; DiagnosticError NNM0205."""
    span = here("fan_in(...)")
    if not isinstance(layer, LayerRef):
        raise fail("NNM0205", "`fan_in` takes a layer", span, help='write `fan_in(net["a"])`')
    index = layer.unit_index
    incoming: Node = incoming_weights(layer.owner.finished(span), layer.name, index, span)
    shape = index.shape
    made = Apply("l0", (incoming,), None, None, (), shape, False, origin_of(span), batch=len(shape))
    return Tensor(layer.owner.draft, made)


def features(network: NetworkRef) -> Tensor:
    """How many columns of its table a network uses, a one-hot column counting once; DiagnosticError NNM0205."""
    span = here("features(...)")
    if not isinstance(network, NetworkRef):
        raise fail("NNM0205", "`features` takes a network", span, help="write `features(net)`")
    data = network.draft.table_of(network.name)
    return Tensor(network.draft, count_of_features(network.finished(span), data, span))


def parameters(of: NetworkRef | LayerRef) -> Tensor:
    """How many weights and biases of a network, or of a layer, are not 0; DiagnosticError NNM0205."""
    span = here("parameters(...)")
    _, layers = _with_weights(of, "parameters", span)
    return Tensor(_draft((of,), span, "parameters"), parameters_of(layers, span))


def operations(of: NetworkRef | LayerRef) -> Tensor:
    """How many multiply-adds by a nonzero weight a network, or a layer, needs for a row; DiagnosticError NNM0205."""
    span = here("operations(...)")
    network, layers = _with_weights(of, "operations", span)
    return Tensor(_draft((of,), span, "operations"), operations_of(network, layers, span))


def exclusive(*parts: Any) -> Tensor:
    """At most one entry of the given Booleans holds; of features, `net.input[...]`: no unit reads two of them.

    Raises DiagnosticError NNM0205 for anything else.
    """
    span = here("exclusive(...)")
    draft = _draft(parts, span, "exclusive")
    if parts and all(isinstance(part, LayerRef) for part in parts):
        network = parts[0].owner.finished(span)
        if any(part.owner is not parts[0].owner or part.name != network.input_name for part in parts):
            raise fail("NNM0205", "`exclusive` takes Booleans, or features of one network", span)
        groups = [group for part in parts for group in part.index.reshape(-1, 1)]
        return Tensor(draft, exclusive_features(network, groups, span))
    return Tensor(draft, at_most_one([truth(draft, part, span) for part in parts], span))


def tied(*tensors: Any, mirror: str | None = None) -> Tensor:
    """Whether tensors of one shape are equal; with `mirror` (horizontal, vertical, both, transposed) those after the
    first turned over, or a single one equal to its own image. DiagnosticError NNM0204, NNM0205 or NNM0301."""
    span = here("tied(...)")
    draft = _draft(tensors, span, "tied")
    if len(tensors) < (2 if mirror is None else 1) or not (mirror is None or mirror in MIRRORS):
        help = f"`mirror` is one of {', '.join(MIRRORS)}"
        raise fail("NNM0204", "`tied` takes two tensors or more, or one and how it is mirrored", span, help=help)
    return Tensor(draft, tied_tensors(draft, [number(draft, t, span) for t in tensors], mirror, span))


_SUFFICIENT = "pass `sufficient=True`, which asks for a stronger condition that has an encoding"


def monotone(network: NetworkRef, feature: Any, direction: str, *, sufficient: bool = False) -> Tensor:
    """Whether no output of a network falls where a feature (a position, or several) rises; with `decreasing`, rises.

    Raises DiagnosticError NNM0205, and NNM0104 for a network that is not affine in its input unless it is `sufficient`
    that a stronger condition holds, as with `@sufficient` in a file.
    """
    span = here(f"monotone(..., {direction})")
    if not isinstance(network, NetworkRef) or direction not in DIRECTIONS:
        help = 'write `monotone(net, table.column("width"), "increasing")`'
        raise fail("NNM0205", "`monotone` takes a network, a feature and a direction", span, help=help)
    places = network.input[feature].index.reshape(-1)
    asked = Asked(sufficient, _SUFFICIENT)
    return Tensor(network.draft, monotone_in(network.draft, network.finished(span), places, direction, span, asked))


def lipschitz(network: NetworkRef, most: float, norm: str = "norm_inf", *, sufficient: bool = False) -> Tensor:
    """Whether outputs at two inputs differ by at most `most` times the norm (`norm_inf`, `norm_1`) of their distance.

    Raises DiagnosticError NNM0205, and NNM0104 for a network that is not affine in its input unless it is `sufficient`
    that a stronger condition holds, as with `@sufficient` in a file.
    """
    span = here(f"lipschitz(..., {most})")
    if not isinstance(network, NetworkRef) or norm not in NORMS or not most >= 0:
        help = "write `lipschitz(net, 2)`"
        raise fail("NNM0205", "`lipschitz` takes a network, a number from 0 on and a norm", span, help=help)
    limited, asked = network.finished(span), Asked(sufficient, _SUFFICIENT)
    return Tensor(network.draft, lipschitz_within(network.draft, limited, float(most), norm, span, asked))


def _with_weights(of: NetworkRef | LayerRef, name: str, span: Span) -> tuple[Network, tuple[Layer, ...]]:
    """The network and those of its layers that are meant; NNM0205 where they have no weights."""
    match of:
        case NetworkRef():
            return of.finished(span), of.finished(span).layers
        case LayerRef(owner=owner, name=layer):
            network = owner.finished(span)
            layers = tuple(la for la in network.layers if la.name == layer and la.decisions)
            if layers:
                return network, layers
    message = f"`{name}` takes a network, or a layer with weights"
    raise fail("NNM0205", message, span, help=f"write `{name}(net)`")


def _draft(arguments: tuple[Any, ...], span: Span, what: str) -> Draft:
    """The program that arguments belong to; DiagnosticError NNM0205 where none does."""
    for value in arguments:
        match value:
            case Tensor():
                return value.draft
            case NetworkRef(draft=draft) | LayerRef(owner=NetworkRef(draft=draft)):
                return draft
    help = "give it a network, a layer, or a tensor of a program"
    raise fail("NNM0205", f"`{what}` is given nothing that a `Draft` has made", span, help=help)
