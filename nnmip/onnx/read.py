"""A network from an ONNX file: the layers of the language with the exact numbers that are stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nnmip.diagnostics import Diagnostic, DiagnosticError
from nnmip.hir.core import FloatArray, Shape
from nnmip.hir.known import KnownNetwork
from nnmip.onnx.certify import smoothed_of
from nnmip.onnx.check import Claim, Computed, check
from nnmip.onnx.graph import Graph, Node, Port, check_order, needed, read_graph
from nnmip.onnx.layers import INPUT, Layers
from nnmip.onnx.operators import OPERATORS, SUPPORTED
from nnmip.onnx.operators.at import At
from nnmip.onnx.operators.unknown import REASONS
from nnmip.onnx.refusal import Refused, unreadable, unsupported
from nnmip.onnx.replay import TYPES, OnnxFile
from nnmip.onnx.views import Compared, Squashed, Value, View
from nnmip.ops.base import ShapeMismatch
from nnmip.ops.smooth import USUAL
from nnmip.records import dataclass
from nnmip.sizes import Allowance
from nnmip.source import Origin, SourceFile, Span

SEVERAL_ROWS = 4
"""How many rows a model with an open batch size is run with at once."""

SCORES, VALUES = ENDINGS = ("scores", "values")
"""What a network returns where its file ends in a monotone function: what that reads, or what it gives, as curves."""

LABELS = frozenset({"string", "int64", "int32", "bool"})


def read_onnx(
    source: Any,
    output: str | None,
    name: str,
    origin: Origin,
    allowance: Allowance,
    smooth: float | None = None,
    ending: str = SCORES,
) -> KnownNetwork:
    """The network of an ONNX file (its path, its bytes, or an `onnx.ModelProto`), called `name`.

    output: which output of the file it returns, the first with scores where it is None. smooth: how far a curve in the
    place of a smooth function inside of it may be from that, the usual error where it is None. ending: whether a
    monotone function at the end is taken off (`SCORES`), or becomes curves as well (`VALUES`).

    Raises DiagnosticError: NNM0616 for a file that holds no sound model, NNM0617 for what cannot be imported, NNM0618
    where the network does not compute what the file does, NNM0310 for one that is larger than is allowed.
    """
    span = Span(SourceFile(str(source) if isinstance(source, Path) else "<model>", ""), 0, 0)
    try:
        if ending not in ENDINGS:
            shown = " or ".join(f'"{each}"' for each in ENDINGS)
            raise DiagnosticError([Diagnostic("NNM0205", f"`ending` must be {shown}, not `{ending}`", span)])
        return _read(source, output, name, origin, allowance, span, USUAL if smooth is None else smooth, ending)
    except Refused as refused:
        found = Diagnostic(refused.code, f"{_called(source)}: {refused.message}", span, help=refused.help)
        raise DiagnosticError([found]) from None


def _called(source: Any) -> str:
    return f"`{source.name}`" if isinstance(source, Path) else "the model"


def _read(
    source: Any,
    output: str | None,
    name: str,
    origin: Origin,
    allowance: Allowance,
    span: Span,
    smooth: float,
    ending: str,
) -> KnownNetwork:
    try:
        graph = read_graph(source, allowance, span)
    except ImportError as error:
        raise unsupported("it needs the package onnx", str(error).partition("; ")[2]) from None
    except OSError as error:
        raise unreadable((error.strerror or "it cannot be opened").lower(), "check the path") from None
    wanted = _output(graph, output)
    port = _input(graph, wanted)
    problems: list[Refused] = []
    for way in _ways(port):
        try:
            return _Import(source, graph, port, way, wanted, allowance, span, smooth, ending).known(name, origin)
        except Refused as refused:
            problems.append(refused)
    raise problems[-1]


# ---- inputs and outputs --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Way:
    """How an input is read: `shape` for one row, and with how many `rows` the model is run."""

    shape: Shape
    rows: int
    is_stated: bool
    """Whether the number of rows stands in the file."""


def _ways(port: Port) -> Iterator[_Way]:
    """One row is what a first axis of open or single size has one of; with a fixed larger size the axis is tried as a
    batch first, and else belongs to the input."""
    assert port.shape is not None
    sizes = [size if size is not None else 1 for size in port.shape]
    if port.shape[:1] == (None,):
        yield _Way(tuple(sizes), SEVERAL_ROWS, False)
        return
    if len(sizes) > 1 and sizes[0] > 1:
        yield _Way((1, *sizes[1:]), sizes[0], True)
    yield _Way(tuple(sizes), 1, True)


def _output(graph: Graph, output: str | None) -> str:
    """The output that is wanted by name, or another value of the file, else the first output that can hold scores."""
    names = [port.name for port in graph.outputs]
    if not names:
        raise unreadable("it has no output")
    shown = ", ".join(f"`{name}`" for name in names[:8])
    if output is not None and output not in {*names, *graph.maker()}:
        raise unsupported(f"it has no output `{output}`", f"its outputs are {shown}")
    if output is not None:
        return output
    scores = [port.name for port in graph.outputs if port.kind not in LABELS]
    if not scores:
        raise unsupported(f"its outputs are labels: {shown}", "export the scores, too")
    return scores[0]


def _input(graph: Graph, wanted: str) -> Port:
    """The one input that the output is made from."""
    used = needed(graph, [wanted])
    check_order(graph, used)
    ports = [port for port in graph.inputs if port.name in used]
    if not ports:
        raise unsupported(f"its output `{wanted}` is made from no input")
    if len(ports) > 1:
        shown = ", ".join(f"`{port.name}`" for port in ports[:8])
        raise unsupported(f"it reads several inputs: {shown}", "a network has one; join them before it")
    (port,) = ports
    if port.kind not in TYPES:
        raise unsupported(f"its input `{port.name}` is of the type {port.kind or 'unknown'}", "it must hold numbers")
    if port.shape is None or not port.shape or None in port.shape[1:]:
        shown = port.sizes or "unknown"
        help = "export it with fixed sizes; the first alone, that of the batch, may be open"
        raise unsupported(f"the shape of its input `{port.name}` is {shown}", help)
    return port


# ---- the graph -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Import:
    """One way to read a graph."""

    source: Any
    graph: Graph
    port: Port
    way: _Way
    wanted: str
    allowance: Allowance
    span: Span
    smooth: float
    ending: str

    def known(self, name: str, origin: Origin) -> KnownNetwork:
        shape = self.way.shape
        own = shape[1:] if len(shape) > 1 and shape[0] == 1 else shape
        self.allowance.check(float(np.prod(own, dtype=np.float64)), 40, "its input", self.span)
        layers = Layers(own, self.allowance, self.span, smooth=self.smooth)
        value = self._value(layers)
        if isinstance(value, np.ndarray):
            raise unsupported(f"its output `{self.wanted}` does not depend on the input")
        if isinstance(value, Compared):
            raise unsupported(f"its output `{self.wanted}` holds truth values", "export the scores, too")
        scores = value.scores if isinstance(value, Squashed) else value
        network, assignment, names = layers.network(scores, name, origin)
        smoothed = smoothed_of(network, assignment, layers, names)
        if isinstance(value, Squashed):
            network = replace(network, squashed_by=value.function)
        claim = self._claim(value)
        computed = Computed(network, assignment, smoothed)
        check(self.graph, self.port, self.way.rows, shape, computed, claim)
        scores_of_file = value.source if isinstance(value, Squashed) else claim.name
        file = OnnxFile(self.source, self.port, scores_of_file, self.allowance, self.span) if scores_of_file else None
        named = value.source if isinstance(value, Squashed) else ""
        return KnownNetwork(network, assignment, (), None, (), named, file, smoothed)

    def _claim(self, value: View | Squashed) -> Claim:
        """What is compared: the scores themselves where the file has them, else the function of them."""
        if isinstance(value, View):
            return Claim(self._tensor(self.wanted), lambda scores: scores)
        if value.source:
            return Claim(value.source, lambda scores: scores)
        return Claim(self._tensor(self.wanted), partial(_applied, value))

    def _tensor(self, name: str) -> str:
        """The tensor that a value holds; a map from classes to scores holds its scores."""
        node = self.graph.maker().get(name)
        while node is not None and node.op == "ZipMap":
            name = node.inputs[0]
            node = self.graph.maker().get(name)
        return name

    def _value(self, layers: Layers) -> Value:
        """The value that is wanted; every node that it needs is run once, in the order of the file."""
        graph, used = self.graph, needed(self.graph, [self.wanted])
        values: dict[str, Value] = dict(graph.constants)
        values[self.port.name] = layers.view(INPUT, self.way.shape)
        nodes = [node for node in graph.nodes if used & set(node.outputs)]
        _check_operators(nodes)
        rows = self.way.rows if self.way.is_stated else 1
        for node in nodes:
            layers.label = node.name
            at = At(node, values, layers, graph.opset, rows)
            self._run(at)
        if self.wanted not in values:
            raise unreadable(f"no node gives its output `{self.wanted}`")
        found = values[self.wanted]
        return at.curves_of(found) if isinstance(found, Squashed) and self.ending == VALUES else found

    def _run(self, at: At) -> None:
        node = at.node
        try:
            found = OPERATORS[node.domain, node.op](at)
        except (ValueError, IndexError, TypeError, KeyError, OverflowError, ZeroDivisionError, ShapeMismatch):
            raise unreadable(f"the inputs and attributes of {at.what} do not fit together") from None
        given = found if isinstance(found, tuple) else (found,)
        for name, value in zip(node.outputs, given, strict=False):
            if name:
                at.values[name] = value


def _applied(value: Squashed, scores: FloatArray) -> FloatArray:
    return value.apply(scores.reshape(len(scores), *value.scores.shape))


def _check_operators(nodes: list[Node]) -> None:
    """Every operator is one that can be imported."""
    for node in nodes:
        if (node.domain, node.op) not in OPERATORS:
            domain = f" of `{node.domain}`" if node.domain else ""
            what = f"the operator `{node.op}`{domain} ({node}) cannot be imported"
            reason = f"{REASONS[node.op]}; " if node.op in REASONS else ""
            raise unsupported(what, f"{reason}supported operators: {', '.join(SUPPORTED)}")
