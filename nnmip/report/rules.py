"""A trained network in words: each unit as a formula over the user's own columns and units."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from nnmip.data import Scaling
from nnmip.hir.core import Layer
from nnmip.solution.network import FloatArray, TrainedNetwork

DIGITS, MOST_DIGITS = 6, 17


def number(value: float, digits: int = DIGITS) -> str:
    """A number as reports print it, six significant digits unless told otherwise."""
    return f"{value + 0.0:.{digits}g}"


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


@dataclass(frozen=True, slots=True)
class _Writer:
    """Formulas of the units of a network. A layer that only one activation reads is written inside it."""

    trained: TrainedNetwork

    def formula(self, name: str, unit: int) -> str:
        """What unit `unit` of layer `name` computes."""
        layer = self.trained.network.layer(name)
        return FORMULAS[layer.op](self, layer, unit)

    def inputs(self, layer: Layer) -> list[str]:
        """Names of the entries that a layer reads."""
        network = self.trained.network
        (source,) = layer.inputs
        if source != network.input_name:
            return [f"{source}[{i}]" for i in range(network.layer(source).units)]
        if self.trained.features:
            return list(self.trained.features)
        return [f"{source}[{i}]" for i in range(int(np.prod(network.input_shape)))]

    def scaled_input(self, unit: int) -> str:
        """Input `unit` as the network sees it, in the user's units."""
        network, scaling = self.trained.network, self.trained.scaling
        width = int(np.prod(network.input_shape))
        weights, bias = np.eye(width)[unit], 0.0
        names = list(self.trained.features) or [f"{network.input_name}[{i}]" for i in range(width)]
        if scaling is None:
            return linear(weights, names, bias)
        raw, shift = scaling.unscale_linear(weights, bias)
        return linear(raw, names, float(shift), digits_for(scaling, weights))

    def is_constant(self, layer: Layer, unit: int) -> bool:
        """Whether no weight leads into a unit, so that its inputs do not matter."""
        while not layer.decisions:
            (source,) = layer.inputs
            if source == self.trained.network.input_name:
                return False
            layer = self.trained.network.layer(source)
        return not self.trained.weights[layer.name][unit].any()

    def inlined(self, name: str) -> bool:
        """Whether layer `name` has no line of its own."""
        network = self.trained.network
        readers = network.readers(name)
        return name not in (network.result_layer, network.input_name) and len(readers) == 1 and not readers[0].decisions


def _dense(writer: _Writer, layer: Layer, unit: int) -> str:
    trained = writer.trained
    weights = trained.weights[layer.name][unit]
    bias = trained.biases[layer.name][unit] if layer.name in trained.biases else np.float64(0.0)
    if layer.inputs[0] == trained.network.input_name and trained.scaling is not None:
        digits = digits_for(trained.scaling, weights)
        weights, unscaled = trained.scaling.unscale_linear(weights, bias)
        return linear(weights, writer.inputs(layer), float(unscaled), digits)
    return linear(weights, writer.inputs(layer), float(bias))


def _relu(writer: _Writer, layer: Layer, unit: int) -> str:
    kept = writer.trained.assignment.kept.get(layer.path)
    if kept is not None and not kept[unit]:
        return "0 (removed)"
    (source,) = layer.inputs
    if source == writer.trained.network.input_name:
        inner = writer.scaled_input(unit)
    else:
        inner = writer.formula(source, unit) if writer.inlined(source) else writer.inputs(layer)[unit]
    return f"max(0, {inner})"


FORMULAS: Mapping[str, Callable[[_Writer, Layer, int], str]] = {"dense": _dense, "relu": _relu}


def describe(trained: TrainedNetwork, used: Mapping[str, tuple[int, ...]]) -> list[str]:
    """The lines that describe a network: result, units that are used, prediction rule, counts."""
    network, writer = trained.network, _Writer(trained)
    chain = " -> ".join(f"{la.name} ({la.op}, {la.units})" for la in network.layers)
    source = ", ".join(trained.features[:6]) + (", ..." if len(trained.features) > 6 else "")
    lines = [f"{network.name}: {source or network.input_name} -> {chain}"]
    lines.extend(f"  {line}" for line in _result_lines(writer))
    for layer in reversed(network.layers):
        if layer.name == network.result_layer or writer.inlined(layer.name):
            continue
        for unit in used.get(layer.name, tuple(range(layer.units))):
            remark = "  (constant: no incoming weight)" if writer.is_constant(layer, unit) else ""
            lines.append(f"  {layer.name}[{unit}] = {writer.formula(layer.name, unit)}{remark}")
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
