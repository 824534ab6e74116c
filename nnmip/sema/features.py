"""The features that a network reads: its input as the operand of `used`, and how many columns it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nnmip.data import Dataset
from nnmip.hir.core import Apply, Fold, IntArray, Join, Network, Node, Units
from nnmip.sema.indexing import Columns, check_unambiguous, check_width, read_index
from nnmip.sema.values import FeaturesValue, InputValue, Value, fail, origin_of
from nnmip.source import Span
from nnmip.syntax import nodes

if TYPE_CHECKING:
    from nnmip.sema.expressions import Elaborator


def features_at(elaborator: Elaborator, value: InputValue, expr: nodes.Subscript) -> FeaturesValue:
    """`net.x[...]`: entries of the input by position or by column; a one-hot column is all its features at once."""
    network, span = value.network, expr.span
    data, columns = _named(elaborator, network, span)
    match expr.indices:
        case (nodes.Ref(name=name) | nodes.String(value=name) as index,) if data is not None:
            group = _one_hot(data, name)
            if group is not None:
                check_unambiguous(elaborator, index, name, columns)
                width = network.width(network.input_name)
                check_width(name, int(group[-1]), width, expr.base.span, index.span, columns)
                return FeaturesValue(network, group, is_column=True)
    places = read_index(elaborator, network.input_shape, expr.indices, expr.base.span, columns)
    return FeaturesValue(network, places)


def _named(elaborator: Elaborator, network: Network, span: Span) -> tuple[Dataset | None, Columns]:
    """The table that a network reads, and the names of its entries. A network from a file reads columns by the names
    that it was saved with, in its own order, which need not be that of a table here."""
    data = table_of(elaborator, network, span)
    known = elaborator.scope.known.networks.get(network.name)
    if known is not None and known.features and (data is None or data.feature_names != known.features):
        return None, Columns(0, known.features, network.name)
    if data is None:
        return None, Columns(unbound=network.name, is_file=known is not None)
    return data, Columns(0, data.feature_names, data.name)


def table_of(elaborator: Elaborator, network: Network, span: Span) -> Dataset | None:
    """The data set whose columns name the inputs of a network, None where none does."""
    name = next((d for n, d in elaborator.bindings if n == network.name), None)
    if name is None:
        return None
    data = elaborator.scope.resolve(name.partition(".")[0], span)
    assert isinstance(data, Dataset)
    return data


def _groups(data: Dataset) -> list[tuple[str, IntArray]]:
    """The columns that the features come from, with the positions of their features."""
    found, start = [], 0
    for column in data.inputs:
        found.append((column.alias, np.arange(start, start + column.width)))
        start += column.width
    return found


def _one_hot(data: Dataset, name: str) -> IntArray | None:
    """The positions of the features of a one-hot column, None for any other name."""
    if name in data.feature_names:
        return None
    return next((places for alias, places in _groups(data) if alias == name), None)


def features_word(elaborator: Elaborator, name: str, call: nodes.Call) -> Node:
    """`features(net)`: how many columns are used; the features of a one-hot column count once."""
    argument = call.arguments[0] if len(call.arguments) == 1 else None
    network = elaborator.value(argument.value) if isinstance(argument, nodes.Positional) else None
    if not isinstance(network, Network):
        meant = _network_of(elaborator, network)
        help = f"write `features({meant})`; as a set it stands after `in`: `forall f in features({meant}): ...`"
        raise fail("NNM0205", "`features` counts what a network reads", call.span, help=help)
    return count_of_features(network, table_of(elaborator, network, call.span), call.span)


def count_of_features(network: Network, data: Dataset | None, span: Span) -> Node:
    """How many columns of `data` a network uses; without data, how many entries of its input."""
    every = np.arange(network.width(network.input_name))
    fits = data is not None and len(data.feature_names) == len(every)
    groups = [places for _, places in _groups(data)] if data is not None and fits else list(every[:, None])
    alone = [places for places in groups if len(places) == 1]
    parts: list[Node] = [_used(network, np.concatenate(alone), span)] if alone else []
    parts += [_any_used(network, places, span) for places in groups if len(places) > 1]
    counted = parts[0] if len(parts) == 1 and parts[0].shape else Join(tuple(parts), origin_of(span))
    return Apply("count", (counted,), None, None, (), (), False, origin_of(span))


def _network_of(elaborator: Elaborator, value: Value | None) -> str:
    """The network that goes with a value, `net` where none is known."""
    match value:
        case InputValue(network=network) | FeaturesValue(network=network):
            return network.name
        case Dataset(name=name):
            return next((n for n, d in elaborator.bindings if d == name), "net")
    return "net"


def used_features(value: InputValue | FeaturesValue, span: Span) -> Units:
    """The features that an argument of `used` names, all of them for the input."""
    network = value.network
    every = np.arange(network.width(network.input_name))
    places = value.places if isinstance(value, FeaturesValue) else every
    return Units(network.name, network.input_name, places, origin_of(span))


def used_word(elaborator: Elaborator, call: nodes.Call) -> Node | None:
    """`used(net.x[colour])`: whether one of the features of a one-hot column is used; None for other operands."""
    match call.arguments:
        case (nodes.Positional(value=expr),):
            value = elaborator.value(expr)
            if isinstance(value, FeaturesValue) and value.is_column:
                return _any_used(value.network, value.places, call.span)
    return None


def _used(network: Network, places: IntArray, span: Span) -> Node:
    units = Units(network.name, network.input_name, places, origin_of(span))
    return Apply("used", (units,), None, None, (), places.shape, True, origin_of(span))


def _any_used(network: Network, places: IntArray, span: Span) -> Node:
    return Fold("or", _used(network, places, span), origin_of(span))
