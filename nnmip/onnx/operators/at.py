"""What the rule of an operator is told of a node: its inputs, its attributes, and the layers to add to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import numpy as np

from nnmip.hir.core import FloatArray, Shape
from nnmip.onnx.curves import By, values_of
from nnmip.onnx.graph import Array, Node
from nnmip.onnx.layers import Layers
from nnmip.onnx.refusal import Refused, unreadable, unsupported
from nnmip.onnx.views import Compared, Move, Squashed, Value, View
from nnmip.records import dataclass

Rule = Callable[["At"], Value | tuple[Value, ...]]


@dataclass(frozen=True, slots=True)
class At:
    """A node with the values that are there when it is reached. rows: the first size of an input that is a batch of a
    fixed size, 1 elsewhere."""

    node: Node
    values: MutableMapping[str, Value]
    layers: Layers
    opset: int
    rows: int = 1

    # ---- inputs ------------------------------------------------------------------------------------------------------

    def has(self, place: int) -> bool:
        """Whether an input is given."""
        return place < len(self.node.inputs) and bool(self.node.inputs[place])

    def value(self, place: int) -> Value:
        if not self.has(place):
            raise unreadable(f"{self.what} has no input {place + 1}")
        return self.values[self.node.inputs[place]]

    def inputs(self) -> list[Value]:
        return [self.value(place) for place, name in enumerate(self.node.inputs) if name]

    def view(self, place: int) -> View:
        """An input that is made from that of the network."""
        return self.as_view(self.value(place))

    def as_view(self, value: Value) -> View:
        if isinstance(value, View):
            return value
        if isinstance(value, Squashed):
            return self.curves_of(value)
        if isinstance(value, Compared):
            raise unsupported(f"{self.what} reads a comparison", "cast it to numbers, or let a `Where` choose by it")
        raise unsupported(f"{self.what} reads known numbers alone, which this operator does not fold")

    def curves_of(self, value: Squashed) -> View:
        """What a smooth function gives, as curves."""
        found = values_of(self.layers, value)
        if found is None:
            raise self.refuse(
                f"needs the probabilities of a `{value.function}` that a `Normalizer` divides by their sum",
                'they are understood at the end of a network alone; name the scores: `output: "..."`',
            )
        return found

    @property
    def by(self) -> By:
        """Whose curves those of this node are."""
        return By(self.node.op, str(self.node), self.node.name)

    def known(self, place: int, what: str) -> Array:
        """An input that is known when the file is read."""
        value = self.value(place)
        if not isinstance(value, np.ndarray):
            raise unsupported(
                f"{what} of {self.what} is made from the input of the network", "it must be a number that is stored"
            )
        return value

    def numbers(self, place: int, what: str) -> FloatArray:
        array = self.known(place, what)
        if array.dtype.kind not in "fiub":
            raise unreadable(f"{what} of {self.what} is not numeric")
        return array.astype(np.float64)

    def wholes(self, place: int, what: str) -> tuple[int, ...]:
        array = self.known(place, what)
        if array.dtype.kind not in "iu":
            raise unreadable(f"{what} of {self.what} is not made of whole numbers")
        return tuple(int(value) for value in array.reshape(-1))

    # ---- attributes --------------------------------------------------------------------------------------------------

    def whole(self, name: str, default: int) -> int:
        return int(self._attribute(name, int, default))

    def real(self, name: str, default: float) -> float:
        """A number; attributes are in single precision, and so are their defaults."""
        return float(self._attribute(name, (int, float), float(np.float32(default))))

    def text(self, name: str, default: str) -> str:
        return str(self._attribute(name, str, default))

    def list(self, name: str) -> tuple[Any, ...] | None:
        """A list of numbers or texts, None where it is not given."""
        found = self._attribute(name, list, None)
        return None if found is None else tuple(found)

    def array(self, name: str) -> Array | None:
        found = self._attribute(name, np.ndarray, None)
        return found if isinstance(found, np.ndarray) else None

    def _attribute(self, name: str, kind: Any, default: Any) -> Any:
        found = self.node.attributes.get(name, default)
        if found is not default and not isinstance(found, kind):
            raise unreadable(f"the attribute `{name}` of {self.what} is of another type than its operator says")
        return found

    def axes(self, place: int = 1) -> tuple[int, ...] | None:
        """The axes of an operator that has them as an attribute in old operator sets, as an input in new ones."""
        if self.has(place):
            return self.wholes(place, "the axes")
        return self.list("axes")

    # ---- answers -----------------------------------------------------------------------------------------------------

    @property
    def what(self) -> str:
        return f"`{self.node.op}` ({self.node})"

    def refuse(self, why: str, help: str = "") -> Refused:
        """NNM0616 for this node."""
        return unsupported(f"{self.what} {why}", help)

    def moved(self, value: Value, move: Move) -> Value:
        """Entries of a value in another order."""
        if isinstance(value, Squashed) and not value.can_move(move):
            value = self.curves_of(value)
        return np.asarray(move(value)) if isinstance(value, np.ndarray) else value.moved(move)

    def allow(self, shape: Shape) -> None:
        self.layers.allow(shape)


def shape_of(value: Value) -> Shape:
    return value.scores.shape if isinstance(value, Squashed) else value.shape


def places_of(axes: tuple[int, ...], rank: int) -> tuple[int, ...]:
    """Axes counted from the front, sorted; ValueError for one that is not there."""
    found = sorted({axis + rank if axis < 0 else axis for axis in axes})
    if any(not 0 <= axis < rank for axis in found):
        raise ValueError(axes)
    return tuple(found)


Rules = Mapping[str, Rule]
