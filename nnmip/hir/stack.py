"""One tensor from many expressions of the same form, so that what is said for each of many things stays one node.

`forall s in train: ...` is read once for each row. The expressions that come out differ in their constants and in the
entries that they pick; put on top of each other they are one expression with one axis more, and one block of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import field
from typing import Any

import numpy as np

from nnmip.hir.core import (
    Applied,
    Apply,
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
)
from nnmip.hir.walk import walk
from nnmip.records import dataclass


def stacked(nodes: Sequence[Node]) -> list[Node]:
    """The given nodes, all of one shape, on top of each other: nodes of shape (k, *shape) with all of them together.

    Nodes of one form make one stack, in their order; there are as many stacks as forms.
    """
    stacker = _Stacker()
    groups: dict[int, list[Node]] = {}
    for node in nodes:
        groups.setdefault(stacker.form(node), []).append(node)
    return [stacker.stack(group) for group in groups.values()]


@dataclass(slots=True)
class _Stacker:
    """Forms and stacks, each found once however often a node is read.

    numbers: every form that occurred, numbered. forms: the number of each node's form, with the node to keep it alive.
    made: the stack of nodes, by their identities.
    """

    numbers: dict[Hashable, int] = field(default_factory=dict)
    forms: dict[int, tuple[Node, int]] = field(default_factory=dict)
    made: dict[tuple[int, ...], tuple[list[Node], Node]] = field(default_factory=dict)

    def form(self, node: Node) -> int:
        """A number for what nodes must have in common to be stacked: everything but constants and picked positions."""
        if id(node) not in self.forms:
            form = _form(node, self.form)
            self.forms[id(node)] = node, self.numbers.setdefault(form, len(self.numbers))
        return self.forms[id(node)][1]

    def stack(self, nodes: list[Node]) -> Node:
        """Nodes of one form on a new first axis."""
        key = tuple(map(id, nodes))
        if key not in self.made:
            self.made[key] = nodes, self._stack(nodes)
        return self.made[key][1]

    def _stack(self, nodes: list[Node]) -> Node:
        first, count = nodes[0], len(nodes)
        if _is_whole(first) or _is_one(nodes):
            size = int(np.prod(first.shape, dtype=np.int64))
            whole = np.broadcast_to(np.arange(size).reshape(first.shape), (count, *first.shape))
            return Gather(first, np.ascontiguousarray(whole), first.origin)
        match first:
            case Constant(boolean=boolean):
                return Constant(np.stack([n.value for n in _all(nodes, Constant)]), first.origin, boolean)
            case Gather():
                return self._stack_gathers(_all(nodes, Gather))
            case Units(network=network, layer=layer):
                return Units(network, layer, np.stack([n.index for n in _all(nodes, Units)]), first.origin)
            case Join():
                return self._stack_joins(_all(nodes, Join))
            case Scale():
                return self._stack_scales(_all(nodes, Scale))
            case Plus(shape=shape):
                terms = self._columns(nodes, lambda n: n.terms, len(shape))
                return Plus(terms, (count, *shape), first.origin)
            case Junction(op=op, shape=shape):
                terms = self._columns(nodes, lambda n: n.terms, len(shape))
                return Junction(op, terms, (count, *shape), first.origin)
            case Compare(op=op, shape=shape, strictness=strictness, is_exact=is_exact):
                left, right = self._columns(nodes, lambda n: (n.left, n.right), len(shape))
                return Compare(op, left, right, (count, *shape), first.origin, strictness, is_exact)
            case Xor(shape=shape):
                left, right = self._columns(nodes, lambda n: (n.left, n.right), len(shape))
                return Xor(left, right, (count, *shape), first.origin)
            case Choose(shape=shape):
                parts = self._columns(nodes, lambda n: (n.condition, n.then, n.otherwise), len(shape))
                condition, then, otherwise = parts
                return Choose(condition, then, otherwise, (count, *shape), first.origin)
            case Not():
                return Not(self.stack([n.operand for n in _all(nodes, Not)]), first.origin)
            case Fold(op=op, batch=batch):
                return Fold(op, self.stack([n.operand for n in _all(nodes, Fold)]), first.origin, batch + 1)
            case Applied(network=network, shape=shape):
                points = self.stack([n.operand for n in _all(nodes, Applied)])
                return Applied(network, points, (count, *shape), first.origin)
            case Apply():
                return self._stack_words(_all(nodes, Apply))
        raise AssertionError(f"{type(first).__name__} cannot be stacked")

    def _columns(self, nodes: list[Node], parts: Callable[[Any], tuple[Node, ...]], rank: int) -> tuple[Node, ...]:
        """The parts of every node, stacked part by part and widened to `rank` axes behind the new one."""
        return tuple(_widened(self.stack(list(column)), rank) for column in zip(*map(parts, nodes), strict=True))

    def _stack_gathers(self, nodes: list[Gather]) -> Node:
        first = nodes[0]
        index = np.stack([n.index for n in nodes])
        if _is_whole(first.base):
            return Gather(first.base, index, first.origin)
        base = self.stack([n.base for n in nodes])
        size = int(np.prod(first.base.shape, dtype=np.int64))
        offset: IntArray = np.arange(len(nodes)).reshape((-1,) + (1,) * first.index.ndim) * size
        return Gather(base, index + offset, first.origin)

    def _stack_joins(self, nodes: list[Join]) -> Node:
        """Each part stacked and joined; then the entries of each node are brought together again."""
        columns = [self.stack(list(column)) for column in zip(*(n.parts for n in nodes), strict=True)]
        places, start = [], 0
        for column in columns:
            size = int(np.prod(column.shape, dtype=np.int64))
            places.append(start + np.arange(size).reshape(len(nodes), -1))
            start += size
        return Gather(Join(tuple(columns), nodes[0].origin), np.concatenate(places, axis=1), nodes[0].origin)

    def _stack_scales(self, nodes: list[Scale]) -> Node:
        first, count = nodes[0], len(nodes)
        rank = len(first.shape)
        factor = np.stack([n.factor for n in nodes]).reshape(
            count, *(1,) * (rank - first.factor.ndim), *first.factor.shape
        )
        operand = _widened(self.stack([n.operand for n in nodes]), rank)
        return Scale(factor, operand, (count, *first.shape), first.origin)

    def _stack_words(self, nodes: list[Apply]) -> Node:
        first, count = nodes[0], len(nodes)
        operands = tuple(self.stack(list(column)) for column in zip(*(n.operands for n in nodes), strict=True))
        return Apply(
            first.word,
            operands,
            None,
            None,
            first.options,
            (count, *first.shape),
            first.boolean,
            first.origin,
            first.batch + 1,
        )


def _form(node: Node, form: Callable[[Node], int]) -> Hashable:
    """The form of a node in terms of those of the nodes that it reads."""
    match node:
        case Constant(value=value, boolean=boolean):
            return "constant", value.shape, boolean
        case Gather(base=base, index=index):
            return "gather", form(base), index.shape
        case Units(network=network, layer=layer, index=index):
            return "units", network, layer, index.shape
        case Plus(terms=terms, shape=shape):
            return "plus", shape, tuple(form(t) for t in terms)
        case Scale(factor=factor, operand=operand):
            return "scale", factor.shape, form(operand)
        case Compare(op=op, left=left, right=right, strictness=strictness, is_exact=is_exact):
            return "compare", op, strictness, is_exact, form(left), form(right)
        case Not(operand=operand):
            return "not", form(operand)
        case Junction(op=op, terms=terms, shape=shape):
            return "junction", op, shape, tuple(form(t) for t in terms)
        case Xor(left=left, right=right):
            return "xor", form(left), form(right)
        case Fold(op=op, operand=operand, batch=batch):
            return "fold", op, batch, form(operand)
        case Choose(condition=condition, then=then, otherwise=otherwise):
            return "choose", form(condition), form(then), form(otherwise)
        case Apply(network=None, word=word, options=options, batch=batch, operands=operands):
            return "apply", word, options, batch, tuple(form(o) for o in operands)
        case Apply(word=word, network=network, data=data, options=options):
            return "loss", word, network, data, options
        case Applied(network=network, operand=operand):
            return "applied", network, form(operand)
        case Reference(decision=decision):
            return "decision", decision.path
        case LayerOutput(network=network, layer=layer, data=data):
            return "output", network, layer, data
        case Join(parts=parts):
            return "join", tuple(form(p) for p in parts)


def _is_one(nodes: list[Node]) -> bool:
    """Whether several nodes are the same one, which then is said once: copies of copies would grow exponentially."""
    first = nodes[0]
    return len(nodes) > 1 and not isinstance(first, Constant | Units) and all(node is first for node in nodes)


def _is_whole(node: Node) -> bool:
    """Whether nodes of this form are all the same tensor."""
    match node:
        case Reference() | LayerOutput():
            return True
        case Apply(network=network):
            return network is not None
        case Join():
            return all(isinstance(at, Join) or _is_whole(at) for at in walk(node))
    return False


def _all(nodes: list[Node], kind: type[Any]) -> list[Any]:
    assert all(isinstance(n, kind) for n in nodes)
    return list(nodes)


def _widened(node: Node, rank: int) -> Node:
    """A stack whose entries are scalars where `rank` axes are wanted: axes of length 1 are put in."""
    missing = rank - (len(node.shape) - 1)
    if missing <= 0:
        return node
    return reshaped(node, (node.shape[0], *(1,) * missing, *node.shape[1:]))


def reshaped(node: Node, shape: Shape) -> Node:
    """The same entries in another shape."""
    return node if node.shape == shape else Gather(node, np.arange(int(np.prod(shape))).reshape(shape), node.origin)
