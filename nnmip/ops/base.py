"""What an entry of the language's tables is: layers, and words (losses, norms, predicates)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nnmip.bounds.interval import Interval
from nnmip.data import Dataset
from nnmip.hir.core import Apply, Network, Shape

FloatArray = NDArray[np.float64]
Options = Mapping[str, Any]


class Role(StrEnum):
    """What a word contributes to a goal; reports group terms by it."""

    LOSS = "loss"
    SPARSITY = "sparsity"
    COMPACTNESS = "compactness"
    OTHER = "other"


class Task(StrEnum):
    """What a loss compares the result of a network with."""

    CLASSES = "labels"
    VALUES = "targets"


class ShapeMismatch(Exception):
    """The inputs of a layer do not fit; the text says what was expected and becomes the diagnostic's message."""


@dataclass(frozen=True, slots=True)
class Option:
    """A named argument. `kind` is `int` (at least `least`), `number` (at least `least`) or `choice`."""

    name: str
    kind: str
    required: bool = False
    default: Any = None
    least: float = -np.inf
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


@dataclass(frozen=True, slots=True)
class LayerOp:
    """A layer: shapes, meaning and interval rule.

    infer(input shapes, options) -> InferredShapes, raising ShapeMismatch.
    forward(inputs [n, *shape], decisions by role, options) -> output [n, *shape].
    interval(input intervals, decision intervals by role, options) -> output interval, outward rounded.
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


class Meaning(Protocol):
    """What the meaning of a word may ask about the model and the values of its decisions."""

    @property
    def tolerance(self) -> float:
        """How far a score may be on the wrong side of a threshold and still count as on it."""

    def network(self, name: str) -> Network: ...

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
