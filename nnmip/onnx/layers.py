"""The layers of a network while it is imported: entries of the layer table, with their weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field, replace
from math import prod
from typing import Any

import numpy as np

from nnmip.arrays import distinct
from nnmip.hir.core import Assignment, Decision, FloatArray, IntArray, Layer, Network, Shape
from nnmip.hir.domain import Domain
from nnmip.onnx.refusal import unreadable
from nnmip.onnx.views import View
from nnmip.ops.registry import LAYERS, WORDS
from nnmip.ops.smooth import USUAL, Approximation
from nnmip.records import dataclass
from nnmip.sizes import ENTRY, Allowance, product
from nnmip.source import Origin, Span

INPUT = "x"
MOVES = ("flatten", "reshape", "select", "rescale")
"""Layers that may be named after an operator without being what it is."""


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """A tensor of the network: the input, or what a layer gives. label: the node that it comes from."""

    op: str
    inputs: tuple[str, ...]
    options: Mapping[str, Any]
    weights: Mapping[str, FloatArray]
    shape: Shape
    label: str

    @property
    def size(self) -> int:
        return prod(self.shape)


@dataclass(frozen=True, slots=True)
class Curved:
    """A curve in the place of a smooth function, which is that of a node or part of it. scale: what it is times there,
    without its sign."""

    function: str
    operator: str
    node: str
    made: Approximation
    scale: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Composed:
    """What is made of curves in the place of a smooth function of several entries that a node applies.

    scores: the tensor that it reads. groups: for every entry the flat places there, [entries, k]. steepest: how much it
    changes at most where no score changes by more than 1. error: how far it is off for the same scores at most.
    """

    operator: str
    node: str
    scores: str
    groups: IntArray
    steepest: float
    error: float


@dataclass(slots=True)
class Layers:
    """Layers as they are added, in order; those that nothing reads are left out in the end."""

    input_shape: Shape
    allowance: Allowance
    span: Span
    label: str = ""
    """The node that is worked on."""
    made: dict[str, Made] = field(default_factory=dict)
    smooth: float = USUAL
    """How far a curve may be from its function."""
    curves: dict[str, Curved] = field(default_factory=dict)
    """By the name of the tensor, what is a curve in the place of a smooth function."""
    composed: dict[str, Composed] = field(default_factory=dict)
    """By the name of the tensor, what is made of such curves."""
    _read: dict[str, tuple[View, View]] = field(default_factory=dict)
    """By the name of a tensor that a layer makes entry by entry: these entries, and what each is made from."""
    _dense: dict[tuple[str, Shape], list[str]] = field(default_factory=dict)
    _same: dict[object, str] = field(default_factory=dict)
    _settled: dict[int, tuple[View, View]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.made[INPUT] = Made("", (), {}, {}, self.input_shape, "")

    def allow(self, shape: Shape) -> None:
        """DiagnosticError NNM0310 for a tensor that is larger than is allowed."""
        self.allowance.check(product(shape), ENTRY, "what a node of the network gives", self.span)

    def add(self, op: str, *inputs: str, weights: Mapping[str, FloatArray] | None = None, **options: Any) -> str:
        """A layer; its options are those of the table, with the defaults for the others. Returns the name of what it
        gives, for one without weights that is there already the name of that."""
        entry = LAYERS[op]
        chosen = {option.name: options.get(option.name, option.default) for option in entry.options}
        same = (op, inputs, tuple(chosen.items()))
        if not weights and same in self._same:
            return self._same[same]
        shape = entry.infer(tuple(self.made[name].shape for name in inputs), chosen).output
        self.allow(shape)
        if weights and not all(np.isfinite(array).all() for array in weights.values()):
            raise unreadable("its weights are not all finite numbers")
        name = f"{op}:{len(self.made)}"
        self.made[name] = Made(op, inputs, chosen, weights or {}, shape, self.label)
        if not weights:
            self._same[same] = name
        return name

    def view(self, name: str, shape: Shape | None = None) -> View:
        """All entries of a tensor, in its shape or another one."""
        made = self.made[name]
        return View.of(name, np.arange(made.size).reshape(made.shape if shape is None else shape))

    # ---- views as tensors ------------------------------------------------------------------------------------------

    def tensor(self, view: View, shape: Shape) -> str:
        """The name of a tensor of `shape` with the entries of a view, in their order."""
        view = self.settled(view)
        made, index = self.made[view.base], view.index.reshape(-1)
        if _is_every(index, made.size):
            if made.shape == shape:
                return view.base
            return self.add("flatten", view.base) if len(shape) == 1 else self.add("reshape", view.base, shape=shape)
        return self.add("select", view.base, entries=tuple(index.tolist()), shape=shape)

    def natural(self, view: View) -> Shape:
        """The shape in which a view is a tensor with the least effort."""
        made = self.made[view.base]
        if _is_every(view.index.reshape(-1), made.size):
            return made.shape
        shape = view.shape[1:] if view.shape[:1] == (1,) else view.shape
        return shape or (1,)

    def settled(self, view: View) -> View:
        """The same entries unscaled: the scale and the shift go into the weights that made them, or into a layer."""
        if view.is_plain:
            return view
        if id(view) not in self._settled:
            self._settled[id(view)] = (view, self._folded(view) or self._scaled(view))
        return self._settled[id(view)][1]

    def _folded(self, view: View) -> View | None:
        """The view of another layer with weights, None where these cannot take the scale and the shift."""
        made = self.made[view.base]
        if not made.weights:
            return None
        weights = made.weights["weights"]
        per_unit = made.size // len(weights)
        unit, scale, shift = view.index.reshape(-1) // per_unit, view.scale.reshape(-1), view.shift.reshape(-1)
        factor, offset = np.ones(len(weights)), np.zeros(len(weights))
        factor[unit], offset[unit] = scale, shift
        if not ((factor[unit] == scale) & (offset[unit] == shift)).all():
            return None
        bias = made.weights.get("bias", np.zeros(len(weights))) * factor + offset
        scaled = weights * factor.reshape(-1, *(1,) * (weights.ndim - 1))
        before, self.label = self.label, made.label
        base = self.add(made.op, *made.inputs, weights={"weights": scaled, "bias": bias}, **made.options)
        self.label = before
        return View.of(base, view.index)

    def _scaled(self, view: View) -> View:
        """The view of a layer that scales: channel by channel where that is enough, else entry by entry."""
        picked = View.of(view.base, view.index)
        shape = self.natural(picked)
        if _is_every(view.index.reshape(-1), self.made[view.base].size) and len(shape) > 1:
            rows = view.scale.reshape(shape[0], -1), view.shift.reshape(shape[0], -1)
            if all((each == each[:, :1]).all() for each in rows):
                weights = {"weights": rows[0][:, 0].copy(), "bias": rows[1][:, 0].copy()}
                return View.of(self.add("rescale", view.base, weights=weights), view.index)
        flat = self.tensor(picked, (view.index.size,))
        weights = {"weights": view.scale.reshape(-1).copy(), "bias": view.shift.reshape(-1).copy()}
        return self.view(self.add("rescale", flat, weights=weights), view.shape)

    # ---- operators that many nodes share -----------------------------------------------------------------------------

    def entrywise(self, op: str, view: View, **options: Any) -> View:
        """A layer that works entry by entry; entries in another order stay in that order."""
        found = self._entrywise(op, self.settled(view), options)
        self._read.setdefault(found.base, (found, view))
        return found

    def _entrywise(self, op: str, view: View, options: Mapping[str, Any]) -> View:
        size, index = self.made[view.base].size, view.index.reshape(-1)
        if len(index) == size and len(distinct(index)) == size:
            return View.of(self.add(op, view.base, **options), view.index)
        return self.view(self.add(op, self.tensor(view, self.natural(view)), **options), view.shape)

    def argument(self, view: View) -> View | None:
        """What the layer that gives a view reads for each of its entries; None where it reads more for one."""
        if view.base not in self._read:
            return None
        found, read = self._read[view.base]
        places = np.argsort(found.index.reshape(-1))[view.index]
        return read.moved(lambda a: a.reshape(-1)[places])

    def dense(self, view: View, weights: FloatArray, bias: FloatArray | None) -> View:
        """weights [units, i] times a vector of as many entries, plus a bias: [units]. Scales, shifts and the order of
        the entries go into the weights."""
        size, index = self.made[view.base].size, view.index.reshape(-1)
        if not view.is_plain:
            shifted = weights @ view.shift.reshape(-1)
            weights = weights * view.scale.reshape(-1)
            if shifted.any():
                bias = shifted if bias is None else bias + shifted
            view = View.of(view.base, view.index)
        if not _is_every(index, size) and len(index) == size and len(distinct(index)) == size:
            weights = weights[:, np.argsort(index)]
            view = self.view(view.base)
        source = self.tensor(view, (size_of(view),))
        twin = self._twin(source, weights, bias)
        if twin is not None:
            return twin
        given = {"weights": weights} if bias is None else {"weights": weights, "bias": bias}
        name = self.add("dense", source, weights=given, units=len(weights))
        self._dense.setdefault((source, weights.shape), []).append(name)
        return self.view(name)

    def _twin(self, source: str, weights: FloatArray, bias: FloatArray | None) -> View | None:
        """What a dense layer of the same tensor with the same weights gives, where one of the two has no bias, or both
        have the same, so that nothing is rounded: exporters write a product twice, once with a bias."""
        none = np.zeros(len(weights))
        for name in self._dense.get((source, weights.shape), ()):
            stored = self.made[name].weights
            here, there = (none if each is None else each for each in (bias, stored.get("bias")))
            is_exact = not here.any() or not there.any() or np.array_equal(here, there)
            if is_exact and np.array_equal(stored["weights"], weights):
                return self.view(name).affine(1.0, here - there)
        return None

    def convolution(self, name: str, weights: FloatArray, bias: FloatArray | None, **options: Any) -> str:
        """weights [filters, channels, height, width] over the image called `name`."""
        given = {"weights": weights} if bias is None else {"weights": weights, "bias": bias}
        sizes = {"filters": len(weights), "kernel": weights.shape[2:]}
        return self.add("conv2d", name, weights=given, **sizes, **options)

    def largest(self, view: View) -> View:
        """The largest entry along the last axis: [.., k] to [..]."""
        count, width = prod(view.shape[:-1]), view.shape[-1]
        image = self.tensor(view, (count, width, 1))
        return self.view(self.add("maxpool2d", image, kernel=(width, 1), stride=(width, 1)), view.shape[:-1])

    def mean(self, view: View) -> View:
        """The mean along the last axis."""
        count, width = prod(view.shape[:-1]), view.shape[-1]
        return self.view(self.add("globalavgpool", self.tensor(view, (count, width, 1))), view.shape[:-1])

    def total(self, left: View, right: View) -> View:
        """The sum of two views of one shape."""
        if left.base == right.base and np.array_equal(left.index, right.index):
            return View(left.base, left.index, left.scale + right.scale, left.shift + right.shift)
        left, right = self.settled(left), self.settled(right)
        shape = self.natural(left)
        name = self.add("add", self.tensor(left, shape), self.tensor(right, shape))
        return self.view(name, left.shape)

    def difference(self, left: View, right: View) -> View:
        """The difference of two views of one shape, as one layer with weights 1 and -1 (times their scales)."""
        base = self.joined([left, right])
        used, places = np.unique([view.index.reshape(-1) for view in base], return_inverse=True)
        places = places.reshape(2, -1)
        self.allow((left.index.size, len(used)))
        weights, row = np.zeros((left.index.size, len(used))), np.arange(left.index.size)
        for sign, view, at in zip((1.0, -1.0), base, places, strict=True):
            np.add.at(weights, (row, at), sign * view.scale.reshape(-1))
        shift = base[0].shift.reshape(-1) - base[1].shift.reshape(-1)
        made = self.dense(View.of(base[0].base, used), weights, shift if shift.any() else None)
        return made.moved(lambda a: a.reshape(left.shape))

    def joined(self, views: list[View]) -> list[View]:
        """The same views, all of one tensor."""
        bases = list(dict.fromkeys(view.base for view in views))
        if len(bases) == 1:
            return views
        flat = [self.tensor(self.view(base), (self.made[base].size,)) for base in bases]
        ends = np.cumsum([0, *(self.made[base].size for base in bases)])
        start = dict(zip(bases, ends.tolist(), strict=False))
        base = self.add("concat", *flat)
        return [replace(view, base=base, index=view.index + start[view.base]) for view in views]

    # ---- the network -----------------------------------------------------------------------------------------------

    def network(self, result: View, name: str, origin: Origin) -> tuple[Network, Assignment, Mapping[str, str]]:
        """The layers that the result needs, with their weights, and the names of the tensors as layers; the result
        picks entries of the last."""
        result = self.settled(result)
        if result.base == INPUT:
            result = View.of(self.add("flatten", INPUT), result.index)
        kept = self._needed(result.base)
        names = _names({key: self.made[key] for key in kept})
        layers, values = [], {}
        for key in kept:
            made, path = self.made[key], f"{name}.{names[key]}"
            decisions = []
            for role, array in made.weights.items():
                ends = (float(array.min(initial=0.0)), float(array.max(initial=0.0)))
                decisions.append(Decision(f"{path}.{role}", role, array.shape, Domain.of([ends]), origin))
                values[f"{path}.{role}"] = np.ascontiguousarray(array, dtype=np.float64)
            inputs = tuple(names.get(source, source) for source in made.inputs)
            options = tuple(made.options.items())
            layers.append(Layer(names[key], path, made.op, inputs, tuple(decisions), options, made.shape, None, origin))
        shape = result.shape[1:] if result.shape[:1] == (1,) else result.shape
        index = result.index.reshape(shape if result.index.size > 1 else ())
        whole = Domain.everything()
        found = Network(name, INPUT, self.input_shape, whole, tuple(layers), names[result.base], index, origin)
        return found, Assignment(values, {}), {INPUT: INPUT, **names}

    def _needed(self, last: str) -> list[str]:
        """The layers that lead to `last`, in order."""
        found, open_ = set(), [last]
        while open_:
            name = open_.pop()
            if name not in found and name != INPUT:
                found.add(name)
                open_.extend(self.made[name].inputs)
        return [name for name in self.made if name in found]


def size_of(view: View) -> int:
    return int(view.index.size)


def _is_every(index: IntArray, size: int) -> bool:
    """Whether a flat index is every entry, in order."""
    return len(index) == size and bool((index == np.arange(size)).all())


# ---- names ---------------------------------------------------------------------------------------------------------


TAKEN = frozenset({INPUT, "weights", "biases", "parameters", "operations", *LAYERS, *WORDS})
"""What a layer cannot be called."""


def _names(made: Mapping[str, Made]) -> dict[str, str]:
    """A name for every layer that the language can write: that of its node, without the operator's own, or its kind
    with a number."""
    taken, names = set(TAKEN), {}
    for key in sorted(made, key=lambda key: made[key].op in MOVES):
        stem, number = _stem(made[key].label), 1
        name = stem or f"{made[key].op}1"
        while name in taken:
            number += 1
            name = f"{stem}_{number}" if stem else f"{made[key].op}{number}"
        taken.add(name)
        names[key] = name
    return names


def _stem(label: str) -> str:
    """`fc1` for a node called `/net/fc1/Gemm`, else what of its name the language can write."""
    parts = [part for part in re.split(r"[^A-Za-z0-9_]+", label) if part]
    if len(parts) > 1 and re.fullmatch(r"[A-Z]\w*", parts[-1]):
        parts = parts[:-1]
    name = "_".join(parts[-2:])
    return name if re.match(r"[A-Za-z]", name) and len(name) <= 40 else ""
