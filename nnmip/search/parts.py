"""What of goals and constraints belongs to one hidden unit, and its value for many candidates of that unit at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from functools import cached_property
from typing import cast

import numpy as np
from numpy.typing import NDArray

from nnmip.arrays import distinct
from nnmip.hir.core import (
    Applied,
    Apply,
    Choose,
    Compare,
    Constant,
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
    Reference,
    Scale,
    Shape,
    Units,
    Xor,
    children,
)
from nnmip.hir.wiring import Wiring
from nnmip.ops.base import MIXED, NONE, Meaning, merged_owner
from nnmip.ops.registry import WORDS
from nnmip.records import dataclass

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]

ADDING = frozenset({"l0", "norm_1", "norm_2sq", "sum", "count"})
"""Words that add up something of every entry."""

REDUCING = ADDING | {"norm_inf", "max", "min"}

ENTRYWISE = frozenset({"nonzero", "abs", "clip"})
"""Words that say something of each entry by itself."""


@dataclass(frozen=True, eq=False)
class Parts:
    """The decisions of a network of one hidden layer by what they belong to: unit u has part 2 u, what comes in, and
    part 2 u + 1, what goes out; the output biases are one more part, which is nobody's."""

    network: Network
    wiring: Wiring
    hidden: Layer
    out: Layer

    @property
    def units(self) -> int:
        return self.hidden.units

    @cached_property
    def places(self) -> IntArray:
        """The columns of the output weights that read each unit, in the order of its positions, [units, p]."""
        reads = self.wiring.reads[f"{self.out.path}.weights"][0]
        return np.argsort(reads, kind="stable").reshape(self.units, -1)

    @property
    def shared(self) -> int:
        """The part of the output biases."""
        return 2 * self.units

    def decision(self, path: str, shape: Shape) -> IntArray:
        """The part of every entry of a decision."""
        if path == f"{self.out.path}.weights":
            return 2 * self.wiring.reads[path].reshape(shape) + 1
        if path.rpartition(".")[0] == self.hidden.path:
            return np.broadcast_to(2 * np.arange(self.units).reshape(-1, *(1,) * (len(shape) - 1)), shape)
        return np.full(shape, self.shared)

    def of(self, node: Node) -> IntArray:
        """The part that every entry of an expression reads: NONE for constants, MIXED for several."""
        return _Reader(self).of(node)

    def is_separable(self, node: Node) -> bool:
        """Whether a number is a sum of numbers that read one part each."""
        match node:
            case Plus(terms=terms, shape=()):
                return all(self.is_separable(term) for term in terms)
            case Scale(operand=operand, factor=factor) if factor.size == 1 and operand.shape == ():
                return self.is_separable(operand)
            case Apply(word=word, batch=0, operands=(operand,)) if word in ADDING:
                return not (self.of(operand) == MIXED).any()
        return not (self.of(node) == MIXED).any()

    @cached_property
    def feature_reads(self) -> IntArray:
        """Which weights of the hidden layer read which entry of the input, [weights, entries]."""
        entries = np.arange(int(np.prod(self.network.input_shape, dtype=np.int64)))
        reads = self.wiring.features(entries).weights[f"{self.hidden.path}.weights"]
        return reads.reshape(len(entries), -1).T.astype(np.int64)

    def hidden_units(self, units: Units) -> IntArray | None:
        """The hidden units that `units` names, None where they are others."""
        if units.network != self.network.name or units.layer == self.network.input_name:
            return None
        owner: IntArray = self.wiring.units(units.layer)[units.index]
        return owner if ((owner >= 0) & (owner < self.units)).all() else None


@dataclass(eq=False)
class _Reader:
    """The parts of expressions, each computed once."""

    parts: Parts
    _known: dict[int, tuple[Node, IntArray]] = field(default_factory=dict)

    def of(self, node: Node) -> IntArray:
        if id(node) not in self._known:
            self._known[id(node)] = node, self._of(node)
        return self._known[id(node)][1]

    def _of(self, node: Node) -> IntArray:
        match node:
            case Constant(value=value):
                return np.full(value.shape, NONE)
            case Reference(decision=decision):
                return self.parts.decision(decision.path, decision.shape)
            case Gather(base=base, index=index):
                return self.of(base).reshape(-1)[index]
            case Join(parts=parts):
                return np.concatenate([self.of(part).reshape(-1) for part in parts])
            case Scale(operand=operand, shape=shape):
                return np.broadcast_to(self.of(operand), shape)
            case Not(operand=operand):
                return self.of(operand)
            case Fold(operand=operand, batch=batch):
                return _over(self.of(operand), batch)
            case Plus() | Compare() | Junction() | Xor() | Choose():
                wide = [np.broadcast_to(self.of(child), node.shape) for child in children(node)]
                return merged(np.stack(wide, axis=-1))
            case Apply():
                return self._word(node)
            case Units() | LayerOutput() | Applied():
                return np.full(node.shape, MIXED)

    def _word(self, node: Apply) -> IntArray:
        if node.network is not None or len(node.operands) != 1:
            return np.full(node.shape, MIXED)
        (operand,) = node.operands
        if node.word == "used" and isinstance(operand, Units):
            units = self.parts.hidden_units(operand)
            # Of a unit with something that goes out, `used` reads only what comes in.
            return np.full(node.shape, MIXED) if units is None else 2 * units
        if node.word in ENTRYWISE:
            return self.of(operand)
        if node.word in REDUCING:
            return _over(self.of(operand), node.batch)
        return np.full(node.shape, MIXED)


