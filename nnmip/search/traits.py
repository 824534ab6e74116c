"""What conditions and goals on several units read of each: units that agree on it can take each other's place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Apply, LayerOutput, Node, Units, children
from nnmip.ops.base import MIXED
from nnmip.records import dataclass
from nnmip.search.parts import ADDING, REDUCING, Batch, Parts

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Traits:
    """Numbers that tell the first unit apart for expressions over several units, in networks whose other units are 0.

    found: nodes, and which of their entries count: those that read the first unit alone and, of words that add up
    something of every unit and of `used(net.x)`, all. What such expressions say of a network is a function of the
    traits of its units, for the value of each node is one: an entry of one unit, a sum of one number for every unit,
    or whether any of them reads an entry of the input.
    """

    found: tuple[tuple[Node, BoolArray], ...]

    def of(self, batch: Batch) -> FloatArray:
        """[k, traits]."""
        values = [np.zeros((batch.count, 0))]
        for node, mine in self.found:
            value = batch.value(node)
            values.append(np.broadcast_to(value, (batch.count, *mine.shape))[:, mine])
        return np.concatenate(values, axis=1)


def traits_of(parts: Parts, nodes: Iterable[Node]) -> Traits | None:
    """The traits that some expressions read; None where one reads more of a unit than numbers of its own."""
    found: dict[int, tuple[Node, BoolArray]] = {}
    return Traits(tuple(found.values())) if all(_collect(parts, node, found) for node in nodes) else None


def _collect(parts: Parts, node: Node, found: dict[int, tuple[Node, BoolArray]]) -> bool:
    owner = parts.of(node)
    if not (owner == MIXED).any():
        mine = (owner == 0) | (owner == 1)
        if mine.any():
            found[id(node)] = node, mine
        return True
    match node:
        case Apply(network=None, word="used", operands=(Units(network=name, layer=layer),)):
            found[id(node)] = node, np.ones(node.shape, dtype=bool)
            return name == parts.network.name and layer == parts.network.input_name
        case Apply(network=None, word=word, operands=(operand,)) if word in ADDING and _is_of_single(parts, operand):
            found[id(node)] = node, np.ones(node.shape, dtype=bool)
            return True
        case Apply(network=None, word=word, operands=(operand,)) if word in REDUCING:
            return _collect(parts, operand, found)
        case Apply() | Units() | LayerOutput():
            return False
    return all(_collect(parts, child, found) for child in children(node))


def _is_of_single(parts: Parts, node: Node) -> bool:
    return not (parts.of(node) == MIXED).any()


@dataclass(eq=False)
class Classes:
    """Numbers for vectors, the same for equal ones, in the order in which they come."""

    known: dict[bytes, int] = field(default_factory=dict)
    single: int = 0

    def of(self, vectors: FloatArray) -> IntArray:
        """[k] for vectors [k, t]."""
        if not vectors.shape[1]:
            return np.full(len(vectors), self._number(b""), dtype=np.int64)
        distinct, place = np.unique(vectors + 0.0, axis=0, return_inverse=True)
        numbers = [self._number(vector.tobytes()) for vector in distinct]
        return np.asarray(np.array(numbers, dtype=np.int64)[place.reshape(-1)])

    def apart(self, count: int) -> IntArray:
        """Numbers for vectors that equal no other."""
        self.single += count
        return np.arange(-self.single, count - self.single)

    def _number(self, key: bytes) -> int:
        return self.known.setdefault(key, len(self.known))
