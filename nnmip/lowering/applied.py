"""Networks with known weights at points that the solver decides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nnmip.bounds.interval import Interval
from nnmip.bounds.table import Bounds
from nnmip.hir.core import Applied, Assignment, Decision, Layer, Program
from nnmip.hir.known import KnownNetwork
from nnmip.lowering.asked import asked_inside
from nnmip.lowering.base import SMALLEST, Lowering, Polarity, Signal
from nnmip.lowering.composed import rows_behind, without_dust
from nnmip.lowering.decisions import Encoding
from nnmip.lowering.expressions import lower_expression
from nnmip.lowering.ideal import OpenUnits
from nnmip.lowering.layers import LAYER_LOWERINGS
from nnmip.lowering.networks import check_magnitudes
from nnmip.lowering.ranges import bounds_of
from nnmip.milp.affine import Affine
from nnmip.milp.model import FloatArray
from nnmip.passes.ledger import Ledger
from nnmip.passes.tightening import ledger_of
from nnmip.records import dataclass
from nnmip.source import Origin


@dataclass(slots=True, eq=False)
class KnownEncoding(Encoding):
    """A tensor of weights that are numbers."""

    def nonzero(self, low: Lowering, polarity: Polarity, reason: Origin) -> Affine:
        return Affine.constant((self.value.const != 0).astype(np.float64))

    def lift(self, x: FloatArray) -> FloatArray:
        return self.value.const


def lower_applied(low: Lowering, node: Applied) -> Affine:
    """What a known network gives at every point of the operand: (*batch, *output); what is written twice is made once.

    Every layer is encoded as in training, with numbers as weights; its bounds are those of `passes.points`. Exact on
    the sides of the results that the whole model relies on (`demand`).
    """
    number = low.same.number(node)
    if number not in low.applied:
        low.applied[number] = _applied(low, node)
    return low.applied[number]


def _applied(low: Lowering, node: Applied) -> Affine:
    known = low.program.known_network(node.network)
    network = known.network
    point = lower_expression(low, node.operand, Polarity.EXACT)
    points = None if low.known.points is None else low.known.points.of(node)
    ledger = points if points is not None else ledger_of(known, bounds_of(low.builder, point), node.origin)
    point = _scaled(known, point.reshape((-1, int(np.prod(network.input_shape, dtype=np.int64)))))
    n = len(ledger.box.lo)
    inputs = Signal(point.reshape((n, *network.input_shape)), ledger.box)
    asked = low.demands().get(low.same.number(node))
    width = network.result_index.size
    low.asked = {} if asked is None else asked_inside(network, asked.reshape((n, width)), known.assignment.values)
    with low.builder.owned_by(node.network):
        ledger.label = low.label(node.network)
        low.parts = parts_of(low.program, node.network)
        low.behind = rows_behind(network, ledger.outputs, low.asked) if low.parts == 1 else {}
        last = _passed(low, ledger, inputs)
        low.parts, low.behind = 1, {}
    width = last.value.size // n
    places = np.arange(n).reshape((n,) + (1,) * network.result_index.ndim) * width + network.result_index
    return last.value.gather(places).reshape(node.shape)


def parts_of(program: Program, network: str) -> int:
    """Into how many parts `@formulation("partition")` splits the inputs of units of a network; 1 without it."""
    found = dict(program.annotations).get(network, ())
    return next((dict(each.options)["parts"] for each in found if each.arguments == ("partition",)), 1)


def _scaled(known: KnownNetwork, point: Affine) -> Affine:
    """Points [n, features] in the scaling of the network."""
    if known.scaling is None:
        return point
    factor = known.scaling.factor
    return point * factor + (known.scaling.low - known.scaling.shift * factor)


def _passed(low: Lowering, ledger: Ledger, inputs: Signal) -> Signal:
    """The output of the last layer; columns and rows are called after the label of the record."""
    network, assignment, bounds = ledger.known.network, ledger.known.assignment, ledger.bounds
    check_magnitudes(network, bounds)
    fixed = replace(network, layers=tuple(replace(layer, prune=None, skip=None) for layer in network.layers))
    for layer in network.layers:
        for decision in layer.decisions:
            low.encodings.setdefault(decision.path, _encoded(layer, decision, assignment, bounds))
    signals = {network.input_name: inputs}
    for layer, settled in zip(network.layers, fixed.layers, strict=True):
        read = tuple(signals[name] for name in layer.inputs)
        kept = assignment.kept.get(layer.path)
        if layer.skip is not None and kept is not None and not kept:
            signals[layer.name] = signals[layer.skip]
            continue
        if any(low.is_fused(fixed, reader) for reader in fixed.readers(layer.name)):
            signals[layer.name] = read[0]
            continue
        path = ledger.label + layer.path.removeprefix(network.name)
        interval = bounds.outputs[layer.name].without_tiny()
        made = LAYER_LOWERINGS[layer.op](low, fixed, settled, read, interval, path)
        if layer.op == "relu" and (units := OpenUnits.of(network.name, read[0], made)) is not None:
            low.open_units.append(units)
        signals[layer.name] = _masked(made, layer, assignment, interval)
    return signals[network.result_layer]


def _encoded(layer: Layer, decision: Decision, assignment: Assignment, bounds: Bounds) -> Encoding:
    """A decision as numbers.

    Training with weight decay leaves weights of 1e-20 and less, which no solver keeps. Those of a unit that together
    move it by less than solvers can tell are 0 here, the smallest first.
    """
    values = assignment.values[decision.path]
    if decision.role == "weights" and ((values != 0) & (np.abs(values) <= SMALLEST)).any():
        largest = max(float(bounds.outputs[name].magnitude.max(initial=0.0)) for name in layer.inputs)
        values = without_dust(values.reshape(len(values), -1), largest).reshape(values.shape)
    return KnownEncoding(decision, Affine.constant(values), None)


def _masked(made: Signal, layer: Layer, assignment: Assignment, interval: Interval) -> Signal:
    """A layer without its removed units, which are 0."""
    kept = assignment.kept.get(layer.path)
    if kept is None or layer.skip is not None or bool(np.all(kept)):
        return made
    mask = np.broadcast_to(kept.reshape(-1, *(1,) * (len(layer.shape) - 1)), layer.shape).astype(np.float64)
    return Signal(made.value * mask, interval, step=made.step)
