"""What every lowering shares: polarity, the signal that flows between layers, and the context."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import field
from enum import Flag
from fractions import Fraction
from typing import TYPE_CHECKING

from nnmip.bounds.interval import Interval
from nnmip.hir.core import Layer, Network, Node, Program
from nnmip.hir.grids import LEAST, STATED
from nnmip.hir.same import Same
from nnmip.hir.walk import watched_layers
from nnmip.hir.wiring import Wiring, wiring_of
from nnmip.milp.affine import Affine
from nnmip.milp.builder import MilpBuilder
from nnmip.milp.model import BoolArray, FloatArray, IntArray
from nnmip.passes.base import Analysed
from nnmip.records import dataclass
from nnmip.source import Origin

if TYPE_CHECKING:
    from nnmip.lowering.asked import Asked
    from nnmip.lowering.convex import Tangents
    from nnmip.lowering.decisions import Encoding
    from nnmip.lowering.ideal import OpenUnits
    from nnmip.lowering.piecewise import PositivePart
    from nnmip.lowering.predictions import Predictions

SMALLEST, LARGEST = 1e-9, 1e15
"""Solvers silently drop smaller coefficients, and refuse larger numbers or take them for infinite."""


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
    is 1 wherever what the layer reads is above 0, and which entries it is for. step: a number of which every value is a
    multiple, None where there is none.
    """

    value: Affine
    bounds: Interval
    affine_in: FloatArray | None = None
    phase: tuple[Affine, BoolArray] | None = None
    step: Fraction | None = None

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


@dataclass(frozen=True, slots=True, eq=False)
class FirstPart:
    """What a ReLU layer right behind a first layer gives: [rows, units] for the distinct rows of the data."""

    layer: Layer
    part: PositivePart
    rows: FloatArray


@dataclass(slots=True, eq=False)
class Lowering:
    """The state of one lowering: the builder, what the passes found out, and what has been encoded so far.

    kept: for each layer with `prune`, the affine 0/1 tensor of its units. encodings: decisions by path.
    passed: (network, data set) -> the scores. lowered: what has been encoded for a node and a polarity, with the node
    to keep it alive. inexact: notes on what is decided by a stated distance. gaps: by path of a layer that
    asks for the sign of its values, the gap below 0 in which none lies, and whether that follows from a grid.
    tangents: what rows hold from below only. predictions: (network, data set, strictness and whether it is exact) ->
    what is predicted for the distinct rows. fixed: the values of decisions that have one, by path, and what is kept of
    layers, likewise. firsts: the ReLU layers whose inputs are affine in the data. whole: continuous columns that are 0
    or 1 at every network. asked: by layer of the network that is being applied which sides of its output are needed,
    where not both are. applied: networks at points, by the number of the node (`same`).
    parts: into how many parts the inputs of a unit of the network that is being applied are split.
    behind: by ReLU layer of that network how many expressions read it, where its stable units may be passed on.
    open_units: the units of known networks at points that have a phase.
    """

    known: Analysed
    builder: MilpBuilder
    encodings: dict[str, Encoding] = field(default_factory=dict)
    kept: dict[str, Affine] = field(default_factory=dict)
    passed: dict[tuple[str, str], Passed] = field(default_factory=dict)
    lowered: dict[tuple[int, Polarity], tuple[Node, Affine]] = field(default_factory=dict)
    inexact: list[str] = field(default_factory=list)
    gaps: dict[str, tuple[float, bool]] = field(default_factory=dict)
    tangents: list[Tangents] = field(default_factory=list)
    predictions: dict[tuple[str, str, float, bool], Predictions] = field(default_factory=dict)
    fixed: Mapping[str, FloatArray] = field(default_factory=dict)
    firsts: list[FirstPart] = field(default_factory=list)
    whole: list[Affine] = field(default_factory=list)
    asked: Mapping[str, Asked] = field(default_factory=dict)
    parts: int = 1
    behind: Mapping[str, int] = field(default_factory=dict)
    applied: dict[int, Affine] = field(default_factory=dict)
    _demands: dict[int, Asked] | None = None
    _same: Same = field(default_factory=Same)
    open_units: list[OpenUnits] = field(default_factory=list)
    _labels: Counter[str] = field(default_factory=Counter)
    _wirings: dict[str, Wiring] = field(default_factory=dict)
    _watched: set[tuple[str, str]] | None = None

    @property
    def program(self) -> Program:
        return self.known.program

    @property
    def same(self) -> Same:
        """Which nodes are equal, as the passes numbered them."""
        return self._same if self.known.points is None else self.known.points.same

    def demands(self) -> dict[int, Asked]:
        """What the model asks of networks at points, by the number of the node."""
        if self._demands is None:
            from nnmip.lowering.demand import demanded

            self._demands = demanded(self.program, self.same)
        return self._demands

    def label(self, word: str) -> str:
        """A new readable path for the columns and rows of a word: `hinge`, `hinge.2`, ..."""
        self._labels[word] += 1
        number = self._labels[word]
        return word if number == 1 else f"{word}.{number}"

    def wiring(self, network: str) -> Wiring:
        """The wiring of a network, made once."""
        if network not in self._wirings:
            self._wirings[network] = wiring_of(self.program.network(network))
        return self._wirings[network]

    def is_fused(self, network: Network, layer: Layer) -> bool:
        """Whether a max pool is encoded together with the ReLU that it reads: when nothing else reads that."""
        if layer.op != "maxpool2d" or layer.inputs[0] == network.input_name:
            return False
        source = network.layer(layer.inputs[0])
        if source.op != "relu" or len(network.readers(source.name)) > 1 or network.result_layer == source.name:
            return False
        if self._watched is None:
            self._watched = watched_layers(self.program)
        return (network.name, source.name) not in self._watched

    def gap_below_zero(self, layer: Layer, step: Fraction | None) -> float:
        """How far below 0 a value must be for `step` or `sign` to count as negative.

        The exact step of the values where there is one, so that nothing is lost; else what the layer states, or 1e-4.
        """
        stated = layer.option("strictness")
        if step is not None and step >= LEAST and (stated is None or step >= stated):
            self.gaps[layer.path] = float(step), True
            return float(step)
        gap = STATED if stated is None else float(stated)
        self.gaps[layer.path] = gap, False
        return gap

    def note_strictness(self, origin: Origin, what: str, distance: float) -> None:
        """Remember what rows decide by a stated distance, not an exact one."""
        text = " ".join(origin.span.text.split())
        self.inexact.append(f"{text}: {what} from a distance of {distance:g} on")


LayerLowering = Callable[[Lowering, Network, Layer, tuple[Signal, ...], Interval, str], Signal]
