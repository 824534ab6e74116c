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
from tests.meaning.oracle_fair import fair
from tests.meaning.oracle_layers import LAYERS
from tests.meaning.oracle_losses import LOSSES, loss
from tests.meaning.oracle_regions import region

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
    every = [layer for network in program.networks for layer in network.layers]
    prunable = [layer for layer in every if layer.prune not in (None, "channels") or layer.skip]
    of_weights = [layer for layer in every if layer.prune == "channels"]
    read = [list(product((False, True), repeat=_channel_count(layer))) for layer in of_weights]
    masks = [
        np.array([False, True]) if layer.skip else np.array(list(product((False, True), repeat=layer.units)))
        for layer in prunable
    ]
    for chosen, channels in product(product(*masks), product(*read)):
        kept = {layer.path: np.asarray(mask) for layer, mask in zip(prunable, chosen, strict=True)}
        gone = _gone(program, kept)
        for layer, there in zip(of_weights, channels, strict=True):
            gone[f"{layer.path}.weights"] |= _of_channels(layer, there)
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


def _channel_count(layer: Layer) -> int:
    return int(layer.decisions[0].shape[1] * layer.option("groups"))


def _of_channels(layer: Layer, there: tuple[bool, ...]) -> BoolArray:
    """Which weights of a convolution multiply a channel that is not there."""
    filters, width = layer.decisions[0].shape[:2]
    gone = np.zeros(layer.decisions[0].shape, dtype=bool)
    for f in range(filters):
        group = f * layer.option("groups") // filters
        for k in range(width):
            gone[f, k] = not there[group * width + k]
    return gone


def _gone(program: Program, kept: dict[str, BoolArray]) -> dict[str, BoolArray]:
    """Which entries of every decision are removed with the units that are not kept."""
    gone = {d.path: np.zeros(d.shape, dtype=bool) for network in program.networks for d in network.decisions}
    for network in program.networks:
        origins = Origins(network)
        lost = {
            unit
            for layer in network.layers
            if layer.path in kept and not layer.skip
            for row, is_kept in enumerate(kept[layer.path])
            if not is_kept
            for unit in origins.units(layer.name, row)
        }
        for layer in network.layers:
            if layer.skip and not kept[layer.path]:
                lost |= {(name, row) for name in _only_for(network, layer) for row in range(network.layer(name).units)}
        for layer in network.layers:
            for decision in layer.decisions:
                for row in range(layer.units):
                    if (layer.name, row) in lost:
                        gone[decision.path][row] = True
            if layer.decisions:
                for place in np.ndindex(layer.decisions[0].shape):
                    if (read := origins.read[layer.name][place]) and read <= lost:
                        gone[layer.decisions[0].path][place] = True
    return gone


def _only_for(network: Network, layer: Layer) -> set[str]:
    """The layers with weights that the result no longer needs once what stands in for `layer` has taken its place."""

    def needed(is_out: bool) -> set[str]:
        found: set[str] = set()
        open_ = [network.result_layer]
        while open_:
            name = open_.pop()
            if name == network.input_name or name in found:
                continue
            if name == layer.name and is_out:
                assert layer.skip is not None
                open_.append(layer.skip)
                continue
            found.add(name)
            at = network.layer(name)
            open_.extend((*at.inputs, *((at.skip,) if at.skip else ())))
        return found

    return {name for name in needed(False) - needed(True) if network.layer(name).decisions}


Unit = tuple[str, int]


