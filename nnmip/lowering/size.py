"""How many coefficients an encoding has, estimated from shapes before any of it is built."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import field
from itertools import accumulate

from nnmip.arrays import distinct
from nnmip.hir.core import (
    Applied,
    Apply,
    Choose,
    Compare,
    Constant,
    Decision,
    Fold,
    Gather,
    Join,
    Junction,
    Layer,
    LayerOutput,
    Network,
    Node,
    Plus,
    Program,
    Reference,
    Scale,
    Units,
    Xor,
    children,
)
from nnmip.ops.registry import LAYERS
from nnmip.records import dataclass
from nnmip.sizes import LAYER, NONZERO, WORK, Allowance, Estimate, counted, product, solver_cost
from nnmip.source import Origin

INTEGER_FROM = 5
"""Evenly spaced domains with at least this many values use one integer column instead of one binary a value."""

_USES = 4
"""How often the output of a layer or an operand is written, in the rows that make it and in those that read it."""

_WORK = {Apply: 4, Choose: 2, Compare: 2, Fold: 2, Junction: 2, Xor: 2}
"""How long the rows of an expression take to make, as against those of a comparison."""

_EACH_BINARY = 1 / 6
"""By how much a binary behind a big-M raises the logarithm of the nodes: proofs of a minute end near 80 of them."""

_BITS = 18
"""Most columns of a weight with evenly spaced values: a binary for each bit."""


@dataclass(frozen=True, slots=True)
class _Part:
    """Something that is encoded, how many coefficients it has at most, and what there are many of."""

    origin: Origin
    coefficients: int
    label: str


def check_size(program: Program, allowance: Allowance) -> None:
    """DiagnosticError NNM0310 at the largest part of a model that has more coefficients than is allowed."""
    estimate = _Estimate(program)
    estimate.check_number(allowance)
    parts = list(estimate.parts())
    total = sum(part.coefficients for part in parts)
    if total * NONZERO > allowance.size:
        largest = max(parts, key=lambda part: part.coefficients)
        what = f"the encoding of `{largest.origin.path}`, up to {counted(total, 'coefficient')},"
        help = "take fewer rows, units or values of weights"
        allowance.check(total, NONZERO, what, largest.origin.span, largest.label, help)


def estimate_direct(program: Program) -> Estimate:
    """What the MILP of the weights would be."""
    estimate = _Estimate(program)
    integers, coefficients = estimate.integers(), sum(part.coefficients for part in estimate.parts())
    return Estimate(integers, coefficients, solver_cost(coefficients, integers * _EACH_BINARY))


@dataclass(frozen=True, slots=True)
class _Estimate:
    program: Program
    terms: dict[int, int] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)

    def parts(self) -> Iterator[_Part]:
        for decision in self.program.decisions:
            label = f"{counted(decision.size, 'entry', 'entries')}, {counted(_columns(decision), 'column')} for each"
            yield _Part(decision.origin, decision.size * _columns(decision) * _USES, label)
        nodes = list(self._nodes())
        for (name, data), uses in Counter(self._meetings(nodes)).items():
            rows = self._rows(data)
            network = self.program.network(name)
            for layer in network.layers:
                terms = self._layer_terms(name, layer) * (2 + _USES * uses * (layer.name == network.result_layer))
                label = f"{counted(rows, 'row')}, {counted(terms, 'coefficient')} for each"
                yield _Part(layer.origin, rows * terms, label)
        for node in nodes:
            count = self._size(node)
            yield _Part(node.origin, count, counted(product(node.shape), "entry", "entries"))

    def integers(self) -> int:
        """The choices of weights from sets, and a binary for every row and entry of what bends or compares."""
        total = sum(d.size * _columns(d) for d in self.program.decisions if not d.domain.is_interval)
        for name, data in set(self._meetings(list(self._nodes()))):
            bent = [layer for layer in self.program.network(name).layers if _bends(layer)]
            total += self._rows(data) * sum(product(layer.shape) for layer in bent)
        return total

    def _rows(self, data: str) -> int:
        """How many rows of a table differ; counted once."""
        if data not in self.rows:
            self.rows[data] = len(distinct(self.program.dataset(data).features, axis=0))
        return self.rows[data]

    def check_number(self, allowance: Allowance) -> None:
        """NNM0310 where so many things are encoded one by one that it takes long, however small each is."""
        parts = {id(part): constraint.origin for constraint in self.program.constraints for part in constraint.parts}
        work = [(origin, 1) for origin in parts.values()]
        work += [(node.origin, _WORK.get(type(node), 0)) for node in self._nodes() if id(node) not in parts]
        meetings = Counter(name for name, _ in self.program.bindings)
        for network in self.program.networks:
            work += [(layer.origin, LAYER // WORK * (1 + meetings[network.name])) for layer in network.layers]
        work += [(d.origin, len(d.domain.intervals)) for d in self.program.decisions]
        total = sum(share for _, share in work)
        if total * WORK > allowance.size:
            work.sort(key=lambda part: part[0].span.start)
            sums = accumulate(share for _, share in work)
            first = next(k for k, so_far in enumerate(sums) if so_far * WORK > allowance.size)
            what, help = (
                f"the encoding of {counted(len(work), 'part')}",
                "say it once with `forall` or of whole tensors",
            )
            allowance.check(total, WORK, what, work[first][0].span, "more than is allowed from here on", help)

    def _nodes(self) -> Iterator[Node]:
        """Every expression of the goals and constraints, once."""
        waiting: list[Node] = [term.value for stage in self.program.stages for term in stage.terms]
        waiting.extend(part for constraint in self.program.constraints for part in constraint.parts)
        seen: set[int] = set()
        while waiting:
            node = waiting.pop()
            if id(node) not in seen:
                seen.add(id(node))
                waiting.extend(children(node))
                yield node

    def _meetings(self, nodes: list[Node]) -> Iterator[tuple[str, str]]:
        for node in nodes:
            if isinstance(node, Apply | LayerOutput) and node.network is not None and node.data is not None:
                yield node.network, node.data

    def _layer_terms(self, name: str, layer: Layer) -> int:
        """The coefficients that one row needs for all units of a layer."""
        weights = layer.decision("weights")
        if weights is None:
            return product(layer.shape)
        bias = layer.decision("bias")
        terms = weights.size * _columns(weights) + (0 if bias is None else bias.size * _columns(bias))
        reads_data = layer.inputs[0] == self.program.network(name).input_name
        return terms if reads_data else 2 * terms

    def _applied_terms(self, network: Network, entries: int) -> int:
        """The coefficients for a network with known weights at points with so many entries."""
        terms = product(network.input_shape)
        for layer in network.layers:
            weights, read = layer.decision("weights"), product(layer.shape)
            each = 1 if weights is None else weights.size // max(1, layer.units)
            terms += read * max(_USES, each)
        return terms * (entries // max(1, product(network.input_shape)))

    def _output_terms(self, network: Network, name: str) -> int:
        """The terms of one entry of what a layer gives for a row."""
        if name == network.input_name:
            return 0
        layer = network.layer(name)
        return max(1, self._layer_terms(network.name, layer) // max(1, product(layer.shape)))

    def _terms(self, node: Node) -> int:
        """The terms of one entry of an expression, at most; counted once for each node."""
        if id(node) not in self.terms:
            self.terms[id(node)] = self._terms_of(node)
        return self.terms[id(node)]

    def _terms_of(self, node: Node) -> int:
        match node:
            case Constant() | Units():
                return 0
            case Reference(decision=decision):
                return _columns(decision)
            case Gather(base=inner) | Scale(operand=inner):
                return self._terms(inner)
            case Join(parts=parts):
                return max(self._terms(part) for part in parts)
            case Plus(terms=terms):
                return sum(self._terms(term) for term in terms)
            case LayerOutput(network=network, layer=layer):
                return self._output_terms(self.program.network(network), layer)
            case Apply(operands=operands, shape=shape):
                entries = sum(product(operand.shape) * max(1, self._terms(operand)) for operand in operands)
                return max(1, entries // max(1, product(shape)))
        return 1

    def _paths(self, name: str) -> int:
        """The products of a weight and an entry in all layers of a network, for each column of a weight."""
        total = 0
        for layer in self.program.network(name).layers:
            weights = layer.decision("weights")
            width = 1 if weights is None else weights.size // max(1, layer.units) * _columns(weights)
            total += product(layer.shape) * width
        return total

    def _size(self, node: Node) -> int:
        """The coefficients that are written for an expression, on top of those of its operands."""
        entries = product(node.shape)
        match node:
            case Applied(network=name, operand=operand):
                return self._applied_terms(self.program.known_network(name).network, product(operand.shape))
            case Constant() | Reference() | Units() | LayerOutput():
                return entries
            case Gather() | Join() | Plus() | Scale():
                return entries * self._terms(node)
            case Apply(network=None, operands=operands):
                return _USES * sum(product(o.shape) * max(1, self._terms(o)) for o in operands)
            case Apply(network=str(name), data=None):
                return _USES * _directions(node, self.program.network(name)) * self._paths(name)
            case Fold(operand=operand):
                return _USES * product(operand.shape)
            case Compare() | Junction() | Xor() | Choose():
                return _USES * entries * (1 + sum(self._terms(child) for child in children(node)))
        return entries


def _directions(node: Apply, network: Network) -> int:
    """In how many directions of the input a condition on a region looks."""
    options = dict(node.options)
    if "features" in options:
        return len(options["features"])
    return product(network.input_shape) if options["norm"] == "norm_1" else 1


def _bends(layer: Layer) -> bool:
    """Whether what a layer gives depends on its inputs in several cases."""
    return layer.op == "maxpool2d" or (LAYERS[layer.op].connect is None and bool(LAYERS[layer.op].prune))


def _columns(decision: Decision) -> int:
    """How many columns one entry of a decision has."""
    domain = decision.domain
    pieces = len(domain.values) + len(domain.intervals)
    if domain.is_finite and pieces >= INTEGER_FROM and domain.step is not None:
        return min(pieces, _BITS)
    return pieces
