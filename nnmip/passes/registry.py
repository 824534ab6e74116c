"""The passes over the HIR, in their order."""

from __future__ import annotations

from nnmip.hir.core import Program
from nnmip.passes.base import Analysed, Pass
from nnmip.passes.bounds import IntervalBounds
from nnmip.passes.points import PointBounds
from nnmip.passes.symmetry import Symmetry

HIR_PASSES: tuple[Pass, ...] = (IntervalBounds(), PointBounds(), Symmetry())


def analyse(program: Program) -> Analysed:
    """The program with what every pass over the HIR finds out about it."""
    known = Analysed(program)
    for step in HIR_PASSES:
        known = step.run(known, None)
    return known
