"""Calls of words: positional signature, options, and the checks that tie a loss to its network and data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnmip.data import Dataset
from nnmip.diagnostics import Label
from nnmip.hir.core import Apply, Network, Node, Units
from nnmip.ops.base import Kind, Option, Role, Word
from nnmip.ops.registry import FUTURE_LAYERS, FUTURE_WORDS, LAYERS, WORDS
from nnmip.sema.strictness import resolve_strictness
from nnmip.sema.values import NODE_TYPES, LayerValue, Value, describe, fail, not_yet
from nnmip.source import Origin, Span
from nnmip.syntax import nodes
from nnmip.syntax.suggest import closest

if TYPE_CHECKING:
    from nnmip.sema.expressions import Elaborator


def apply_word(elaborator: Elaborator, name: str, call: nodes.Call) -> Node:
    """The HIR of `name(…)`; DiagnosticError NNM0203 for an unknown word, NNM0204 and NNM0205 for its arguments."""
    if name not in WORDS:
        raise _unknown_word(name, call)
    word = WORDS[name]
    positional = [a for a in call.arguments if isinstance(a, nodes.Positional)]
    named = [a for a in call.arguments if isinstance(a, nodes.Named)]
    for argument in call.arguments:
        if isinstance(argument, nodes.Each):
            raise not_yet("a comprehension", argument.span)
        if isinstance(argument, nodes.DomainArgument):
            raise fail(
                "NNM0204", f"`{name}` takes no domain", argument.span, help=f"its signature is  {word.signature}"
            )
    if len(positional) != len(word.parameters):
        wanted = f"{len(word.parameters)} argument{'s' if len(word.parameters) > 1 else ''}"
        raise fail(
            "NNM0204",
            f"`{name}` takes {wanted}, not {len(positional)}",
            call.span,
            help=f"its signature is  {word.signature}",
        )
    values = [
        _checked(elaborator.value(a.value), kind, a.span, word)
        for a, kind in zip(positional, word.parameters, strict=True)
    ]
    options = read_options(elaborator, name, word.options, named)
    operands = tuple(v for v in values if isinstance(v, NODE_TYPES))
    network = next((v for v in values if isinstance(v, Network)), None)
    data = next((v for v in values if isinstance(v, Dataset)), None)
    if network is not None and data is not None and word.role is Role.LOSS:
        check_binary_loss(name, network, data, call, positional[1].span)
    if name == "zero_one":
        assert network is not None and data is not None
        options = resolve_strictness(options, network, data, call.span)
    return Apply(
        word=name,
        operands=operands,
        network=network.name if network else None,
        data=data.name if data else None,
        options=tuple(options.items()),
        shape=word.shape(tuple(o.shape for o in operands)),
        boolean=word.boolean,
        origin=Origin(call.span, name),
    )


def _unknown_word(name: str, call: nodes.Call) -> Exception:
    span = call.function.span
    if name in LAYERS:
        return fail(
            "NNM0203",
            f"`{name}` is a layer; it stands inside a network",
            span,
            help=f"layer h = {LAYERS[name].signature}",
        )
    if name in FUTURE_WORDS | FUTURE_LAYERS:
        return not_yet(f"`{name}`", span)
    near = closest(name, WORDS)
    help = f"did you mean `{near}`?" if near else f"the words are {', '.join(sorted(WORDS))}"
    return fail("NNM0203", f"no loss, norm or predicate is called `{name}`", span, help=help)


def _checked(value: Value, kind: Kind, span: Span, word: Word) -> Value:
    if kind is Kind.UNITS and isinstance(value, LayerValue):
        places = np.arange(value.layer.units)
        return Units(value.network.name, value.layer.name, places, Origin(span, value.layer.path))
    fits = {
        Kind.TENSOR: isinstance(value, NODE_TYPES) and not isinstance(value, Units) and not value.boolean,
        Kind.BOOLEANS: isinstance(value, NODE_TYPES) and value.boolean,
        Kind.UNITS: isinstance(value, Units),
        Kind.NETWORK: isinstance(value, Network),
        Kind.DATA: isinstance(value, Dataset),
    }[kind]
    if not fits:
        raise fail(
            "NNM0205",
            f"`{word.name}` needs {kind.value} here, and this is {describe(value)}",
            span,
            help=f"its signature is  {word.signature}",
        )
    return value


def read_options(
    elaborator: Elaborator, owner: str, options: tuple[Option, ...], given: list[nodes.Named]
) -> dict[str, Any]:
    """Values of the named arguments of `owner`, defaults filled in; DiagnosticError NNM0204 or NNM0205."""
    known = {o.name: o for o in options}
    values: dict[str, Any] = {}
    for argument in given:
        name = argument.name.text
        if name not in known:
            near = closest(name, known)
            has = f"its options are {', '.join(known)}" if known else "it has none"
            raise fail(
                "NNM0204",
                f"`{owner}` has no option `{name}`",
                argument.name.span,
                help=f"did you mean `{near}`?" if near else has,
            )
        if name in values:
            raise fail("NNM0204", f"option `{name}` is given twice", argument.span)
        values[name] = _option_value(elaborator, known[name], argument)
    for option in options:
        if option.name not in values:
            values[option.name] = option.default
    return values


def _option_value(elaborator: Elaborator, option: Option, argument: nodes.Named) -> Any:
    span = argument.value.span
    constant = elaborator.constant(argument.value)
    if constant.shape != () or constant.boolean:
        raise fail("NNM0205", f"`{option.name}` must be a number", span)
    value = float(constant.value)
    if option.kind == "int" and value != np.floor(value):
        raise fail("NNM0205", f"`{option.name}` must be an integer, not {value:g}", span)
    if value < option.least:
        raise fail("NNM0205", f"`{option.name}` must be at least {option.least:g}, not {value:g}", span)
    return int(value) if option.kind == "int" else value


def check_binary_loss(name: str, network: Network, data: Dataset, call: nodes.Call, data_span: Span) -> None:
    """One score, labels of -1 and +1, as many features as inputs, all rows inside the input domain."""
    if network.output_shape != ():
        raise fail(
            "NNM0301",
            f"`{name}` needs one score, and `{network.name}` returns a tensor of shape {list(network.output_shape)}",
            call.span,
            secondary=(Label(network.origin.span, "returned here"),),
            help="return a single entry, for example  return o[0];  losses over several outputs come later",
        )
    if network.input_shape != (len(data.feature_names),):
        raise fail(
            "NNM0301",
            f"`{data.name}` has {len(data.feature_names)} features, `{network.name}` reads {list(network.input_shape)}",
            data_span,
            secondary=(Label(network.origin.span, "the network"),),
            help=f"declare the input as  {network.input_name}: real[{len(data.feature_names)}]",
        )
    if data.label_name is None:
        raise fail(
            "NNM0204",
            f"`{name}` needs labels, and `{data.name}` has none",
            data_span,
            help="add a line  label column as {…: -1, …: +1}",
        )
    strange = np.unique(data.labels[~np.isin(data.labels, (-1.0, 1.0))])
    if len(strange):
        raise fail(
            "NNM0503",
            f"`{name}` needs labels -1 and +1, and `{data.label_name}` has {strange[0]:g}",
            data_span,
            help=f"code them:  label {data.label_name} as {{…: -1, …: +1}}",
        )
    _check_rows(network, data, data_span)


def _check_rows(network: Network, data: Dataset, span: Span) -> None:
    outside = network.input_domain.distance(data.features) > 1e-9
    if not outside.any():
        return
    row, column = (int(i) for i in np.argwhere(outside)[0])
    more = f", and {int(outside.any(axis=1).sum()) - 1} more rows" if outside.any(axis=1).sum() > 1 else ""
    raise fail(
        "NNM0506",
        f"`{data.feature_names[column]}` is {data.features[row, column]:g} in line {int(data.line_numbers[row])} of "
        f"`{data.source_name}`, outside the input domain {network.input_domain}{more}",
        span,
        secondary=(Label(network.origin.span, "the domain is stated in scaled units"),),
        help="scale the features (`scale minmax`) or widen the domain of the input",
    )
