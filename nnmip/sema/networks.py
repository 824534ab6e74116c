"""Network declarations: the input, the layers in their order, and the result."""

from __future__ import annotations

from dataclasses import field
from types import MappingProxyType

import numpy as np

from nnmip.diagnostics import Diagnostics, Label
from nnmip.diagnostics.edit import insert_after
from nnmip.hir.core import IntArray, Layer, Network, Shape
from nnmip.hir.domain import Domain
from nnmip.ops.base import LayerOp
from nnmip.ops.registry import FUTURE_LAYERS, LAYERS, WORDS
from nnmip.records import dataclass
from nnmip.sema.domains import read_bounds
from nnmip.sema.expressions import Elaborator
from nnmip.sema.indexing import Columns, read_index
from nnmip.sema.layers import LayerCall, Settings, Tensor, make_layer, passed_over, read_settings
from nnmip.sema.pruning import check_pruning, warn_unread
from nnmip.sema.shapes import read_shape
from nnmip.sema.values import Poisoned, collected, fail, listed, not_yet, quoted, short_text_of
from nnmip.sizes import LAYER, counted
from nnmip.source import Origin, Span
from nnmip.syntax import nodes
from nnmip.syntax.suggest import closest

_TAKEN = frozenset({"weights", "biases", "parameters", "operations"})
"""Words after the name of a network, which no layer can have."""


