"""Finds the units that a model cannot tell apart, so that one order of them can be imposed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from nnmip.hir.core import (
    Apply,
    BoolArray,
    Decision,
    Fold,
    Gather,
    IntArray,
    Join,
    Layer,
    LayerOutput,
    Network,
    Node,
    Not,
    Program,
    Reference,
    Scale,
    Units,
    children,
)
from nnmip.passes.base import Analysed, Level, Pass

SYMMETRIC_WORDS = frozenset({"l0", "norm_1", "norm_2sq", "norm_inf", "sum", "count"})


@dataclass(frozen=True)
class Symmetry(Pass):
    """Finds interchangeable units; the lowering imposes an order on them."""

    name: ClassVar[str] = "symmetry"
    does: ClassVar[str] = "finds the units that the model cannot tell apart, so that one order of them can be imposed"
    takes: ClassVar[Level] = Level.HIR
    gives: ClassVar[Level] = Level.HIR

    def run(self, ir: Analysed, job: Any) -> Analysed:
        return replace(ir, interchangeable=interchangeable_units(ir.program))


def interchangeable_units(program: Program) -> dict[str, IntArray]:
    """For each hidden activation layer (by path) the units that no goal or constraint names: any permutation of them,
    with their incoming and outgoing weights, is another solution of equal value.

    A unit counts as named as soon as an entry of its weights, its bias or itself is read other than through a whole
    tensor under `l0`, a norm, `sum`, `count`, or a quantifier; so the answer errs on the side of too few.
    """
    named: dict[str, BoolArray] = {
        layer.path: np.zeros(layer.units, dtype=bool) for n in program.networks for layer in hidden_layers(n)
    }
    for stage in program.stages:
        for term in stage.terms:
            _visit(program, term.value, named, symmetric=False)
    for constraint in program.constraints:
        for part in constraint.parts:
            _visit(program, part, named, symmetric=False)
    classes = {path: np.flatnonzero(~mask) for path, mask in named.items()}
    return {path: units for path, units in classes.items() if len(units) > 1}


def hidden_layers(network: Network) -> list[Layer]:
    """The layers whose units can be permuted: between weights, last before the next ones, not in the result."""
    return [
        layer
        for layer in network.layers
        if _has_weights_below(network, layer)
        and not network.feeds_result(layer.name)
        and network.readers(layer.name)
        and all(r.decisions for r in network.readers(layer.name))
    ]


def _has_weights_below(network: Network, layer: Layer) -> bool:
    """Whether weights lead into the units of a layer; an activation of the input has none."""
    while not layer.decisions:
        (source,) = layer.inputs
        if source == network.input_name:
            return False
        layer = network.layer(source)
    return True


def _visit(program: Program, node: Node, named: dict[str, BoolArray], symmetric: bool) -> None:
    match node:
        case Apply(word=word, batch=0):
            symmetric = word in SYMMETRIC_WORDS or (symmetric and word == "used")
        case Fold(batch=0):
            symmetric = True
        case Scale(factor=factor):
            symmetric = symmetric and factor.size == 1
        case Join() | Not() | Reference() | Units():
            pass
        case _:
            symmetric = False
    match node:
        case Reference(decision=decision):
            if not symmetric:
                _name(program, decision, np.ones(decision.shape, dtype=bool), named)
        case Gather(base=Reference(decision=decision), index=index):
            mask = np.zeros(decision.shape, dtype=bool)
            mask.reshape(-1)[index] = True
            _name(program, decision, mask, named)
        case Gather(base=LayerOutput() as output, index=index):
            _name_outputs(program, output, index, named)
        case LayerOutput(shape=shape):
            _name_outputs(program, node, np.arange(int(np.prod(shape))), named)
        case Units(network=network, layer=layer, index=index):
            owner = program.network(network)
            if layer == owner.input_name:
                return
            every = np.arange(owner.layer(layer).units)
            if not (symmetric and np.array_equal(np.sort(index, axis=None), every)):
                _name_units(owner, layer, index, named)
        case _:
            for child in children(node):
                _visit(program, child, named, symmetric)


def _name(program: Program, decision: Decision, mask: BoolArray, named: dict[str, BoolArray]) -> None:
    """Mark the units whose incoming weights, bias or outgoing weights are picked."""
    for network in program.networks:
        for layer in hidden_layers(network):
            if decision in network.producer(layer.name).decisions:
                named[layer.path] |= mask.reshape(layer.units, -1).any(axis=1)
            if any(decision in c.decisions for c in network.consumers(layer.name)) and decision.role == "weights":
                named[layer.path] |= mask.any(axis=0)


def _name_units(network: Network, layer: str, index: IntArray, named: dict[str, BoolArray]) -> None:
    """Mark units named as such."""
    for hidden in hidden_layers(network):
        if network.producer(hidden.name) is network.producer(layer):
            named[hidden.path][index.reshape(-1)] = True


def _name_outputs(program: Program, output: LayerOutput, index: IntArray, named: dict[str, BoolArray]) -> None:
    """Mark the units whose outputs are picked, at whatever rows."""
    network = program.network(output.network)
    if output.layer == network.input_name:
        return
    layer = network.layer(output.layer)
    width = int(np.prod(layer.shape, dtype=np.int64))
    if layer.units == width:
        _name_units(network, layer.name, np.unique(index % width), named)
