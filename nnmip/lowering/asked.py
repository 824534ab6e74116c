"""Which side of every number inside a network the model relies on, so that only that side is encoded."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nnmip.hir.core import Apply, Layer, LayerOutput, Network, Node, Program, Units, children
from nnmip.hir.goals import Stage
from nnmip.milp.model import BoolArray, FloatArray, IntArray
from nnmip.ops.registry import LAYERS
from nnmip.records import dataclass

ONE_SIDED = frozenset({"hinge", "zero_one"})
"""Losses that never grow where the true answer gets further ahead."""

RISING = frozenset({"relu", "leaky_relu", "piecewise", "flatten", "reshape"})
"""Layers whose entries never fall where the entry of the input that they are made from rises, in its order, if their
slope is never negative."""


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """For each entry of a tensor, one mask for each side: `upper` where what is encoded must be at least the true
    value, `lower` where it must be at most that."""

    upper: BoolArray
    lower: BoolArray

    def reshape(self, shape: tuple[int, ...]) -> Asked:
        return Asked(self.upper.reshape(shape), self.lower.reshape(shape))

    def __or__(self, other: Asked) -> Asked:
        return Asked(self.upper | other.upper, self.lower | other.lower)


def asked_of(
    program: Program,
    network: Network,
    data: str,
    inverse: IntArray,
    fixed: Mapping[str, FloatArray],
) -> Mapping[str, Asked]:
    """By layer what of its output is asked, for the distinct rows of a data set; a layer without an entry is asked
    for both sides everywhere. `inverse`: the distinct row of every row; `fixed`: the values of decisions that have one.

    Why one side is enough. Let every encoded number t' of the masks keep its promise to the true t of the network that
    is lifted: t' >= t where `upper`, t' <= t where `lower`. A hinge or 0-1 loss never grows with the lead of the true
    answer, so if the scores that raise the lead are at most, and those that lower it at least, the true ones, the
    encoded loss is at least the true loss. The other terms of the goal, and all constraints, read weights alone (else
    everything is asked): they are what they are. So a solution of the MILP lifts to a network that satisfies the model
    and whose goal is not worse; and every network, with its true numbers, is a solution. Hence both have one optimum,
    and every bound of the MILP is one of the model. The same holds with earlier goals held at a value, which bound
    such losses from above, and for each goal of several. A promise goes backwards through a layer whose output rises
    with its inputs as it is, through a weight that is never negative likewise, and turned round through one that is
    never positive; elsewhere both sides are asked.
    """
    scores = _of_scores(program, network, data, inverse)
    if scores is None:
        return {}
    return asked_inside(network, scores, fixed)


def asked_inside(network: Network, scores: Asked, fixed: Mapping[str, FloatArray]) -> Mapping[str, Asked]:
    """By layer what of its output is asked, from what is asked of the results [rows, outputs]; a layer without an entry
    is asked for both sides everywhere."""
    rows = len(scores.upper)
    width = int(np.prod(network.layer(network.result_layer).shape, dtype=np.int64))
    found: dict[str, Asked] = {network.result_layer: _nothing(rows, width)}
    places = network.result_index.reshape(-1)
    result = found[network.result_layer]
    for output, place in enumerate(places):
        result.upper[:, place] |= scores.upper[:, output]
        result.lower[:, place] |= scores.lower[:, output]
    for layer in reversed(network.layers):
        asked = found.get(layer.name, _nothing(rows, int(np.prod(layer.shape, dtype=np.int64))))
        found[layer.name] = asked
        for name in layer.reads:
            if name == network.input_name:
                continue
            read = _read(network, layer, name, asked, fixed)
            found[name] = found[name] | read if name in found else read
    return {name: asked for name, asked in found.items() if not (asked.upper.all() and asked.lower.all())}


def _nothing(rows: int, width: int) -> Asked:
    return Asked(np.zeros((rows, width), dtype=bool), np.zeros((rows, width), dtype=bool))


def _read(network: Network, layer: Layer, name: str, asked: Asked, fixed: Mapping[str, FloatArray]) -> Asked:
    """What a layer asks of one that it reads, [rows, entries]."""
    if layer.skip is None and layer.op in RISING and LAYERS[layer.op].slope(dict(layer.options))[0] >= 0.0:
        return asked
    if layer.skip is None and layer.op == "dense":
        rises, falls = _signs(layer, fixed)
        upper, lower = asked.upper, asked.lower
        return Asked(upper @ rises | lower @ falls, lower @ rises | upper @ falls)
    width = int(np.prod(network.layer(name).shape, dtype=np.int64))
    every = np.ones((len(asked.upper), width), dtype=bool)
    return Asked(every, every.copy())


def _signs(layer: Layer, fixed: Mapping[str, FloatArray]) -> tuple[BoolArray, BoolArray]:
    """Where the weights [outputs, inputs] of a dense layer can be positive, and where they can be negative."""
    decision = layer.decision("weights")
    assert decision is not None
    if decision.path in fixed:
        return fixed[decision.path] > 0, fixed[decision.path] < 0
    low, high = decision.domain.lo, decision.domain.hi
    return np.full(decision.shape, high > 0), np.full(decision.shape, low < 0)


def _of_scores(program: Program, network: Network, data: str, inverse: IntArray) -> Asked | None:
    """What is asked of the scores of the distinct rows, [rows, outputs]; None where the model reads more of the
    network than losses of one side."""
    outputs = network.result_index.size
    found = _nothing(int(inverse.max(initial=-1)) + 1, outputs)
    stages = program.stages[: len(program.held) + 1]
    roots: list[Node] = [part for constraint in program.constraints for part in constraint.parts]
    for stage in stages:
        for term in stage.terms:
            node = term.value
            if not _is_one_sided(node, stage, term.coefficient):
                roots.append(node)
            elif isinstance(node, Apply) and (node.network, node.data) == (network.name, data):
                _ask(found, program, data, inverse)
    return None if any(_reads(root, network.name, set()) for root in roots) else found


def _is_one_sided(node: Node, stage: Stage, coefficient: float) -> bool:
    return isinstance(node, Apply) and node.word in ONE_SIDED and stage.sign * coefficient >= 0


def _ask(found: Asked, program: Program, data: str, inverse: IntArray) -> None:
    """Mark what the leads of the labels read: from below where a score raises them, from above where it lowers them."""
    table = program.dataset(data)
    counted = table.sample_weights > 0
    rows, labels = inverse[counted], table.labels[counted]
    if found.upper.shape[1] == 1:
        found.lower[rows[labels > 0], 0] = True
        found.upper[rows[labels <= 0], 0] = True
        return
    own = np.arange(found.upper.shape[1]) == labels[:, None]
    np.logical_or.at(found.lower, rows, own)
    np.logical_or.at(found.upper, rows, ~own)


def _reads(node: Node, network: str, seen: set[int]) -> bool:
    """Whether an expression reads more of a network than its weights and which units are used."""
    if id(node) in seen:
        return False
    seen.add(id(node))
    match node:
        case LayerOutput(network=name):
            return name == network
        case Apply(network=str(name)) if name == network:
            return True
        case Apply(word="used"):
            return False
        case Units(network=name):
            return name == network
    return any(_reads(child, network, seen) for child in children(node))
