"""Sums of many absolute values in a property, `norm_1(v) <= r`, as what networks give.

A property is written as cases of affine rows, and a sum of n absolute values is the largest of 2^n (`claims`). Where
they are more than `MOST_SIGNED`, the sum is that of a network with known weights, a layer `abs` and one that adds, so
that every step bounds and encodes it as it does other networks. What breaks the property is replayed without them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import field, replace
from math import prod

import numpy as np

from nnmip.hir.core import (
    Applied,
    Apply,
    Assignment,
    Compare,
    Constant,
    Decision,
    Gather,
    Join,
    Junction,
    Layer,
    Network,
    Node,
    Plus,
    Program,
    Scale,
)
from nnmip.hir.domain import Domain
from nnmip.hir.goals import Property
from nnmip.hir.known import KnownNetwork
from nnmip.hir.walk import mapped, once, walk
from nnmip.records import dataclass
from nnmip.source import Origin
from nnmip.verification.claims import MOST_SIGNED, terms_of

WORD = "norm_1"
Inside = Callable[[Node], Node]
_POINT, _SIZES, _TOTAL = "v", "sizes", "total"


def with_networks(program: Program, property: Property) -> tuple[Program, Property]:
    """A property without sums of many absolute values that says the same, and the program with the networks in it."""
    made = _Made(property.origin)
    found = replace(
        property,
        assumptions=tuple(new for part in property.assumptions for new in made.assumed(part)),
        conclusions=tuple(made.of(part) for part in property.conclusions),
    )
    if not made.networks:
        return program, property
    return replace(program, known=(*program.known, *made.networks.values())), found


@dataclass(slots=True, eq=False)
class _Made:
    """Networks that add up absolute values, by how many."""

    origin: Origin
    networks: dict[int, KnownNetwork] = field(default_factory=dict)

    def of(self, part: Node) -> Node:
        """A Boolean in which comparisons of many absolute values read networks."""
        return once(self._rule)(part)

    def assumed(self, part: Node) -> Iterator[Node]:
        """What is assumed, and bounds of single entries that follow from it, which a box takes up."""
        yield self.of(part)
        open_ = [part]
        while open_:
            match open_.pop():
                case Junction(op="and", terms=terms):
                    open_.extend(terms)
                case Compare() as compare if _has_many(compare):
                    yield from _of_entries(_gathered(compare))

    def _rule(self, node: Node, inside: Inside) -> Node:
        if isinstance(node, Compare):
            return self._compared(node) if _has_many(node) else node
        return mapped(node, inside)

    def _compared(self, node: Compare) -> Node:
        node, number = _gathered(node), once(self._number)
        return replace(node, left=number(node.left), right=number(node.right))

    def _number(self, node: Node, inside: Inside) -> Node:
        match node:
            case Apply(word="abs", operands=(operand,)):
                return self._applied(inside(operand), (), node)
            case Apply(word="norm_1", operands=(operand,), batch=batch):
                return self._applied(inside(operand), operand.shape[batch:], node)
        return mapped(node, inside)

    def _applied(self, operand: Node, own: tuple[int, ...], node: Apply) -> Node:
        width = prod(own)
        if width not in self.networks:
            self.networks[width] = _network(width, self.origin)
        places = np.arange(prod(operand.shape)).reshape(*node.shape, width)
        return Applied(self.networks[width].name, Gather(operand, places, node.origin), node.shape, node.origin)


def _has_many(node: Compare) -> bool:
    """Whether an entry of a comparison has more absolute values than cases are written for."""
    norms = [prod(n.operands[0].shape[n.batch :]) for n in walk(node) if isinstance(n, Apply) and n.word == WORD]
    if max(norms, default=0) > MOST_SIGNED:
        return True
    difference = _difference(node, 1.0)
    return any(
        sum(_sizes(term).shape[0] for term, _ in terms_of(difference, entry)) > MOST_SIGNED
        for entry in range(prod(node.shape))
    )


def _sizes(term: Node) -> Node:
    """The numbers, [n], of which a scalar adds up the absolute values; none where it does not."""
    node, entry = (term.base, int(term.index)) if isinstance(term, Gather) else (term, 0)
    match node:
        case Apply(word="abs", operands=(operand,)):
            return Gather(operand, np.asarray([entry]), term.origin)
        case Apply(word="norm_1", operands=(operand,), batch=batch):
            width = prod(operand.shape[batch:])
            return Gather(operand, entry * width + np.arange(width), term.origin)
    return Constant(np.zeros(0), term.origin)


def _gathered(node: Compare) -> Compare:
    """A comparison of two numbers in which the absolute values are those of two norms, one added and one subtracted."""
    if node.shape != ():
        return node
    origin, rest, groups = node.origin, list[Node](), {1.0: list[Node](), -1.0: list[Node]()}
    for term, factor in terms_of(_difference(node, 1.0), 0):
        sizes = _sizes(term)
        if sizes.shape[0] and factor:
            groups[float(np.sign(factor))].append(Scale(np.asarray(abs(factor)), sizes, sizes.shape, origin))
        else:
            rest.append(Scale(np.asarray(factor), term, (), origin))
    for sign, parts in groups.items():
        if parts:
            norm = Apply(WORD, (Join(tuple(parts), origin),), None, None, (), (), False, origin)
            rest.append(Scale(np.asarray(sign), norm, (), origin))
    return Compare(node.op, Plus(tuple(rest), (), origin), Constant(np.zeros(()), origin), (), origin)


def _difference(node: Compare, sign: float) -> Node:
    """`left - right`, or for sign -1 `right - left`."""
    sides = zip((node.left, node.right), (sign, -sign), strict=True)
    terms = tuple(Scale(np.asarray(factor), side, side.shape, node.origin) for side, factor in sides)
    return Plus(terms, node.shape, node.origin)


def _of_entries(node: Compare) -> Iterator[Node]:
    """The comparison of the largest absolute value in the place of a sum of them, which is at least as large."""
    for sign in {"<=": (1.0,), ">=": (-1.0,), "=": (1.0, -1.0)}[node.op]:
        difference = _difference(node, sign)
        terms = [term for entry in range(prod(node.shape)) for term in terms_of(difference, entry)]
        bases = [(term.base if isinstance(term, Gather) else term, factor) for term, factor in terms]
        summands = {id(base) for base, factor in bases if isinstance(base, Apply) and base.word == WORD and factor > 0}
        if all(id(n) in summands for n in walk(node) if isinstance(n, Apply) and n.word == WORD):
            zero = Constant(np.zeros(()), node.origin)
            yield Compare("<=", once(_largest)(difference), zero, node.shape, node.origin)


def _largest(node: Node, inside: Inside) -> Node:
    if isinstance(node, Apply):
        return replace(node, word="norm_inf") if node.word == WORD else node
    return mapped(node, inside)


def _network(width: int, origin: Origin) -> KnownNetwork:
    """The network that adds up so many absolute values."""
    name = f"{WORD}:{width}"
    sizes = Layer(_SIZES, f"{name}.{_SIZES}", "abs", (_POINT,), (), (), (width,), None, origin)
    weights = Decision(f"{name}.{_TOTAL}.weights", "weights", (1, width), Domain.of([], [1.0]), origin)
    options = (("units", 1),)
    total = Layer(_TOTAL, f"{name}.{_TOTAL}", "dense", (_SIZES,), (weights,), options, (1,), None, origin)
    everything, first = Domain.everything(), np.asarray(0)
    network = Network(name, _POINT, (width,), everything, (sizes, total), _TOTAL, first, origin)
    return KnownNetwork(network, Assignment({weights.path: np.ones((1, width))}, {}), (), None, ())
