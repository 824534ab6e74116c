"""Networks whose weights are known: what they give for the rows of a table is a constant of the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any, Protocol

import numpy as np

from nnmip.data import Dataset, Scaling
from nnmip.hir.core import Assignment, FloatArray, IntArray, Layer, Network
from nnmip.records import dataclass
from nnmip.source import Origin


class Runnable(Protocol):
    """A network as whoever trained it runs it."""

    @property
    def type(self) -> Any:
        """The type of NumPy that it reads."""

    def run(self, x: FloatArray) -> FloatArray:
        """The result, flat, for one input [*input]."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A layer that is linear between points in the place of a smooth function. node: what applies that in the file.
    error: how far the two are from each other at most, which is proved. operator: that of the node, of which the
    function may be a part; whole: how far what stands for it is off."""

    layer: str
    function: str
    node: str
    pieces: int
    error: float
    operator: str
    whole: float


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """A layer every entry of which stands for a function of some entries of another tensor, called `reads`.

    places: these, flat, [entries, k]. steepest: how much the function changes at most where none of them changes by
    more than 1. error: how far the two are apart at most where the entries are the same.
    """

    reads: str
    places: IntArray
    steepest: float
    error: float


@dataclass(frozen=True, slots=True, eq=False)
class Smoothed:
    """The curves of a network, and how far each of its results is at most from that with the smooth functions, at every
    input; which is proved. groups: by layer what is made of several curves."""

    curves: tuple[Curve, ...]
    error: FloatArray
    groups: Mapping[str, Group] = field(default_factory=dict)

    def __str__(self) -> str:
        """Which functions of which nodes are curves, and what that costs at the outputs."""
        nodes: dict[tuple[str, str, float], list[str]] = {}
        for curve in self.curves:
            made = nodes.setdefault((curve.operator, curve.node, curve.whole), [])
            own = curve.function != curve.operator
            made.append(f"{curve.function} of {curve.pieces} lines" if own else f"{curve.pieces} lines")
        groups: dict[tuple[str, str, float], list[str]] = {}
        for (operator, node, whole), lines in nodes.items():
            groups.setdefault((operator, " and ".join(dict.fromkeys(lines)), whole), []).append(node)
        parts = []
        for (operator, lines_of, whole), those in groups.items():
            where = ", ".join([*those[:4], *(["..."] if len(those) > 4 else [])])
            parts.append(f"{operator} ({where}) is {lines_of} within {whole:.3g}")
        return f"{'; '.join(parts)}; outputs are within {float(self.error.max(initial=0.0)):.3g} of the file's"


@dataclass(frozen=True, slots=True, eq=False)
class KnownNetwork:
    """A network with the numbers of its weights, by path in `assignment`; nothing of it is decided.

    features: the names of its inputs, empty where no table named them. scaling: that of the table it was trained on,
    None without one. coding: what its label codes stand for, (text, code), empty where they have no names.
    scores: what a file calls the result, where it goes on to apply a function to it (`network.squashed_by`).
    file: the file that it was read from, where that can be run as it is and holds the result. smoothed: what stands for
    smooth functions inside of it; None without any.
    """

    network: Network
    assignment: Assignment
    features: tuple[str, ...]
    scaling: Scaling | None
    coding: tuple[tuple[str, float], ...]
    scores: str = ""
    file: Runnable | None = None
    smoothed: Smoothed | None = None

    @property
    def name(self) -> str:
        return self.network.name

    def rows(self, data: Dataset) -> FloatArray:
        """The rows of a table as the network reads them, shape [n, *input]: by the names of its features, in the units
        of the file, in its own scaling, as `predict` does; by position where it has no names, in scaled units.

        `missing` must be empty.
        """
        if not self.features:
            return data.features.reshape(data.row_count, *self.network.input_shape)
        places = {name: place for place, name in enumerate(data.feature_names)}
        raw = np.asarray(data.raw[:, [places[name] for name in self.features]], dtype=np.float64)
        return self.points(raw.reshape(data.row_count, *self.network.input_shape))

    def points(self, raw: FloatArray) -> FloatArray:
        """Points [n, *input] as the network reads them: in its own scaling where it was trained on a table."""
        if self.scaling is None:
            return raw
        return self.scaling.apply(raw.reshape(len(raw), -1)).reshape(raw.shape)

    def missing(self, data: Dataset) -> tuple[str, ...]:
        """The features that the network reads and the table does not have."""
        return tuple(name for name in self.features if name not in data.feature_names)


def known_of(trained: Any) -> KnownNetwork:
    """A trained network, such as one of `result.networks`, as one whose weights are known; TypeError for anything else.

    What was pruned is cut out.
    """
    for part in ("compact", "network", "assignment", "features", "scaling", "coding", "smoothed"):
        if not hasattr(trained, part):
            raise TypeError(f"network must be a trained network, not {trained!r:.80}")
    cut = trained.compact() if trained.assignment.kept else trained
    return KnownNetwork(cut.network, cut.assignment, cut.features, cut.scaling, cut.coding, smoothed=cut.smoothed)


def renamed(known: KnownNetwork, name: str, origin: Origin) -> KnownNetwork:
    """The network under the name that a model gives it; everything in it comes from `origin`."""
    old = known.network

    def path(text: str) -> str:
        return name + text.removeprefix(old.name)

    def layer(each: Layer) -> Layer:
        decisions = tuple(replace(d, path=path(d.path), origin=origin) for d in each.decisions)
        return replace(each, path=path(each.path), decisions=decisions, origin=origin)

    network = replace(old, name=name, layers=tuple(map(layer, old.layers)), origin=origin)
    values = {path(key): array for key, array in known.assignment.values.items()}
    kept = {path(key): mask for key, mask in known.assignment.kept.items()}
    return replace(known, network=network, assignment=Assignment(values, kept))
