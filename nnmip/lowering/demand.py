"""Which side of every result of a network at points a model relies on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nnmip.hir.core import (
    Applied,
    Compare,
    Constant,
    Fold,
    Gather,
    Join,
    Junction,
    Node,
    Plus,
    Program,
    Scale,
    Shape,
    children,
)
from nnmip.hir.same import Same
from nnmip.lowering.asked import Asked
from nnmip.milp.model import BoolArray

BOTH = (True, True)


def demanded(program: Program, same: Same) -> dict[int, Asked]:
    """By the number of a network at points, what the MILP of a program asks of its results, in the shape of the node.

    Why one side is enough. Let every encoded number t' keep its promise to the true t of the point that is lifted:
    t' >= t where the upper side is asked, t' <= t where the lower one is. Affine expressions hand the promises on,
    by the signs of their factors. What must hold as `left <= right` then holds for the true numbers, and a goal to
    minimise is truly at most what is encoded. So a solution of the MILP lifts to an answer that satisfies the model and
    is not worse; and every answer, with its true numbers, is a solution. Hence both have one optimum, and every bound
    of the MILP is one of the model. Below anything but an affine expression, an order that must hold, and their
    conjunctions, both sides are asked.
    """
    found: dict[int, tuple[Node, BoolArray, BoolArray]] = {}
    asked: dict[int, Asked] = {}

    def ask(node: Node, upper: BoolArray | bool, lower: BoolArray | bool) -> None:
        if id(node) not in found:
            found[id(node)] = node, np.zeros(node.shape, dtype=bool), np.zeros(node.shape, dtype=bool)
        found[id(node)][1][...] |= upper
        found[id(node)][2][...] |= lower

    ordered = _parents_first(program)
    for stage in program.stages[: len(program.held) + 1]:
        for term in stage.terms:
            wanted = stage.sign * term.coefficient
            ask(term.value, wanted >= 0, wanted <= 0)
    required = {id(part) for constraint in program.constraints for part in constraint.parts}
    for node in ordered:
        if id(node) in required and id(node) not in found:
            _require(node, required, ask)
            continue
        if id(node) in required:
            ask(node, *BOTH)
        if id(node) not in found:
            continue  # of a later goal
        _, upper, lower = found[id(node)]
        if isinstance(node, Applied):
            own = Asked(upper, lower)
            number = same.number(node)
            asked[number] = asked[number] | own if number in asked else own
        _pass_on(node, upper, lower, ask)
    return asked


Ask = Callable[[Node, "BoolArray | bool", "BoolArray | bool"], None]


def _require(node: Node, required: set[int], ask: Ask) -> None:
    """What a Boolean that must hold asks of what it is made of."""
    match node:
        case Compare(op=op, left=left, right=right):
            ask(left, op in ("<=", "="), op in (">=", "="))
            ask(right, op in (">=", "="), op in ("<=", "="))
        case Junction(op="and") | Fold(op="and"):
            required.update(id(child) for child in children(node))
        case _:
            for child in children(node):
                ask(child, *BOTH)


def _pass_on(node: Node, upper: BoolArray, lower: BoolArray, ask: Ask) -> None:
    """What a tensor of which some sides are asked asks of what it is made of."""
    match node:
        case Constant():
            pass
        case Gather(base=base, index=index):
            ask(base, _at(upper, index, base.shape), _at(lower, index, base.shape))
        case Join(parts=parts):
            start = 0
            for part in parts:
                stop = start + int(np.prod(part.shape, dtype=np.int64))
                ask(part, upper[start:stop].reshape(part.shape), lower[start:stop].reshape(part.shape))
                start = stop
        case Plus(terms=terms):
            for term in terms:
                ask(term, _narrow(upper, term.shape), _narrow(lower, term.shape))
        case Scale(factor=factor, operand=operand):
            rises, falls = factor > 0, factor < 0
            ask(
                operand,
                _narrow(upper & rises | lower & falls, operand.shape),
                _narrow(lower & rises | upper & falls, operand.shape),
            )
        case _:
            for child in children(node):
                ask(child, *BOTH)


def _at(mask: BoolArray, index: np.ndarray, shape: Shape) -> BoolArray:
    found = np.zeros(int(np.prod(shape, dtype=np.int64)), dtype=bool)
    np.logical_or.at(found, index.reshape(-1), mask.reshape(-1))
    return found.reshape(shape)


def _narrow(mask: BoolArray, shape: Shape) -> BoolArray:
    """Of the entries that broadcasting made of one, whether any is in the mask."""
    extra = mask.ndim - len(shape)
    axes = (*range(extra), *(extra + k for k, size in enumerate(shape) if size == 1 and mask.shape[extra + k] != 1))
    return np.asarray(mask.any(axis=axes)).reshape(shape) if axes else mask


def _parents_first(program: Program) -> list[Node]:
    """All nodes of a program, each after everything that reads it."""
    done: list[Node] = []
    seen: set[int] = set()
    waiting: list[tuple[Node, bool]] = [(part, False) for c in program.constraints for part in c.parts]
    waiting += [(term.value, False) for stage in program.stages for term in stage.terms]
    while waiting:
        node, is_read = waiting.pop()
        if is_read:
            done.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            waiting.append((node, True))
            waiting.extend((child, False) for child in children(node))
    return done[::-1]
