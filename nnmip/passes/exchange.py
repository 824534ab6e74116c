"""Whether a model stays the same when two units change places.

Every entry of an expression gets a number, for the expression as it stands and for each exchange of two units, such
that equal numbers mean the same formula over the same decisions. Whatever adds up, counts or joins its entries sees
them in sorted order, so that a rule about all units has the same number after an exchange.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nnmip.hir.alike import Alike, distinct
from nnmip.hir.core import (
    Applied,
    Apply,
    BoolArray,
    Choose,
    Compare,
    Constant,
    Fold,
    Gather,
    IntArray,
    Join,
    Junction,
    LayerOutput,
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
from nnmip.hir.walk import once, walk
from nnmip.records import dataclass

Numbers = Callable[[Node], IntArray]

MOST_NUMBERS = 4_000_000
"""Most numbers that one question may need; beyond, the answer is no."""

REDUCING = frozenset({"l0", "norm_1", "norm_2sq", "norm_inf", "sum", "count", "max", "min"})
ENTRYWISE = frozenset({"nonzero", "used", "abs", "clip"})
ORDERED = frozenset({"argmax", "argmin"})
"""Words that reduce entries whose order matters."""


@dataclass(frozen=True, eq=False)
class Exchanges:
    """Exchanges of two units that their network treats alike, with all that goes with them.

    pairs: positions in the units of `alike`, shape [k, 2].
    """

    alike: Alike
    pairs: IntArray

    def moved(self, shape: Shape, table: IntArray | None) -> IntArray:
        """What is at each place of a tensor after each exchange, shape [k + 1, *shape]: flat positions; the first row
        is that of the model as it stands. `table`: where the entries of each unit are, None where nothing moves."""
        places = np.tile(np.arange(int(np.prod(shape, dtype=np.int64))), (len(self.pairs) + 1, 1))
        if table is not None:
            rows = np.arange(1, len(self.pairs) + 1)[:, None]
            first, second = table[self.pairs[:, 0]], table[self.pairs[:, 1]]
            places[rows, first], places[rows, second] = second, first
        return places.reshape(-1, *shape)

    def leave(self, node: Node) -> BoolArray:
        """Which exchanges change nothing of a goal's term, or of what must hold in every entry of `node`."""
        if (len(self.pairs) + 1) * _size(node) > MOST_NUMBERS:
            return np.zeros(len(self.pairs), dtype=bool)
        numbers = np.sort(once(self._numbers)(node).reshape(len(self.pairs) + 1, -1), axis=1)
        same: BoolArray = (numbers[1:] == numbers[0]).all(axis=1)
        return same

    def _numbers(self, node: Node, numbers_of: Numbers) -> IntArray:
        """The number of every entry, shape [k + 1, *shape]; comparable inside one node only."""
        match node:
            case Constant(value=value):
                return self._fixed(np.unique(value, return_inverse=True)[1].reshape(value.shape))
            case Reference(decision=decision):
                return self.moved(decision.shape, self.alike.decisions.get(decision.path))
            case Units(network=network, layer=layer, index=index):
                table = self.alike.slices.get(layer) if self._is_of(network) else None
                return self._fixed(index) if table is None else self.moved((_width(table, index),), table)[:, index]
            case LayerOutput():
                return self._outputs(node)
            case Applied(operand=operand, shape=shape):
                return self._at_points(numbers_of(operand), shape)
            case Gather(base=base, index=index):
                numbers = numbers_of(base)
                return numbers.reshape(len(numbers), -1)[:, index]
            case Join(parts=parts):
                return self._joined([numbers_of(part) for part in parts])
            case Scale(factor=factor, operand=operand, shape=shape):
                factors = self._fixed(np.unique(factor, return_inverse=True)[1].reshape(factor.shape))
                return _numbered([_wide(factors, shape), _wide(numbers_of(operand), shape)])
            case Apply():
                return self._word(node, numbers_of)
            case Fold(operand=operand, batch=batch):
                return _sorted(numbers_of(operand), batch)
            case Not(operand=operand):
                return numbers_of(operand)
            case Plus() | Compare() | Junction() | Xor() | Choose():
                return _numbered([_wide(numbers_of(child), node.shape) for child in children(node)])

    def _fixed(self, numbers: IntArray) -> IntArray:
        """The same numbers for every exchange."""
        return np.broadcast_to(numbers, (len(self.pairs) + 1, *numbers.shape))

    def _is_of(self, network: str) -> bool:
        return network == self.alike.network.name

    def _outputs(self, node: LayerOutput) -> IntArray:
        rows, shape = node.shape[0], node.shape[1:]
        table = self.alike.tensors.get(node.layer) if self._is_of(node.network) else None
        start = np.arange(rows).reshape(-1, *(1,) * len(shape)) * int(np.prod(shape, dtype=np.int64))
        return self.moved(shape, table)[:, None] + start

    def _at_points(self, numbers: IntArray, shape: Shape) -> IntArray:
        """What a network gives at all its points together, which no exchange of their entries leaves alone."""
        whole = distinct(numbers.reshape(len(numbers), -1))
        place = np.arange(int(np.prod(shape, dtype=np.int64)))
        return (whole[:, None] * len(place) + place).reshape(-1, *shape)

    def _joined(self, parts: list[IntArray]) -> IntArray:
        flat, start = [], 0
        for part in parts:
            flat.append(part.reshape(len(part), -1) + start)
            start = int(flat[-1].max(initial=start)) + 1
        return np.concatenate(flat, axis=1)

    def _word(self, node: Apply, numbers_of: Numbers) -> IntArray:
        if node.network is not None:
            return self._fixed(np.zeros(node.shape, dtype=np.int64))
        (operand,) = node.operands
        if node.word in ENTRYWISE:
            return numbers_of(operand)
        if node.word in ORDERED:
            return distinct(_together(numbers_of(operand), node.batch))
        assert node.word in REDUCING, node.word
        return _sorted(numbers_of(operand), node.batch)


def _width(table: IntArray, index: IntArray) -> int:
    """How many units there are, at least, of which `table` and `index` name some."""
    return 1 + int(max(table.max(initial=-1), index.max(initial=-1)))


def _size(node: Node) -> int:
    """The number of entries of an expression and of all that it reads."""
    return sum(int(np.prod(part.shape, dtype=np.int64)) for part in walk(node))


def _wide(numbers: IntArray, shape: Shape) -> IntArray:
    """Numbers [k + 1, *small] stretched to [k + 1, *shape]."""
    missing = len(shape) + 1 - numbers.ndim
    return np.broadcast_to(numbers.reshape(len(numbers), *(1,) * missing, *numbers.shape[1:]), (len(numbers), *shape))


def _numbered(parts: list[IntArray]) -> IntArray:
    """One number for every distinct tuple of numbers at the same place."""
    return distinct(np.stack(parts, axis=-1))


def _sorted(numbers: IntArray, batch: int) -> IntArray:
    """One number for every distinct multiset of numbers, over the axes behind the first `batch` ones."""
    return distinct(np.sort(_together(numbers, batch), axis=-1))


def _together(numbers: IntArray, batch: int) -> IntArray:
    """Numbers with all axes behind the first `batch` ones as one."""
    width = int(np.prod(numbers.shape[batch + 1 :], dtype=np.int64))
    return numbers.reshape(*numbers.shape[: batch + 1], width)
