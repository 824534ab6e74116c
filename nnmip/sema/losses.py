"""The checks that tie a loss to its network and its data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from nnmip.arrays import distinct
from nnmip.data import Dataset
from nnmip.data.table import written
from nnmip.diagnostics import DiagnosticError, Label
from nnmip.diagnostics.edit import replacement, substitute
from nnmip.hir.core import Network
from nnmip.ops.base import Task, Word
from nnmip.records import dataclass
from nnmip.sema.scope import Known
from nnmip.sema.values import fail, listed
from nnmip.source import Span

_OUTSIDE = 1e-9


def check_loss(scope: Known, word: Word, network: Network, data: Dataset, call_span: Span, data_span: Span) -> None:
    """As many features as inputs, all rows inside the input domain, and scores that fit the labels or targets.

    Raises DiagnosticError NNM0204, NNM0301, NNM0503 or NNM0506.
    """
    assert word.task is not None
    places = scope.places(network.name)
    call = LossCall(word.name, network, data, call_span, data_span, places.returned, places.is_file)
    _CHECKS[word.task](call)
    check_inputs(scope, network, data, data_span)


def check_inputs(scope: Known, network: Network, data: Dataset, data_span: Span) -> None:
    """As many features as inputs, and all rows inside the input domain; DiagnosticError NNM0301 or NNM0506."""
    if network.name in scope.known:
        scope.known.meet(network.name, data, data_span)
        return
    if (network.name, data.name) in scope.fitting:
        return
    places = scope.places(network.name)
    width = len(data.feature_names)
    if int(np.prod(network.input_shape)) != width:
        features = "one feature" if width == 1 else f"{width} features"
        raise fail(
            "NNM0301",
            f"`{data.name}` has {features}, but `{network.name}` reads shape {list(network.input_shape)}",
            data_span,
            secondary=(Label(places.shape, "the shape of the input"),),
            help=f"declare the input as `{network.input_name}: real[{width}]`, or change the features",
            fix=substitute(places.shape, f"real[{width}]"),
        )
    if data.is_read:
        _check_rows(network, data, data_span, places.domain)
    scope.fitting.add((network.name, data.name))


@dataclass(frozen=True, slots=True)
class LossCall:
    """A loss with its network and data, the places of the call and of its data, and that of the network's result."""

    name: str
    network: Network
    data: Dataset
    span: Span
    data_span: Span
    returned: Span
    is_file: bool

    def wrong_shape(self, message: str, help: str) -> DiagnosticError:
        """NNM0301 at the call, with the `return` as second place."""
        if self.is_file:
            return fail("NNM0301", message, self.span, secondary=(Label(self.returned, "read here"),))
        text = (replacement(help) or "").removeprefix("return ")
        fix = substitute(self.returned, text) if text and " and give " not in help else ()
        secondary = (Label(self.returned, "returned here"),)
        return fail("NNM0301", message, self.span, secondary=secondary, help=help, fix=fix)


def check_same_columns(network: Network, first: Dataset, data: Dataset, span: Span) -> None:
    """NNM0301, NNM0504 or NNM0507 where two data sets that a network reads differ in features, truth or scaling."""
    if data.feature_names != first.feature_names:
        names = f"{listed(data.feature_names)} from `{data.name}`, but {listed(first.feature_names)}"
        help = "list the features of both in one order, renamed with `as` where the files differ"
        raise fail("NNM0301", f"`{network.name}` reads {names} from `{first.name}`", span, help=help)
    if data.classes and first.classes and data.classes != first.classes:
        names = f"{listed(data.classes)}, but those of `{first.name}` are {listed(first.classes)}"
        classes = ", ".join(map(written, first.classes))
        help = f"list the classes of both in one order: `label {written(data.label_name or 'label')} as {{{classes}}}`"
        raise fail("NNM0504", f"the classes of `{data.name}` are {names}", span, help=help)
    if data.target_names and first.target_names and data.target_names != first.target_names:
        names = f"{listed(data.target_names)} of `{data.name}`, but {listed(first.target_names)}"
        help = "list the targets of both in one order, renamed with `as` where the files differ"
        raise fail("NNM0301", f"`{network.name}` predicts {names} of `{first.name}`", span, help=help)
    if data.is_read and first.is_read and not np.array_equal(data.scaling.apply(first.raw), first.features):
        message = f"`{data.name}` and `{first.name}` are scaled differently, and `{network.name}` reads both"
        help = "scaling is fitted to the rows of each: write `scale none` for both"
        raise fail("NNM0507", message, span, help=help)


def _check_classes(call: LossCall) -> None:
    """One score and labels of -1 and +1, or one score for each class and class indices as labels."""
    data, shape = call.data, call.network.output_shape
    if data.label_name is None:
        help = "add a line `label column as {first: -1, second: +1}` to its declaration"
        if data.target_names:
            help = "its targets are numbers: use `absolute` or `max_error`"
        raise fail("NNM0204", f"`{call.name}` needs labels, and `{data.name}` has none", call.data_span, help=help)
    if shape == ():
        _check_signs(call)
    elif len(shape) == 1 and shape[0] > 1:
        _check_indices(call, shape[0])
    else:
        one = f"{call.network.result_layer}[{', '.join('0' * len(shape))}]"
        message = f"`{call.name}` needs one score, but `{call.network.name}` returns a tensor of shape {list(shape)}"
        raise call.wrong_shape(message, f"write `return {one}`")


