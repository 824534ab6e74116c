"""Words of domain knowledge in terms of others: the size of a network, what excludes each other, what is tied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from types import MappingProxyType

import numpy as np

from nnmip.hir.core import Apply, Constant, Decision, Fold, Gather, IntArray, Join, Layer, Network, Node, Reference
from nnmip.hir.wiring import wiring_of
from nnmip.ops.registry import LAYERS
from nnmip.sema.arithmetic import compare
from nnmip.sema.logic import comparison, over_all, truth
from nnmip.sema.steps import Names
from nnmip.sema.values import fail, origin_of, quoted
from nnmip.source import Span

MIRRORS: Mapping[str, int] = MappingProxyType({"horizontal": 1, "vertical": 2, "both": 2, "transposed": 2})
"""The ways to turn a kernel over, with the axes that each needs."""


def parameters_of(layers: tuple[Layer, ...], span: Span) -> Node:
    """How many weights and biases of some layers are not 0; those of removed units are (formulation: sum of t)."""
    parts = tuple(Reference(d, origin_of(span)) for layer in layers for d in layer.decisions)
    return _nonzeros(Join(parts, origin_of(span)), span)


def operations_of(network: Network, layers: tuple[Layer, ...], span: Span) -> Node:
    """How many products with a weight that is not 0 some layers compute for one row.

    A weight of a convolution counts for each place of its filter's output (formulation: sum over places of t).
    """
    shapes = {network.input_name: network.input_shape} | {layer.name: layer.shape for layer in network.layers}
    parts: list[Node] = []
    for layer in layers:
        connect, weights = LAYERS[layer.op].connect, layer.decision("weights")
        if connect is None or weights is None:
            continue
        places = connect(shapes[layer.inputs[0]], dict(layer.options)).per_unit
        every = np.repeat(np.arange(weights.size), places)
        parts.append(Gather(Reference(weights, origin_of(span)), every, origin_of(span)))
    return _nonzeros(Join(tuple(parts), origin_of(span)), span)


def tied_tensors(names: Names, tensors: Sequence[Node], mirror: str | None, span: Span) -> Node:
    """Whether numeric tensors of one shape are equal entry by entry, a scalar.

    With `mirror` the last one or two axes of every tensor after the first are turned over; a single tensor is compared
    with its own image. Raises DiagnosticError NNM0301 for shapes that differ, or have too few axes to be mirrored.
    """
    first, others = tensors[0], tensors[1:] if len(tensors) > 1 else tensors
    for other in others:
        if other.shape != first.shape:
            message = f"tied tensors have one shape, and these have {list(first.shape)} and {list(other.shape)}"
            raise fail("NNM0301", message, other.origin.span)
    if mirror is not None:
        others = [_mirrored(other, mirror) for other in others]
    return over_all("and", [comparison(names, "=", first, other, span) for other in others], span)


def _mirrored(node: Node, mirror: str) -> Node:
    shape = node.shape
    if len(shape) < MIRRORS[mirror]:
        message = f"`mirror: {mirror}` needs {MIRRORS[mirror]} axes, and {quoted(node.origin.span)} has {len(shape)}"
        raise fail("NNM0301", message, node.origin.span, help="name a kernel, such as `net.c.weights[0]`")
    places = np.arange(int(np.prod(shape, dtype=np.int64))).reshape(shape)
    match mirror:
        case "horizontal":
            places = places[..., ::-1]
        case "vertical":
            places = places[..., ::-1, :]
        case "both":
            places = places[..., ::-1, ::-1]
        case _:
            places = np.swapaxes(places, -1, -2)
    if places.shape != shape:
        message = f"a kernel of shape {list(shape[-2:])} has another shape when its axes change places"
        raise fail("NNM0301", message, node.origin.span, help="only a square kernel can be `transposed`")
    return Gather(node, np.ascontiguousarray(places), node.origin)


def exclusive_features(network: Network, groups: Sequence[IntArray], span: Span) -> Node:
    """Whether every unit that reads the input reads at most one of several groups of features, a scalar.

    `groups` are positions in the flat input (formulation: t_aj + t_bj <= 1, t the indicators of nonzero weights).
    """
    flat = [group.reshape(-1) for group in groups]
    reads = wiring_of(network).features(np.concatenate(flat))
    ends = np.cumsum([0, *(len(group) for group in flat)])
    rules: list[Node] = []
    for layer in network.layers:
        weights = layer.decision("weights")
        if weights is None or not reads.weights[weights.path].any():
            continue
        mask = reads.weights[weights.path].reshape(int(ends[-1]), -1)
        by_group = np.stack([mask[a:b].any(axis=0) for a, b in pairwise(ends)]).reshape(len(flat), layer.units, -1)
        for unit in range(layer.units):
            width = by_group.shape[2]
            read = [_any_nonzero(weights, unit * width + np.flatnonzero(group[unit]), span) for group in by_group]
            rules.append(at_most_one([r for r in read if r is not None], span))
    return over_all("and", rules, span)


def _any_nonzero(weights: Decision, places: IntArray, span: Span) -> Node | None:
    if not len(places):
        return None
    entries = Gather(Reference(weights, origin_of(span)), places, origin_of(span))
    found = Apply("nonzero", (entries,), None, None, (), entries.shape, True, origin_of(span))
    return Fold("or", found, origin_of(span))


def at_most_one(parts: Sequence[Node], span: Span) -> Node:
    """Whether at most one entry of several Booleans holds."""
    if not parts:
        return truth(True, span)
    joined = parts[0] if len(parts) == 1 and parts[0].shape else Join(tuple(parts), origin_of(span))
    counted = Apply("count", (joined,), None, None, (), (), False, origin_of(span))
    limit = Constant(np.asarray(1.0), origin_of(span))
    return replace(compare("<=", counted, limit, span), strictness=1.0, is_exact=True)


def _nonzeros(entries: Node, span: Span) -> Node:
    return Apply("l0", (entries,), None, None, (), (), False, origin_of(span))
