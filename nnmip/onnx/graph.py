"""An ONNX model as plain nodes and arrays. The one module that knows protobuf messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnmip.onnx import package
from nnmip.onnx.refusal import unreadable, unsupported
from nnmip.records import dataclass
from nnmip.sizes import ENTRY, Allowance, product
from nnmip.source import Span

Array = NDArray[Any]
MODEL_BYTE = ENTRY / 4
"""What a byte of a file counts: four of them are a number."""

OLDEST = 7
"""The first operator set whose operators broadcast as NumPy does."""

MOST_AXES = 32
HOME = ("", "ai.onnx")


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A node of the graph; `position` counts from 1 in the file."""

    op: str
    domain: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    position: int

    def __str__(self) -> str:
        return f"node `{self.name}`" if self.name else f"node {self.position}"


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of the graph. shape: None where the file does not say; None in it for a size that is open.
    kind: `float`, `double`, `int64`, ..., empty for what is no tensor or not stated."""

    name: str
    kind: str
    shape: tuple[int | None, ...] | None
    sizes: str


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """What an ONNX model computes, with its stored numbers by name: float64, whole numbers, or texts."""

    nodes: tuple[Node, ...]
    constants: Mapping[str, Array]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    opset: int
    model: Any

    def maker(self) -> Mapping[str, Node]:
        """The node that gives each value."""
        return {name: node for node in self.nodes for name in node.outputs if name}


def read_graph(source: Any, allowance: Allowance, span: Span) -> Graph:
    """The graph of a file, of its bytes, or of an `onnx.ModelProto`.

    Raises Refused for what is no sound model, DiagnosticError NNM0310 for more than is allowed, ImportError with the
    command that installs the package onnx where that is missing, OSError for a file that cannot be opened.
    """
    model = _model(source, allowance, span)
    opset = _opset(model)
    if model.functions:
        try:
            model = package.inlined(model)
        except Exception:  # whatever it finds wrong in a function means the same
            raise unreadable("the functions that the model defines cannot be written out") from None
    graph, folder = model.graph, source.parent if isinstance(source, Path) else None
    if graph.sparse_initializer:
        raise unsupported("the model stores sparse tensors", "store its weights as dense tensors")
    constants: dict[str, Array] = {}
    for tensor in graph.initializer:
        if tensor.name in constants:
            raise unreadable(f"the model stores `{tensor.name}` twice")
        constants[tensor.name] = array_of(tensor, f"`{tensor.name}`", folder, allowance, span)
    nodes = tuple(_node(node, place + 1, allowance, span) for place, node in enumerate(graph.node))
    _check_names(nodes, constants, graph)
    inputs = tuple(_port(value) for value in graph.input if value.name not in constants)
    return Graph(nodes, constants, inputs, tuple(map(_port, graph.output)), opset, model)


def _model(source: Any, allowance: Allowance, span: Span) -> Any:
    onnx = package.messages()
    if isinstance(source, onnx.ModelProto):
        copy = onnx.ModelProto()
        copy.CopyFrom(source)
        return copy
    size = source.stat().st_size if isinstance(source, Path) else len(source)
    allowance.check(size, MODEL_BYTE, f"`{source.name}`" if isinstance(source, Path) else "the model", span)
    content = source.read_bytes() if isinstance(source, Path) else bytes(source)
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except Exception:  # protobuf has an error of its own in each of its implementations
        model = onnx.ModelProto()
    if not model.graph.node and not model.graph.output:
        raise unreadable("it is not an ONNX model", "name a file that `torch.onnx.export`, skl2onnx or the like wrote")
    return model


def _opset(model: Any) -> int:
    versions = [entry.version for entry in model.opset_import if entry.domain in HOME]
    opset = max(versions, default=0 if not model.opset_import else OLDEST)
    if opset < OLDEST:
        raise unsupported(
            f"the model is of operator set {opset}, and {OLDEST} is the oldest that is read",
            "export it with a newer `opset_version`, or convert it with `onnx.version_converter`",
        )
    return int(opset)


def _check_names(nodes: tuple[Node, ...], constants: Mapping[str, Array], graph: Any) -> None:
    """Every value is given once."""
    given = set(constants) | {value.name for value in graph.input}
    for node in nodes:
        for name in node.outputs:
            if name and name in given:
                raise unreadable(f"{node} gives `{name}`, which is there already")
            given.add(name)


def _node(node: Any, position: int, allowance: Allowance, span: Span) -> Node:
    attributes = {each.name: _attribute(each, allowance, span) for each in node.attribute}
    domain = "" if node.domain in HOME else node.domain
    return Node(node.op_type, domain, node.name, tuple(node.input), tuple(node.output), attributes, position)


def _attribute(attribute: Any, allowance: Allowance, span: Span) -> Any:
    """The value of an attribute: numbers, texts, lists of them, arrays; None for anything else."""
    kind = attribute.AttributeType.Name(attribute.type) if attribute.type else ""
    match kind:
        case "FLOAT":
            return float(attribute.f)
        case "INT":
            return int(attribute.i)
        case "STRING":
            return attribute.s.decode(errors="replace")
        case "FLOATS":
            return [float(value) for value in attribute.floats]
        case "INTS":
            return [int(value) for value in attribute.ints]
        case "STRINGS":
            return [value.decode(errors="replace") for value in attribute.strings]
        case "TENSOR":
            return array_of(attribute.t, f"attribute `{attribute.name}`", None, allowance, span)
    return None


def array_of(tensor: Any, what: str, folder: Path | None, allowance: Allowance, span: Span) -> Array:
    """The numbers of a stored tensor: floating-point ones of any width as float64, texts as objects."""
    onnx = package.messages()
    shape = tuple(tensor.dims)
    if len(shape) > MOST_AXES or any(size < 0 for size in shape):
        raise unreadable(f"{what} has the shape {list(shape)[:8]}")
    allowance.check(product(shape), ENTRY, what, span)
    try:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            _load_external(tensor, what, folder)
        array = package.numbers(tensor)
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, AttributeError):
        raise unreadable(f"the numbers of {what} cannot be read") from None
    if array.shape != shape:
        raise unreadable(f"{what} has another number of entries than its shape {list(shape)} says")
    if array.dtype.kind in "iub" and array.dtype.isbuiltin == 1 and "float" not in array.dtype.name:
        return array
    return array if array.dtype.kind in "OSU" else array.astype(np.float64)


def _load_external(tensor: Any, what: str, folder: Path | None) -> None:
    """Numbers in a file of their own, which must be in the folder of the model or below it."""
    if folder is None:
        raise unsupported(f"the numbers of {what} are in a file of their own", "give the path of the model instead")
    place = {entry.key: entry.value for entry in tensor.external_data}.get("location", "")
    home = folder.resolve()
    target = (home / place).resolve()
    if not place or not target.is_relative_to(home) or not target.is_file():
        raise unreadable(f"the numbers of {what} are in `{place}`, which is not there", "copy it next to the model")
    package.load_external(tensor, str(home))


def _port(value: Any) -> Port:
    onnx = package.messages()
    if value.type.WhichOneof("value") != "tensor_type":
        return Port(value.name, "", None, "")
    tensor = value.type.tensor_type
    names = onnx.TensorProto.DataType
    kind = names.Name(tensor.elem_type).lower() if tensor.elem_type in names.values() else ""
    if not tensor.HasField("shape"):
        return Port(value.name, kind, None, "")
    sizes = [
        int(d.dim_value) if d.WhichOneof("value") == "dim_value" and d.dim_value > 0 else None for d in tensor.shape.dim
    ]
    shown = [
        str(size) if size is not None else (d.dim_param or "?") for size, d in zip(sizes, tensor.shape.dim, strict=True)
    ]
    return Port(value.name, kind, tuple(sizes), f"[{', '.join(shown)}]")


def needed(graph: Graph, wanted: Iterable[str]) -> set[str]:
    """The values that those named `wanted` are made from, themselves included."""
    maker, found, open_ = graph.maker(), set(), list(wanted)
    while open_:
        name = open_.pop()
        if name and name not in found:
            found.add(name)
            open_.extend(maker[name].inputs if name in maker else ())
    return found


def check_order(graph: Graph, used: set[str]) -> None:
    """Raise Refused where one of the values `used` is made from something that is not there before it."""
    given = {*graph.constants, *(port.name for port in graph.inputs)}
    for node in graph.nodes:
        for name in node.inputs:
            if name and name not in given and used & set(node.outputs):
                raise unreadable(
                    f"`{node.op}` ({node}) reads `{name}`, which no input, stored tensor or earlier node gives",
                    "the nodes of a file are in the order in which they are run",
                )
        given.update(node.outputs)


def cut_to(graph: Graph, name: str) -> Any:
    """The model that gives one value, without nodes and inputs that it does not need."""
    onnx, used = package.messages(), needed(graph, [name])
    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    for field in (model.graph.node, model.graph.input, model.graph.output, model.graph.value_info):
        del field[:]
    model.graph.node.extend(node for node in graph.model.graph.node if used & set(node.output))
    model.graph.input.extend(value for value in graph.model.graph.input if value.name in used)
    model.graph.output.append(onnx.ValueInfoProto(name=name))
    return model
