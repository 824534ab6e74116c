"""Calls of words: positional signature, options, and the meaning of each argument."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from nnmip.data import Dataset
from nnmip.diagnostics import DiagnosticError, Edit, Label
from nnmip.diagnostics.edit import insert_after, substitute
from nnmip.hir.core import Apply, Constant, Layer, Network, Node, Units
from nnmip.hir.wiring import Wiring
from nnmip.ops.base import Kind, Option, Task, Word
from nnmip.ops.places import SIGNS
from nnmip.ops.registry import FUTURE_LAYERS, FUTURE_WORDS, LAYERS, WORDS
from nnmip.sema.arithmetic import entries_of, product
from nnmip.sema.fairness import check_column
from nnmip.sema.features import used_features
from nnmip.sema.known import known_options
from nnmip.sema.losses import check_loss, check_same_columns
from nnmip.sema.places import place_options
from nnmip.sema.scope import Known
from nnmip.sema.strictness import RESOLVERS
from nnmip.sema.units import owners_of
from nnmip.sema.values import (
    NODE_TYPES,
    FeaturesValue,
    InputValue,
    LayerValue,
    Value,
    describe,
    fail,
    listed,
    not_yet,
    quoted,
    short_text_of,
)
from nnmip.source import Origin, Span
from nnmip.syntax import nodes
from nnmip.syntax.suggest import closest

if TYPE_CHECKING:
    from nnmip.sema.expressions import Elaborator

Bindings = tuple[tuple[str, str], ...]


def apply_word(elaborator: Elaborator, name: str, call: nodes.Call) -> Node:
    """The HIR of `name(...)`; DiagnosticError NNM0203 for an unknown word, NNM0204 and NNM0205 for its arguments."""
    if name not in WORDS:
        raise _unknown_word(elaborator, name, call)
    word = WORDS[name]
    positional, named = _arguments(elaborator, word, call)
    _check_order(elaborator, word, positional)
    values = [_checked(elaborator, a.value, kind, word) for a, kind in zip(positional, word.parameters, strict=True)]
    options = read_options(elaborator, name, word.options, named)
    _check_required(word, options, call, positional[-1].span)
    _check_columns(word, values, options, named)
    data_span = positional[1].span if word.task is not None else call.span
    return applied(elaborator.scope, word, values, options, call.span, data_span, elaborator.bindings)


def _check_required(word: Word, options: Mapping[str, Any], call: nodes.Call, last: Span) -> None:
    """NNM0204 where an option without a default is not given."""
    for option in word.options:
        if option.required and options[option.name] is None:
            example = f"{option.name}: {'column' if option.kind == 'column' else 0.5}"
            help = f"say it, such as `{example}`; its signature is `{word.signature}`"
            fix = insert_after(last, f", {example}") if option.kind != "column" else ()
            raise fail("NNM0204", f"`{word.name}` needs `{option.name}`", call.span, help=help, fix=fix)


def _check_columns(
    word: Word, values: Sequence[Value], options: Mapping[str, Any], named: Sequence[nodes.Named]
) -> None:
    """NNM0502 where an option names a column that the data set does not have."""
    data = next((value for value in values if isinstance(value, Dataset)), None)
    spans = {argument.name.text: argument.value.span for argument in named}
    for option in word.options:
        if option.kind == "column" and data is not None:
            check_column(data, options[option.name], spans[option.name])


def applied(
    known: Known,
    word: Word,
    values: Sequence[Value],
    options: dict[str, Any],
    span: Span,
    data_span: Span,
    bindings: Bindings,
) -> Node:
    """A word of the table applied to values of the right kinds; its value where all of them are known numbers.

    `span` is the call and `data_span` its data set; `bindings` are the networks and data sets that meet in the model.
    Raises what the checks of a loss raise, and DiagnosticError NNM0404 for a strictness that is too small.
    """
    operands = tuple(v for v in values if isinstance(v, NODE_TYPES))
    network = next((v for v in values if isinstance(v, Network)), None)
    data = next((v for v in values if isinstance(v, Dataset)), None)
    if word.task is not None:
        assert network is not None and data is not None
        check_loss(known, word, network, data, span, data_span)
        _check_same_columns(known, bindings, network, data, data_span)
        if network.name in known.known and word.task is not Task.EITHER:
            options = known_options(word, options, network, span)
        elif word.name in RESOLVERS:
            options = RESOLVERS[word.name](options, network, data, span)
    elif word.name in SIGNS:
        options = place_options(known, word.name, operands[0], options, span)
    node = Apply(
        word=word.name,
        operands=operands,
        network=network.name if network else None,
        data=data.name if data else None,
        options=tuple(options.items()),
        shape=word.shape(tuple(o.shape for o in operands)),
        boolean=word.boolean,
        origin=Origin(span, word.name),
    )
    return _folded(word, node)


_OTHER_NAMES: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("svm", "hinge_loss"), "hinge"),
        **dict.fromkeys(("cross_entropy", "crossentropy", "log_loss", "logloss", "nll", "softmax_loss"), "logistic"),
        **dict.fromkeys(("accuracy", "error", "errors", "misclassified", "mistakes", "zero_one_loss"), "zero_one"),
        **dict.fromkeys(("pinball", "pinball_loss", "quantile_loss"), "quantile"),
        **dict.fromkeys(("epsilon_insensitive", "svr", "huber"), "eps_insensitive"),
        **dict.fromkeys(("mae", "l1_loss", "mean_absolute_error"), "absolute"),
        **dict.fromkeys(("mse", "l2_loss", "mean_squared_error", "least_squares", "sse"), "squared"),
        **dict.fromkeys(("l1", "lasso"), "norm_1"),
        **dict.fromkeys(("l2", "ridge", "weight_decay"), "norm_2sq"),
        **dict.fromkeys(("linf", "max_norm"), "norm_inf"),
        **dict.fromkeys(("nnz", "sparsity"), "l0"),
    }
)
"""What the words are called elsewhere."""


def _unknown_word(elaborator: Elaborator, name: str, call: nodes.Call) -> DiagnosticError:
    span = call.function.span
    if name in LAYERS:
        help = f"layer h = {LAYERS[name].signature}"
        return fail("NNM0203", f"`{name}` is a layer; it stands inside a network", span, help=f"for example `{help}`")
    if name in FUTURE_WORDS | FUTURE_LAYERS:
        return not_yet(f"`{name}`", span)
    networks = [
        own
        for own, declared in elaborator.scope.declarations.items()
        if isinstance(declared, nodes.Network | nodes.NetworkFile)
    ]
    near = closest(name, [*networks, *WORDS]) or _OTHER_NAMES.get(name.lower())
    help = f"did you mean `{near}`?" if near else f"the words are {listed(sorted(WORDS))}"
    return fail("NNM0203", f"no loss, norm or predicate is called `{name}`", span, help=help)


def _arguments(
    elaborator: Elaborator, word: Word, call: nodes.Call
) -> tuple[list[nodes.Positional], list[nodes.Named]]:
    """The positional arguments, as many as the signature has, and the options."""
    for argument in call.arguments:
        if isinstance(argument, nodes.DomainArgument):
            message = f"`{word.name}` takes no domain"
            raise fail("NNM0204", message, argument.span, help=f"its signature is `{word.signature}`")
    positional = [a for a in call.arguments if isinstance(a, nodes.Positional)]
    named = [a for a in call.arguments if isinstance(a, nodes.Named)]
    wanted = len(word.parameters)
    if len(positional) == wanted:
        return positional, named
    message = f"`{word.name}` takes {wanted} argument{'s' if wanted > 1 else ''}, not {len(positional)}"
    span = positional[wanted].span if len(positional) > wanted else call.span
    fix: tuple[Edit, ...] = ()
    help = f"its signature is `{word.signature}`"
    table = elaborator.only_table()
    if word.task is not None and len(positional) == 1 and table is not None:
        help = f"say on which data: `{word.name}({positional[0].span.text}, {table})`"
        fix = insert_after(positional[0].span, f", {table}")
    raise fail("NNM0204", message, span, help=help, fix=fix)


def _check_order(elaborator: Elaborator, word: Word, given: list[nodes.Positional]) -> None:
    """NNM0205 for data and network in the wrong order, with the right one."""
    if word.parameters[:2] != (Kind.NETWORK, Kind.DATA) or not all(isinstance(a.value, nodes.Ref) for a in given):
        return
    first, second = (a.value for a in given)
    if isinstance(elaborator.value(first), Dataset) and isinstance(elaborator.value(second), Network):
        message = f"`{word.name}` needs {Kind.NETWORK.value} here, and this is a data set"
        help = f"change their order: `{word.name}({second.span.text}, {first.span.text})`"
        fix = (Edit(first.span, second.span.text), Edit(second.span, first.span.text))
        raise fail("NNM0205", message, first.span, help=help, fix=fix)


def _checked(elaborator: Elaborator, expr: nodes.Expr, kind: Kind, word: Word) -> Value:
    """The value of a positional argument, which must be of the right kind."""
    value = elaborator.value(expr)
    if kind is Kind.UNITS:
        return as_units(elaborator, value, expr, word.name)
    fits = {
        Kind.TENSOR: isinstance(value, NODE_TYPES) and not isinstance(value, Units) and not value.boolean,
        Kind.BOOLEANS: isinstance(value, NODE_TYPES) and value.boolean,
        Kind.NETWORK: isinstance(value, Network),
        Kind.DATA: isinstance(value, Dataset),
    }[kind]
    if not fits:
        what = describe(value)
        instead = _instead(value, kind, word.name, expr.span)
        help = instead or f"its signature is `{word.signature}`"
        message = f"`{word.name}` needs {kind.value} here, and this is {what}"
        raise fail("NNM0205", message, expr.span, help=help, fix=_inside(instead, word.name, expr.span))
    return value


def as_units(elaborator: Elaborator, value: Value, expr: nodes.Expr, word: str) -> Units:
    """The units that an argument of `word` names, all of them for a layer; DiagnosticError NNM0205 for others."""
    if isinstance(value, LayerValue) and word == "used" and value.layer.skip is not None:
        return Units(value.network.name, value.layer.name, np.asarray(0), Origin(expr.span, value.layer.path))
    if isinstance(value, LayerValue):
        places = np.arange(value.layer.units)
        value = Units(value.network.name, value.layer.name, places, Origin(expr.span, value.layer.path))
    if word == "used" and isinstance(value, InputValue | FeaturesValue):
        return used_features(value, expr.span)
    if not isinstance(value, Units):
        help = _instead(value, Kind.UNITS, word, expr.span)
        message = f"`{word}` needs {Kind.UNITS.value} here, and this is {describe(value)}"
        raise fail("NNM0205", message, expr.span, help=help, fix=_inside(help, word, expr.span))
    owners_of(elaborator.network(value.network, expr.span), value.layer, value.index, expr.span)
    return value


def _check_same_columns(known: Known, bindings: Bindings, network: Network, data: Dataset, span: Span) -> None:
    """Where a network reads several data sets, each must mean the same by every input."""
    first_name = next((d for n, d in bindings if n == network.name), data.name)
    first = known.resolve(first_name.partition(".")[0], span)
    assert isinstance(first, Dataset)
    check_same_columns(network, first, data, span)


def _instead(value: Value, kind: Kind, word: str, span: Span) -> str:
    """What the user most likely meant, empty where nothing suggests itself."""
    text = short_text_of(span)
    match kind, value:
        case Kind.TENSOR, Network():
            return f"write `{word}({text}.weights)`"
        case Kind.TENSOR, InputValue():
            return f"count its features in use: `count(used({text}))`"
        case Kind.TENSOR, LayerValue(layer=layer) if layer.decisions:
            return f"write `{word}({text}.weights)`"
        case Kind.TENSOR, LayerValue(network=network, layer=layer):
            return _instead_of_units(network, layer, text, word)
        case Kind.BOOLEANS, LayerValue() | InputValue() | FeaturesValue() | Units():
            return f"write `{word}(used({text}))`"
        case Kind.UNITS, Network():
            names = [layer.name for layer in value.layers if not layer.decisions] or [value.layers[0].name]
            return f"name a layer: `{word}({text}.{names[0]})`"
    return ""


def _inside(help: str, word: str, span: Span) -> tuple[Edit, ...]:
    """The edit of an argument of `word` where the help quotes the whole call."""
    found = re.search(rf"`{word}\(([^`]*)\)`", help)
    return substitute(span, found[1]) if found and "..." not in found[1] else ()


def _instead_of_units(network: Network, layer: Layer, text: str, word: str) -> str:
    """What to write for `word` of a layer without weights of its own: the weights before it, or its units."""
    while not layer.decisions:
        if layer.inputs[0] == network.input_name:
            return ""
        layer = network.layer(layer.inputs[0])
    return f"write `{word}({network.name}.{layer.name}.weights)`, or count its units: `count(used({text}))`"


def reduced(name: str, operand: Node, batch: int, span: Span) -> Node:
    """A word that makes a number of the entries behind the first `batch` axes; its value where they are known."""
    node = Apply(name, (operand,), None, None, (), operand.shape[:batch], False, Origin(span, name), batch)
    return _folded(WORDS[name], node)


def dot_product(a: Node, b: Node, first: Span, second: Span, span: Span) -> Node:
    """The sum of the products of the entries of two vectors; DiagnosticError NNM0301, or NNM0312 where both are
    decided."""
    if len(a.shape) != 1 or a.shape != b.shape:
        parts = ((a, entries_of(a, b.shape, span)), (b, entries_of(b, a.shape, span)))
        part, text = next(((node, text) for node, text in parts if text), (a, ""))
        help = f"take as many entries of both: `{text}`" if text else "name one row of a matrix, such as `t[0]`"
        fix = substitute(part.origin.span, text) if text else ()
        labels = (Label(first, describe(a)), Label(second, describe(b))) if first != span else ()
        raise fail("NNM0301", "`dot` takes two vectors of one length", span, secondary=labels, help=help, fix=fix)
    return reduced("sum", product(a, b, first, second), 0, span)


def _folded(word: Word, node: Apply) -> Node:
    """The value of a word of known numbers, else the node."""
    operands = [o for o in node.operands if isinstance(o, Constant)]
    if not operands or len(operands) < len(node.operands) or node.network is not None:
        return node
    value = word.evaluate(node, tuple(o.value for o in operands), _NoMeaning())
    return Constant(np.asarray(value, dtype=np.float64), node.origin, word.boolean)


class _NoMeaning:
    """What a word of known numbers may ask about the model: nothing."""

    @property
    def tolerance(self) -> float:
        return 0.0

    def network(self, name: str) -> Network:
        raise AssertionError(name)

    def kept(self, path: str) -> np.ndarray:
        raise AssertionError(path)

    def wiring(self, network: str) -> Wiring:
        raise AssertionError(network)

    def dataset(self, name: str) -> Dataset:
        raise AssertionError(name)

    def values(self, path: str) -> np.ndarray:
        raise AssertionError(path)

    def scores(self, network: str, data: str) -> np.ndarray:
        raise AssertionError(network, data)


def read_options(
    elaborator: Elaborator,
    owner: str,
    options: tuple[Option, ...],
    given: list[nodes.Named],
    others: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Values of the named arguments of `owner`, defaults filled in; DiagnosticError NNM0204 or NNM0205.

    `others` are names of arguments that are read elsewhere, for messages.
    """
    known = {o.name: o for o in options}
    values: dict[str, Any] = {}
    for argument in given:
        name = argument.name.text
        if name not in known:
            raise unknown_option(owner, name, [*known, *others], argument.name.span)
        if name in values:
            raise fail("NNM0204", f"option `{name}` is given twice", argument.span)
        values[name] = _option_value(elaborator, known[name], argument)
    return {**{option.name: option.default for option in options}, **values}


