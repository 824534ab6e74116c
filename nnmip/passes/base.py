"""What a pass is, the levels it goes between, and a program with what passes have found out about it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from nnmip.bounds.table import Bounds, propagate_intervals
from nnmip.hir.alike import Alike
from nnmip.hir.core import FloatArray, IntArray, Program
from nnmip.records import dataclass

if TYPE_CHECKING:
    from nnmip.passes.points import PointsTable


class Level(StrEnum):
    """The forms of a model on its way from text to rows."""

    TEXT = "text"
    TREE = "syntax tree"
    HIR = "HIR"
    MILP = "MILP"


@dataclass(frozen=True)
class Pass(ABC):
    """One step on the way; its fields are its options.

    `does` says in a sentence what it does. `takes` and `gives` are the levels of what it reads and makes. `after` names
    the passes whose results it uses, which must stand before it.
    """

    name: ClassVar[str]
    does: ClassVar[str]
    takes: ClassVar[Level]
    gives: ClassVar[Level]
    after: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def run(self, ir: Any, job: Any) -> Any:
        """What the pass makes of `ir`; `job` is the model that is worked on, for passes that read files."""


def check_order(passes: Sequence[Pass]) -> None:
    """Raise ValueError unless every pass takes what the one before gives, after the passes that it needs."""
    names: list[str] = []
    level = passes[0].takes if passes else None
    for step in passes:
        if step.name in names:
            raise ValueError(f"pass `{step.name}` stands twice")
        if step.takes is not level:
            raise ValueError(f"pass `{step.name}` takes {step.takes}, and is given {level}")
        missing = [name for name in step.after if name not in names]
        if missing:
            raise ValueError(f"pass `{step.name}` must stand after `{missing[0]}`")
        names.append(step.name)
        level = step.gives


@dataclass(frozen=True, slots=True, eq=False)
class RowBounds:
    """A network over the distinct rows of a data set: `rows` [g, features], with proved bounds of every layer.

    `distinct` [g] is where each of them comes first; `inverse` [n] is which of them each row is.
    """

    rows: FloatArray
    distinct: IntArray
    inverse: IntArray
    bounds: Bounds

    @staticmethod
    def of(program: Program, network: str, data: str) -> RowBounds:
        """Interval propagation over the distinct rows."""
        features = program.dataset(data).features
        rows, first, inverse = np.unique(features, axis=0, return_index=True, return_inverse=True)
        return RowBounds(rows, first, inverse.reshape(-1), propagate_intervals(program.network(network), rows))


@dataclass(frozen=True, slots=True, eq=False)
class Analysed:
    """A program with what passes have found out about it, in tables beside the nodes.

    bounds: by the names of a network and a data set that it meets. points: what is proved of networks with known
    weights at points, None where there are none. interchangeable: units that the model cannot tell apart, layers in
    their order.
    """

    program: Program
    bounds: Mapping[tuple[str, str], RowBounds] = field(default_factory=dict)
    points: PointsTable | None = None
    interchangeable: tuple[Alike, ...] = ()

    def over(self, network: str, data: str) -> RowBounds:
        """The bounds of a network over a data set, computed where no pass has done so."""
        known = self.bounds.get((network, data))
        return known if known is not None else RowBounds.of(self.program, network, data)
