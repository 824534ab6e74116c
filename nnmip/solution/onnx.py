"""A trained network as an ONNX model that reads the user's own units (the extra `nnmip[onnx]`).

Every tensor is float64, but ONNX Runtime has no float64 kernel for convolution and average pooling: what these layers
read and weigh is rounded to float32 and what they give is carried on in float64. `leaky_relu` and `hard_sigmoid` are
written with the operations that they are made of, as the attributes of their ONNX namesakes are float32.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Layer
from nnmip.onnx.package import package
from nnmip.ops.layers.pad import border
from nnmip.ops.layers.piecewise import Knots
from nnmip.ops.scores import ROUNDING
from nnmip.ops.windows import windows_over
from nnmip.records import dataclass
from nnmip.solution.compact import compacted
from nnmip.solution.network import TrainedNetwork

OPSET, IR_VERSION = 17, 8
"""Read by ONNX Runtime from 1.12 on."""

ROUNDING_FLOAT32 = 1e-6
"""How far below 0 a value may be and still count as 0 for `step` and `sign` behind a layer in float32; what they
take for negative is at least their strictness below 0 in every row that was trained on."""

SINGLE = frozenset({"conv2d", "avgpool2d"})
"""Layers for which ONNX Runtime has no float64 kernel."""

DOUBLE_TYPE, SINGLE_TYPE = "DOUBLE", "FLOAT"


def onnx_bytes(trained: TrainedNetwork) -> bytes:
    """The model, with removed parts cut out. ImportError with the command that installs onnx where that is missing.

    Input: the features in the user's units, named as in the model, float64 [rows, *input]. Outputs: `score` float64
    [rows, *output]; for a classifier with named labels also `prediction`, texts [rows]. Metadata: the structure that
    `network.json` has, without layers.
    """
    return _Graph(compacted(trained)).model().SerializeToString()  # type: ignore[no-any-return]


@dataclass(slots=True)
class _Graph:
    """The nodes and constants of a model as they are written, each value by its name."""

    trained: TrainedNetwork
    nodes: list[tuple[str, tuple[str, ...], str, dict[str, Any]]] = field(default_factory=list)
    constants: dict[str, NDArray[Any]] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    rounded: set[str] = field(default_factory=set)
    """Layers at or behind one in float32."""

    def node(self, kind: str, *inputs: str, to: str = "", **attributes: Any) -> str:
        """Write a node; the name of what it gives is `to`, or one of its own."""
        name = to or f"{kind.lower()}:{len(self.nodes)}"
        self.nodes.append((kind, inputs, name, attributes))
        return name

    def constant(self, value: Any, name: str = "") -> str:
        """Write a constant: float64 unless it has another type."""
        array = np.asarray(value)
        name = name or f"constant:{len(self.constants)}"
        self.constants[name] = array.astype(np.float64) if array.dtype.kind == "f" and array.itemsize != 4 else array
        return name

    def slack(self, layer: Layer) -> float:
        """How far below 0 a value counts as 0 behind this layer."""
        return ROUNDING_FLOAT32 if layer.name in self.rounded else ROUNDING

    def weights(self, layer: Layer, kind: type[np.floating[Any]]) -> list[str]:
        """The weights of a layer, and its bias where it has one, as constants."""
        values = self.trained.assignment.values
        return [self.constant(values[d.path].astype(kind), f"{layer.name}.{d.role}") for d in layer.decisions]

    def model(self) -> Any:
        """The ONNX model."""
        onnx = package()
        outputs = self._write()
        helper, types = onnx.helper, onnx.TensorProto
        network = self.trained.network
        entry = helper.make_tensor_value_info(network.input_name, types.DOUBLE, ["rows", *network.input_shape])
        exits = [
            helper.make_tensor_value_info(name, getattr(types, kind), ["rows", *shape]) for name, kind, shape in outputs
        ]
        nodes = [
            helper.make_node(kind, inputs, [to], name=to, **_typed(attributes, types))
            for kind, inputs, to, attributes in self.nodes
        ]
        constants = [onnx.numpy_helper.from_array(array, name) for name, array in self.constants.items()]
        graph = helper.make_graph(nodes, network.name, [entry], exits, constants)
        model = helper.make_model(
            graph, producer_name="nnmip", opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
        )
        helper.set_model_props(model, metadata(self.trained))
        onnx.checker.check_model(model)
        return model

    def _write(self) -> list[tuple[str, str, tuple[int, ...]]]:
        """All nodes; the name, type and shape of each output."""
        network = self.trained.network
        values = {network.input_name: self._scaled(network.input_name)}
        self.shapes[network.input_name] = network.input_shape
        for layer in network.layers:
            if layer.op in SINGLE or self.rounded & set(layer.inputs):
                self.rounded.add(layer.name)
            values[layer.name] = self._layer(layer, tuple(values[name] for name in layer.inputs))
            self.shapes[layer.name] = layer.shape
        flat = self.node("Flatten", values[network.result_layer], axis=1)
        self.node("Gather", flat, self.constant(network.result_index), to="score", axis=1)
        outputs: list[tuple[str, str, tuple[int, ...]]] = [("score", "DOUBLE", network.output_shape)]
        if self.trained.coding and len(network.output_shape) <= 1:
            self._prediction()
            outputs.append(("prediction", "STRING", ()))
        return outputs

    def _scaled(self, name: str) -> str:
        """The input in scaled units: low + (raw - shift) / width * (high - low)."""
        scaling, shape = self.trained.scaling, self.trained.network.input_shape
        if scaling is None or scaling.is_identity:
            return name
        steps = (
            ("Sub", scaling.shift, 0.0),
            ("Div", scaling.width, 1.0),
            ("Mul", scaling.high - scaling.low, 1.0),
            ("Add", scaling.low, 0.0),
        )
        for kind, numbers, neutral in steps:
            if (numbers != neutral).any():
                name = self.node(kind, name, self.constant(numbers.reshape(shape)))
        return name

    def _layer(self, layer: Layer, inputs: tuple[str, ...]) -> str:
        """What a layer gives; its name is that of the layer, unless something else of the model has it."""
        kept = self.trained.assignment.kept.get(layer.path)
        if layer.op in SINGLE:
            inputs = tuple(self.node("Cast", name, to_type=SINGLE_TYPE) for name in inputs)
        made = NODES[layer.op](self, layer, inputs)
        if layer.op in SINGLE:
            made = self.node("Cast", made, to_type=DOUBLE_TYPE)
        if kept is not None and not kept.all():
            mask = kept.astype(np.float64).reshape(-1, *(1,) * (len(layer.shape) - 1))
            made = self.node("Mul", made, self.constant(mask))
        return self.node("Identity", made, to=f"layer:{layer.name}")

    def _prediction(self) -> None:
        """The names that `TrainedNetwork.predict` gives."""
        names = self.trained.class_names
        if self.trained.network.output_shape == ():
            positive = self.node("GreaterOrEqual", "score", self.constant(-self._slack_of_score()))
            chosen = [self.constant(np.array(names.get(code, f"{code:g}"), dtype=object)) for code in (1.0, -1.0)]
            self.node("Where", positive, *chosen, to="prediction")
            return
        largest = self.node("ReduceMax", "score", axes=[1], keepdims=1)
        least = self.node("Sub", largest, self.constant(self._slack_of_score()))
        is_largest = self.node("Cast", self.node("GreaterOrEqual", "score", least), to_type=SINGLE_TYPE)
        place = self.node("ArgMax", is_largest, axis=1, keepdims=0)
        count = self.trained.network.output_shape[0]
        texts = np.array([names.get(float(k), str(k)) for k in range(count)], dtype=object)
        self.node("Gather", self.constant(texts), place, to="prediction", axis=0)

    def _slack_of_score(self) -> float:
        return self.slack(self.trained.network.layer(self.trained.network.result_layer))


def _typed(attributes: Mapping[str, Any], types: Any) -> dict[str, Any]:
    """The attributes of a node, with the number of the type that a cast leads to."""
    return {"to": getattr(types, attributes["to_type"])} if "to_type" in attributes else dict(attributes)


def metadata(trained: TrainedNetwork) -> dict[str, str]:
    """What a model says of itself, each entry as JSON: features, labels, targets, scaling, input domain."""
    domain = trained.network.input_domain
    entries: dict[str, object] = {
        "features": list(trained.features),
        "label": trained.label,
        "labels": [[text, code] for text, code in trained.coding],
        "targets": list(trained.targets),
        "scaling": trained.scaling.to_json() if trained.scaling is not None else None,
        "input_domain": {"intervals": [list(e) for e in domain.intervals], "values": list(domain.values)},
    }
    return {f"nnmip.{key}": json.dumps(value) for key, value in entries.items()}


# ---- a layer each ----------------------------------------------------------------------------------------------

Writer = Callable[[_Graph, Layer, tuple[str, ...]], str]


def _plain(kind: str, **attributes: Any) -> Writer:
    """A layer that is one ONNX operation."""
    return lambda graph, layer, inputs: graph.node(kind, *inputs, **attributes)


def _dense(graph: _Graph, layer: Layer, inputs: tuple[str, ...]) -> str:
    return graph.node("Gemm", inputs[0], *graph.weights(layer, np.float64), transB=1)


def _rescale(graph: _Graph, layer: Layer, inputs: tuple[str, ...]) -> str:
    made, column = inputs[0], (-1, *(1,) * (len(layer.shape) - 1))
    for kind, decision in zip(("Mul", "Add"), layer.decisions, strict=False):
        made = graph.node(kind, made, graph.constant(graph.trained.assignment.values[decision.path].reshape(column)))
    return made


def _conv2d(graph: _Graph, layer: Layer, inputs: tuple[str, ...]) -> str:
    options = {**_window(graph, layer), "dilations": list(layer.option("dilation")), "group": layer.option("groups")}
    return graph.node("Conv", inputs[0], *graph.weights(layer, np.float32), **options)


def _window(graph: _Graph, layer: Layer) -> dict[str, Any]:
    windows = windows_over(graph.shapes[layer.inputs[0]], dict(layer.options), layer.op)
    return {
        "kernel_shape": list(windows.kernel),
        "strides": list(windows.stride),
        "pads": [*windows.padding, *windows.padding],
    }


def _maxpool2d(graph: _Graph, layer: Layer, inputs: tuple[str, ...]) -> str:
    return graph.node("MaxPool", inputs[0], **_window(graph, layer))


def _avgpool2d(graph: _Graph, layer: Layer, inputs: tuple[str, ...]) -> str:
    return graph.node("AveragePool", inputs[0], count_include_pad=0, **_window(graph, layer))


def _clipped(ends: Callable[[Layer], tuple[float, float]]) -> Writer:
    def write(graph: _Graph, layer: Layer, inputs: tuple[str, ...]) -> str:
        return graph.node("Clip", inputs[0], *(graph.constant(float(end)) for end in ends(layer)))

    return write


def _leaky_relu(graph: _Graph, layer: Layer, inputs: tuple[str, ...]) -> str:
    below = graph.node("Mul", inputs[0], graph.constant(float(layer.option("slope"))))
    return graph.node("Where", graph.node("Greater", inputs[0], graph.constant(0.0)), inputs[0], below)


def _hard_sigmoid(graph: _Graph, layer: Layer, inputs: tuple[str, ...]) -> str:
    line = graph.node("Mul", inputs[0], graph.constant(float(layer.option("slope"))))
    line = graph.node("Add", line, graph.constant(float(layer.option("shift"))))
    return graph.node("Clip", line, graph.constant(0.0), graph.constant(1.0))


def _curve(graph: _Graph, layer: Layer, inputs: tuple[str, ...]) -> str:
    """The value at the first point, and for every piece its slope times what of it z has passed, and so outside."""
    knots = Knots.of(dict(layer.options))
    wide = graph.node("Unsqueeze", inputs[0], graph.constant(np.array([-1])))
    passed = graph.node("Sub", wide, graph.constant(knots.points[:-1]))
    passed = graph.node("Max", passed, graph.constant(0.0))
    passed = graph.node("Min", passed, graph.constant(np.diff(knots.points)))
    total = graph.node("MatMul", passed, graph.constant(knots.slopes[1:-1]))
    total = graph.node("Add", total, graph.constant(float(knots.values[0])))
    for cut, point, slope in zip(("Min", "Max"), knots.points[[0, -1]], knots.outside, strict=True):
        if slope:
            beyond = graph.node(cut, graph.node("Sub", inputs[0], graph.constant(point)), graph.constant(0.0))
            total = graph.node("Add", total, graph.node("Mul", beyond, graph.constant(slope)))
    return total


def _threshold(below: float) -> Writer:
    """1 where z >= 0, up to rounding as everywhere, else `below`."""

    def write(graph: _Graph, layer: Layer, inputs: tuple[str, ...]) -> str:
        there = graph.node("GreaterOrEqual", inputs[0], graph.constant(-graph.slack(layer)))
        return graph.node("Where", there, graph.constant(1.0), graph.constant(below))

    return write


def _gate(graph: _Graph, layer: Layer, inputs: tuple[str, ...]) -> str:
    x, by = inputs
    single = graph.shapes[layer.inputs[1]] != layer.shape
    if single and len(layer.shape) > 1:
        by = graph.node("Unsqueeze", by, graph.constant(np.arange(2, len(layer.shape) + 1)))
    return graph.node("Mul", x, by)


def _pad(graph: _Graph, layer: Layer, inputs: tuple[str, ...]) -> str:
    sides = ((0, 0), *border(graph.shapes[layer.inputs[0]], dict(layer.options)))
    pads = np.array([*(before for before, _ in sides), *(after for _, after in sides)])
    return graph.node("Pad", inputs[0], graph.constant(pads), graph.constant(float(layer.option("value"))))


def _reshape(graph: _Graph, layer: Layer, inputs: tuple[str, ...]) -> str:
    return graph.node("Reshape", inputs[0], graph.constant(np.array([-1, *layer.shape])))


def _select(graph: _Graph, layer: Layer, inputs: tuple[str, ...]) -> str:
    flat = graph.node("Flatten", inputs[0], axis=1)
    picked = graph.node("Gather", flat, graph.constant(np.array(layer.option("entries"))), axis=1)
    return graph.node("Reshape", picked, graph.constant(np.array([-1, *layer.shape])))


def _concat(graph: _Graph, layer: Layer, inputs: tuple[str, ...]) -> str:
    return graph.node("Concat", *inputs, axis=layer.option("axis") + 1)


def _add(graph: _Graph, layer: Layer, inputs: tuple[str, ...]) -> str:
    total = inputs[0]
    for name in inputs[1:]:
        total = graph.node("Add", total, name)
    return total


NODES: Mapping[str, Writer] = {
    "dense": _dense,
    "conv2d": _conv2d,
    "rescale": _rescale,
    "relu": _plain("Relu"),
    "leaky_relu": _leaky_relu,
    "clip": _clipped(lambda layer: (layer.option("low"), layer.option("high"))),
    "relu6": _clipped(lambda layer: (0.0, 6.0)),
    "abs": _plain("Abs"),
    "hard_sigmoid": _hard_sigmoid,
    "hard_tanh": _clipped(lambda layer: (-1.0, 1.0)),
    "piecewise": _curve,
    "sign": _threshold(-1.0),
    "step": _threshold(0.0),
    "gate": _gate,
    "maxpool2d": _maxpool2d,
    "avgpool2d": _avgpool2d,
    "globalavgpool": _plain("ReduceMean", axes=[2, 3], keepdims=0),
    "flatten": _plain("Flatten", axis=1),
    "reshape": _reshape,
    "select": _select,
    "pad": _pad,
    "concat": _concat,
    "add": _add,
}
