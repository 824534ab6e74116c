"""Applies networks to data: decisions and gates once for each network, activations once for each distinct row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nnmip.bounds.interval import Interval
from nnmip.bounds.table import Bounds
from nnmip.diagnostics import Diagnostic, DiagnosticError
from nnmip.hir.core import Layer, Network
from nnmip.hir.grids import layer_grids
from nnmip.hir.wiring import Wiring
from nnmip.lowering.activations import or_skipped
from nnmip.lowering.asked import asked_of
from nnmip.lowering.base import Lowering, Passed, Signal
from nnmip.lowering.decisions import encode_decision, gate_of
from nnmip.lowering.fixed import fixed_encoding
from nnmip.lowering.layers import LAYER_LOWERINGS
from nnmip.milp.affine import Affine
from nnmip.ops.base import NONE

LARGEST_VALUE = 1e12
"""No solver can tell a unit whose values reach further from an unbounded one."""


def encode_network(low: Lowering, network: Network) -> None:
    """Make the keep binaries of every prunable layer and the columns of every decision."""
    wiring = low.wiring(network.name)
    for layer in network.layers:
        if layer.kept_shape is not None:
            with low.builder.owned_by(layer.path):
                low.kept[layer.path] = _keep_binaries(low, layer)
    _keep_nothing_of_a_block(low, wiring)
    for layer in network.layers:
        reads_data = all((wiring.owner[name] == NONE).all() for name in layer.inputs)
        with low.builder.owned_by(layer.path):
            for decision in layer.decisions:
                if decision.path in low.fixed:
                    low.encodings[decision.path] = fixed_encoding(decision, low.fixed[decision.path])
                    continue
                gate = gate_of(low, wiring, decision)
                multiplies = decision.role == "weights" and not reads_data
                low.encodings[decision.path] = encode_decision(low, decision, gate, multiplies)


def _keep_binaries(low: Lowering, layer: Layer) -> Affine:
    assert layer.kept_shape is not None
    if layer.path in low.fixed:
        return Affine.constant(low.fixed[layer.path])
    return low.builder.binaries(
        f"{layer.path}.kept", layer.kept_shape, layer.origin, lambda x, choice: choice[layer.path]
    )


def _keep_nothing_of_a_block(low: Lowering, wiring: Wiring) -> None:
    """What is optional or pruned inside the block of an optional layer goes with it: g <= G."""
    for layer in wiring.network.layers:
        if layer.skip is None:
            continue
        for name in wiring.block(layer)[:-1]:
            inner = wiring.network.layer(name)
            if inner.kept_shape is not None:
                inside = low.kept[inner.path] - low.kept[layer.path]
                low.builder.rows(f"{inner.path}.kept.within.{layer.name}", inside, layer.origin, ub=0.0)


def apply_network(low: Lowering, network_name: str, data_name: str) -> Passed:
    """The scores of a network with one result for the distinct rows of a data set; made once and shared."""
    key = (network_name, data_name)
    if key not in low.passed:
        low.passed[key] = _apply(low, low.program.network(network_name), data_name)
    return low.passed[key]


def _apply(low: Lowering, network: Network, data_name: str) -> Passed:
    found = low.known.over(network.name, data_name)
    rows, bounds = found.rows.reshape(-1, *network.input_shape), found.bounds
    check_magnitudes(network, bounds)
    steps = layer_grids(network, low.program.dataset(data_name))
    several = len({data for name, data in low.program.bindings if name == network.name}) > 1
    low.asked = asked_of(low.program, network, data_name, found.inverse, low.fixed)
    source = Signal(Affine.constant(rows), Interval.point(rows), step=steps[network.input_name])
    signals = {network.input_name: source}
    for layer in network.layers:
        path = f"{layer.path}.{data_name}" if several else layer.path
        inputs = tuple(signals[name] for name in layer.inputs)
        if any(low.is_fused(network, reader) for reader in network.readers(layer.name)):
            signals[layer.name] = inputs[0]
            continue
        lower, interval = LAYER_LOWERINGS[layer.op], bounds.outputs[layer.name]
        with low.builder.owned_by(layer.path):
            made = lower(low, network, layer, inputs, interval, path)
            if layer.skip is not None:
                made = or_skipped(low, network, layer, made, signals[layer.skip], path)
            signals[layer.name] = replace(made, step=steps[layer.name])
    last = signals[network.result_layer]
    n, width = len(rows), int(np.prod(last.value.shape[1:], dtype=np.int64))
    picked = np.arange(n).reshape((n,) + (1,) * network.result_index.ndim) * width + network.result_index
    scores = Signal(last.value.gather(picked), last.bounds.take(network.result_index))
    return Passed(scores, signals, found.distinct, found.inverse)


def check_magnitudes(network: Network, bounds: Bounds) -> None:
    """NNM0402 at the first layer whose values can be too large for any solver, or overflow."""
    for layer in network.layers:
        if not (bounds.outputs[layer.name].magnitude <= LARGEST_VALUE).all():
            message = f"the values of `{layer.path}` can exceed {LARGEST_VALUE:g}, which no solver handles"
            help = "tighten the domains of the weights, or scale the data: `scale minmax`"
            raise DiagnosticError([Diagnostic("NNM0402", message, layer.origin.span, help=help)])