@dataclass(slots=True)
class NetworkReader:
    """Reads one network declaration; `diagnostics` gets what is wrong with single layers, and warnings.

    tensors: what layers can read so far; None stands for a layer that is broken.
    """

    elaborator: Elaborator
    declaration: nodes.Network
    diagnostics: Diagnostics
    tensors: dict[str, Tensor | None] = field(default_factory=dict)
    layers: list[Layer] = field(default_factory=list)

    def read(self) -> Network:
        """The network.

        Raises DiagnosticError or, where layers are broken, Poisoned. Codes: NNM0104, NNM0201 to NNM0205, NNM0301 to
        NNM0303, NNM0310, NNM0312, NNM0401.
        """
        declaration = self.declaration
        if len(declaration.inputs) != 1:
            raise not_yet("a network with several inputs", declaration.inputs[1].span)
        allowance, layers = self.elaborator.scope.allowance, len(declaration.layers)
        allowance.check(layers, LAYER, f"a network of {counted(layers, 'layer')}", declaration.name.span)
        (source,) = declaration.inputs
        shape, domain = self._input(source)
        for layer in declaration.layers:
            with collected(self.diagnostics):
                self._declare(layer)
            self.tensors.setdefault(layer.name.text, None)
        result, index = self._result(declaration.result)
        if None in self.tensors.values():
            raise Poisoned
        assert domain is not None
        network = Network(
            name=declaration.name.text,
            input_name=source.name.text,
            input_shape=shape,
            input_domain=domain,
            layers=tuple(self.layers),
            result_layer=result,
            result_index=index,
            origin=Origin(declaration.name.span, declaration.name.text),
        )
        check_pruning(network, declaration.result.span)
        warn_unread(network, self.diagnostics)
        return network

    def _input(self, source: nodes.Input) -> tuple[Shape, Domain]:
        name = source.name.text
        if source.type.base != "real":
            raise not_yet(f"an input of type `{source.type.base}`", source.type.span, help="write `real`")
        shape = read_shape(self.elaborator, source.type, f"input `{name}`")
        self.tensors[name] = Tensor(name, shape, source.span)
        if source.domain is None:
            raise fail(
                "NNM0401",
                f"input `{name}` has no bounds",
                source.span,
                help=f"add a range: `{short_text_of(source.span)} in [0, 1]`",
                fix=insert_after(source.span, " in [0, 1]"),
                note="every big-M is computed from the bounds of the inputs; nnmip does not guess one",
            )
        return shape, read_bounds(source.domain, self.elaborator.constant)

    # ---- layers ------------------------------------------------------------------------------------------------

    def _declare(self, layer: nodes.Layer) -> None:
        """Read one `layer` line."""
        name = layer.name
        if name.text in self.tensors:
            first = self.tensors[name.text]
            secondary = (Label(first.span, "the first declaration"),) if first is not None else ()
            self.tensors[name.text] = None
            raise fail("NNM0202", f"`{name.text}` is declared twice", name.span, secondary=secondary)
        if name.text in _TAKEN:
            message = f"a layer cannot be called `{name.text}`"
            note = f"`{self.declaration.name.text}.{name.text}` has a meaning of its own"
            raise fail("NNM0202", message, name.span, help="choose another name", note=note)
        self._layer(name.text, layer.value, name.span.to(layer.span))

    def _layer(self, name: str, value: nodes.Expr, span: Span) -> None:
        """Read `value` as layer `name`; a layer written as an argument of another becomes one of its own."""
        while isinstance(value, nodes.Paren):
            value = value.inner
        if not (isinstance(value, nodes.Call) and isinstance(value.function, nodes.Ref)):
            help = f"the layers are {listed(LAYERS)}"
            raise fail("NNM0203", f"{quoted(value.span)} is not a layer", value.span, help=help)
        op = _layer_op(value.function)
        call = LayerCall(self.elaborator, op, value, f"{self.declaration.name.text}.{name}")
        read = _inputs_of(op, value, next(reversed(self.tensors)))
        settings = read_settings(call)
        inputs = tuple(self._tensor_of(self._source(name, each)) for each in read)
        allowance = self.elaborator.scope.allowance
        skip = self._skip(name, value, op, inputs, settings)
        layer, tensor = make_layer(op, call.path, value.span, settings, name, inputs, span, allowance, skip)
        self.tensors[name] = tensor
        self.layers.append(layer)

    def _skip(
        self, name: str, call: nodes.Call, op: LayerOp, inputs: tuple[Tensor, ...], settings: Settings
    ) -> Tensor | None:
        """What stands in for an optional layer: what `skip` names, else what the nearest weights before it read."""
        if not settings.is_optional:
            return None
        if settings.skip is not None:
            return self._tensor_of(self._source(name, settings.skip))
        return self._tensor_of(passed_over(op, inputs[0].name, self.layers))

    def _source(self, name: str, value: nodes.Expr) -> str:
        """The name of the tensor that layer `name` reads, written as `value`."""
        while isinstance(value, nodes.Paren):
            value = value.inner
        match value:
            case nodes.Call(function=nodes.Ref(name=inner)):
                made = f"{name}.{inner}"
                same = sum(other == made or other.startswith(f"{made}.") for other in self.tensors)
                made = f"{made}{same + 1}" if made in self.tensors else made
                self._layer(made, value, value.span)
                return made
            case nodes.Ref():
                return self._known(value)
        help = "give the name of a layer or of the input"
        raise not_yet("an expression as the input of a layer", value.span, help=help)

    def _known(self, ref: nodes.Ref) -> str:
        """The name of a layer above, or of the input; Poisoned where that layer is broken."""
        if ref.name in self.tensors:
            self._tensor_of(ref.name)
            return ref.name
        later = next((la for la in self.declaration.layers if la.name.text == ref.name), None)
        if later is not None and later.span.start < ref.span.start:
            raise fail("NNM0201", f"layer `{ref.name}` reads itself", ref.span, help="a layer reads layers above it")
        if later is not None:
            message = f"layer `{ref.name}` is declared further down"
            label = Label(later.name.span, "declared here")
            raise fail("NNM0201", message, ref.span, secondary=(label,), help="a layer reads layers above it")
        near = closest(ref.name, self.tensors)
        help = f"did you mean `{near}`?" if near else f"there are {listed(self.tensors)}"
        raise fail("NNM0201", f"no layer or input is called `{ref.name}`", ref.span, help=help)

    def _tensor_of(self, name: str) -> Tensor:
        tensor = self.tensors[name]
        if tensor is None:
            raise Poisoned
        return tensor

    # ---- result ------------------------------------------------------------------------------------------------

    def _result(self, expr: nodes.Expr) -> tuple[str, IntArray]:
        match expr:
            case nodes.Paren(inner=inner):
                return self._result(inner)
            case nodes.Ref():
                shape = self._returned(expr).shape
                return expr.name, np.arange(int(np.prod(shape, dtype=np.int64))).reshape(shape)
            case nodes.Subscript(base=nodes.Ref() as base, indices=indices):
                shape = self._returned(base).shape
                return base.name, read_index(self.elaborator, shape, indices, base.span, Columns())
        help = "return a layer or entries of one, such as `return o[0]`"
        raise not_yet("an expression after `return`", expr.span, help=help)

    def _returned(self, ref: nodes.Ref) -> Tensor:
        tensor = self._tensor_of(self._known(ref))
        if ref.name == self.declaration.inputs[0].name.text:
            raise fail("NNM0203", "a network returns a layer, not its input", ref.span)
        return tensor


