"""The sufficient conditions of `monotone` and `lipschitz` once more: amounts that weights of known signs pass on.

Layers are those of the oracle, with absolute weights, or their positive or negative parts, and no bias. Nothing of
`ops` is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nnmip.hir.core import Apply, BoolArray, FloatArray, Layer, Network
from tests.meaning.oracle_layers import LAYERS

TOLERANCE = 1e-9
Weights = Mapping[str, FloatArray]
Kept = Mapping[str, BoolArray]
MOVES = ("maxpool2d", "avgpool2d", "globalavgpool", "flatten", "reshape", "pad", "concat", "add")


def region(node: Apply, network: Network, weights: Weights, kept: Kept) -> FloatArray:
    """1 where a batch of assignments meets a condition, shape [batch]; weights [batch, *shape] by path."""
    size = len(next(iter(weights.values())))
    entries = int(np.prod(network.input_shape))
    if node.word == "monotone":
        start = np.zeros((size, len(node.option("features")), entries))
        for row, feature in enumerate(node.option("features")):
            start[:, row, feature] = 1.0
        falls, climbs = _through(network, (np.zeros_like(start), start), weights, kept, _directions)
        wrong = falls if node.option("direction") == "increasing" else climbs
        return (wrong == 0).all(axis=(1, 2)).astype(float)
    start = np.ones((1, entries)) if node.option("norm") == "norm_inf" else np.eye(entries)
    (slopes,) = _through(network, (np.repeat(start[None], size, axis=0),), weights, kept, _slopes)
    return (slopes <= node.option("most") + TOLERANCE).all(axis=(1, 2)).astype(float)


State = tuple[FloatArray, ...]
Step = Callable[[Layer, list[State], FloatArray | None, dict[str, Any]], State]


def _through(network: Network, start: State, weights: Weights, kept: Kept, step: Step) -> State:
    """Amounts [batch, rows, entries of the result], from those of the input [batch, rows, entries]."""
    states = {network.input_name: tuple(part.reshape(*part.shape[:2], *network.input_shape) for part in start)}
    for layer in network.layers:
        options = {**dict(layer.options), "value": 0.0}
        made = step(layer, [states[name] for name in layer.inputs], weights.get(f"{layer.path}.weights"), options)
        states[layer.name] = states[layer.skip] if layer.skip and not kept[layer.path] else made
    last = states[network.result_layer]
    return tuple(part.reshape(*part.shape[:2], -1)[..., network.result_index.reshape(-1)] for part in last)


def _moved(layer: Layer, parts: list[FloatArray], options: dict[str, Any]) -> FloatArray:
    """An amount behind a layer without weights: activations pass it on as it is."""
    return LAYERS[layer.op](parts, {}, options) if layer.op in MOVES else parts[0]


def _directions(layer: Layer, inputs: list[State], weights: FloatArray | None, options: dict[str, Any]) -> State:
    """How much can make an entry fall, and how much can make it climb, where a feature climbs."""
    if weights is not None:
        (falls, climbs), op = inputs[0], LAYERS[layer.op]
        up, down = {"weights": np.maximum(weights, 0)}, {"weights": np.maximum(-weights, 0)}
        return (
            op([falls], up, options) + op([climbs], down, options),
            op([climbs], up, options) + op([falls], down, options),
        )
    falls, climbs = (_moved(layer, [state[k] for state in inputs], options) for k in (0, 1))
    if layer.op == "abs":
        return falls + climbs, falls + climbs
    if layer.op == "piecewise":
        rises, sinks = (bool((sign * _pieces(options) > 0).any()) for sign in (1, -1))
        return rises * falls + sinks * climbs, rises * climbs + sinks * falls
    if layer.op == "gate":
        by = inputs[1][0] + inputs[1][1]
        by = by if by.shape == falls.shape else by.reshape(*by.shape[:2], *(1,) * (falls.ndim - 2))
        return falls + by, climbs + by
    return falls, climbs


def _slopes(layer: Layer, inputs: list[State], weights: FloatArray | None, options: dict[str, Any]) -> State:
    """How much an entry changes at most."""
    if weights is not None:
        return (LAYERS[layer.op]([inputs[0][0]], {"weights": np.abs(weights)}, options),)
    moved = _moved(layer, [state[0] for state in inputs], options)
    if layer.op == "piecewise":
        return (moved * np.abs(_pieces(options)).max(),)
    return (moved * options["slope"] if layer.op == "hard_sigmoid" else moved,)


def _pieces(options: dict[str, Any]) -> FloatArray:
    """The slopes of a `piecewise` between its points and outside of them."""
    inner = np.diff(options["values"]) / np.diff(options["points"])
    return np.append(inner, options["outside"])