def unknown_option(owner: str, name: str, known: Sequence[str], span: Span) -> DiagnosticError:
    """NNM0204 for an option that `owner` does not have."""
    near = closest(name, known)
    has = f"its options are {listed(known)}" if known else "it has none"
    return fail("NNM0204", f"`{owner}` has no option `{name}`", span, help=f"did you mean `{near}`?" if near else has)


def _option_value(elaborator: Elaborator, option: Option, argument: nodes.Named) -> Any:
    if option.kind == "choice":
        return _choice(option, argument.value)
    if option.kind == "column":
        return _column(option, argument.value)
    if option.kind in LISTS:
        return _listed(elaborator, option, argument.value)
    return checked_number(option, elaborator.scalar(argument.value, f"`{option.name}`"), argument.value.span)


LISTS = ("pair", "sizes", "numbers")
"""The kinds of options that have several numbers."""


def _listed(elaborator: Elaborator, option: Option, expr: nodes.Expr) -> tuple[int | float, ...]:
    """A list of numbers, or one."""
    parts = expr.items if isinstance(expr, nodes.ListLiteral) else (expr,)
    numbers = [checked_number(option, elaborator.scalar(part, f"`{option.name}`"), part.span) for part in parts]
    return checked_list(option, numbers, expr.span)


def checked_list(option: Option, numbers: Sequence[float], span: Span) -> tuple[int | float, ...]:
    """The value of an option with several numbers; for a pair one number stands for both axes.

    Raises DiagnosticError NNM0205 for a pair of more than two.
    """
    if option.kind == "numbers":
        return tuple(map(float, numbers))
    values = tuple(int(number) for number in numbers)
    if option.kind == "sizes":
        return values
    if len(values) > 2:
        message = f"`{option.name}` has two numbers, not {len(values)}"
        raise fail("NNM0205", message, span, help="give one for the height and one for the width, such as `[2, 2]`")
    return values if len(values) == 2 else values * 2


