"""Where conditions and goals bring several units together: sums over units, and whether any unit has something."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Apply, Fold, LayerOutput, Node, Reference, Shape, Units, children
from nnmip.ops.base import MIXED, NONE
from nnmip.records import dataclass
from nnmip.search.parts import ADDING, Batch, Parts
from nnmip.search.view import Refusal, View

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Whole(Parts):
    """The decisions of a network by their unit, whether they come in or go out: part 2 u is unit u."""

    def decision(self, path: str, shape: Shape) -> IntArray:
        part = super().decision(path, shape)
        return np.where(part == self.shared, part, part // 2 * 2)


@dataclass(frozen=True, slots=True, eq=False)
class Joint:
    """An expression over all units that is a sum of a number of each (`adds`), or says whether any unit has something
    (for a fold with `and`: whether none fails)."""

    node: Node
    adds: bool
    whole: Whole

    def of(self, batch: Batch) -> FloatArray:
        """What the first unit gives to it, in networks whose other units are 0: [k, *shape of the node]. A sum is
        counted from 0, and not from what it is where all units are 0."""
        node = self.node
        if not isinstance(node, Fold):
            return np.broadcast_to(batch.value(node), (batch.count, *node.shape))
        operand = node.operand
        value = np.broadcast_to(batch.value(operand), (batch.count, *operand.shape)) > 0.5
        told = value if node.op == "or" else ~value
        mine = told & (self.whole.of(operand) == 0)
        return np.asarray(mine.reshape(*mine.shape[: node.batch + 1], -1).any(axis=-1), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Joints:
    """What ties the units of a view: conditions on every unit by itself, and all other expressions with the joints that
    they are made of."""

    view: View

    @cached_property
    def whole(self) -> Whole:
        parts = self.view.parts
        return Whole(parts.network, parts.wiring, parts.hidden, parts.out)

    @cached_property
    def of_each(self) -> tuple[Node, ...]:
        """Conditions of which every entry reads one unit, in and out."""
        return tuple(node for node in self.view.coupling if self._is_of_each(node))

    @cached_property
    def conditions(self) -> tuple[Node, ...]:
        """The other conditions."""
        return tuple(node for node in self.view.coupling if not self._is_of_each(node))

    @cached_property
    def found(self) -> tuple[Joint, ...]:
        """The joints of conditions and later goals; Refusal where one is made of something else."""
        found: dict[int, Joint] = {}
        later = [node for node in self.view.tying if node not in self.view.coupling]
        for node in (*self.conditions, *later):
            self._collect(node, found, node)
        return tuple(found.values())

    def _is_of_each(self, node: Node) -> bool:
        return not (self.whole.of(node) == MIXED).any()

    def _collect(self, node: Node, found: dict[int, Joint], rule: Node) -> None:
        if id(node) in found or (self.whole.of(node) == NONE).all():
            return
        match node:
            case Apply(network=None, word="used", operands=(Units(layer=layer),)):
                if layer == self.view.network.input_name:
                    found[id(node)] = Joint(node, False, self.whole)
                    return
            case Apply(network=None, word=word, operands=(operand,)) if word in ADDING:
                if self._is_of_each(operand):
                    found[id(node)] = Joint(node, True, self.whole)
                    return
                if word in ("sum", "count"):
                    self._collect(operand, found, rule)
                    return
            case Fold(operand=operand) if self._is_of_each(operand):
                if not (self.whole.of(operand) == NONE).any():
                    found[id(node)] = Joint(node, False, self.whole)
                    return
            case Apply() | Units() | LayerOutput() | Reference():
                pass
            case _:
                self._collect_all(children(node), found, rule)
                return
        raise Refusal("a rule or a later goal is no sum over units, and no count of them", rule.origin.span)

    def _collect_all(self, nodes: Iterable[Node], found: dict[int, Joint], rule: Node) -> None:
        for node in nodes:
            self._collect(node, found, rule)
