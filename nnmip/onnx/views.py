"""Values of an ONNX graph: known arrays, and affine views of the tensors of a network.

A view stands for `scale * tensor[index] + shift`, entry by entry, in the shape that ONNX gives the value. Operators
that move entries, or add and multiply by known numbers, make no layers: they work on the three arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import FloatArray, IntArray, Shape
from nnmip.records import dataclass

Array = NDArray[Any]
Move = Callable[[Array], Array]


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """Entry by entry `scale * tensor[index] + shift` for the flat tensor called `base`."""

    base: str
    index: IntArray
    scale: FloatArray
    shift: FloatArray

    @staticmethod
    def of(base: str, index: IntArray) -> View:
        return View(base, index, np.broadcast_to(1.0, index.shape), np.broadcast_to(0.0, index.shape))

    @property
    def shape(self) -> Shape:
        return self.index.shape

    @property
    def is_plain(self) -> bool:
        """Whether the entries are those of the tensor, unscaled."""
        return bool((self.scale == 1.0).all() and (self.shift == 0.0).all())

    def moved(self, move: Move) -> View:
        return View(self.base, *(np.asarray(move(array)) for array in (self.index, self.scale, self.shift)))

    def affine(self, factor: Any, offset: Any = 0.0) -> View:
        """factor * view + offset, with NumPy broadcasting."""
        factor, offset = np.asarray(factor, dtype=np.float64), np.asarray(offset, dtype=np.float64)
        shape = np.broadcast_shapes(self.shape, factor.shape, offset.shape)
        scale = np.broadcast_to(self.scale * factor, shape)
        return View(
            self.base, np.broadcast_to(self.index, shape), scale, np.broadcast_to(self.shift * factor + offset, shape)
        )


def stacked(views: list[View]) -> View:
    """Views of one tensor and one shape along a new last axis."""
    parts = ([getattr(view, name) for view in views] for name in ("index", "scale", "shift"))
    return View(views[0].base, *(np.stack(part, axis=-1) for part in parts))


@dataclass(frozen=True, slots=True, eq=False)
class Squashed:
    """A monotone function of scores at the end of a network, such as a softmax: which score is the largest, and which
    is above a threshold, can be told from the scores.

    apply: the function, from the scores [n, *shape of the view] to what the file gives. is_entrywise: whether it looks
    at every score alone. source: the value in the file that holds the scores themselves, empty where none does. node:
    the node that applies the function, as messages show it; label: its name.
    """

    scores: View
    function: str
    apply: Callable[[FloatArray], FloatArray]
    is_entrywise: bool
    source: str = ""
    node: str = ""
    label: str = ""
    is_normalised: bool = False
    """Whether what it gives is then made to sum to 1."""

    def can_move(self, move: Move) -> bool:
        """Whether it can be told of the entries in another order: a function that compares them needs all, as they
        are."""
        places = np.arange(self.scores.index.size)
        return self.is_entrywise or np.array_equal(move(places.reshape(self.scores.shape)).reshape(-1), places)

    def moved(self, move: Move) -> Squashed:
        """The entries in another order, in which it can be told."""
        before = self.scores
        if self.is_entrywise:
            return replace(self, scores=before.moved(move), source="")

        def apply(scores: FloatArray) -> FloatArray:
            return self.apply(scores.reshape(len(scores), *before.shape)).reshape(scores.shape)

        return replace(self, scores=before.moved(move), apply=apply)


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """Whether entries are at least 0; above 0 where `is_strict`."""

    difference: View
    is_strict: bool

    @property
    def shape(self) -> Shape:
        return self.difference.shape

    @property
    def negated(self) -> Compared:
        return Compared(self.difference.affine(-1.0), not self.is_strict)

    def moved(self, move: Move) -> Compared:
        return replace(self, difference=self.difference.moved(move))


Value = Array | View | Squashed | Compared
