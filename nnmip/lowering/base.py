"""What every lowering shares: polarity, the signal that flows between layers, and the context."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Flag
from typing import TYPE_CHECKING

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Compare, Layer, Network, Node, Program
from nnmip.milp.affine import Affine
from nnmip.milp.builder import MilpBuilder
from nnmip.milp.model import BoolArray, FloatArray, IntArray
from nnmip.passes.base import Analysed

if TYPE_CHECKING:
    from nnmip.lowering.decisions import Encoding


class Polarity(Flag):
    """Which side of a value the model may rely on.

    UPPER: what is lowered is at least the true value (enough where the value is minimised or bounded above).
    LOWER: at most the true value. EXACT: both.
    """

    UPPER = 1
    LOWER = 2
    EXACT = 3

    @property
    def flipped(self) -> Polarity:
        if self is Polarity.EXACT:
            return self
        return Polarity.LOWER if self is Polarity.UPPER else Polarity.UPPER


@dataclass(frozen=True, slots=True, eq=False)
class Signal:
    """The output of a layer for every distinct row: affine in the columns, [rows, *shape], with proved bounds.

    affine_in: the data rows [rows, features] where, for every choice of the weights, each unit is an affine function
    of them (a first layer); None elsewhere. phase: where the layer is a positive part with binaries, a 0/1 tensor that
    is 1 wherever what the layer reads is above 0, and which entries it is for.
    """

    value: Affine
    bounds: Interval
    affine_in: FloatArray | None = None
    phase: tuple[Affine, BoolArray] | None = None

    @property
    def is_data(self) -> bool:
        return self.value.is_constant


@dataclass(frozen=True, slots=True, eq=False)
class Passed:
    """A network applied to a data set: its scores and the output of every layer (and the input, by name) for each
    distinct row, and which distinct row each row is."""

    scores: Signal
    outputs: Mapping[str, Signal]
    distinct: IntArray
    inverse: IntArray


@dataclass(slots=True, eq=False)
class Lowering:
    """The state of one lowering: the builder, what the passes found out, and what has been encoded so far.

    kept: for each layer with `prune`, the affine 0/1 tensor of its units. encodings: decisions by path.
    passed: (network, data set) -> the scores. lowered: what has been encoded for a node and a polarity, with the node
    to keep it alive. inexact: comparisons whose failing costs more than it would have to.
    """

    known: Analysed
    builder: MilpBuilder
    encodings: dict[str, Encoding] = field(default_factory=dict)
    kept: dict[str, Affine] = field(default_factory=dict)
    passed: dict[tuple[str, str], Passed] = field(default_factory=dict)
    lowered: dict[tuple[int, Polarity], tuple[Node, Affine]] = field(default_factory=dict)
    inexact: list[Compare] = field(default_factory=list)
    _labels: Counter[str] = field(default_factory=Counter)

    @property
    def program(self) -> Program:
        return self.known.program

    def label(self, word: str) -> str:
        """A new readable path for the columns and rows of a word: `hinge`, `hinge.2`, ..."""
        self._labels[word] += 1
        number = self._labels[word]
        return word if number == 1 else f"{word}.{number}"

    def note_strictness(self, node: Compare) -> None:
        """Remember a comparison that rows keep from holding by a stated distance, not an exact one."""
        if not node.is_exact:
            self.inexact.append(node)


LayerLowering = Callable[[Lowering, Network, Layer, tuple[Signal, ...], Interval, str], Signal]
