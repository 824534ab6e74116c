"""A trained network in words: each unit as a formula over the user's own columns and units."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from nnmip.data import Scaling
from nnmip.hir.core import Layer
from nnmip.hir.wiring import Wiring, wiring_of
from nnmip.ops.registry import LAYERS
from nnmip.records import dataclass
from nnmip.report.numbers import DIGITS, MOST_DIGITS, number
from nnmip.solution.network import FloatArray, TrainedNetwork


def linear(weights: FloatArray, names: list[str], bias: float, digits: int = DIGITS) -> str:
    """`0.5 * length - 2 * width + 1`, without zero terms; a constant alone where all weights are 0."""
    text = ""
    for weight, name in zip(weights.tolist(), names, strict=True):
        if weight == 0:
            continue
        size = "" if abs(weight) == 1 else f"{number(abs(weight), digits)} * "
        sign = (" - " if weight < 0 else " + ") if text else ("-" if weight < 0 else "")
        text += f"{sign}{size}{name}"
    if not text:
        return number(bias, digits)
    return text if bias == 0 else f"{text} {'-' if bias < 0 else '+'} {number(abs(bias), digits)}"


def digits_for(scaling: Scaling, weights: FloatArray) -> int:
    """How many digits a formula over raw columns needs: as many more as cancel where a column lies far from 0."""
    far = np.abs(scaling.shift) / scaling.width
    cancelled = np.log10(1.0 + np.max(far, where=weights != 0, initial=0.0))
    return min(DIGITS + round(float(cancelled)), MOST_DIGITS)


MOVES = frozenset({"flatten", "reshape", "concat", "pad", "select"})
"""Layers that only move entries: their names are those of what they move."""


@dataclass(frozen=True, slots=True)
class _Writer:
    """Formulas of the units of a network. A layer that only one activation reads is written inside it."""

    trained: TrainedNetwork

    def formula(self, name: str, unit: int) -> str:
        """What unit `unit` of layer `name` computes; for an image, filter `unit`."""
        layer = self.trained.network.layer(name)
        kept = self.trained.assignment.kept.get(layer.path)
        if kept is not None and layer.skip is not None and not kept:
            names = self.names(layer.skip).reshape(layer.units, -1)
            return f"{names[unit][0] if names.shape[1] == 1 else f'{layer.skip}[{unit}]'} (layer left out)"
        if kept is not None and layer.skip is None and not kept[unit]:
            return "0 (removed)"
        return FORMULAS[layer.op](self, layer, unit)

    def names(self, name: str) -> np.ndarray:
        """The names of the entries of a tensor, of its shape."""
        network = self.trained.network
        if name == network.input_name:
            shape = network.input_shape
            if self.trained.features:
                return np.array(self.trained.features, dtype=object).reshape(shape)
        else:
            layer = network.layer(name)
            if layer.op in MOVES:
                inputs = tuple(self.names(source)[None] for source in layer.inputs)
                moved: np.ndarray = LAYERS[layer.op].forward(inputs, {}, dict(layer.options))[0]
                return moved
            shape = layer.shape
        places = [f"{name}[{', '.join(map(str, place))}]" for place in np.ndindex(*shape)]
        return np.array(places, dtype=object).reshape(shape)

    def inputs(self, layer: Layer) -> list[str]:
        """Names of the entries that a layer reads, in order."""
        return [str(name) for name in self.names(layer.inputs[0]).reshape(-1)]

    def inner(self, layer: Layer, unit: int) -> str:
        """What unit `unit` of a layer that works unit by unit reads."""
        source = layer.inputs[0]
        if source == self.trained.network.input_name:
            return self.scaled_input(unit) if len(layer.shape) == 1 else f"{source}[{unit}]"
        if self.inlined(source):
            return self.formula(source, unit)
        return str(self.names(source)[unit]) if len(layer.shape) == 1 else f"{source}[{unit}]"

    def scaled_input(self, unit: int) -> str:
        """Input `unit` as the network sees it, in the user's units."""
        network, scaling = self.trained.network, self.trained.scaling
        width = int(np.prod(network.input_shape))
        weights, bias = np.eye(width)[unit], 0.0
        names = [str(name) for name in self.names(network.input_name).reshape(-1)]
        if scaling is None:
            return linear(weights, names, bias)
        raw, shift = scaling.unscale_linear(weights, bias)
        return linear(raw, names, float(shift), digits_for(scaling, weights))

    def is_constant(self, wiring: Wiring, layer: Layer, unit: int) -> bool:
        """Whether no weight leads into a unit, so that its inputs do not matter."""
        owner = int(wiring.units(layer.name)[unit])
        if owner < 0:
            return False
        source = wiring.layer_of(owner)
        return not self.trained.weights[source.name][owner - wiring.first[source.name]].any()

    def picture(self, layer: Layer, unit: int) -> list[str]:
        """The kernels behind filter `unit` of a layer that is written in one line with its convolution."""
        while layer.op != "conv2d":
            source = layer.inputs[0]
            kept = self.trained.assignment.kept.get(layer.path)
            is_there = kept is None or (kept if layer.skip is not None else kept[unit])
            if len(layer.shape) != 3 or not self.inlined(source) or not is_there:
                return []
            layer = self.trained.network.layer(source)
        return picture(self.trained.weights[layer.name][unit])

    def inlined(self, name: str) -> bool:
        """Whether layer `name` has no line of its own."""
        network = self.trained.network
        if name in (network.result_layer, network.input_name):
            return False
        readers, layer = network.readers(name), network.layer(name)
        return layer.op in MOVES or (len(readers) == 1 and bool(LAYERS[readers[0].op].prune))