def _inputs_of(op: LayerOp, call: nodes.Call, above: str) -> list[nodes.Expr]:
    """The tensors that a layer reads; DiagnosticError NNM0204 for too few or too many.

    `above` is the layer or input above, which a call without one most likely means.
    """
    positional = [a for a in call.arguments if isinstance(a, nodes.Positional)]
    if len(positional) == op.arity or (op.arity is None and positional):
        return [a.value for a in positional]
    help = f"its signature is `{op.signature}`"
    if not positional:
        start = call.span.start + call.span.text.index("(") + 1
        fix = insert_after(Span(call.span.file, start, start), f"{above}, " if call.arguments else above)
        help = f"name what it reads: `{op.name}({above}{', ...' if call.arguments else ''})`"
        raise fail("NNM0204", f"`{op.name}` reads a tensor, and none is given", call.span, help=help, fix=fix)
    if op.arity != 1:
        message = f"`{op.name}` reads {op.arity} tensors, not {len(positional)}"
        raise fail("NNM0204", message, call.span, help=help)
    second = positional[1].value
    required = [option.name for option in op.options if option.required]
    if isinstance(second, nodes.Number) and required:
        help = f"write `{required[0]}: {second.span.text}`"
    raise fail("NNM0204", f"`{op.name}` reads one tensor, not {len(positional)}", second.span, help=help)


_OTHER_NAMES = MappingProxyType(
    {
        **dict.fromkeys(("linear", "fc", "fully_connected", "gemm", "matmul", "affine", "perceptron"), "dense"),
        **dict.fromkeys(("rectifier", "ramp", "hinge", "positive", "max0"), "relu"),
    }
)
"""What the layers are called elsewhere."""

_SMOOTH = frozenset(
    {"sigmoid", "tanh", "softmax", "gelu", "elu", "selu", "silu", "swish", "softplus", "mish", "exp", "log", "logistic"}
)
"""Activations of other libraries that no linear program encodes."""


def _layer_op(function: nodes.Ref) -> LayerOp:
    """The entry of the layer table; DiagnosticError NNM0104 or NNM0203 where there is none."""
    name, span = function.name, function.span
    if name in LAYERS:
        return LAYERS[name]
    if name in FUTURE_LAYERS:
        raise not_yet(f"layer `{name}`", span, help=f"the layers are {listed(LAYERS)}")
    if name in WORDS:
        raise fail("NNM0203", f"`{name}` is not a layer", span, help="it stands in goals and constraints")
    near = closest(name, LAYERS) or _OTHER_NAMES.get(name.lower())
    help = f"did you mean `{near}`?" if near else f"the layers are {listed(LAYERS)}"
    if name.lower() in _SMOOTH:
        help = "write `relu`: an activation without corners has no exact encoding"
    raise fail("NNM0203", f"no layer is called `{name}`", span, help=help)
