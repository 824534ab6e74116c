"""Proves bounds of networks with known weights at the points where a model applies them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Applied, Node, Program, Reference
from nnmip.hir.known import KnownNetwork
from nnmip.hir.same import Same
from nnmip.hir.walk import applies_known, once, roots, walk
from nnmip.passes.base import Analysed, Level, Pass
from nnmip.records import dataclass
from nnmip.source import Origin

if TYPE_CHECKING:
    from nnmip.passes.ledger import Ledger


@dataclass(frozen=True, slots=True, eq=False)
class PointsTable:
    """What is proved of every network at points, by the number of the node: what is written twice is proved once."""

    same: Same = field(default_factory=Same)
    ledgers: Mapping[int, Ledger] = field(default_factory=dict)

    def of(self, node: Applied) -> Ledger | None:
        """The bounds of a network at points; None where no pass found any."""
        return self.ledgers.get(self.same.number(node))


@dataclass(frozen=True)
class PointBounds(Pass):
    """Intervals and backward lines (`bounds.crown`), for every network and every expression that it is applied to."""

    name: ClassVar[str] = "points"
    does: ClassVar[str] = "proves bounds of every unit of a trained network at the points that are decided"
    takes: ClassVar[Level] = Level.HIR
    gives: ClassVar[Level] = Level.HIR

    def run(self, ir: Analysed, job: Any) -> Analysed:
        if not applies_known(ir.program):
            return ir
        return replace(ir, points=points_of(ir.program))


def points_of(program: Program) -> PointsTable:
    """The bounds of all networks at points that are bounded by the domains of what is decided."""
    ledgers: dict[int, Ledger] = {}
    table = PointsTable(Same(), ledgers)

    def leaf(node: Reference | Applied) -> Interval:
        if isinstance(node, Reference):
            return Interval.box(node.shape, node.decision.domain.lo, node.decision.domain.hi)
        found = proved(node)
        return Interval.box(node.shape, -np.inf, np.inf) if found is None else found.result.reshape(node.shape)

    def proved(node: Applied) -> Ledger | None:
        number = table.same.number(node)
        if number not in ledgers:
            box = bounds_of(node.operand)
            if not (np.isfinite(box.lo).all() and np.isfinite(box.hi).all()):
                return None
            ledgers[number] = ledger_of(program.known_network(node.network), box, node.origin)
        return ledgers[number]

    from nnmip.bounds.expressions import bounds_of_node

    def rule(node: Node, inner: Any) -> Interval:
        return bounds_of_node(node, leaf, inner)

    bounds_of = once(rule)
    for root in roots(program):
        for node in walk(root):
            if isinstance(node, Applied):
                proved(node)
    return table


def ledger_of(known: KnownNetwork, box: Interval, origin: Origin) -> Ledger:
    """What intervals and backward lines prove of a network at points in a box, in the units of the model."""
    from nnmip.bounds.crown import crown
    from nnmip.bounds.known import propagate_known
    from nnmip.passes.ledger import Ledger

    network, assignment = known.network, known.assignment
    inputs = in_scaling(known, box)
    ledger = Ledger(known, origin)
    with ledger.timed("interval"):
        ledger.meet("interval", propagate_known(network, assignment, inputs).outputs)
    with ledger.timed("crown"):
        ledger.meet("crown", crown(network, assignment, inputs).outputs)
    return ledger


def in_scaling(known: KnownNetwork, box: Interval) -> Interval:
    """Bounds of points (*batch, *input) as the network reads them: [n, *input], in its own scaling."""
    from nnmip.bounds.interval import times

    shape = known.network.input_shape
    width = int(np.prod(shape, dtype=np.int64))
    flat = box.reshape((-1, width))
    if known.scaling is not None:
        factor = known.scaling.factor
        shift = known.scaling.low - known.scaling.shift * factor
        moved = times(flat, factor)
        wide = moved.widened(4 * np.finfo(np.float64).eps * (moved.magnitude + np.abs(shift)))
        flat = Interval(wide.lo + shift, wide.hi + shift)
    return flat.reshape((-1, *shape))
