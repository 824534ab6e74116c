"""Networks from files: their declarations, and the numbers that stand for what a model says of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnmip.data import Dataset
from nnmip.diagnostics import DiagnosticError, Diagnostics
from nnmip.hir.core import (
    Applied,
    Apply,
    Assignment,
    Constant,
    FloatArray,
    LayerOutput,
    Network,
    Node,
    Program,
    Reference,
    Units,
)
from nnmip.hir.evaluate import Evaluator, forward
from nnmip.hir.known import KnownNetwork, known_of, renamed
from nnmip.hir.walk import walk
from nnmip.ops.base import Option, Word
from nnmip.ops.scores import ROUNDING
from nnmip.records import dataclass
from nnmip.sema.values import NODE_TYPES, Poisoned, Value, fail, listed, not_yet, short_text_of
from nnmip.sizes import ENTRY, UNASKED, Allowance, product
from nnmip.source import Origin, SourceFile, Span
from nnmip.syntax import nodes
from nnmip.syntax.suggest import closest
from nnmip.syntax.walk import walk as tree

if TYPE_CHECKING:
    from nnmip.sema.outside import Outside


@dataclass(frozen=True, slots=True)
class NetworkReader:
    """How a declaration reads a network: `network f = NAME("path", ...)`.

    signature: as messages show it. what: what the path names. options: named texts; the first can stand without its
    name. numbers: options that are numbers. read(path, options, name in the model, origin, allowance) -> the network,
    raising DiagnosticError.
    """

    signature: str
    what: str
    options: tuple[str, ...]
    read: Callable[[Path, Mapping[str, Any], str, Origin, Allowance], KnownNetwork]
    numbers: tuple[Option, ...] = ()


NetworkReaders = Mapping[str, NetworkReader]

KNOWN = "known network"
"""The path of a constant that a network from a file gives."""

_NAMES = SourceFile("", "")


def _place(span: Span) -> tuple[str, int, int]:
    return span.file.path, span.start, span.end


@dataclass(slots=True)
class KnownNetworks:
    """The networks from files of a model by name, the tables that they have met, and what they give for their rows."""

    allowance: Allowance = UNASKED
    networks: dict[str, KnownNetwork] = field(default_factory=dict)
    tables: dict[str, Dataset] = field(default_factory=dict)
    outputs: dict[tuple[str, str], dict[str, FloatArray]] = field(default_factory=dict)
    folded_at: dict[tuple[str, int, int], str] = field(default_factory=dict)
    """Where in the source an expression became a number by a network, and which one."""

    def __contains__(self, name: str) -> bool:
        return name in self.networks

    def meet(self, name: str, data: Dataset, span: Span) -> None:
        """Apply a network to every row of a table, once.

        Raises DiagnosticError: NNM0502 for a feature that the table does not have, NNM0301 for another number of them
        where they have no names, NNM0504 where a label has another code than the network learned, NNM0310 for outputs
        that are too large, NNM0613 for numbers that overflow; Poisoned where the rows were not read.
        """
        if (name, data.name) in self.outputs:
            return
        known = self.networks[name]
        self._check_columns(known, data, span)
        _check_coding(known, data, span)
        if not data.is_read:
            raise Poisoned
        entries = data.row_count * sum(product(layer.shape) for layer in known.network.layers)
        self.allowance.check(entries, ENTRY, f"`{name}` on `{data.name}`", span)
        with np.errstate(all="ignore"):
            outputs = forward(known.network, known.assignment, known.rows(data))
        if not all(np.isfinite(output).all() for output in outputs.values()):
            message = f"what `{name}` gives for rows of `{data.name}` is too large for a number"
            raise fail("NNM0613", message, span, help="save a network with smaller weights")
        self.tables[data.name] = data
        self.outputs[name, data.name] = outputs

    def _check_columns(self, known: KnownNetwork, data: Dataset, span: Span) -> None:
        if missing := known.missing(data):
            message = f"`{known.name}` reads {listed(missing)}, and `{data.name}` has no such column"
            help = f"add to its features {listed(missing)}, with `as` where the file calls them otherwise"
            raise fail("NNM0502", message, span, help=help)
        width = product(known.network.input_shape)
        if not known.features and width != len(data.feature_names):
            message = f"`{known.name}` reads {width} features without names, and `{data.name}` has "
            raise fail("NNM0301", f"{message}{len(data.feature_names)}", span)

    def folded(self, value: Value) -> Value:
        """A value as it is, or a number as `folded_node` says."""
        return self.folded_node(value) if self.networks and isinstance(value, NODE_TYPES) else value

    def folded_node(self, value: Node) -> Node:
        """The number that an expression is where it reads known networks and nothing else; any other as it is."""
        if not self.networks or isinstance(value, Constant | Units):
            return value
        read = set()
        for node in walk(value):
            match node:
                case Reference(decision=decision):
                    read.add(decision.path.partition(".")[0])
                case LayerOutput(network=name) | Units(network=name) | Applied(network=name):
                    read.add(name)
                case Apply(network=str(name)):
                    read.add(name)
        if not read or not read <= self.networks.keys():
            return value
        self.folded_at[_place(value.origin.span)] = min(read)
        found = np.asarray(self._meaning().value(value), dtype=np.float64)
        return Constant(found, Origin(value.origin.span, KNOWN), value.boolean)

    def folded_in(self, parts: Iterable[nodes.Node], declarations: Mapping[str, Any]) -> tuple[tuple[str, Span], ...]:
        """The networks that gave numbers to parts of the source, or to the named expressions that these read."""
        if not self.folded_at:
            return ()
        found, seen, open_ = list[tuple[str, Span]](), set[str](), list(parts)
        while open_:
            for node in tree(open_.pop()):
                name = self.folded_at.get(_place(node.span)) if hasattr(node, "span") else None
                if name is not None:
                    found.append((name, node.span))
                if isinstance(node, nodes.Ref) and node.name not in seen:
                    seen.add(node.name)
                    named = declarations.get(node.name)
                    open_ += [named.value] if isinstance(named, nodes.Let) else []
        return tuple(found)

    def _meaning(self) -> Evaluator:
        """The meaning of the language over the known networks."""
        known = tuple(self.networks.values())
        values = {path: array for each in known for path, array in each.assignment.values.items()}
        kept = {path: mask for each in known for path, mask in each.assignment.kept.items()}
        tables, networks = tuple(self.tables.values()), tuple(each.network for each in known)
        program = Program(_NAMES, (), tables, networks, (), (), known=known)
        return Evaluator(program, Assignment(values, kept), ROUNDING, self.outputs)


def known_options(word: Word, options: dict[str, Any], network: Network, span: Span) -> dict[str, Any]:
    """The options of a loss of a known network, which counts as right what `predict` gives right.

    Raises DiagnosticError NNM0104 for a loss that rests on the domains of the weights.
    """
    if word.name == "sat_margin":
        help = f"`sat_margin` is relative to the domains of weights; use `margin` or `zero_one` of `{network.name}`"
        raise not_yet("`sat_margin` of a network from a file", span, help=help)
    if "strictness" in options:
        stated = options["strictness"]
        least = 2 * ROUNDING if options.get("margin") == 0 else 0.0
        return {**options, "strictness": least if stated is None else stated, "strictness_exact": True, "step": 0.0}
    return options


NumberOf = Callable[[Option, nodes.Expr], float]
"""The value of an option that is a number; raises DiagnosticError."""


def read_network_file(
    declaration: nodes.NetworkFile,
    directory: Path,
    outside: Outside,
    readers: NetworkReaders,
    known: KnownNetworks,
    number_of: NumberOf,
) -> Network:
    """The network of `network f = onnx("f.onnx")`; paths in the model start from `directory`.

    Raises DiagnosticError: NNM0203 to NNM0205 for what the declaration says, NNM0310 for a network that is too large,
    and what the reader raises for a file that holds none.
    """
    name = declaration.name.text
    origin = Origin(declaration.name.span, name)
    if name in outside.values:
        found = _bound(outside.values[name], name, origin)
    else:
        reader, path, options = _stated(declaration.value, readers, number_of)
        try:
            found = reader.read(outside.paths.get(name, directory / path), options, name, origin, known.allowance)
        except DiagnosticError as error:
            first = error.diagnostics[0]
            raise fail(first.code, first.message, declaration.value.span, help=first.help) from None
    known.networks[found.name] = found
    return found.network


def warn_of_scores(declaration: nodes.NetworkFile, known: KnownNetwork, diagnostics: Diagnostics) -> None:
    """NNM0619 where a network returns the scores behind what its file gives, and the text does not say so."""
    function = known.network.squashed_by
    if function:
        message = f"`{known.name}` returns the scores before the `{function}` at the end of its file"
        help = f'name them, to say that they are meant: `output: "{known.scores}"`' if known.scores else ORDER
        help = f'{help}; `ending: "values"` takes what it gives'
        diagnostics.warning("NNM0619", message, declaration.value.span, help=help)


def warn_of_curves(declaration: nodes.NetworkFile, known: KnownNetwork, diagnostics: Diagnostics) -> None:
    """NNM0620 where curves stand for smooth functions, and the text does not say how near they are."""
    call, smoothed = declaration.value, known.smoothed
    arguments = call.arguments if isinstance(call, nodes.Call) else ()
    is_said = any(isinstance(a, nodes.Named) and a.name.text == "smooth" for a in arguments)
    if smoothed is not None and not is_said:
        diagnostics.warning("NNM0620", f"`{known.name}`: {smoothed}", call.span, help=NEARER)


NEARER = "say how near the curves are, to say that they are meant: `smooth: 0.001`; nearer ones have more binaries"

ORDER = "which is the largest, and on which side of 0 one is, means what it meant"


def _bound(value: Any, name: str, origin: Origin) -> KnownNetwork:
    """A network from Python."""
    try:
        return renamed(known_of(value), name, origin)
    except TypeError:
        message = f"what is bound to `{name}` is no network"
        help = "bind one of `result.networks`, or what `nnmip.load_network` or `nnmip.load_onnx` gives"
        raise fail("NNM0205", message, origin.span, help=help) from None


def _stated(
    call: nodes.Expr, readers: NetworkReaders, number_of: NumberOf
) -> tuple[NetworkReader, str, dict[str, Any]]:
    """The reader that a declaration names, the path, and the options."""
    if not (isinstance(call, nodes.Call) and isinstance(call.function, nodes.Ref)):
        raise fail("NNM0204", "a network is read from a file or a folder", call.span, help='write `onnx("f.onnx")`')
    name, span = call.function.name, call.function.span
    if name not in readers:
        near = closest(name, readers)
        help = f"did you mean `{near}`?" if near else f"the readers are {listed(readers)}"
        raise fail("NNM0203", f"no reader of networks is called `{name}`", span, help=help)
    reader, texts, options = readers[name], [], dict[str, Any]()
    numbers = {option.name: option for option in reader.numbers}
    for argument in call.arguments:
        match argument:
            case nodes.Positional(value=nodes.String(value=text)):
                texts.append(text)
            case nodes.Named(name=nodes.Name(text=option), value=nodes.String(value=text)) if option in reader.options:
                options[option] = text
            case nodes.Named(name=nodes.Name(text=option), value=value) if option in numbers:
                options[option] = number_of(numbers[option], value)
            case nodes.Named(name=nodes.Name(text=option)) if option in reader.options:
                help = f'write `{option}: "{short_text_of(argument.value.span)}"`'
                raise fail("NNM0204", f"the option `{option}` is a text in quotes", argument.value.span, help=help)
            case nodes.Named(name=option):
                message = f"`{name}` has no option `{option.text}`"
                raise fail("NNM0204", message, argument.span, help=f"its signature is `{reader.signature}`")
            case _:
                shown = f'"{short_text_of(argument.span)}"'
                message = f"`{name}` takes {reader.what} in quotes"
                raise fail("NNM0204", message, argument.span, help=f"write `{shown}`")
    most = 1 + bool(reader.options)
    if not 1 <= len(texts) <= most or (len(texts) == most > 1 and reader.options[0] in options):
        message = f"`{name}` takes {reader.what}"
        raise fail("NNM0204", message, call.span, help=f"its signature is `{reader.signature}`")
    if len(texts) == 2:
        options[reader.options[0]] = texts[1]
    return reader, texts[0], options


def _check_coding(known: KnownNetwork, data: Dataset, span: Span) -> None:
    """NNM0504 where a label of the table has another code than the network learned for it."""
    learned = dict(known.coding)
    codes = dict(data.coding or ()) or {text: float(at) for at, text in enumerate(data.classes)}
    for text, code in codes.items():
        if text in learned and learned[text] != code:
            message = f"`{text}` is {code:g} in `{data.name}`, and `{known.name}` learned it as {learned[text]:g}"
            raise fail("NNM0504", message, span, help="code the labels as the network learned them")
