"""The networks of a query: files, the values in them that the query names, and runs of the files themselves."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

from nnmip.diagnostics import Diagnostic, DiagnosticError
from nnmip.hir.core import FloatArray
from nnmip.hir.known import KnownNetwork
from nnmip.onnx.graph import Graph, needed, read_graph
from nnmip.onnx.read import read_onnx
from nnmip.onnx.refusal import Refused
from nnmip.onnx.replay import OnnxFile
from nnmip.records import dataclass
from nnmip.sizes import Allowance
from nnmip.source import Origin, Span
from nnmip.vnnlib.query import Interface, Query, Variable


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """A network of a query with its file: what gives each of its outputs and hidden tensors, by the tensor's name.

    names: what the file calls these tensors.
    """

    interface: Interface
    file: OnnxFile
    known: Mapping[str, KnownNetwork]
    names: Mapping[str, str]

    @property
    def type(self) -> Any:
        """The type of NumPy that its input is of."""
        return self.file.type

    def run(self, x: FloatArray) -> dict[str, FloatArray]:
        """What the file gives for one input, flat, by tensor."""
        return {variable: self.file.run(x, name) for variable, name in self.names.items()}


def bind(query: Query, files: Mapping[str, Path], allowance: Allowance) -> list[Bound]:
    """Every network of a query with its file, by the network's name; a single file may come under an empty name.

    Raises DiagnosticError: NNM0632 where files and declarations do not fit, and what `read_onnx` raises.
    """
    known: dict[tuple[Path, str], KnownNetwork] = {}
    return [_bound(query, network, _file(query, network, files), known, allowance) for network in query.networks]


def fail(message: str, span: Span, help: str = "") -> DiagnosticError:
    return DiagnosticError([Diagnostic("NNM0632", message, span, help=help)])


def _file(query: Query, network: Interface, files: Mapping[str, Path]) -> Path:
    own = [each for each in query.networks if not each.equal_to]
    unknown = [name for name in files if name and all(name != each.name for each in own)]
    if unknown:
        shown = ", ".join(f"`{each.name}`" for each in own)
        raise fail(
            f"the query declares no network `{unknown[0]}` with a file of its own", own[0].span, f"it has {shown}"
        )
    while network.equal_to:
        network = next(each for each in query.networks if each.name == network.equal_to)
    if "" in files and len(own) == 1:
        return files[""]
    if network.name not in files:
        help = f"give it: `--network {network.name}=FILE.onnx`"
        raise fail(f"network `{network.name}` has no file", network.span, help)
    return files[network.name]


def _bound(
    query: Query, network: Interface, path: Path, read: dict[tuple[Path, str], KnownNetwork], allowance: Allowance
) -> Bound:
    """`read` has what was read already: networks that share a file are the same, wherever they are applied."""
    if len(network.of_kind("input")) > 1:
        help = "join the inputs before the network"
        raise fail(f"network `{network.name}` reads several inputs", network.of_kind("input")[1].span, help)
    try:
        graph = read_graph(path, allowance, network.span)
    except Refused as refused:
        found = Diagnostic(refused.code, f"`{path.name}`: {refused.message}", network.span, help=refused.help)
        raise DiagnosticError([found]) from None
    except ImportError as error:
        raise fail("VNN-LIB queries need the package onnx", network.span, str(error).partition("; ")[2]) from None
    except OSError as error:
        raise fail(
            f"`{path}` cannot be read: {(error.strerror or '').lower()}", network.span, "check the path"
        ) from None
    names = _names(query, network, graph)
    known = {}
    for variable in network.variables:
        if variable.kind != "input":
            own = f"{network.name}_{variable.name}"
            key = path.resolve(), names[variable.name]
            if key not in read:
                read[key] = read_onnx(path, names[variable.name], own, Origin(variable.span, own), allowance)
            made = read[key]
            _check_size(variable, prod(made.network.output_shape), path)
            _check_size(network.of_kind("input")[0], prod(made.network.input_shape), path)
            known[variable.name] = made
    used = needed(graph, names.values())
    port = next(port for port in graph.inputs if port.name in used)
    return Bound(network, OnnxFile(path, port, "", allowance, network.span), known, names)


def _names(query: Query, network: Interface, graph: Graph) -> dict[str, str]:
    """What the file calls the outputs, which come in its order, and the hidden tensors."""
    outputs = network.of_kind("output")
    given = [port.name for port in graph.outputs]
    if len(outputs) > len(given) or (query.version > (1, 0) and len(outputs) < len(given)):
        message = f"network `{network.name}` declares {len(outputs)} outputs, and its file has {len(given)}"
        raise fail(message, network.span, "all outputs of the file are declared, in its order")
    found = {variable.name: name for variable, name in zip(outputs, given, strict=False)}
    maker = graph.maker()
    for variable in network.of_kind("hidden"):
        if variable.node not in maker:
            near = ", ".join(f"`{name}`" for name in list(maker)[:8])
            raise fail(f"the file has no value `{variable.node}`", variable.span, f"among its values are {near}")
        found[variable.name] = variable.node
    return found


def _check_size(variable: Variable, size: int, path: Path) -> None:
    if variable.size != size:
        message = f"`{variable.name}` has {variable.size} entries, and {size} in `{path.name}`"
        raise fail(message, variable.span, "the shapes of a query are those of the file")
