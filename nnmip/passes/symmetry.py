"""Finds the units that a model cannot tell apart, so that one order of them can be imposed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations, pairwise
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
from nnmip.passes.exchange import Exchanges

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
    """For each hidden activation layer (by path) the units that goals and constraints do not tell apart: permuted,
    with their incoming and outgoing weights, they give another solution of equal value. Of several such sets in a layer
    the largest one.

    An expression does not tell units apart if it reads them through whole tensors under `l0`, a norm, `sum`, `count` or
    a quantifier only, or if it is the same expression after two units have changed places.
    """
    nodes = [term.value for stage in program.stages for term in stage.terms]
    nodes += [part for constraint in program.constraints for part in constraint.parts]
    named = {id(node): _named(program, node) for node in nodes}
    found: dict[str, IntArray] = {}
    for network in program.networks:
        for layer in hidden_layers(network):
            naming = [node for node in nodes if named[id(node)][layer.path].any()]
            masks = [named[id(node)][layer.path] for node in naming]
            groups = _groups(program, network, layer, naming, np.logical_or.reduce(masks) if masks else None)
            found[layer.path] = max(groups, key=len)
    return {path: units for path, units in found.items() if len(units) > 1}


def _groups(
    program: Program, network: Network, layer: Layer, naming: list[Node], is_named: BoolArray | None
) -> list[IntArray]:
    """The units of a layer in groups of which any two can change places; `naming` are the expressions that name some.

    That two units can change places is an equivalence, so one unit speaks for its group. Neighbours are asked first.
    """
    every = np.arange(layer.units)
    if is_named is None:
        return [every]
    groups = [every[~is_named]] if (~is_named).any() else []
    groups += [every[unit : unit + 1] for unit in np.flatnonzero(is_named)]
    groups.sort(key=lambda units: int(units[0]))
    firsts = [int(units[0]) for units in groups]
    groups = _merged(program, network, layer, naming, groups, list(pairwise(firsts)))
    firsts = [int(units[0]) for units in groups]
    return _merged(program, network, layer, naming, groups, list(combinations(firsts, 2)))


def _merged(
    program: Program,
    network: Network,
    layer: Layer,
    naming: list[Node],
    groups: list[IntArray],
    pairs: list[tuple[int, int]],
) -> list[IntArray]:
    """Groups joined wherever their first units, which `pairs` has, can change places."""
    if not pairs:
        return groups
    exchanges = Exchanges(program, network, layer, np.array(pairs))
    same = np.logical_and.reduce([exchanges.leave(node) for node in naming])
    leader = {int(units[0]): int(units[0]) for units in groups}
    for (first, second), is_same in zip(pairs, same.tolist(), strict=True):
        if is_same:
            kept, gone = leader[first], leader[second]
            leader = {unit: kept if its == gone else its for unit, its in leader.items()}
    joined: dict[int, list[IntArray]] = {}
    for units in groups:
        joined.setdefault(leader[int(units[0])], []).append(units)
    return [np.sort(np.concatenate(parts)) for parts in joined.values()]


def _named(program: Program, node: Node) -> dict[str, BoolArray]:
    """For each hidden layer (by path) the units that an expression names.

    A unit counts as named as soon as an entry of its weights, its bias or itself is read other than through a whole
    tensor under `l0`, a norm, `sum`, `count`, or a quantifier.
    """
    named = {layer.path: np.zeros(layer.units, dtype=bool) for n in program.networks for layer in hidden_layers(n)}
    _visit(program, node, named, False, set())
    return named


def hidden_layers(network: Network) -> list[Layer]:
    """The layers whose units can be permuted: between weights, last before the next ones, not in the result."""
    return [
        layer
        for layer in network.layers
        if _has_weights_below(network, layer)
        and len(layer.shape) == 1
        and layer.shape == network.producer(layer.name).shape
        and not network.feeds_result(layer.name)
        and network.readers(layer.name)
        and all(r.decisions for r in network.readers(layer.name))
    ]


def _has_weights_below(network: Network, layer: Layer) -> bool:
    """Whether weights lead into the units of a layer; an activation of the input has none."""
    while not layer.decisions:
        if len(layer.inputs) > 1:
            return False
        (source,) = layer.inputs
        if source == network.input_name:
            return False
        layer = network.layer(source)
    return True


def _visit(
    program: Program, node: Node, named: dict[str, BoolArray], symmetric: bool, seen: set[tuple[int, bool]]
) -> None:
    """Mark the units that an expression names; `seen` has what has been visited, which may stand in many places."""
    if (id(node), symmetric) in seen:
        return
    seen.add((id(node), symmetric))
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
                _visit(program, child, named, symmetric, seen)


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
