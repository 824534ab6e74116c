"""One tensor from many expressions of the same form, so that what is said for each of many things stays one node.

`forall s in train: ...` is read once for each row. The expressions that come out differ in their constants and in the
entries that they pick; put on top of each other they are one expression with one axis more, and one block of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from nnmip.hir.core import (
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


def stacked(nodes: Sequence[Node]) -> list[Node]:
    """The given nodes, all of one shape, on top of each other: nodes of shape (k, *shape) with all of them together.

    Nodes of one form make one stack, in their order; there are as many stacks as forms.
    """
    groups: dict[Hashable, list[Node]] = {}
    for node in nodes:
        groups.setdefault(_form(node), []).append(node)
    return [_stack(group) for group in groups.values()]


def _form(node: Node) -> Hashable:
    """What nodes must have in common to be stacked: everything but constants and picked positions."""
    match node:
        case Constant(value=value, boolean=boolean):
            return "constant", value.shape, boolean
        case Gather(base=base, index=index):
            return "gather", _form(base), index.shape
        case Units(network=network, layer=layer, index=index):
            return "units", network, layer, index.shape
        case Plus(terms=terms, shape=shape):
            return "plus", shape, tuple(_form(t) for t in terms)
        case Scale(factor=factor, operand=operand):
            return "scale", factor.shape, _form(operand)
        case Compare(op=op, left=left, right=right, strictness=strictness, is_exact=is_exact):
            return "compare", op, strictness, is_exact, _form(left), _form(right)
        case Not(operand=operand):
            return "not", _form(operand)
        case Junction(op=op, terms=terms, shape=shape):
            return "junction", op, shape, tuple(_form(t) for t in terms)
        case Xor(left=left, right=right):
            return "xor", _form(left), _form(right)
        case Fold(op=op, operand=operand, batch=batch):
            return "fold", op, batch, _form(operand)
        case Choose(condition=condition, then=then, otherwise=otherwise):
            return "choose", _form(condition), _form(then), _form(otherwise)
        case Apply(network=None, word=word, options=options, batch=batch, operands=operands):
            return "apply", word, options, batch, tuple(_form(o) for o in operands)
        case Apply(word=word, network=network, data=data, options=options):
            return "loss", word, network, data, options
        case Reference(decision=decision):
            return "decision", decision.path
        case LayerOutput(network=network, layer=layer, data=data):
            return "output", network, layer, data
        case Join(parts=parts):
            return "join", tuple(_form(p) for p in parts)


def _is_whole(node: Node) -> bool:
    """Whether nodes of this form are all the same tensor."""
    match node:
        case Reference() | LayerOutput():
            return True
        case Apply(network=network):
            return network is not None
        case Join(parts=parts):
            return all(_is_whole(p) for p in parts)
    return False


def _stack(nodes: list[Node]) -> Node:
    """Nodes of one form on a new first axis."""
    first, count = nodes[0], len(nodes)
    if _is_whole(first):
        size = int(np.prod(first.shape, dtype=np.int64))
        whole = np.broadcast_to(np.arange(size).reshape(first.shape), (count, *first.shape))
        return Gather(first, np.ascontiguousarray(whole), first.origin)
    match first:
        case Constant(boolean=boolean):
            return Constant(np.stack([n.value for n in _all(nodes, Constant)]), first.origin, boolean)
        case Gather():
            return _stack_gathers(_all(nodes, Gather))
        case Units(network=network, layer=layer):
            return Units(network, layer, np.stack([n.index for n in _all(nodes, Units)]), first.origin)
        case Join():
            return _stack_joins(_all(nodes, Join))
        case Scale():
            return _stack_scales(_all(nodes, Scale))
        case Plus(shape=shape):
            terms = _columns(nodes, lambda n: n.terms, len(shape))
            return Plus(terms, (count, *shape), first.origin)
        case Junction(op=op, shape=shape):
            terms = _columns(nodes, lambda n: n.terms, len(shape))
            return Junction(op, terms, (count, *shape), first.origin)
        case Compare(op=op, shape=shape, strictness=strictness, is_exact=is_exact):
            left, right = _columns(nodes, lambda n: (n.left, n.right), len(shape))
            return Compare(op, left, right, (count, *shape), first.origin, strictness, is_exact)
        case Xor(shape=shape):
            left, right = _columns(nodes, lambda n: (n.left, n.right), len(shape))
            return Xor(left, right, (count, *shape), first.origin)
        case Choose(shape=shape):
            parts = _columns(nodes, lambda n: (n.condition, n.then, n.otherwise), len(shape))
            condition, then, otherwise = parts
            return Choose(condition, then, otherwise, (count, *shape), first.origin)
        case Not():
            return Not(_stack([n.operand for n in _all(nodes, Not)]), first.origin)
        case Fold(op=op, batch=batch):
            return Fold(op, _stack([n.operand for n in _all(nodes, Fold)]), first.origin, batch + 1)
        case Apply():
            return _stack_words(_all(nodes, Apply))
    raise AssertionError(f"{type(first).__name__} cannot be stacked")


def _all(nodes: list[Node], kind: type[Any]) -> list[Any]:
    assert all(isinstance(n, kind) for n in nodes)
    return list(nodes)


def _columns(nodes: list[Node], parts: Callable[[Any], tuple[Node, ...]], rank: int) -> tuple[Node, ...]:
    """The parts of every node, stacked part by part and widened to `rank` axes behind the new one."""
    return tuple(_widened(_stack(list(column)), rank) for column in zip(*map(parts, nodes), strict=True))


def _widened(node: Node, rank: int) -> Node:
    """A stack whose entries are scalars where `rank` axes are wanted: axes of length 1 are put in."""
    missing = rank - (len(node.shape) - 1)
    if missing <= 0:
        return node
    return reshaped(node, (node.shape[0], *(1,) * missing, *node.shape[1:]))


def reshaped(node: Node, shape: Shape) -> Node:
    """The same entries in another shape."""
    return node if node.shape == shape else Gather(node, np.arange(int(np.prod(shape))).reshape(shape), node.origin)


def _stack_gathers(nodes: list[Gather]) -> Node:
    first = nodes[0]
    index = np.stack([n.index for n in nodes])
    if _is_whole(first.base):
        return Gather(first.base, index, first.origin)
    base = _stack([n.base for n in nodes])
    size = int(np.prod(first.base.shape, dtype=np.int64))
    offset: IntArray = np.arange(len(nodes)).reshape((-1,) + (1,) * first.index.ndim) * size
    return Gather(base, index + offset, first.origin)


def _stack_joins(nodes: list[Join]) -> Node:
    """Each part stacked and joined; then the entries of each node are brought together again."""
    columns = [_stack(list(column)) for column in zip(*(n.parts for n in nodes), strict=True)]
    places, start = [], 0
    for column in columns:
        size = int(np.prod(column.shape, dtype=np.int64))
        places.append(start + np.arange(size).reshape(len(nodes), -1))
        start += size
    return Gather(Join(tuple(columns), nodes[0].origin), np.concatenate(places, axis=1), nodes[0].origin)


def _stack_scales(nodes: list[Scale]) -> Node:
    first, count = nodes[0], len(nodes)
    rank = len(first.shape)
    factor = np.stack([n.factor for n in nodes]).reshape(count, *(1,) * (rank - first.factor.ndim), *first.factor.shape)
    operand = _widened(_stack([n.operand for n in nodes]), rank)
    return Scale(factor, operand, (count, *first.shape), first.origin)


def _stack_words(nodes: list[Apply]) -> Node:
    first, count = nodes[0], len(nodes)
    operands = tuple(_stack(list(column)) for column in zip(*(n.operands for n in nodes), strict=True))
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
