"""Networks with known weights, built layer by layer, and points of their boxes."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from nnmip.bounds.interval import FloatArray, Interval
from nnmip.hir.core import Assignment, BoolArray, Decision, Layer, Network, Shape
from nnmip.hir.domain import Domain
from nnmip.ops.registry import LAYERS
from nnmip.source import Origin, SourceFile, Span

ORIGIN = Origin(Span(SourceFile("test", ""), 0, 0), "test")


class Sketch:
    """A network under construction: `add` returns the name of the new layer."""

    def __init__(self, *shape: int) -> None:
        self.shapes: dict[str, Shape] = {"x": shape}
        self.layers: list[Layer] = []
        self.values: dict[str, FloatArray] = {}
        self.kept: dict[str, BoolArray] = {}

    def add(
        self, op: str, *inputs: str, kept: Any = None, skip: str | None = None, bias: Any = None, **options: Any
    ) -> str:
        name, entry = f"l{len(self.layers)}", LAYERS[op]
        weights = options.pop("weights", None)
        options = {option.name: options.pop(option.name, option.default) for option in entry.options} | options
        if op == "dense":
            options["units"] = len(weights)
        if op == "conv2d":
            options |= {"filters": len(weights), "kernel": weights.shape[2:]}
        shapes = entry.infer(tuple(self.shapes[i] for i in inputs), options)
        given = {
            role: np.asarray(a, dtype=float) for role, a in (("weights", weights), ("bias", bias)) if a is not None
        }
        decisions = tuple(
            Decision(f"net.{name}.{role}", role, value.shape, Domain.of([(-1.0, 1.0)]), ORIGIN)
            for role, value in given.items()
        )
        assert all(shapes.decisions[role] == value.shape for role, value in given.items())
        self.values |= {f"net.{name}.{role}": value for role, value in given.items()}
        if kept is not None:
            self.kept[f"net.{name}"] = np.asarray(kept)
        prune = "units" if kept is not None and skip is None else None
        layer = Layer(
            name, f"net.{name}", op, inputs, decisions, tuple(options.items()), shapes.output, prune, ORIGIN, skip
        )
        self.layers.append(layer)
        self.shapes[name] = shapes.output
        return name

    def network(self) -> tuple[Network, Assignment]:
        last, shape = self.layers[-1].name, self.shapes["x"]
        index = np.arange(int(np.prod(self.shapes[last]))).reshape(self.shapes[last])
        domain = Domain.of([(-1.0, 1.0)])
        network = Network("net", "x", shape, domain, tuple(self.layers), last, index, ORIGIN)
        return network, Assignment(self.values, self.kept)


def dense_net(rng: np.random.Generator, *sizes: int, activation: str = "relu", **options: Any) -> Sketch:
    """Layers of these sizes with random weights and an activation between them."""
    sketch, name = Sketch(sizes[0]), "x"
    for k, (before, after) in enumerate(pairwise(sizes)):
        weights = rng.normal(size=(after, before)) / np.sqrt(before)
        name = sketch.add("dense", name, weights=weights, bias=0.3 * rng.normal(size=after))
        if k < len(sizes) - 2:
            name = sketch.add(activation, name, **options)
    return sketch


def boxes(rng: np.random.Generator, count: int, shape: Shape, radius: float = 0.5) -> Interval:
    """Boxes around random centers; some sides have no width."""
    middle = rng.uniform(-1.0, 1.0, (count, *shape))
    reach = radius * rng.uniform(0.0, 1.0, (count, *shape)) * (rng.random((count, *shape)) < 0.8)
    return Interval(middle - reach, middle + reach)


def points(rng: np.random.Generator, box: Interval, count: int) -> FloatArray:
    """Members of every box, [count, n, *input]: corners, points inside, and points with some entries at the ends."""
    share = rng.random((count, *box.shape))
    kind = rng.integers(0, 3, (count, *(1,) * len(box.shape)))
    ends = np.where(kind == 0, share < 0.5, np.where(kind == 1, share, np.clip(2.0 * share - 0.5, 0.0, 1.0)))
    return np.clip(box.lo + ends * (box.hi - box.lo), box.lo, box.hi)
