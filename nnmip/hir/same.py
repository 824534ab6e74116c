"""Which expressions are the same: written twice, they mean one thing, and are worth one encoding."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import field

import numpy as np

from nnmip.hir.core import Applied, Constant, Gather, Join, Node, Plus, Reference, Scale
from nnmip.records import dataclass


@dataclass(slots=True)
class Same:
    """Numbers for nodes: equal ones for equal affine expressions of decisions and of networks at them. Any other node
    is equal to itself alone."""

    _numbers: dict[Hashable, int] = field(default_factory=dict)
    _of_node: dict[int, tuple[Node, int]] = field(default_factory=dict)

    def number(self, node: Node) -> int:
        if id(node) not in self._of_node:
            number = self._numbers.setdefault(self._form(node), len(self._numbers))
            self._of_node[id(node)] = node, number
        return self._of_node[id(node)][1]

    def _form(self, node: Node) -> Hashable:
        """What an expression is made of, the expressions in it by their numbers."""
        match node:
            case Constant(value=value):
                return Constant, value.shape, np.ascontiguousarray(value, dtype=np.float64).tobytes()
            case Reference(decision=decision):
                return Reference, decision.path
            case Gather(base=base, index=index):
                return Gather, self.number(base), index.shape, np.ascontiguousarray(index, dtype=np.int64).tobytes()
            case Join(parts=parts):
                return Join, tuple(map(self.number, parts))
            case Plus(terms=terms, shape=shape):
                return Plus, shape, tuple(map(self.number, terms))
            case Scale(factor=factor, operand=operand, shape=shape):
                return Scale, shape, factor.shape, np.ascontiguousarray(factor).tobytes(), self.number(operand)
            case Applied(network=network, operand=operand, shape=shape):
                return Applied, network, shape, self.number(operand)
        return type(node), id(node)
