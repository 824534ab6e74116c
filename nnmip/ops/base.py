"""What an entry of the language's tables is: layers, and words (losses, norms, predicates)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from fractions import Fraction
from math import gcd, prod
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nnmip.bounds.interval import Interval
from nnmip.bounds.relaxation import Relaxation
from nnmip.data import Dataset
from nnmip.hir.core import CHANNELS, Apply, Network, Shape
from nnmip.records import dataclass

if TYPE_CHECKING:
    from nnmip.hir.wiring import Wiring

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
Options = Mapping[str, Any]


class Role(StrEnum):
    """What a word contributes to a goal; reports group terms by it."""

    LOSS = "loss"
    SPARSITY = "sparsity"
    COMPACTNESS = "compactness"
    OTHER = "other"


class Task(StrEnum):
    """What a loss compares the result of a network with; either means the labels where a table has some."""

    CLASSES = "labels"
    VALUES = "targets"
    EITHER = "labels or targets"


class Blend(StrEnum):
    """How a layer without weights makes an output from several entries."""

    SUM = "their sum"
    MEAN = "their mean"
    LARGEST = "the largest of them"


class ShapeMismatch(Exception):
    """The inputs of a layer do not fit; the text says what was expected and becomes the diagnostic's message."""


@dataclass(frozen=True, slots=True)
class Option:
    """A named argument. `kind` is `int` or `number` (from `least` to `most`), `choice`, `pair` (a whole number, or one
    for each of the two last axes, as `[2, 2]`), `sizes` (a list of whole numbers), `numbers` (a list of numbers) or
    `column` (of the data set)."""

    name: str
    kind: str
    required: bool = False
    default: Any = None
    least: float = -np.inf
    most: float = np.inf
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DomainOption:
    """`name in D`: the domain of a decision tensor of the layer."""

    name: str
    required: bool


@dataclass(frozen=True, slots=True)
class InferredShapes:
    """The shape of a layer's output (without the sample axis) and of each of its decision tensors."""

    output: Shape
    decisions: Mapping[str, Shape]


@dataclass(frozen=True, slots=True, eq=False)
class Connections:
    """A layer with weights as sums of products: output o, of unit u = o // per_unit, is

        b[u] + sum over k of W[u, k] x[source[o, k]]

    with the weights of each unit as one row, x flat, and no term where `source` is -1 (padding). source: [outputs, k].
    """

    source: IntArray
    units: int

    @property
    def per_unit(self) -> int:
        """How many outputs each unit has; they follow one another."""
        return len(self.source) // self.units

    @property
    def unit(self) -> IntArray:
        """The unit of every output, shape [outputs]."""
        return np.repeat(np.arange(self.units), self.per_unit)


NONE, MIXED = -1, -2
"""What owns an entry instead of one unit: none (it depends on the input alone), or several."""


def merged_owner(owners: IntArray, counted: BoolArray | None = None) -> IntArray:
    """The owner of what is made from the entries along the last axis; only those `counted`, where that is given."""
    counted = np.ones(owners.shape, dtype=bool) if counted is None else counted
    largest = np.iinfo(np.int64).max
    least = np.where(counted, owners, largest).min(axis=-1, initial=largest)
    most = np.where(counted, owners, -largest).max(axis=-1, initial=-largest)
    return np.where(~counted.any(axis=-1), NONE, np.where(least == most, least, MIXED))


def no_objection(options: Options) -> str:
    """The rule of a layer whose options fit together, whatever they are."""
    return ""


def same_entries(shapes: tuple[Shape, ...], options: Options) -> IntArray:
    """The entries of a layer that works entry by entry, on tensors of one shape."""
    size = prod(shapes[0])
    return np.arange(size)[:, None] + size * np.arange(len(shapes))


def positions(shapes: tuple[Shape, ...]) -> list[IntArray]:
    """The flat positions of several tensors, one after another, each in its shape."""
    starts = np.cumsum([0, *map(prod, shapes)])
    return [start + np.arange(prod(shape)).reshape(shape) for start, shape in zip(starts, shapes, strict=False)]


def straight(options: Options) -> tuple[float, float]:
    """The slopes of a layer whose outputs change as much as what they are made from."""
    return 1.0, 1.0


def rising(options: Options) -> tuple[float, float]:
    """The slopes of a layer whose outputs change in the same direction as what they are made from, and no more."""
    return 0.0, 1.0


def never(bits: tuple[bool, ...]) -> bool:
    """The rule of a layer whose outputs are not only 0 and 1."""
    return False


def where_all(bits: tuple[bool, ...]) -> bool:
    """The rule of a layer whose outputs are entries of its inputs."""
    return all(bits)


def same_grid(inputs: tuple[Fraction, ...], shapes: tuple[Shape, ...], options: Options) -> Fraction | None:
    """The grid of a layer whose outputs are entries of its inputs, sums or negatives of them, or 0."""
    return common_grid(*inputs)


def common_grid(*steps: Fraction) -> Fraction:
    """The largest number of which all steps are multiples; 0 where all are 0."""
    total = Fraction(0)
    for step in steps:
        numerator = gcd(total.numerator * step.denominator, step.numerator * total.denominator)
        total = Fraction(numerator, total.denominator * step.denominator)
    return total