def checked_number(option: Option, value: float, span: Span) -> int | float:
    """The value of a numeric option; DiagnosticError NNM0205 where it is out of range."""
    is_whole = option.kind not in ("number", "numbers")
    if is_whole and value != np.floor(value):
        below = max(int(np.floor(value)), int(option.least))
        help = f"write `{below}` or `{below + 1}`"
        raise fail("NNM0205", f"`{option.name}` must be a whole number, not {value:g}", span, help=help)
    if value < option.least:
        message = f"`{option.name}` must be at least {option.least:g}, not {value:g}"
        raise fail("NNM0205", message, span, help=f"write `{option.least:g}` or more")
    if value > option.most:
        message = f"`{option.name}` must be at most {option.most:g}, not {value:g}"
        raise fail("NNM0205", message, span, help=f"write `{option.most:g}` or less")
    return int(value) if is_whole else value


def _column(option: Option, value: nodes.Expr) -> str:
    """The name of a column, in quotes or without."""
    match value:
        case nodes.Ref(name=name) | nodes.String(value=name):
            return name
        case nodes.Attribute(base=nodes.Ref(), name=nodes.Name(text=name)):
            help, fix = f"write `{option.name}: {name}`", substitute(value.span, name)
            raise fail("NNM0205", f"`{option.name}` is the name of a column alone", value.span, help=help, fix=fix)
    raise fail("NNM0205", f"`{option.name}` is the name of a column, and {quoted(value.span)} is none", value.span)


def _choice(option: Option, value: nodes.Expr) -> str:
    """One of the words that an option offers, written without quotes."""
    if isinstance(value, nodes.Ref) and value.name in option.choices:
        return value.name
    near = closest(short_text_of(value.span).strip('"'), option.choices)
    help = f"did you mean `{option.name}: {near}`?" if near else f"write `{option.name}: {option.choices[0]}`"
    fix = substitute(value.span, near or option.choices[0])
    raise fail("NNM0205", f"`{option.name}` is one of {listed(option.choices)}", value.span, help=help, fix=fix)