def _dense(writer: _Writer, layer: Layer, unit: int) -> str:
    return _line(writer, layer, unit, writer.trained.weights[layer.name][unit])


def _rescale(writer: _Writer, layer: Layer, unit: int) -> str:
    weight = writer.trained.weights[layer.name][unit]
    if len(layer.shape) == 1:
        return _line(writer, layer, unit, weight * np.eye(layer.units)[unit])
    return linear(np.array([weight]), [f"{layer.inputs[0]}[{unit}]"], _bias(writer, layer, unit))


def _line(writer: _Writer, layer: Layer, unit: int, weights: FloatArray) -> str:
    """A unit that weighs the entries of a vector."""
    trained, bias = writer.trained, _bias(writer, layer, unit)
    if layer.inputs[0] == trained.network.input_name and trained.scaling is not None:
        digits = digits_for(trained.scaling, weights)
        weights, unscaled = trained.scaling.unscale_linear(weights, bias)
        return linear(weights, writer.inputs(layer), float(unscaled), digits)
    return linear(weights, writer.inputs(layer), bias)


def _bias(writer: _Writer, layer: Layer, unit: int) -> float:
    biases = writer.trained.biases
    return float(biases[layer.name][unit]) if layer.name in biases else 0.0


def _conv2d(writer: _Writer, layer: Layer, unit: int) -> str:
    kernels = writer.trained.weights[layer.name][unit]
    shown = ", ".join(_rows(kernel) for kernel in kernels)
    text = f"conv({layer.inputs[0]}, {shown})"
    bias = _bias(writer, layer, unit)
    return text if bias == 0 else f"{text} {'-' if bias < 0 else '+'} {number(abs(bias))}"


def _rows(kernel: FloatArray) -> str:
    return "[" + "; ".join(" ".join(number(value) for value in row) for row in kernel.tolist()) + "]"


MOST_CHANNELS = 8
"""A filter that reads more channels is not drawn."""


def picture(kernels: FloatArray) -> list[str]:
    """A filter of shape [channels, height, width] as lines of text, its channels side by side; none for a single row.

    `.` is a zero, `+` and `-` are signs; where some weights are at most half as large as the largest, `#` and `=` stand
    for the others.
    """
    size = np.abs(kernels)
    if kernels.shape[1] < 2 or len(kernels) > MOST_CHANNELS or not size.any():
        return []
    large = size > size.max() / 2
    if not (size[~large] > 0).any():
        large = np.zeros_like(large)
    marks = np.where(large, np.where(kernels > 0, "#", "="), np.where(kernels > 0, "+", "-"))
    marks = np.where(kernels == 0, ".", marks)
    return ["   ".join(" ".join(row) for row in line) for line in marks.swapaxes(0, 1).tolist()]


def _around(before: str, after: str) -> Formula:
    """What an activation makes of its input, written around it."""
    return lambda writer, layer, unit: f"{before}{writer.inner(layer, unit)}{after}"


def _clip(writer: _Writer, layer: Layer, unit: int) -> str:
    low, high = number(layer.option("low")), number(layer.option("high"))
    return f"clip({writer.inner(layer, unit)}, {low}, {high})"


def _with_options(writer: _Writer, layer: Layer, unit: int) -> str:
    options = ", ".join(number(float(value)) for _, value in layer.options)
    return f"{layer.op}({writer.inner(layer, unit)}, {options})"


def _curve(writer: _Writer, layer: Layer, unit: int) -> str:
    points = layer.option("points")
    return (
        f"piecewise({writer.inner(layer, unit)}; {len(points)} points from {number(points[0])} to {number(points[-1])})"
    )


