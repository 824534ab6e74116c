"""The meaning of the language in NumPy: the value of every term, loss, predicate and constraint for given weights.

This module and `ops` share no code with the encodings; every answer of a solver is checked against them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from types import MappingProxyType

import numpy as np

from nnmip.data import Dataset
from nnmip.hir.core import (
    CHANNELS,
    Applied,
    Apply,
    Assignment,
    BoolArray,
    Choose,
    Compare,
    Constant,
    FloatArray,
    Fold,
    Gather,
    Join,
    Junction,
    LayerOutput,
    Network,
    Node,
    Not,
    Plus,
    Program,
    Reference,
    Scale,
    Units,
    Xor,
)
from nnmip.hir.goals import Constraint, Stage
from nnmip.hir.known import KnownNetwork
from nnmip.hir.wiring import Wiring, wiring_of
from nnmip.ops.functions import FUNCTIONS
from nnmip.ops.registry import LAYERS, WORDS
from nnmip.ops.scores import ROUNDING
from nnmip.records import dataclass


def forward(
    network: Network,
    assignment: Assignment,
    inputs: FloatArray,
    tolerance: float = ROUNDING,
    instead: Mapping[str, Callable[[FloatArray], FloatArray]] = MappingProxyType({}),
) -> dict[str, FloatArray]:
    """The output of every layer for `inputs` of shape [n, *input], by layer name, each [n, *shape].

    `tolerance` is how far a value may be below 0 and still count as 0 for `step` and `sign`. `instead`: functions in
    the place of layers, by name.
    """
    outputs = {network.input_name: inputs}
    for layer in network.layers:
        decisions = {d.role: assignment.values[d.path] for d in layer.decisions}
        options = {**dict(layer.options), "tolerance": tolerance}
        reads = tuple(outputs[name] for name in layer.inputs)
        apply = instead.get(layer.name)
        value = LAYERS[layer.op].forward(reads, decisions, options) if apply is None else apply(*reads)
        kept = assignment.kept.get(layer.path)
        if kept is not None and layer.skip is not None:
            value = value if kept else outputs[layer.skip]
        elif kept is not None:
            value = np.where(kept.reshape(-1, *(1,) * (value.ndim - 2)), value, 0.0)
        outputs[layer.name] = value
    return outputs


def result(network: Network, assignment: Assignment, inputs: FloatArray) -> FloatArray:
    """What the network returns for `inputs` [n, *input], shape [n, *output]."""
    return returned(network, forward(network, assignment, inputs))


def smooth_result(known: KnownNetwork, inputs: FloatArray, tolerance: float = ROUNDING) -> FloatArray:
    """What a network returns for inputs [n, *input], in its own scaling, with the smooth functions themselves in the
    place of their curves, shape [n, *output]."""
    curves = () if known.smoothed is None else known.smoothed.curves
    instead = {curve.layer: FUNCTIONS[curve.function].exact for curve in curves}
    return returned(known.network, forward(known.network, known.assignment, inputs, tolerance, instead))


def returned(network: Network, outputs: dict[str, FloatArray]) -> FloatArray:
    """The result of a network, shape [n, *output], from the outputs of its layers."""
    last = outputs[network.result_layer]
    width = int(np.prod(last.shape[1:], dtype=np.int64))
    return last.reshape(len(last), width)[:, network.result_index]


def gone(wiring: Wiring, assignment: Assignment) -> BoolArray:
    """Which units of a network are removed, shape [units]."""
    mask = np.zeros(wiring.count, dtype=bool)
    for layer in wiring.network.layers:
        kept = assignment.kept.get(layer.path)
        if kept is None:
            continue
        if layer.skip is not None:
            mask[wiring.block_units(layer)] |= not kept
        else:
            mask[wiring.units(layer.name)[~kept]] = True
    return mask


def removed(network: Network, assignment: Assignment) -> dict[str, BoolArray]:
    """For each decision of a network, which entries belong to removed units (incoming, bias or outgoing), or to
    channels of a layer with `prune: channels` all of whose weights are 0."""
    wiring = wiring_of(network)
    units = gone(wiring, assignment)
    masks = {d.path: wiring.removed(d, units) for d in network.decisions}
    for layer in network.layers:
        if layer.prune == CHANNELS:
            path, channels = f"{layer.path}.weights", layer.channels
            busy = channels[(assignment.values[path] != 0) & ~masks[path]]
            masks[path] = masks[path] | ~np.isin(channels, busy)
    return masks


def without_removed(program: Program, assignment: Assignment) -> Assignment:
    """The assignment with every weight and bias of a removed unit set to 0, and nothing kept in a block left out."""
    values, kept = dict(assignment.values), dict(assignment.kept)
    for network in program.networks:
        if any(layer.skip is not None and not kept[layer.path] for layer in network.layers):
            wiring = wiring_of(network)
            for layer in reversed(network.layers):
                if layer.skip is not None and not kept[layer.path]:
                    inside = (network.layer(name).path for name in wiring.block(layer)[:-1])
                    kept.update({path: np.zeros_like(kept[path]) for path in inside if path in kept})
        for path, mask in removed(network, Assignment(values, kept)).items():
            values[path] = np.where(mask, 0.0, values[path])
    return Assignment(values, kept)


@dataclass(slots=True)
class Evaluator:
    """Values of expressions under one assignment; forward passes are made once for each network and data set."""

    program: Program
    assignment: Assignment
    tolerance: float = ROUNDING
    _outputs: dict[tuple[str, str], dict[str, FloatArray]] = field(default_factory=dict)
    _wirings: dict[str, Wiring] = field(default_factory=dict)
    _values: dict[int, tuple[Node, FloatArray]] = field(default_factory=dict)

    def network(self, name: str) -> Network:
        return self.program.network(name)

    def wiring(self, network: str) -> Wiring:
        if network not in self._wirings:
            self._wirings[network] = wiring_of(self.network(network))
        return self._wirings[network]

    def kept(self, path: str) -> BoolArray:
        return np.asarray(self.assignment.kept[path])

    def dataset(self, name: str) -> Dataset:
        return self.program.dataset(name)

    def values(self, path: str) -> FloatArray:
        return self.assignment.values[path]

    def outputs(self, network: str, data: str) -> dict[str, FloatArray]:
        """The output of every layer for every row of a data set, by layer name, each (n, *shape)."""
        key = (network, data)
        if key not in self._outputs:
            model = self.network(network)
            rows = self.dataset(data).features
            rows = rows.reshape(len(rows), *model.input_shape)
            self._outputs[key] = forward(model, self.assignment, rows, self.tolerance)
        return self._outputs[key]

    def scores(self, network: str, data: str) -> FloatArray:
        return returned(self.network(network), self.outputs(network, data))

    def value(self, node: Node) -> FloatArray:
        """The value of an expression, of the node's shape; Booleans are 0.0 and 1.0. What stands in several places is
        computed once."""
        if id(node) not in self._values:
            self._values[id(node)] = node, self._value(node)
        return self._values[id(node)][1]

    def _value(self, node: Node) -> FloatArray:
        match node:
            case Constant(value=value):
                return value
            case Reference(decision=decision):
                return self.values(decision.path)
            case Gather(base=base, index=index):
                return self.value(base).reshape(-1)[index]
            case Join(parts=parts):
                return np.concatenate([self.value(p).reshape(-1) for p in parts])
            case Plus(terms=terms, shape=shape):
                total = np.zeros(shape)
                for term in terms:
                    total = total + self.value(term)
                return total
            case Scale(factor=factor, operand=operand):
                return factor * self.value(operand)
            case Applied(network=network, operand=operand, shape=shape):
                return self._applied(self.program.known_network(network), self.value(operand)).reshape(shape)
            case LayerOutput(network=network, layer=layer, data=data):
                return self.outputs(network, data)[layer]
            case Compare():
                return (self.excess(node) <= self.tolerance).astype(np.float64)
            case Not(operand=operand):
                return 1.0 - self.value(operand)
            case Junction(op=op, terms=terms, shape=shape):
                wide = np.stack([np.broadcast_to(self.value(t), shape) for t in terms])
                return np.asarray(wide.all(axis=0) if op == "and" else wide.any(axis=0), dtype=np.float64)
            case Xor(left=left, right=right):
                return np.abs(self.value(left) - self.value(right))
            case Fold(op=op, operand=operand, batch=batch):
                entries = self.value(operand).reshape(*operand.shape[:batch], -1)
                return np.asarray(entries.all(axis=-1) if op == "and" else entries.any(axis=-1), dtype=np.float64)
            case Choose(condition=condition, then=then, otherwise=otherwise):
                return np.where(self.value(condition) > 0.5, self.value(then), self.value(otherwise))
            case Apply(word=word, operands=operands):
                arrays = tuple(np.zeros(o.shape) if isinstance(o, Units) else self.value(o) for o in operands)
                return WORDS[word].evaluate(node, arrays, self)
            case Units():
                raise AssertionError("units have no value of their own")

    def _applied(self, known: KnownNetwork, points: FloatArray) -> FloatArray:
        inputs = known.points(points.reshape(-1, *known.network.input_shape))
        return returned(known.network, forward(known.network, known.assignment, inputs, self.tolerance))

    def excess(self, node: Compare) -> FloatArray:
        """By how much each entry of a comparison is violated; at most 0 where it holds."""
        difference = self.value(node.left) - self.value(node.right)
        match node.op:
            case "<=":
                return np.broadcast_to(difference, node.shape)
            case ">=":
                return np.broadcast_to(-difference, node.shape)
            case "=":
                return np.broadcast_to(np.abs(difference), node.shape)
        raise AssertionError(node.op)

    def stage(self, stage: Stage) -> float:
        """The value of a goal in the user's sense."""
        return float(sum(t.coefficient * float(self.value(t.value)) for t in stage.terms))

    def violation(self, constraint: Constraint) -> float:
        """The largest violation of a constraint, 0 where it holds; logic that does not hold is violated by 1."""
        return max([0.0, *(float(np.max(self._missing(p))) for p in constraint.parts if 0 not in p.shape)])

    def _missing(self, part: Node) -> FloatArray:
        return self.excess(part) if isinstance(part, Compare) else 1.0 - self.value(part)