def _check_signs(call: LossCall) -> None:
    """NNM0503 or NNM0504 unless every label is -1 or +1."""
    data = call.data
    assert data.label_name is not None
    codes = distinct(data.labels)
    texts = data.classes or tuple(data.label_text(code) or f"{code:g}" for code in codes.tolist())
    coding = _coding(texts, ("-1", "+1")) if len(texts) == 2 else "first: -1, second: +1"
    help = f"code the two classes: `label {written(data.label_name)} as {{{coding}}}`"
    if data.classes:
        if len(texts) > 2:
            help = f"give the network {len(texts)} outputs and return them all, or code two classes as -1 and +1"
        message = f"`{call.name}` needs labels coded -1 and +1, and `{data.label_name}` has classes: {listed(texts)}"
        raise fail("NNM0504", message, call.data_span, help=help)
    strange = codes[~np.isin(codes, (-1.0, 1.0))]
    if len(strange):
        message = f"`{call.name}` needs labels -1 and +1, but `{data.label_name}` has {strange[0]:g}"
        raise fail("NNM0503", message, call.data_span, help=help)


def _check_indices(call: LossCall, scores: int) -> None:
    """NNM0301 or NNM0503 unless the labels are the classes 0 to `scores` - 1."""
    data, network = call.data, call.network
    assert data.label_name is not None
    texts = data.classes or tuple(dict.fromkeys(text for text, _ in data.coding or ()))
    codes = distinct(np.array([code for _, code in data.coding]) if data.coding else data.labels)
    known = len(data.classes) or len(codes)
    strange = codes[~np.isin(codes, np.arange(known))]
    if len(strange) and not data.classes:
        indices = "0 and 1" if scores == 2 else f"0 to {scores - 1}"
        message = f"`{call.name}` of {scores} scores needs labels {indices}, and `{data.label_name}` has "
        help = f"number the classes: `label {written(data.label_name)} as {{{_coding(texts, range(len(texts)))}}}`"
        help = help if texts else "return one score: its labels are -1 and +1"
        raise fail("NNM0503", f"{message}{strange[0]:g}", call.data_span, help=help)
    if known == scores:
        return
    message = f"`{network.name}` returns {scores} scores, and `{data.label_name}` has {known} classes"
    help = f"give `{network.result_layer}` one unit for each class: `units: {known}`"
    raise call.wrong_shape(message, help)


def _check_targets(call: LossCall) -> None:
    """As many outputs as targets."""
    data, shape = call.data, call.network.output_shape
    targets = len(data.target_names)
    if not targets:
        help = "add a line `target column` to its declaration"
        if data.label_name is not None:
            help += f", or use `hinge` for the label `{data.label_name}`"
        raise fail("NNM0204", f"`{call.name}` needs a target, and `{data.name}` has none", call.data_span, help=help)
    if shape == (targets,) or (shape == () and targets == 1):
        return
    layer = call.network.result_layer
    outputs = "one output" if shape == () else f"a tensor of shape {list(shape)}"
    have = "one target" if targets == 1 else f"{targets} targets"
    help = f"write `return {layer}` and give `{layer}` one unit for each target: `units: {targets}`"
    if targets == 1:
        help = f"write `return {layer}[{', '.join('0' * len(shape))}]`"
    raise call.wrong_shape(f"`{call.network.name}` returns {outputs}, and `{data.name}` has {have}", help)


def _coding(texts: Iterable[str], codes: Iterable[object]) -> str:
    return ", ".join(f"{_as_key(text)}: {code}" for text, code in zip(texts, codes, strict=False))


def _as_key(text: str) -> str:
    return text if text.isdigit() else written(text)


def _check_rows(network: Network, data: Dataset, span: Span, domain_span: Span) -> None:
    outside = network.input_domain.distance(data.features) > _OUTSIDE
    if not outside.any():
        return
    row, column = (int(i) for i in np.argwhere(outside)[0])
    rows = int(outside.any(axis=1).sum())
    is_scaled = data.scaling.kinds[column] != "none"
    value = f"{data.features[row, column]:g}" + (" in scaled units" if is_scaled else "")
    reach = f"the features reach from {data.features.min():g} to {data.features.max():g}"
    raise fail(
        "NNM0506",
        f"`{data.feature_names[column]}` on {data.place(row)} is {value}, "
        f"outside the input domain {network.input_domain}",
        span,
        label="" if rows == 1 else f"{rows} rows are outside",
        secondary=(Label(domain_span, "the domain of the input, in scaled units"),),
        help=f"{reach}: widen the domain" + ("" if is_scaled else ", or scale them: `scale minmax`"),
    )


def _check_either(call: LossCall) -> None:
    """What the truth of the table asks for; labels where it has both."""
    is_regression = call.data.label_name is None and call.data.target_names
    (_check_targets if is_regression else _check_classes)(call)


_CHECKS: Mapping[Task, Callable[[LossCall], None]] = {
    Task.CLASSES: _check_classes,
    Task.VALUES: _check_targets,
    Task.EITHER: _check_either,
}