def _pooled(what: str) -> Formula:
    def formula(writer: _Writer, layer: Layer, unit: int) -> str:
        down, right = layer.option("kernel")
        return f"{what} over {down} x {right} of {writer.inner(layer, unit)}"

    return formula


def _global_mean(writer: _Writer, layer: Layer, unit: int) -> str:
    return f"mean of {layer.inputs[0]}[{unit}]"


def _moved(writer: _Writer, layer: Layer, unit: int) -> str:
    return str(writer.names(layer.name).reshape(layer.units, -1)[unit][0])


def _add(writer: _Writer, layer: Layer, unit: int) -> str:
    if len(layer.shape) == 1:
        return " + ".join(str(writer.names(source)[unit]) for source in layer.inputs)
    return " + ".join(f"{source}[{unit}]" for source in layer.inputs)


def _gate(writer: _Writer, layer: Layer, unit: int) -> str:
    by = layer.inputs[1]
    gates = writer.names(by).reshape(-1)
    gate = str(gates[0]) if len(gates) == 1 else f"{by}[{unit}]"
    return f"{writer.inner(layer, unit)} where {gate} = 1, else 0"


Formula = Callable[[_Writer, Layer, int], str]

FORMULAS: Mapping[str, Formula] = {
    "dense": _dense,
    "conv2d": _conv2d,
    "rescale": _rescale,
    "relu": _around("max(0, ", ")"),
    "leaky_relu": _with_options,
    "clip": _clip,
    "relu6": _around("clip(", ", 0, 6)"),
    "abs": _around("|", "|"),
    "hard_sigmoid": _with_options,
    "hard_tanh": _around("clip(", ", -1, 1)"),
    "piecewise": _curve,
    "sign": _around("sign(", ")"),
    "step": _around("step(", ")"),
    "gate": _gate,
    "maxpool2d": _pooled("max"),
    "avgpool2d": _pooled("mean"),
    "globalavgpool": _global_mean,
    "flatten": _moved,
    "reshape": _moved,
    "select": _moved,
    "pad": _moved,
    "concat": _moved,
    "add": _add,
}


def describe(trained: TrainedNetwork, used: Mapping[str, tuple[int, ...]]) -> list[str]:
    """The lines that describe a network: result, units that are used, prediction rule, counts."""
    network, writer, wiring = trained.network, _Writer(trained), wiring_of(trained.network)
    chain = " -> ".join(f"{la.name} ({la.op}, {' x '.join(map(str, la.shape))})" for la in network.layers)
    source = ", ".join(trained.features[:6]) + (", ..." if len(trained.features) > 6 else "")
    lines = [f"{network.name}: {source or network.input_name} -> {chain}"]
    lines.extend(f"  {line}" for line in _result_lines(writer))
    for layer in reversed(network.layers):
        if layer.name == network.result_layer or writer.inlined(layer.name):
            continue
        for unit in used.get(layer.name, tuple(range(layer.units))):
            remark = "  (constant: no incoming weight)" if writer.is_constant(wiring, layer, unit) else ""
            place = f"  {layer.name}[{unit}] = "
            lines.append(f"{place}{writer.formula(layer.name, unit)}{remark}")
            lines.extend(f"{' ' * len(place)}{line}" for line in writer.picture(layer, unit))
    names = trained.class_names
    if network.output_shape == () and 1.0 in names and -1.0 in names:
        lines.append(f"  predicts {names[1.0]} where the score is at least 0, else {names[-1.0]}")
    elif network.output_shape != () and names:
        lines.append("  predicts the class with the largest score, of equal ones the first")
    total = sum(w.size for w in trained.weights.values())
    nonzero = sum(int(np.count_nonzero(w)) for w in trained.weights.values())
    counts = [f"{nonzero} of {total} weights nonzero"]
    counts += [f"{len(units)} of {network.layer(name).units} units of {name} used" for name, units in used.items()]
    lines.append(f"  {', '.join(counts)}")
    return lines


def _result_lines(writer: _Writer) -> list[str]:
    network = writer.trained.network
    index = network.result_index
    formulas = [writer.formula(network.result_layer, int(unit)) for unit in index.reshape(-1)]
    return [f"{name} = {formula}" for name, formula in zip(_result_names(writer.trained), formulas, strict=True)]


def _result_names(trained: TrainedNetwork) -> list[str]:
    """What the entries of the result are called: targets, scores of classes by name, or scores by position."""
    index, names = trained.network.result_index, trained.class_names
    if trained.targets:
        return list(trained.targets)
    if index.shape == ():
        return ["score"]
    if index.ndim == 1 and names:
        return [f"score[{names.get(float(k), k)}]" for k in range(index.size)]
    return [f"score[{', '.join(map(str, place))}]" for place in np.ndindex(index.shape)]
