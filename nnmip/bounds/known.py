"""Bounds of networks with known weights over boxes of inputs, by interval propagation."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from nnmip.bounds.interval import FloatArray, Interval
from nnmip.bounds.table import Bounds
from nnmip.hir.core import Assignment, Layer, Network
from nnmip.ops.registry import LAYERS
from nnmip.records import dataclass

Known = Mapping[str, Interval]


class Unbounded(Exception):
    """A tensor has no finite bounds: `name` is the input or the layer, `index` an entry, `side` the missing bound."""

    def __init__(self, name: str, index: tuple[int, ...], side: str) -> None:
        self.name, self.index, self.side = name, index, side
        place = f"[{', '.join(map(str, index))}]" if index else ""
        super().__init__(f"`{name}{place}` has no finite {side} bound")


class Contradiction(Exception):
    """Two bounds of one entry have nothing in common: what was given about a tensor fits to no input of the box."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"no input of the box gives `{name}` a value within all its bounds")


def met(name: str, first: Interval, second: Interval) -> Interval:
    """What two bounds of a tensor have in common; raises Contradiction."""
    found = first.meet(second)
    if (found.lo > found.hi).any():
        raise Contradiction(name)
    return found


def bounded_box(network: Network, inputs: Interval) -> Interval:
    """The inputs in float64; raises Unbounded where an end is infinite or not a number."""
    lo = np.asarray(inputs.lo, dtype=np.float64)
    box = Interval(lo, lo if inputs.is_known else np.asarray(inputs.hi, dtype=np.float64))
    check_bounded(network.input_name, box)
    return box


def check_bounded(name: str, interval: Interval) -> None:
    """Raises Unbounded where an end is infinite or not a number."""
    for end, side in ((interval.lo, "lower"), (interval.hi, "upper")):
        if not np.isfinite(end).all():
            raise Unbounded(name, tuple(int(k) for k in np.argwhere(~np.isfinite(end))[0][1:]), side)


@dataclass(frozen=True, slots=True, eq=False)
class KnownWeights:
    """A network with the numbers of its weights, as the rules of the layer table read them."""

    network: Network
    assignment: Assignment

    def weights(self, layer: Layer) -> Mapping[str, FloatArray]:
        return {d.role: self.assignment.values[d.path] for d in layer.decisions}

    def stands_for(self, layer: Layer) -> str | None:
        """The tensor that an optional layer only passes on because it is left out; None for any other layer."""
        kept = self.assignment.kept.get(layer.path)
        return layer.skip if layer.skip is not None and kept is not None and not kept else None

    def mask(self, layer: Layer) -> FloatArray | None:
        """1 for entries of kept units and 0 for removed ones, as wide as the layer; None where nothing is removed."""
        kept = self.assignment.kept.get(layer.path)
        if kept is None or layer.skip is not None or bool(np.all(kept)):
            return None
        wide = kept.reshape(-1, *(1,) * (len(layer.shape) - 1))
        return np.broadcast_to(np.where(wide, 1.0, 0.0), layer.shape)

    def interval(self, layer: Layer, outputs: Known) -> Interval:
        """Bounds of a layer by its interval rule, from those of what it reads."""
        other = self.stands_for(layer)
        if other is not None:
            return outputs[other]
        weights = {role: Interval.point(value) for role, value in self.weights(layer).items()}
        with np.errstate(over="ignore", invalid="ignore"):
            found = LAYERS[layer.op].interval(tuple(outputs[n] for n in layer.inputs), weights, dict(layer.options))
        mask = self.mask(layer)
        if mask is not None:
            found = Interval(np.where(mask > 0, found.lo, 0.0), np.where(mask > 0, found.hi, 0.0))
        check_bounded(layer.name, found)
        return found


def propagate_known(network: Network, assignment: Assignment, inputs: Interval) -> Bounds:
    """Bounds of every layer for inputs [n, *input] in given intervals, outward rounded.

    Raises Unbounded where an input, or a layer whose values overflow, has no finite bounds.
    """
    inputs = bounded_box(network, inputs)
    known = KnownWeights(network, assignment)
    outputs = {network.input_name: inputs}
    for layer in network.layers:
        outputs[layer.name] = known.interval(layer, outputs)
    return Bounds(outputs, "interval propagation")


def in_parts(inputs: Interval, size: int, bound: Callable[[Interval], Bounds]) -> Bounds:
    """`bound` of at most `size` samples at a time, put together again."""
    count = max(1, len(inputs.lo))
    parts = [
        bound(Interval(inputs.lo[start : start + size], inputs.hi[start : start + size]))
        for start in range(0, count, size)
    ]
    if len(parts) == 1:
        return parts[0]
    outputs = {
        name: Interval(
            np.concatenate([part.outputs[name].lo for part in parts]),
            np.concatenate([part.outputs[name].hi for part in parts]),
        )
        for name in parts[0].outputs
    }
    return Bounds(outputs, parts[0].source)
