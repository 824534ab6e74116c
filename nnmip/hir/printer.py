"""The HIR as text: one line for each declaration, layer, decision and node, with its shape and its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnmip.data import Dataset
from nnmip.hir.core import (
    Applied,
    Apply,
    Choose,
    Compare,
    Constant,
    FloatArray,
    Fold,
    Gather,
    Join,
    Junction,
    Layer,
    LayerOutput,
    Network,
    Node,
    Not,
    Plus,
    Program,
    Reference,
    Scale,
    Shape,
    Units,
    Xor,
    children,
)
from nnmip.hir.goals import Constraint, Property, Stage
from nnmip.records import dataclass
from nnmip.source import Origin

MOST_NUMBERS = 8
"""Arrays with more entries are summarised."""

_NOTHING: Mapping[str, str] = {}


def print_program(program: Program, remarks: Mapping[str, str] = _NOTHING) -> str:
    """The program as lines; `remarks` has more to say of a layer, by its path.

    Nodes are numbered in the order in which they are needed, and a node that several others read is written once.
    """
    printer = _Printer(program, remarks)
    return "\n".join([*printer.declarations(), *printer.statements()]) + "\n"


def shape_text(shape: Shape) -> str:
    """A shape as in `[2, 3]`; a single number has none."""
    return f"[{', '.join(map(str, shape))}]" if shape else "scalar"


def numbers(array: NDArray[Any]) -> str:
    """All entries of a small array in their order, the count and the range of a large one."""
    flat = array.reshape(-1)
    if flat.size == 1 and not array.shape:
        return f"{flat[0]:.12g}"
    if flat.size <= MOST_NUMBERS:
        return f"[{', '.join(f'{x:.12g}' for x in flat.tolist())}]"
    return f"[{flat[0]:.6g}, {flat[1]:.6g}, ..., {flat[-1]:.6g}; {flat.size} from {flat.min():.6g} to {flat.max():.6g}]"


@dataclass(slots=True)
class _Printer:
    """Numbers nodes as it writes them."""

    program: Program
    remarks: Mapping[str, str]
    numbers: dict[int, int] = field(default_factory=dict)

    def place(self, origin: Origin) -> str:
        """Where something came from: line and column, with the file where it is another one."""
        span = origin.span
        file = "" if span.file is self.program.source else f"{span.file.path}:"
        return f"{file}{span.line}:{span.column}"

    def line(self, text: str, origin: Origin, indent: int) -> str:
        return f"{'  ' * indent}{text}  # {self.place(origin)}"

    # ---- declarations ------------------------------------------------------------------------------------------

    def declarations(self) -> Iterator[str]:
        yield f"program {self.program.source.path}"
        for name, value in self.program.parameters:
            yield f"param {name} : {shape_text(value.shape)} = {numbers(value)}"
        for data in self.program.datasets:
            yield from (_table(part) for part in data.parts)
        for variable in self.program.variables:
            kind, d = "bool " if variable.boolean else "", variable.decision
            yield self.line(f"var {d.path} : {kind}{shape_text(d.shape)} in {d.domain}", d.origin, 0)
        for network in self.program.networks:
            yield from self.network(network)
        for known in self.program.known:
            yield from self.network(known.network, known.assignment.values)

    def network(self, network: Network, known: Mapping[str, FloatArray] | None = None) -> Iterator[str]:
        """A network; one from a file with the numbers of its weights (`known`, by path)."""
        source = f"{network.input_name}: {shape_text(network.input_shape)} in {network.input_domain}"
        kind = "network" if known is None else "known network"
        yield self.line(f"{kind} {network.name}({source})", network.origin, 0)
        for layer in network.layers:
            yield self.line(self.layer(layer), layer.origin, 1)
            for d in layer.decisions:
                what = f"in {d.domain}" if known is None else f"= {numbers(known[d.path])}"
                yield self.line(f"{d.role} : {shape_text(d.shape)} {what}", d.origin, 2)
        index = network.result_index
        yield f"  return {network.result_layer}{_entries(index)} : {shape_text(index.shape)}"

    def layer(self, layer: Layer) -> str:
        options = [f"{name}: {value}" for name, value in layer.options if value is not None]
        options += [f"prune: {layer.prune}"] if layer.prune else []
        options += [f"optional: true, skip: {layer.skip}"] if layer.skip else []
        call = f"{layer.op}({', '.join([*layer.inputs, *options])})"
        remark = self.remarks.get(layer.path, "")
        return f"{layer.name} = {call} : {shape_text(layer.shape)}{f' {remark}' if remark else ''}"

    # ---- statements --------------------------------------------------------------------------------------------

    def statements(self) -> Iterator[str]:
        if not self.program.stages:
            yield "satisfy"
        for number, stage in enumerate(self.program.stages):
            yield from self.stage(number, stage)
        for constraint in self.program.constraints:
            yield from self.constraint(constraint)
        for rule in self.program.regions:
            for cell in rule.cells:
                yield from self.property(cell.property, "rule")
        for property in self.program.properties:
            yield from self.property(property)

    def stage(self, number: int, stage: Stage) -> Iterator[str]:
        held = self.program.held[number] if number < len(self.program.held) else None
        remark = "" if held is None else f" held at {held.value:.12g} within {held.slack:g}"
        yield self.line(f"{stage.sense if number == 0 else f'then {stage.sense}'}{remark}", stage.origin, 0)
        for term in stage.terms:
            yield from self.nodes(term.value)
            yield f"  {term.coefficient:.12g} * %{self.numbers[id(term.value)]}  ({term.role}: {term.label})"

    def property(self, property: Property, kind: str = "property") -> Iterator[str]:
        sentence = f' "{property.sentence}"' if property.sentence else ""
        yield self.line(f"{kind} {property.name}{sentence}", property.origin, 0)
        for word, parts in (("assume", property.assumptions), ("prove", property.conclusions)):
            for part in parts:
                yield from self.nodes(part)
                yield f"  {word} %{self.numbers[id(part)]}"

    def constraint(self, constraint: Constraint) -> Iterator[str]:
        sentence = f' "{constraint.sentence}"' if constraint.sentence else ""
        yield self.line(f"constraint {constraint.name}{sentence}", constraint.origin, 0)
        for part in constraint.parts:
            yield from self.nodes(part)
            yield f"  holds %{self.numbers[id(part)]}"

    def nodes(self, node: Node) -> Iterator[str]:
        """The lines of a node, those of what it reads first; without recursion, since sums can be deep."""
        waiting: list[tuple[Node, bool]] = [(node, False)]
        while waiting:
            current, is_ready = waiting.pop()
            if id(current) in self.numbers:
                continue
            if not is_ready:
                waiting.append((current, True))
                waiting.extend((child, False) for child in reversed(children(current)))
                continue
            text = _TEXTS[type(current)](current, self.name)
            self.numbers[id(current)] = len(self.numbers)
            kind = "bool " if current.boolean else ""
            shown = f"%{self.numbers[id(current)]} = {text} : {kind}{shape_text(current.shape)}"
            yield self.line(shown, current.origin, 1)

    def name(self, node: Node) -> str:
        return f"%{self.numbers[id(node)]}"


Name = Callable[[Node], str]


def _table(data: Dataset) -> str:
    truth = ""
    if data.label_name is not None:
        codes = ", ".join(f"{text}: {code:g}" for text, code in data.coding or ()) or ", ".join(data.classes)
        truth = f", label {data.label_name}" + (f" {{{codes}}}" if codes else "")
    if data.target_names:
        truth += f", target {', '.join(data.target_names)}"
    if data.groups:
        truth += f", group {', '.join(group.name for group in data.groups)}"
    names = ", ".join(data.feature_names[:MOST_NUMBERS]) + (", ..." if len(data.feature_names) > MOST_NUMBERS else "")
    ends = f" in [{data.features.min():.6g}, {data.features.max():.6g}]" if data.features.size else ""
    return f"data {data.name} : {shape_text(data.features.shape)}{ends}, features {names}{truth}"


def _entries(index: NDArray[np.int64]) -> str:
    """Flat positions; nothing where they are all positions in their order."""
    if index.shape and np.array_equal(index.reshape(-1), np.arange(index.size)):
        return ""
    return f" at {numbers(index)}"


def _joined(nodes: tuple[Node, ...], name: Name) -> str:
    """The numbers of many nodes, shortened in the middle."""
    if len(nodes) <= MOST_NUMBERS:
        return ", ".join(map(name, nodes))
    return f"{name(nodes[0])}, {name(nodes[1])}, ..., {name(nodes[-1])}; {len(nodes)}"


def _apply(node: Apply, name: Name) -> str:
    parts = [*(name(o) for o in node.operands), *(n for n in (node.network, node.data) if n is not None)]
    parts += [f"{key}: {value}" for key, value in node.options if value is not None]
    parts += [f"for each of the first {node.batch} axes"] if node.batch else []
    return f"{node.word}({', '.join(parts)})"


def _compare(node: Compare, name: Name) -> str:
    apart = f", apart {node.strictness:g}{' (exact)' if node.is_exact else ''}" if node.strictness else ""
    return f"{name(node.left)} {node.op} {name(node.right)}{apart}"


_TEXTS: Mapping[type, Callable[[Any, Name], str]] = {
    Constant: lambda n, name: f"constant {numbers(n.value)}",
    Reference: lambda n, name: f"decision {n.decision.path}",
    Gather: lambda n, name: f"gather {name(n.base)} at {numbers(n.index)}",
    Join: lambda n, name: f"join({_joined(n.parts, name)})",
    Plus: lambda n, name: f"plus({_joined(n.terms, name)})",
    Scale: lambda n, name: f"{numbers(n.factor)} * {name(n.operand)}",
    Units: lambda n, name: f"units {n.network}.{n.layer} at {numbers(n.index)}",
    LayerOutput: lambda n, name: f"output {n.network}.{n.layer} over {n.data}",
    Applied: lambda n, name: f"{n.network} at {name(n.operand)}",
    Apply: _apply,
    Compare: _compare,
    Not: lambda n, name: f"not {name(n.operand)}",
    Junction: lambda n, name: f"{n.op}({_joined(n.terms, name)})",
    Xor: lambda n, name: f"{name(n.left)} xor {name(n.right)}",
    Fold: lambda n, name: (
        f"{'all' if n.op == 'and' else 'any'} of {name(n.operand)}"
        + (f" for each of the first {n.batch} axes" if n.batch else "")
    ),
    Choose: lambda n, name: f"if {name(n.condition)} then {name(n.then)} else {name(n.otherwise)}",
}
