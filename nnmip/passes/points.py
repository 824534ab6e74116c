"""Proves bounds of networks with known weights at the points where a model applies them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from nnmip.hir.core import Applied, Program
from nnmip.hir.same import Same
from nnmip.hir.walk import applies_known
from nnmip.passes.base import Analysed, Level, Pass
from nnmip.records import dataclass

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
    """Intervals and backward lines (`bounds.crown`) for every network and every expression that it is applied to, over
    boxes that constraints have cut (`tightening`)."""

    name: ClassVar[str] = "points"
    does: ClassVar[str] = "proves bounds of every unit of a trained network at the points that are decided"
    takes: ClassVar[Level] = Level.HIR
    gives: ClassVar[Level] = Level.HIR

    def run(self, ir: Analysed, job: Any) -> Analysed:
        if not applies_known(ir.program):
            return ir
        return replace(ir, points=points_of(ir.program))


def points_of(program: Program) -> PointsTable:
    """The bounds of all networks at points."""
    from nnmip.passes.tightening import Tightening

    work = Tightening(program)
    work.run()
    return PointsTable(work.same, work.ledgers)
