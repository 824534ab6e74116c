"""The optimum of a model by enumeration of every assignment of its (finite) weights and every set of removed units.

The meaning is written here once more, over a batch of assignments at a time; it shares no code with `hir.evaluate`
or the encodings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import (
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
    Layer,
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
from tests.meaning.oracle_losses import LOSSES, loss

TOLERANCE = 1e-6


@dataclass(frozen=True)
class Truth:
    """The best goal value in the user's sense (0 for `satisfy`), None where no assignment is feasible.

    `count` is the number of assignments that were looked at, `best` one of the best of them.
    """

    objective: float | None
    count: int
    best: Assignment | None


@dataclass(frozen=True)
class Batch:
    """Assignments with the same removed units: `values[path]` has shape [batch, *shape], `kept` as in Assignment."""

    values: dict[str, FloatArray]
    kept: dict[str, BoolArray]
    size: int

    def assignment(self, index: int) -> Assignment:
        return Assignment({path: array[index] for path, array in self.values.items()}, self.kept)


def enumerate_optimum(program: Program) -> Truth:
    """The true optimum of the first goal."""
    best: float | None = None
    best_assignment, count = None, 0
    sign = -1.0 if program.stages and program.stages[0].sense == "maximize" else 1.0
    for batch in batches(program):
        count += batch.size
        meaning = BatchMeaning(program, batch)
        feasible = meaning.feasible()
        if not feasible.any():
            continue
        goal = np.where(feasible, sign * meaning.goal(), np.inf)
        at = int(goal.argmin())
        if best is None or goal[at] < best:
            best, best_assignment = float(goal[at]), batch.assignment(at)
    return Truth(None if best is None else sign * best, count, best_assignment)


def enumerate_stages(program: Program) -> tuple[float, ...] | None:
    """The true optimum of every goal in turn, each among the optima of those before; None where nothing is feasible."""
    signs = [-1.0 if stage.sense == "maximize" else 1.0 for stage in program.stages]
    best: tuple[float, ...] | None = None
    for batch in batches(program):
        meaning = BatchMeaning(program, batch)
        feasible = meaning.feasible()
        if not feasible.any():
            continue
        goals = np.stack([sign * meaning.goal(i) for i, sign in enumerate(signs)], axis=1)[feasible].round(9)
        first = tuple(float(v) for v in goals[np.lexsort(goals.T[::-1])[0]])
        best = first if best is None or first < best else best
    return None if best is None else tuple(sign * value for sign, value in zip(signs, best, strict=True))


def batches(program: Program) -> Iterator[Batch]:
    """Every assignment once, one batch for each set of removed units."""
    prunable = [layer for network in program.networks for layer in network.layers if layer.prune]
    masks = [np.array(list(product((False, True), repeat=layer.units))) for layer in prunable]
    for chosen in product(*masks):
        kept = {layer.path: np.asarray(mask) for layer, mask in zip(prunable, chosen, strict=True)}
        gone = _gone(program, kept)
        decisions = [d for network in program.networks for d in network.decisions]
        free = [(d.path, place) for d in decisions for place in np.argwhere(~gone[d.path].reshape(-1)).reshape(-1)]
        domains = {d.path: np.array(d.domain.values) for d in decisions}
        assert all(d.domain.is_finite for d in decisions)
        sizes = [len(domains[path]) for path, _ in free]
        size = int(np.prod(sizes, dtype=np.int64))
        values = {d.path: np.zeros((size, int(np.prod(d.shape)))) for d in decisions}
        for (path, place), level in zip(free, np.indices(sizes).reshape(len(sizes), size), strict=True):
            values[path][:, place] = domains[path][level]
        yield Batch({d.path: values[d.path].reshape(size, *d.shape) for d in decisions}, kept, size)


def _gone(program: Program, kept: dict[str, BoolArray]) -> dict[str, BoolArray]:
    """Which entries of every decision are removed with the units that are not kept."""
    gone = {d.path: np.zeros(d.shape, dtype=bool) for network in program.networks for d in network.decisions}
    for network in program.networks:
        origin = _weighted_source(network)
        for layer in network.layers:
            if layer.path not in kept:
                continue
            source = origin[layer.name]
            for decision in source.decisions:
                gone[decision.path][~kept[layer.path]] = True
            for reader in network.layers:
                reads = reader.inputs[0] != network.input_name and origin[reader.inputs[0]] is source
                if reader.decisions and reads:
                    gone[reader.decisions[0].path][:, ~kept[layer.path]] = True
    return gone


def _weighted_source(network: Network) -> dict[str, Layer]:
    """For every layer, the layer with weights that its units come from."""
    source: dict[str, Layer] = {}
    for layer in network.layers:
        source[layer.name] = layer if layer.decisions else source[layer.inputs[0]]
    return source


class BatchMeaning:
    """Values of expressions for a batch of assignments, each with a leading batch axis."""

    def __init__(self, program: Program, batch: Batch) -> None:
        self.program, self.batch = program, batch

    def goal(self, stage: int = 0) -> FloatArray:
        """The value of a goal, shape [batch]."""
        total = np.zeros(self.batch.size)
        for term in self.program.stages[stage].terms if self.program.stages else ():
            total = total + term.coefficient * self.value(term.value)
        return total

    def feasible(self) -> BoolArray:
        """Which assignments satisfy every constraint, shape [batch]."""
        holds = np.ones(self.batch.size, dtype=bool)
        for constraint in self.program.constraints:
            for part in constraint.parts:
                holds &= (self.value(part) > 0.5).reshape(self.batch.size, -1).all(axis=1)
        return holds

    def compare(self, node: Compare) -> BoolArray:
        gap = self.wide(node.left, node.shape) - self.wide(node.right, node.shape)
        return {"<=": gap <= TOLERANCE, ">=": gap >= -TOLERANCE, "=": np.abs(gap) <= TOLERANCE}[node.op]

    def wide(self, node: Node, shape: tuple[int, ...]) -> FloatArray:
        """The value of a node, stretched to `shape` behind the batch axis."""
        value = self.value(node)
        value = value.reshape(self.batch.size, *(1,) * (len(shape) + 1 - value.ndim), *value.shape[1:])
        return np.broadcast_to(value, (self.batch.size, *shape))

    def value(self, node: Node) -> FloatArray:
        size = self.batch.size
        match node:
            case Constant(value=value):
                return np.broadcast_to(value, (size, *value.shape))
            case Reference(decision=decision):
                return self.batch.values[decision.path]
            case Gather(base=base, index=index):
                return self.value(base).reshape(size, -1)[:, index.reshape(-1)].reshape(size, *index.shape)
            case Join(parts=parts):
                return np.concatenate([self.value(p).reshape(size, -1) for p in parts], axis=1)
            case Plus(terms=terms, shape=shape):
                total = np.zeros((size, *shape))
                for term in terms:
                    value = self.value(term)
                    total = total + value.reshape(size, *(1,) * (len(shape) + 1 - value.ndim), *value.shape[1:])
                return total
            case Scale(factor=factor, operand=operand):
                value = self.value(operand)
                return value * factor if value.ndim > factor.ndim else value.reshape(size, *(1,) * factor.ndim) * factor
            case Apply():
                return self._word(node)
            case LayerOutput(network=network, layer=layer, data=data):
                return self.outputs(self.program.network(network), self.program.dataset(data).features)[layer]
            case Compare():
                return self.compare(node).astype(float)
            case Not(operand=operand):
                return (self.value(operand) < 0.5).astype(float)
            case Xor(left=left, right=right, shape=shape):
                return (self.wide(left, shape) != self.wide(right, shape)).astype(float)
            case Choose(condition=condition, then=then, otherwise=otherwise, shape=shape):
                return np.where(self.wide(condition, shape) == 1, self.wide(then, shape), self.wide(otherwise, shape))
            case Junction(op=op, terms=terms, shape=shape):
                held = sum(self.wide(term, shape) for term in terms)
                return (held == len(terms) if op == "and" else held > 0).astype(float)
            case Fold(op=op, operand=operand, batch=batch):
                entries = self.value(operand).reshape(size, *operand.shape[:batch], -1)
                held = entries.sum(axis=-1)
                return (held == entries.shape[-1] if op == "and" else held > 0).astype(float)
        raise AssertionError(node)

    def _word(self, node: Apply) -> FloatArray:
        size = self.batch.size
        if node.word in LOSSES:
            assert node.network is not None and node.data is not None
            data = self.program.dataset(node.data)
            return loss(node, data, self.scores(self.program.network(node.network), data.features))
        if node.word == "used":
            return self._used(node)
        operand = node.operands[0]
        entries = self.value(operand).reshape(size, *operand.shape[: node.batch], -1)
        match node.word:
            case "l0":
                return (entries != 0).sum(axis=-1).astype(float)
            case "norm_1":
                return np.abs(entries).sum(axis=-1)
            case "norm_inf":
                return np.maximum(entries.max(axis=-1), -entries.min(axis=-1))
            case "norm_2sq":
                return np.einsum("...k,...k->...", entries, entries)
            case "nonzero":
                return (self.value(operand) != 0).astype(float)
            case "sum" | "count":
                return entries.sum(axis=-1)
        raise AssertionError(node.word)

    def scores(self, network: Network, rows: FloatArray) -> FloatArray:
        """What a network returns for every row, shape [batch, n, *output]."""
        return self.outputs(network, rows)[network.result_layer][:, :, network.result_index]

    def outputs(self, network: Network, rows: FloatArray) -> dict[str, FloatArray]:
        """The output of every layer for every row, each [batch, n, units]."""
        values: dict[str, NDArray[np.float64]] = {
            network.input_name: np.broadcast_to(rows, (self.batch.size, *rows.shape))
        }
        for layer in network.layers:
            a = values[layer.inputs[0]]
            if layer.op == "dense":
                a = np.einsum("bni,bki->bnk", a, self.batch.values[f"{layer.path}.weights"])
                if f"{layer.path}.bias" in self.batch.values:
                    a = a + self.batch.values[f"{layer.path}.bias"][:, None, :]
            else:
                assert layer.op == "relu"
                a = np.where(a > 0, a, 0.0)
                if layer.path in self.batch.kept:
                    a = a * self.batch.kept[layer.path]
            values[layer.name] = a
        return values

    def _read(self, network: Network, units: Units) -> FloatArray:
        """Which entries of the input some layer has a nonzero weight for."""
        columns = [
            self.batch.values[f"{layer.path}.weights"]
            for layer in network.layers
            if layer.inputs == (network.input_name,)
        ]
        read = (np.concatenate(columns, axis=1) != 0).any(axis=1)
        return read[:, units.index.reshape(-1)].reshape(self.batch.size, *units.index.shape).astype(float)

    def _used(self, node: Apply) -> FloatArray:
        (units,) = node.operands
        assert isinstance(units, Units)
        network = self.program.network(units.network)
        if units.layer == network.input_name:
            return self._read(network, units)
        source = _weighted_source(network)
        layer = source[units.layer]
        coming = np.zeros((self.batch.size, layer.units), dtype=bool)
        for decision in layer.decisions:
            coming |= (self.batch.values[decision.path].reshape(self.batch.size, layer.units, -1) != 0).any(axis=2)
        going = np.zeros_like(coming)
        names = [name for name, origin in source.items() if origin is layer]
        for reader in network.layers:
            if reader.decisions and reader.inputs[0] in names:
                going |= (self.batch.values[f"{reader.path}.weights"] != 0).any(axis=1)
        if network.result_layer in names:
            going[:] = True
        picked = units.index.reshape(-1)
        return (coming & going)[:, picked].reshape(self.batch.size, *units.index.shape).astype(float)
