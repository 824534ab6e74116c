"""Finds the units that a model cannot tell apart, so that one order of them can be imposed."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, pairwise
from typing import Any, ClassVar

import numpy as np

from nnmip.hir.alike import Alike, alike_units
from nnmip.hir.core import (
    Apply,
    BoolArray,
    Fold,
    Gather,
    IntArray,
    Join,
    LayerOutput,
    Node,
    Not,
    Program,
    Reference,
    Scale,
    Units,
    children,
)
from nnmip.passes.base import Analysed, Level, Pass
from nnmip.passes.exchange import Exchanges
from nnmip.records import dataclass

SYMMETRIC_WORDS = frozenset({"l0", "norm_1", "norm_2sq", "norm_inf", "sum", "count"})


@dataclass(frozen=True)
class Symmetry(Pass):
    """Finds interchangeable units; the lowering imposes an order on them."""

    name: ClassVar[str] = "symmetry"
    does: ClassVar[str] = "finds the units that the model cannot tell apart, so that one order of them can be imposed"
    takes: ClassVar[Level] = Level.HIR
    gives: ClassVar[Level] = Level.HIR

    def run(self, ir: Analysed, job: Any) -> Analysed:
        return replace(ir, interchangeable=interchangeable_units(ir.program))


def interchangeable_units(program: Program) -> tuple[Alike, ...]:
    """The units, of filters and others, that goals and constraints do not tell apart either: permuted, with all that
    goes with them, they give another solution of equal value. Of several such sets among units that a network treats
    alike the largest one.

    An expression does not tell units apart if it reads them through whole tensors under `l0`, a norm, `sum`, `count` or
    a quantifier only, or if it is the same expression after two units have changed places.
    """
    nodes = [term.value for stage in program.stages for term in stage.terms]
    nodes += [part for constraint in program.constraints for part in constraint.parts]
    classes = [alike for network in program.networks for alike in alike_units(network)]
    found = []
    for alike in classes:
        masks = [_named(program, alike, node) for node in nodes]
        naming = [(node, mask) for node, mask in zip(nodes, masks, strict=True) if mask.any()]
        units = max(_groups(alike, naming), key=len)
        if len(units) > 1:
            found.append(alike.only(units))
    return tuple(found)


Naming = list[tuple[Node, BoolArray]]
"""Expressions that name some of the units that a network treats alike, and which they name."""


def _groups(alike: Alike, naming: Naming) -> list[IntArray]:
    """Positions in `alike.units` in groups of which any two can change places.

    That two units can change places is an equivalence, so one unit speaks for its group. Neighbours are asked first.
    """
    every = np.arange(len(alike.units))
    if not naming:
        return [every]
    is_named = np.logical_or.reduce([mask for _, mask in naming])
    groups = [every[~is_named]] if (~is_named).any() else []
    groups += [every[unit : unit + 1] for unit in np.flatnonzero(is_named)]
    groups.sort(key=lambda units: int(units[0]))
    firsts = [int(units[0]) for units in groups]
    groups = _merged(alike, naming, groups, list(pairwise(firsts)))
    firsts = [int(units[0]) for units in groups]
    return _merged(alike, naming, groups, list(combinations(firsts, 2)))


def _merged(alike: Alike, naming: Naming, groups: list[IntArray], pairs: list[tuple[int, int]]) -> list[IntArray]:
    """Groups joined wherever their first units, which `pairs` has, can change places."""
    if not pairs:
        return groups
    exchanges = Exchanges(alike, np.array(pairs))
    same = np.logical_and.reduce([exchanges.leave(node) for node, _ in naming])
    leader = {int(units[0]): int(units[0]) for units in groups}
    for (first, second), is_same in zip(pairs, same.tolist(), strict=True):
        if is_same:
            kept, gone = leader[first], leader[second]
            leader = {unit: kept if its == gone else its for unit, its in leader.items()}
    joined: dict[int, list[IntArray]] = {}
    for units in groups:
        joined.setdefault(leader[int(units[0])], []).append(units)
    return [np.sort(np.concatenate(parts)) for parts in joined.values()]


def _named(program: Program, alike: Alike, node: Node) -> BoolArray:
    """Which of the alike units an expression names.

    A unit counts as named as soon as an entry of its weights, its bias or itself is read other than through a whole
    tensor under `l0`, a norm, `sum`, `count`, or a quantifier.
    """
    named = np.zeros(len(alike.units), dtype=bool)
    _visit(program, alike, node, named, False, set())
    return named


def _visit(
    program: Program, alike: Alike, node: Node, named: BoolArray, symmetric: bool, seen: set[tuple[int, bool]]
) -> None:
    """Mark the units that an expression names; `seen` has what has been visited, which may stand in many places."""
    if (id(node), symmetric) in seen:
        return
    seen.add((id(node), symmetric))
    match node:
        case Apply(word=word, batch=0):
            symmetric = word in SYMMETRIC_WORDS or (symmetric and word == "used")
        case Fold(batch=0):
            symmetric = True
        case Scale(factor=factor):
            symmetric = symmetric and factor.size == 1
        case Join() | Not() | Reference() | Units():
            pass
        case _:
            symmetric = False
    match node:
        case Reference(decision=decision):
            if not symmetric:
                _name(alike.decisions.get(decision.path), np.arange(decision.size), named)
        case Gather(base=Reference(decision=decision), index=index):
            _name(alike.decisions.get(decision.path), index, named)
        case Gather(base=LayerOutput() as output, index=index):
            _name(_outputs(alike, output), index % int(np.prod(output.shape[1:], dtype=np.int64)), named)
        case LayerOutput(shape=shape):
            _name(_outputs(alike, node), np.arange(int(np.prod(shape[1:], dtype=np.int64))), named)
        case Units(network=network, layer=layer, index=index):
            owner = program.network(network)
            if owner is not alike.network or layer == owner.input_name:
                return
            every = np.arange(owner.layer(layer).units)
            if not (symmetric and np.array_equal(np.sort(index, axis=None), every)):
                _name(alike.slices.get(layer), index, named)
        case _:
            for child in children(node):
                _visit(program, alike, child, named, symmetric, seen)


def _outputs(alike: Alike, output: LayerOutput) -> IntArray | None:
    """Where the entries of each unit are in what a layer gives, whatever the row; None where it has none."""
    return alike.tensors.get(output.layer) if output.network == alike.network.name else None


def _name(table: IntArray | None, places: IntArray, named: BoolArray) -> None:
    """Mark the units of which some entry, by their table, is at one of the places that are picked."""
    if table is not None:
        named |= np.isin(table, places).any(axis=1)