class Origins:
    """From which units (layer with weights, row) every entry of every tensor comes, found by following each entry.

    of[name] is an object array of sets. read[layer] has for every weight the units of what it multiplies; a weight that
    multiplies a mix of units has them all, and is no outgoing weight of any.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self.of = {network.input_name: _sets(network.input_shape)}
        self.read: dict[str, NDArray[np.object_]] = {}
        self.mixed: set[Unit] = set()
        for layer in network.layers:
            sources = [self.of[name] for name in layer.inputs]
            self.of[layer.name] = made = _sets(layer.shape)
            if layer.decisions:
                for place in np.ndindex(*layer.shape):
                    made[place] = {(layer.name, place[0])}
                self.read[layer.name] = self._reads(layer, sources[0])
            else:
                for place, sets in self._sources(layer, sources).items():
                    made[place] = set().union(*sets)
                    if len(made[place]) > 1:
                        self.mixed |= made[place]
            if layer.skip:
                for place in np.ndindex(*layer.shape):
                    made[place] = made[place] | self.of[layer.skip][place] | {("", 0)}
                    self.mixed |= made[place]

    def units(self, name: str, row: int) -> set[Unit]:
        """The units of the entries of a layer at a position of its first axis."""
        found = self.of[name][row]
        return found if isinstance(found, set) else set().union(*found.reshape(-1))

    def _reads(self, layer: Layer, source: NDArray[np.object_]) -> NDArray[np.object_]:
        shape = layer.decisions[0].shape
        found = _sets(shape)
        for place in np.ndindex(shape):
            if layer.op == "dense":
                found[place] = set(source[place[1]])
                continue
            if layer.op == "rescale":
                found[place] = set().union(*np.atleast_1d(source[place[0]]).reshape(-1))
                continue
            options, filters = dict(layer.options), shape[0]
            channel = place[0] // (filters // options["groups"]) * shape[1] + place[1]
            found[place] = set().union(*source[channel].reshape(-1))
        for sets in found.reshape(-1):
            if len(sets) > 1:
                self.mixed |= sets
        return found

    def _sources(self, layer: Layer, sources: list[NDArray[np.object_]]) -> dict[tuple[int, ...], list[set[Unit]]]:
        """For every entry of a layer without weights, what it is made of: found by changing one entry at a time."""
        options = dict(layer.options) | {"tolerance": 0.0}
        if layer.op in ("flatten", "reshape"):
            flat = sources[0].reshape(-1)
            return {place: [flat[i]] for i, place in enumerate(np.ndindex(*layer.shape))}
        if layer.op == "select":
            flat = sources[0].reshape(-1)
            return {place: [flat[at]] for place, at in zip(np.ndindex(*layer.shape), options["entries"], strict=True)}
        if layer.op == "concat":
            whole = np.concatenate(sources, axis=options["axis"])
            return {place: [whole[place]] for place in np.ndindex(*layer.shape)}
        if layer.op in ("add", "gate"):
            return {
                place: [s[place] if s.shape == layer.shape else s.reshape(-1)[0] for s in sources]
                for place in np.ndindex(*layer.shape)
            }
        if layer.op in ("maxpool2d", "avgpool2d", "globalavgpool", "pad"):
            return {place: [self.units(layer.inputs[0], place[0])] for place in np.ndindex(*layer.shape)}
        return {place: [sources[0][place]] for place in np.ndindex(*layer.shape)}


def _sets(shape: tuple[int, ...]) -> NDArray[np.object_]:
    made = np.empty(shape, dtype=object)
    for place in np.ndindex(*shape):
        made[place] = set()
    return made


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
        if node.word == "fair":
            assert node.network is not None and node.data is not None
            data = self.program.dataset(node.data)
            return fair(node, data, self.scores(self.program.network(node.network), data.features))
        if node.word == "used":
            return self._used(node)
        if node.word in ("monotone", "lipschitz"):
            assert node.network is not None
            return region(node, self.program.network(node.network), self.batch.values, self.batch.kept)
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
        last = self.outputs(network, rows)[network.result_layer]
        return last.reshape(*last.shape[:2], -1)[:, :, network.result_index]

    def outputs(self, network: Network, rows: FloatArray) -> dict[str, FloatArray]:
        """The output of every layer for every row, each [batch, n, *shape]."""
        values: dict[str, NDArray[np.float64]] = {
            network.input_name: np.broadcast_to(
                rows.reshape(len(rows), *network.input_shape), (self.batch.size, len(rows), *network.input_shape)
            )
        }
        for layer in network.layers:
            weights = {d.role: self.batch.values[d.path] for d in layer.decisions}
            a = LAYERS[layer.op]([values[name] for name in layer.inputs], weights, dict(layer.options))
            if layer.skip:
                a = a if self.batch.kept[layer.path] else values[layer.skip]
            elif layer.path in self.batch.kept:
                a = a * self.batch.kept[layer.path].reshape(-1, *(1,) * (a.ndim - 3))
            values[layer.name] = a
        return values

    def _read(self, network: Network, units: Units) -> FloatArray:
        """Which entries of the input some nonzero weight multiplies: found by changing the entry, with one weight at a
        time at 1 and all others at 0, in rows of random numbers."""
        rng = np.random.default_rng(0)
        rows = rng.uniform(-1, 1, (6, *network.input_shape))
        found = np.zeros((self.batch.size, units.index.size), dtype=bool)
        for column, entry in enumerate(units.index.reshape(-1)):
            changed = rows.copy()
            changed.reshape(6, -1)[:, entry] += rng.choice([-9.0, 9.0], 6)
            values = {network.input_name: (rows[None], changed[None])}
            for layer in network.layers:
                options, known = dict(layer.options), [values[name] for name in layer.inputs if name in values]
                op = LAYERS[layer.op]
                if layer.decisions and known:
                    shape = layer.decisions[0].shape
                    alone = {"weights": np.eye(int(np.prod(shape))).reshape(-1, *shape)}
                    before, after = (
                        op([np.repeat(v, len(alone["weights"]), axis=0)], alone, options) for v in known[0]
                    )
                    differs = (before != after).reshape(len(before), -1).any(axis=1)
                    weights = self.batch.values[layer.decisions[0].path].reshape(self.batch.size, -1)
                    found[:, column] |= (weights[:, differs] != 0).any(axis=1)
                elif known and len(known) == len(layer.inputs) and layer.skip is None:
                    values[layer.name] = tuple(op(list(each), {}, options) for each in zip(*known, strict=True))
                elif any((before != after).any() for before, after in known):
                    found[:, column] = True
                if layer.skip in values and (values[layer.skip][0] != values[layer.skip][1]).any():
                    found[:, column] = True
        return found.reshape(self.batch.size, *units.index.shape).astype(float)

    def _used(self, node: Apply) -> FloatArray:
        (units,) = node.operands
        assert isinstance(units, Units)
        network = self.program.network(units.network)
        if units.layer == network.input_name:
            return self._read(network, units)
        if network.layer(units.layer).skip:
            kept = self.batch.kept[network.layer(units.layer).path]
            return np.full((self.batch.size, *units.index.shape), float(kept))
        origins = Origins(network)
        wanted = [origins.units(units.layer, int(row)) for row in units.index.reshape(-1)]
        used = np.zeros((self.batch.size, len(wanted)), dtype=bool)
        for column, owners in enumerate(wanted):
            ((name, row),) = owners
            coming = np.zeros(self.batch.size, dtype=bool)
            for decision in network.layer(name).decisions:
                entries = self.batch.values[decision.path][:, row].reshape(self.batch.size, -1)
                coming |= (entries != 0).any(axis=1)
            going = np.full(self.batch.size, (name, row) in origins.mixed)
            result = origins.of[network.result_layer].reshape(-1)
            going |= any((name, row) in sets for sets in result)
            for layer in network.layers:
                if layer.decisions:
                    reads = np.array([sets == owners for sets in origins.read[layer.name].reshape(-1)])
                    weights = self.batch.values[layer.decisions[0].path].reshape(self.batch.size, -1)
                    going |= (weights[:, reads] != 0).any(axis=1)
            used[:, column] = coming & going
        return used.reshape(self.batch.size, *units.index.shape).astype(float)