def merged(parts: IntArray) -> IntArray:
    """The part of what is made from the entries along the last axis."""
    owner: IntArray = merged_owner(parts, parts != NONE)
    return owner


def _over(parts: IntArray, batch: int) -> IntArray:
    return merged(parts.reshape(*parts.shape[:batch], -1))


def conjuncts(node: Node) -> Iterator[Node]:
    """Nodes that must hold in every entry exactly where `node` must."""
    match node:
        case Fold(op="and", operand=operand):
            yield from conjuncts(operand)
        case Junction(op="and", terms=terms):
            for term in terms:
                yield from conjuncts(term)
        case Gather(base=base, index=index) if np.array_equal(distinct(index), np.arange(int(np.prod(base.shape)))):
            yield from conjuncts(base)
        case _:
            yield node


@dataclass(eq=False)
class Batch:
    """Expressions that read no data, for k assignments at once: values by decision path, each [k, *shape]."""

    parts: Parts
    values: Mapping[str, FloatArray]
    tolerance: float
    _known: dict[int, tuple[Node, FloatArray]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return len(next(iter(self.values.values())))

    def value(self, node: Node) -> FloatArray:
        """The value of an expression, [k, *shape]; of constants the first axis may be 1."""
        if id(node) not in self._known:
            self._known[id(node)] = node, self._value(node)
        return self._known[id(node)][1]

    def _wide(self, node: Node, shape: Shape) -> FloatArray:
        value = self.value(node)
        return value.reshape(len(value), *(1,) * (len(shape) + 1 - value.ndim), *value.shape[1:])

    def _value(self, node: Node) -> FloatArray:
        match node:
            case Constant(value=value):
                return value[None]
            case Reference(decision=decision):
                return self.values[decision.path]
            case Gather(base=base, index=index):
                value = self.value(base)
                return value.reshape(len(value), -1)[:, index]
            case Join(parts=parts):
                flat = [self.value(part).reshape(len(self.value(part)), -1) for part in parts]
                return np.concatenate([np.broadcast_to(f, (self.count, f.shape[1])) for f in flat], axis=1)
            case Plus(terms=terms, shape=shape):
                total = np.zeros((1, *shape))
                for term in terms:
                    total = total + self._wide(term, shape)
                return total
            case Scale(factor=factor, operand=operand, shape=shape):
                return np.asarray(factor * self._wide(operand, shape))
            case Compare(left=left, right=right, op=op, shape=shape):
                difference = self._wide(left, shape) - self._wide(right, shape)
                excess = {"<=": difference, ">=": -difference, "=": np.abs(difference)}[op]
                return np.asarray(excess <= self.tolerance, dtype=np.float64)
            case Not(operand=operand):
                return 1.0 - self.value(operand)
            case Junction(op=op, terms=terms, shape=shape):
                holds = self._wide(terms[0], shape) > 0.5
                for term in terms[1:]:
                    other = self._wide(term, shape) > 0.5
                    holds = holds & other if op == "and" else holds | other
                return np.asarray(np.broadcast_to(holds, (len(holds), *shape)), dtype=np.float64)
            case Xor(left=left, right=right, shape=shape):
                return np.abs(self._wide(left, shape) - self._wide(right, shape))
            case Fold(op=op, operand=operand, batch=batch):
                holds = self.value(operand) > 0.5
                entries = holds.reshape(*holds.shape[: batch + 1], -1)
                return np.asarray(entries.all(axis=-1) if op == "and" else entries.any(axis=-1), dtype=np.float64)
            case Choose(condition=condition, then=then, otherwise=otherwise, shape=shape):
                is_then = self._wide(condition, shape) > 0.5
                return np.where(is_then, self._wide(then, shape), self._wide(otherwise, shape))
            case Apply():
                return self._word(node)
            case Units() | LayerOutput() | Applied():
                raise AssertionError("it has no value without data")

    def _word(self, node: Apply) -> FloatArray:
        (operand,) = node.operands
        if node.word == "used":
            assert isinstance(operand, Units)
            return np.asarray(self._used(operand), dtype=np.float64)
        batched = replace(node, batch=node.batch + 1) if node.word in REDUCING else node
        # Words over tensors ask nothing about the model.
        return WORDS[node.word].evaluate(batched, (self.value(operand),), cast(Meaning, None))

    def _used(self, units: Units) -> BoolArray:
        hidden = self.parts.hidden_units(units)
        if hidden is not None:
            return self._busy()[:, hidden]
        assert units.layer == self.parts.network.input_name
        path = f"{self.parts.hidden.path}.weights"
        reads = self.parts.feature_reads[:, units.index.reshape(-1)]
        nonzero = (self.values[path] != 0).reshape(self.count, -1).astype(np.int64)
        return np.asarray((nonzero @ reads > 0).reshape(self.count, *units.shape))

    def _busy(self) -> BoolArray:
        """Which units have something nonzero that comes in and something that goes out, [k, units]."""
        parts = self.parts
        arriving = np.zeros((self.count, parts.units), dtype=bool)
        for decision in parts.hidden.decisions:
            arriving |= (self.values[decision.path].reshape(self.count, parts.units, -1) != 0).any(axis=2)
        path = f"{parts.out.path}.weights"
        reads, weights = parts.wiring.reads[path].reshape(-1), self.values[path].reshape(self.count, -1)
        leaving = np.stack([(weights[:, reads == unit] != 0).any(axis=1) for unit in range(parts.units)], axis=1)
        return np.asarray(arriving & leaving)