def domain_violation(program: Program, assignment: Assignment) -> float:
    """How far the farthest kept weight or bias is from its domain."""
    worst = 0.0
    for variable in program.variables:
        distance = variable.decision.domain.distance(assignment.values[variable.decision.path])
        worst = max(worst, float(distance.max(initial=0.0)))
    for network in program.networks:
        masks = removed(network, assignment)
        for decision in network.decisions:
            distance = decision.domain.distance(assignment.values[decision.path])
            worst = max(worst, float(distance[~masks[decision.path]].max(initial=0.0)))
    return worst


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything that a model says about one assignment.

    objectives: one value for each stage. held: by how much each held stage is worse than its value, beyond its room, in
    units of `Held.scale`. terms: for each stage, label -> unweighted value. constraints: name ->
    largest violation. domain_violation: distance of the farthest weight from its domain.
    """

    objectives: tuple[float, ...]
    terms: tuple[dict[str, float], ...]
    constraints: dict[str, float]
    domain_violation: float
    held: tuple[float, ...] = ()

    @property
    def max_violation(self) -> float:
        return max([self.domain_violation, *self.constraints.values(), *self.held])


def evaluate(program: Program, assignment: Assignment, tolerance: float = ROUNDING) -> Evaluation:
    """Compute every goal, term and constraint of `program` for `assignment`.

    `tolerance` is how far a score may be on the wrong side of a threshold and still count as on it.
    """
    evaluator = Evaluator(program, without_removed(program, assignment), tolerance)
    objectives = tuple(evaluator.stage(s) for s in program.stages)
    return Evaluation(
        objectives=objectives,
        terms=tuple({t.label: float(evaluator.value(t.value)) for t in s.terms} for s in program.stages),
        constraints={c.name: evaluator.violation(c) for c in program.constraints},
        domain_violation=domain_violation(program, assignment),
        held=tuple(
            (stage.sign * (value - held.value) - held.room) / held.scale
            for stage, value, held in zip(program.stages, objectives, program.held, strict=False)
        ),
    )
