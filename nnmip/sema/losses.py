"""The checks that tie a loss to its network and its data."""

from __future__ import annotations

import numpy as np

from nnmip.data import Dataset
from nnmip.data.table import written
from nnmip.diagnostics import Label
from nnmip.hir.core import Network
from nnmip.sema.scope import Scope
from nnmip.sema.values import fail, listed
from nnmip.source import Span
from nnmip.syntax import nodes

_OUTSIDE = 1e-9


def check_binary_loss(
    scope: Scope, name: str, network: Network, data: Dataset, call_span: Span, data_span: Span
) -> None:
    """One score, labels of -1 and +1, as many features as inputs, all rows inside the input domain.

    Raises DiagnosticError NNM0204, NNM0301, NNM0503 or NNM0506.
    """
    declaration = scope.declarations[network.name]
    assert isinstance(declaration, nodes.Network)
    _check_score(name, network, call_span, declaration.result.span)
    if data.label_name is None:
        help = "add a line `label column as {first: -1, second: +1}` to its declaration"
        raise fail("NNM0204", f"`{name}` needs labels, and `{data.name}` has none", data_span, help=help)
    _check_labels(name, data, data_span)
    check_inputs(scope, network, data, data_span)


def check_inputs(scope: Scope, network: Network, data: Dataset, data_span: Span) -> None:
    """As many features as inputs, and all rows inside the input domain; DiagnosticError NNM0301 or NNM0506."""
    if (network.name, data.name) in scope.fitting:
        return
    declaration = scope.declarations[network.name]
    assert isinstance(declaration, nodes.Network)
    (source,) = declaration.inputs
    width = len(data.feature_names)
    if network.input_shape != (width,):
        features = "one feature" if width == 1 else f"{width} features"
        raise fail(
            "NNM0301",
            f"`{data.name}` has {features}, but `{network.name}` reads shape {list(network.input_shape)}",
            data_span,
            secondary=(Label(source.type.span, "the shape of the input"),),
            help=f"declare the input as `{network.input_name}: real[{width}]`, or change the features",
        )
    _check_rows(network, data, data_span, source.domain.span if source.domain is not None else source.span)
    scope.fitting.add((network.name, data.name))


def check_same_columns(network: Network, first: Dataset, data: Dataset, span: Span) -> None:
    """NNM0301 or NNM0507 where two data sets that a network reads differ in their features or their scaling."""
    if data.feature_names != first.feature_names:
        names = f"{listed(data.feature_names)} from `{data.name}`, but {listed(first.feature_names)}"
        help = "list the features of both in one order, renamed with `as` where the files differ"
        raise fail("NNM0301", f"`{network.name}` reads {names} from `{first.name}`", span, help=help)
    if not np.array_equal(data.scaling.apply(first.raw), first.features):
        message = f"`{data.name}` and `{first.name}` are scaled differently, and `{network.name}` reads both"
        help = "scaling is fitted to the rows of each: write `scale none` for both"
        raise fail("NNM0507", message, span, help=help)


def _check_score(name: str, network: Network, span: Span, returned: Span) -> None:
    shape = network.output_shape
    if shape == ():
        return
    one = f"{network.result_layer}[{', '.join('0' * len(shape))}]"
    help = f"write `return {one}`"
    if network.result_index.size > 1:
        help = f"return a single entry, such as `return {one}`; losses over several outputs come in a later version"
    message = f"`{name}` needs one score, but `{network.name}` returns a tensor of shape {list(shape)}"
    raise fail("NNM0301", message, span, secondary=(Label(returned, "returned here"),), help=help)


def _check_labels(name: str, data: Dataset, span: Span) -> None:
    assert data.label_name is not None
    codes = np.unique(data.labels)
    texts = [data.label_text(code) or f"{code:g}" for code in codes.tolist()]
    coding = "first: -1, second: +1"
    if len(texts) == 2:
        coding = f"{_as_key(texts[0])}: -1, {_as_key(texts[1])}: +1"
    help = f"code the two classes: `label {written(data.label_name)} as {{{coding}}}`"
    if data.classes:
        message = f"`{name}` needs labels coded -1 and +1, and `{data.label_name}` has classes: {listed(texts)}"
        raise fail("NNM0504", message, span, help=help)
    strange = codes[~np.isin(codes, (-1.0, 1.0))]
    if len(strange):
        message = f"`{name}` needs labels -1 and +1, but `{data.label_name}` has {strange[0]:g}"
        raise fail("NNM0503", message, span, help=help)


def _as_key(text: str) -> str:
    return text if text.isdigit() else written(text)


def _check_rows(network: Network, data: Dataset, span: Span, domain_span: Span) -> None:
    outside = network.input_domain.distance(data.features) > _OUTSIDE
    if not outside.any():
        return
    row, column = (int(i) for i in np.argwhere(outside)[0])
    rows = int(outside.any(axis=1).sum())
    is_scaled = data.scaling.kind != "none"
    value = f"{data.features[row, column]:g}" + (" in scaled units" if is_scaled else "")
    reach = f"the features reach from {data.features.min():g} to {data.features.max():g}"
    raise fail(
        "NNM0506",
        f"`{data.feature_names[column]}` on line {int(data.line_numbers[row])} of `{data.source_name}` is {value}, "
        f"outside the input domain {network.input_domain}",
        span,
        label="" if rows == 1 else f"{rows} rows are outside",
        secondary=(Label(domain_span, "the domain of the input, in scaled units"),),
        help=f"{reach}: widen the domain" + ("" if is_scaled else ", or scale them: `scale minmax`"),
    )