@dataclass(frozen=True, slots=True)
class LayerOp:
    """A layer: shapes, meaning, interval rule, and where its outputs come from.

    infer(input shapes, options) -> InferredShapes, raising ShapeMismatch.
    forward(inputs [n, *shape], decisions by role, options) -> output [n, *shape].
    interval(input intervals, decision intervals by role, options) -> output interval, outward rounded.
    relax(input intervals, weights by role, options) -> Relaxation: affine functions below and above the output, for
    weights that are known; without one, constants.
    arity: how many tensors it reads; None for one or more.
    connect(input shape, options) -> Connections: what the weights of a layer with weights multiply.
    entries(input shapes, options) -> what every output is made from, all of them in the same way: flat positions in the
    inputs, put one after another, [outputs, k]; -1 where there is none (without weights).
    owners(owners of the inputs [*shape], options) -> owners of the output, where `entries` does not tell them.
    grid(steps of the inputs, their shapes, options) -> a step of which all outputs are multiples (without weights).
    gives_bits(whether each input has only entries 0 and 1) -> whether the output has; reads_bits: inputs that must.
    slope(options) -> by how much an output changes where what it is made from changes by 1, at least and at most; and
    blend, how it is made from several entries (without weights). Entries of inputs that hold bits switch the others.
    prune_weights: what of its weights `prune` may name.
    unit_by_unit: whether each unit of a layer with weights reads the slice of its input that has its own place, alone.
    objection(options) -> what is wrong with options that do not fit together, else an empty text.
    """

    name: str
    signature: str
    summary: str
    domains: tuple[DomainOption, ...]
    options: tuple[Option, ...]
    prune: tuple[str, ...]
    infer: Callable[[tuple[Shape, ...], Options], InferredShapes]
    forward: Callable[[tuple[FloatArray, ...], Mapping[str, FloatArray], Options], FloatArray]
    interval: Callable[[tuple[Interval, ...], Mapping[str, Interval], Options], Interval]
    arity: int | None = 1
    connect: Callable[[Shape, Options], Connections] | None = None
    entries: Callable[[tuple[Shape, ...], Options], IntArray] = same_entries
    owners: Callable[[tuple[IntArray, ...], Options], IntArray] | None = None
    grid: Callable[[tuple[Fraction, ...], tuple[Shape, ...], Options], Fraction | None] = same_grid
    gives_bits: Callable[[tuple[bool, ...]], bool] = never
    reads_bits: tuple[int, ...] = ()
    slope: Callable[[Options], tuple[float, float]] = straight
    blend: Blend = Blend.SUM
    relax: Callable[[tuple[Interval, ...], Mapping[str, FloatArray], Options], Relaxation] | None = None
    prune_weights: tuple[str, ...] = ()
    objection: Callable[[Options], str] = no_objection
    unit_by_unit: bool = False

    @property
    def prunes_channels(self) -> bool:
        """Whether the weights of the layer read channels, which `prune` may name."""
        return CHANNELS in self.prune_weights


class Meaning(Protocol):
    """What the meaning of a word may ask about the model and the values of its decisions."""

    @property
    def tolerance(self) -> float:
        """How far a score may be on the wrong side of a threshold and still count as on it."""

    def network(self, name: str) -> Network: ...

    def wiring(self, network: str) -> Wiring: ...

    def kept(self, path: str) -> BoolArray:
        """What is kept of a layer, by its path."""

    def dataset(self, name: str) -> Dataset: ...

    def values(self, path: str) -> FloatArray:
        """The values of a decision tensor; entries of removed units are 0."""

    def scores(self, network: str, data: str) -> FloatArray:
        """The network's result for every row of a data set, shape [n, *output]."""


class Kind(StrEnum):
    """What a positional argument of a word must be."""

    TENSOR = "a numeric tensor"
    BOOLEANS = "a Boolean tensor"
    UNITS = "units of a layer"
    NETWORK = "a network"
    DATA = "a data set"


@dataclass(frozen=True, slots=True)
class Word:
    """A word that is called like a function: positional signature, options, meaning; a loss has a `task`.

    shape(operand shapes) -> result shape. evaluate(node, operand values, meaning) -> values of that shape.
    step(node, operand steps, data) -> a step of which every value is a multiple, given those of the operands and the
    data set that it reads; no rule where there is none.
    is_sufficient: whether it is a condition that implies a property of this name, and says nothing where it fails.
    """

    name: str
    signature: str
    summary: str
    parameters: tuple[Kind, ...]
    options: tuple[Option, ...]
    boolean: bool
    role: Role
    shape: Callable[[tuple[Shape, ...]], Shape]
    evaluate: Callable[[Apply, tuple[FloatArray, ...], Meaning], FloatArray]
    task: Task | None = None
    step: Callable[[Apply, tuple[Fraction | None, ...], Dataset | None], Fraction | None] | None = None
    is_sufficient: bool = False


def whole(node: Apply, steps: tuple[Fraction | None, ...], data: Dataset | None) -> Fraction:
    """The step of a word that counts."""
    return Fraction(1)


def step_of_operand(node: Apply, steps: tuple[Fraction | None, ...], data: Dataset | None) -> Fraction | None:
    """The step of a word that adds up entries of its operand, up to their signs."""
    return steps[0]


def scalar(shapes: tuple[Shape, ...]) -> Shape:
    """The shape rule of a word that reduces its operands to one number."""
    return ()


def same(shapes: tuple[Shape, ...]) -> Shape:
    """The shape rule of a word that acts entry by entry on its first operand."""
    return shapes[0]


def each(node: Apply, operand: FloatArray) -> FloatArray:
    """The operand of a word that reduces it, one row of entries for each of its calls: shape (*batch, entries)."""
    return operand.reshape(*operand.shape[: node.batch], -1)
