"""Whether a model stays the same when two units change places.

Every entry of an expression gets a number, for the expression as it stands and for each exchange of two units, such
that equal numbers mean the same formula over the same decisions. Whatever adds up, counts or joins its entries sees
them in sorted order, so that a rule about all units has the same number after an exchange.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nnmip.hir.core import (
    Apply,
    BoolArray,
    Choose,
    Compare,
    Constant,
    Decision,
    Fold,
    Gather,
    IntArray,
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
    Shape,
    Units,
    Xor,
    children,
)

MOST_NUMBERS = 4_000_000
"""Most numbers that one question may need; beyond, the answer is no."""

REDUCING = frozenset({"l0", "norm_1", "norm_2sq", "norm_inf", "sum", "count"})
ENTRYWISE = frozenset({"nonzero", "used"})


@dataclass(frozen=True, eq=False)
class Exchanges:
    """Exchanges of two units of a hidden layer, with their incoming and outgoing weights: `pairs` has shape [k, 2]."""

    program: Program
    network: Network
    layer: Layer
    pairs: IntArray

    @cached_property
    def units(self) -> IntArray:
        """Where each unit goes, shape [k + 1, units]; the first row is that of the model as it stands."""
        moved = np.tile(np.arange(self.layer.units), (len(self.pairs) + 1, 1))
        rows = np.arange(1, len(self.pairs) + 1)
        moved[rows, self.pairs[:, 0]], moved[rows, self.pairs[:, 1]] = self.pairs[:, 1], self.pairs[:, 0]
        return moved

    def leave(self, node: Node) -> BoolArray:
        """Which exchanges change nothing of a goal's term, or of what must hold in every entry of `node`."""
        if (len(self.pairs) + 1) * _size(node) > MOST_NUMBERS:
            return np.zeros(len(self.pairs), dtype=bool)
        numbers = np.sort(self.numbers(node).reshape(len(self.pairs) + 1, -1), axis=1)
        same: BoolArray = (numbers[1:] == numbers[0]).all(axis=1)
        return same

    def numbers(self, node: Node) -> IntArray:
        """The number of every entry, shape [k + 1, *shape]; comparable inside one node only."""
        match node:
            case Constant(value=value):
                return self._fixed(np.unique(value, return_inverse=True)[1].reshape(value.shape))
            case Reference(decision=decision):
                return self._decision(decision)
            case Units(network=network, layer=layer, index=index):
                return self.units[:, index] if self._moves(network, layer) else self._fixed(index)
            case LayerOutput():
                return self._outputs(node)
            case Gather(base=base, index=index):
                numbers = self.numbers(base)
                return numbers.reshape(len(numbers), -1)[:, index]
            case Join(parts=parts):
                return self._joined([self.numbers(part) for part in parts])
            case Scale(factor=factor, operand=operand, shape=shape):
                factors = self._fixed(np.unique(factor, return_inverse=True)[1].reshape(factor.shape))
                return _numbered([_wide(factors, shape), _wide(self.numbers(operand), shape)])
            case Apply():
                return self._word(node)
            case Fold(operand=operand, batch=batch):
                return _sorted(self.numbers(operand), batch)
            case Not(operand=operand):
                return self.numbers(operand)
            case Plus() | Compare() | Junction() | Xor() | Choose():
                return _numbered([_wide(self.numbers(child), node.shape) for child in children(node)])

    def _fixed(self, numbers: IntArray) -> IntArray:
        """The same numbers for every exchange."""
        return np.broadcast_to(numbers, (len(self.pairs) + 1, *numbers.shape))

    def _moves(self, network: str, layer: str) -> bool:
        """Whether the units of a layer are those that change places."""
        owner = self.program.network(network)
        if owner is not self.network or layer == owner.input_name or not _has_weights(owner, layer):
            return False
        return owner.producer(layer) is owner.producer(self.layer.name)

    def _decision(self, decision: Decision) -> IntArray:
        places = np.arange(decision.size).reshape(decision.shape)
        producer = self.network.producer(self.layer.name)
        if decision in producer.decisions:
            return places[self.units]
        if decision.role == "weights" and any(decision in c.decisions for c in self.network.consumers(producer.name)):
            return np.moveaxis(places[:, self.units], 1, 0)
        return self._fixed(places)

    def _outputs(self, node: LayerOutput) -> IntArray:
        places = np.arange(int(np.prod(node.shape, dtype=np.int64))).reshape(node.shape)
        if not self._moves(node.network, node.layer):
            return self._fixed(places)
        return np.moveaxis(places[:, self.units], 1, 0)

    def _joined(self, parts: list[IntArray]) -> IntArray:
        flat, start = [], 0
        for part in parts:
            flat.append(part.reshape(len(part), -1) + start)
            start = int(flat[-1].max(initial=start)) + 1
        return np.concatenate(flat, axis=1)

    def _word(self, node: Apply) -> IntArray:
        if node.network is not None:
            return self._fixed(np.zeros(node.shape, dtype=np.int64))
        (operand,) = node.operands
        if node.word in ENTRYWISE:
            return self.numbers(operand)
        assert node.word in REDUCING, node.word
        return _sorted(self.numbers(operand), node.batch)


def _has_weights(network: Network, name: str) -> bool:
    """Whether some layer with weights makes the units of a layer; an activation of the input has none."""
    while name != network.input_name:
        layer = network.layer(name)
        if layer.decisions:
            return True
        name = layer.inputs[0]
    return False


def _size(node: Node) -> int:
    """The number of entries of an expression and of all that it reads."""
    total, stack = 0, [node]
    while stack:
        current = stack.pop()
        total += int(np.prod(current.shape, dtype=np.int64))
        if total > MOST_NUMBERS:
            break
        stack.extend(children(current))
    return total


def _wide(numbers: IntArray, shape: Shape) -> IntArray:
    """Numbers [k + 1, *small] stretched to [k + 1, *shape]."""
    missing = len(shape) + 1 - numbers.ndim
    return np.broadcast_to(numbers.reshape(len(numbers), *(1,) * missing, *numbers.shape[1:]), (len(numbers), *shape))


def _numbered(parts: list[IntArray]) -> IntArray:
    """One number for every distinct tuple of numbers at the same place."""
    return _distinct(np.stack(parts, axis=-1))


def _sorted(numbers: IntArray, batch: int) -> IntArray:
    """One number for every distinct multiset of numbers, over the axes behind the first `batch` ones."""
    kept = numbers.shape[: batch + 1]
    width = int(np.prod(numbers.shape[batch + 1 :], dtype=np.int64))
    return _distinct(np.sort(numbers.reshape(*kept, width), axis=-1))


def _distinct(rows: IntArray) -> IntArray:
    """The position of every row of the last axis among the distinct ones."""
    width = rows.shape[-1]
    if not width or not rows.size:
        return np.zeros(rows.shape[:-1], dtype=np.int64)
    return np.unique(rows.reshape(-1, width), axis=0, return_inverse=True)[1].reshape(rows.shape[:-1])
