"""Proves bounds of every layer for every distinct row that a network meets."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

from nnmip.hir.core import Apply, LayerOutput, Node, Program, children
from nnmip.passes.base import Analysed, Level, Pass, RowBounds
from nnmip.records import dataclass


@dataclass(frozen=True)
class IntervalBounds(Pass):
    """Interval propagation (`bounds.table`), for every network and data set that the goal or a constraint joins."""

    name: ClassVar[str] = "bounds"
    does: ClassVar[str] = "proves bounds of every unit for every distinct row, by interval propagation"
    takes: ClassVar[Level] = Level.HIR
    gives: ClassVar[Level] = Level.HIR

    def run(self, ir: Analysed, job: Any) -> Analysed:
        pairs = dict.fromkeys(_meetings(ir.program))
        return replace(ir, bounds={pair: RowBounds.of(ir.program, *pair) for pair in pairs})


def _meetings(program: Program) -> Iterator[tuple[str, str]]:
    """The networks and data sets that are applied to each other, with repeats."""
    waiting: deque[Node] = deque(term.value for stage in program.stages for term in stage.terms)
    waiting.extend(part for constraint in program.constraints for part in constraint.parts)
    seen: set[int] = set()
    while waiting:
        node = waiting.popleft()
        if id(node) in seen:
            continue
        seen.add(id(node))
        match node:
            case Apply(network=str(network), data=str(data)) | LayerOutput(network=network, data=data):
                yield network, data
        waiting.extend(children(node))
