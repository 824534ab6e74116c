"""Network declarations: layers, shapes, domains, pruning, and the check that every product has an exact encoding."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nnmip.diagnostics import Diagnostics, Label
from nnmip.hir.core import Decision, IntArray, Layer, Network, Shape
from nnmip.hir.domain import Domain
from nnmip.ops.base import LayerOp, ShapeMismatch
from nnmip.ops.registry import FUTURE_LAYERS, LAYERS, WORDS
from nnmip.sema.domains import read_domain
from nnmip.sema.expressions import Elaborator, text_of
from nnmip.sema.indexing import read_index
from nnmip.sema.values import fail, integer, not_yet
from nnmip.sema.words import read_options
from nnmip.source import Origin, Span
from nnmip.syntax import nodes
from nnmip.syntax.suggest import closest

LATER_OPTIONS = frozenset({"optional", "groups", "stride", "padding"})
LATER_PRUNING = frozenset({"weights", "filters", "channels"})


@dataclass(slots=True)
class _Tensor:
    """A tensor inside a network: its shape, where it was declared, and whether it depends on decisions."""

    shape: Shape
    span: Span
    decided: Span | None = None


@dataclass(slots=True)
class NetworkReader:
    """Reads one network declaration; `warnings` collects what does not stop it."""

    elaborator: Elaborator
    declaration: nodes.Network
    warnings: Diagnostics
    tensors: dict[str, _Tensor] = field(default_factory=dict)
    layers: list[Layer] = field(default_factory=list)

    def read(self) -> Network:
        """The network.

        Raises DiagnosticError: NNM0104, NNM0201 to NNM0205, NNM0301 to NNM0303, NNM0312, NNM0401.
        """
        declaration = self.declaration
        if len(declaration.inputs) != 1:
            raise not_yet("a network with several inputs", declaration.inputs[1].span)
        (source,) = declaration.inputs
        shape = read_shape(self.elaborator, source.type)
        domain = self._input_domain(source)
        self.tensors[source.name.text] = _Tensor(shape, source.span)
        for layer in declaration.layers:
            if layer.annotations:
                raise not_yet("an annotation", layer.annotations[0].span)
            if layer.name.text in self.tensors:
                first = self.tensors[layer.name.text].span
                raise fail(
                    "NNM0202",
                    f"`{layer.name.text}` is declared twice",
                    layer.name.span,
                    secondary=(Label(first, "the first"),),
                )
            self._layer(layer.name.text, layer.value, Span(layer.span.file, layer.name.span.start, layer.span.end))
        result, index = self._result(declaration.result)
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
        self._check_pruning(network)
        self._warn_unread(network)
        return network

    def _input_domain(self, source: nodes.Input) -> Domain:
        if source.domain is None:
            raise fail(
                "NNM0401",
                f"input `{source.name.text}` has no finite bounds",
                source.span,
                help=f"add a range:  {text_of(source.span)} in [0, 1]",
                note="every big-M is computed from the bounds of the inputs; nnmip does not guess one",
            )
        return read_domain(source.domain, self.elaborator.constant)

    # ---- layers ------------------------------------------------------------------------------------------------

    def _layer(self, name: str, value: nodes.Expr, span: Span) -> None:
        """Read `value` as layer `name`; a layer written as an argument of another becomes one of its own."""
        if not (isinstance(value, nodes.Call) and isinstance(value.function, nodes.Ref)):
            raise fail(
                "NNM0203",
                f"`{text_of(value.span)}` is not a layer",
                value.span,
                help=f"the layers are {', '.join(LAYERS)}",
            )
        op = self._op(value.function)
        path = f"{self.declaration.name.text}.{name}"
        inputs = self._inputs(name, op, value)
        arguments = value.arguments
        prune = self._prune(op, [a for a in arguments if isinstance(a, nodes.Named) and a.name.text == "prune"])
        named = [a for a in arguments if isinstance(a, nodes.Named) and a.name.text != "prune"]
        for argument in named:
            self._check_option(op, argument)
        options = read_options(self.elaborator, op.name, op.options, named)
        missing = next((o.name for o in op.options if o.required and options[o.name] is None), None)
        if missing is not None:
            raise fail(
                "NNM0204", f"`{op.name}` needs `{missing}`", value.span, help=f"its signature is  {op.signature}"
            )
        domains = self._domains(op, value)
        try:
            shapes = op.infer(tuple(self.tensors[i].shape for i in inputs), options)
        except ShapeMismatch as error:
            first = self.tensors[inputs[0]]
            message = f"{error}, and `{inputs[0]}` has shape {list(first.shape)}"
            raise fail("NNM0301", message, value.span, secondary=(Label(first.span, "declared here"),)) from None
        decisions = tuple(
            Decision(f"{path}.{role}", role, shapes.decisions[role], domain, Origin(where, f"{path}.{role}"))
            for role, (domain, where) in domains.items()
        )
        self._check_products(op, value, inputs, decisions)
        decided = next((d.origin.span for d in decisions), None) or self.tensors[inputs[0]].decided
        self.tensors[name] = _Tensor(shapes.output, span, decided)
        self.layers.append(
            Layer(
                name, path, op.name, inputs, decisions, tuple(options.items()), shapes.output, prune, Origin(span, path)
            )
        )

    def _op(self, function: nodes.Ref) -> LayerOp:
        if function.name in LAYERS:
            return LAYERS[function.name]
        if function.name in FUTURE_LAYERS:
            raise not_yet(f"layer `{function.name}`", function.span, help=f"the layers are {', '.join(LAYERS)}")
        if function.name in WORDS:
            raise fail(
                "NNM0203", f"`{function.name}` is not a layer", function.span, help="it stands in goals and constraints"
            )
        near = closest(function.name, LAYERS)
        help = f"did you mean `{near}`?" if near else f"the layers are {', '.join(LAYERS)}"
        raise fail("NNM0203", f"no layer is called `{function.name}`", function.span, help=help)

    def _inputs(self, name: str, op: LayerOp, call: nodes.Call) -> tuple[str, ...]:
        positional = [a for a in call.arguments if isinstance(a, nodes.Positional)]
        if len(positional) != 1:
            raise fail(
                "NNM0204",
                f"`{op.name}` reads one tensor, not {len(positional)}",
                call.span,
                help=f"its signature is  {op.signature}",
            )
        value = positional[0].value
        while isinstance(value, nodes.Paren):
            value = value.inner
        if isinstance(value, nodes.Call):
            inner = value.function.name if isinstance(value.function, nodes.Ref) else "input"
            self._layer(f"{name}.{inner}", value, value.span)
            return (f"{name}.{inner}",)
        if isinstance(value, nodes.Ref):
            return (self._tensor(value),)
        raise not_yet(
            "an expression as the input of a layer", value.span, help="give the name of a layer or of the input"
        )

    def _tensor(self, ref: nodes.Ref) -> str:
        if ref.name in self.tensors:
            return ref.name
        later = next((la for la in self.declaration.layers if la.name.text == ref.name), None)
        if later is not None:
            raise fail(
                "NNM0201",
                f"layer `{ref.name}` is declared further down",
                ref.span,
                secondary=(Label(later.name.span, "here"),),
                help="a layer reads layers above it",
            )
        near = closest(ref.name, self.tensors)
        help = f"did you mean `{near}`?" if near else f"there are {', '.join(self.tensors)}"
        raise fail("NNM0201", f"no layer or input is called `{ref.name}`", ref.span, help=help)

    def _check_option(self, op: LayerOp, argument: nodes.Named) -> None:
        name = argument.name.text
        if any(d.name == name for d in op.domains):
            raise fail(
                "NNM0204",
                f"`{name}` takes a domain",
                argument.span,
                help=f"write  {name} in {text_of(argument.value.span)}",
            )
        if name in LATER_OPTIONS:
            raise not_yet(f"`{name}:`", argument.span)

    def _prune(self, op: LayerOp, arguments: list[nodes.Named]) -> str | None:
        if not arguments:
            return None
        (argument, *more) = arguments
        if more:
            raise fail("NNM0204", "option `prune` is given twice", more[0].span)
        chosen = argument.value.name if isinstance(argument.value, nodes.Ref) else ""
        if chosen in op.prune:
            return chosen
        if chosen in LATER_PRUNING and op.prune:
            raise not_yet(f"`prune: {chosen}`", argument.span, help=f"{op.name} can have  prune: {op.prune[0]}")
        if not op.prune:
            raise fail(
                "NNM0204",
                f"`{op.name}` has no `prune`",
                argument.span,
                help="units are pruned at their activation:  relu(z, prune: units)",
            )
        raise fail(
            "NNM0204",
            f"`prune` cannot be `{text_of(argument.value.span)}`",
            argument.value.span,
            help=f"write  prune: {op.prune[0]}",
        )

    def _domains(self, op: LayerOp, call: nodes.Call) -> dict[str, tuple[Domain, Span]]:
        found: dict[str, tuple[Domain, Span]] = {}
        known = [d.name for d in op.domains]
        for argument in call.arguments:
            if not isinstance(argument, nodes.DomainArgument):
                continue
            name = argument.name.text
            if name not in known:
                near = closest(name, known)
                has = f"it has {', '.join(known)}" if known else "it has none"
                raise fail(
                    "NNM0204",
                    f"`{op.name}` has no decisions called `{name}`",
                    argument.name.span,
                    help=f"did you mean `{near}`?" if near else has,
                )
            if name in found:
                raise fail("NNM0204", f"`{name}` is given twice", argument.span)
            found[name] = (read_domain(argument.domain, self.elaborator.constant), argument.span)
        for option in op.domains:
            if option.required and option.name not in found:
                raise fail(
                    "NNM0401",
                    f"the {option.name} of this layer have no domain",
                    call.span,
                    help=f"every decision is bounded where it is born:  {option.name} in [-1, 1]",
                )
        return {name: found[name] for name in known if name in found}

    def _check_products(
        self, op: LayerOp, call: nodes.Call, inputs: tuple[str, ...], decisions: tuple[Decision, ...]
    ) -> None:
        weights = next((d for d in decisions if d.role == "weights"), None)
        source = next((self.tensors[i] for i in inputs if self.tensors[i].decided is not None), None)
        if weights is None or source is None or weights.domain.is_finite:
            return
        assert source.decided is not None
        lo, hi = weights.domain.lo, weights.domain.hi
        raise fail(
            "NNM0312",
            f"layer `{op.name}` multiplies two decisions, and neither takes finitely many values",
            weights.origin.span,
            label="these weights are free",
            secondary=(Label(source.decided, f"`{inputs[0]}` depends on these decisions"),),
            help=f"a finite set is exact:  weights in {{-1, 0, 1}}  or  weights in [{lo:g}, {hi:g}] step 1/4",
        )

    # ---- result ------------------------------------------------------------------------------------------------

    def _result(self, expr: nodes.Expr) -> tuple[str, IntArray]:
        match expr:
            case nodes.Paren(inner=inner):
                return self._result(inner)
            case nodes.Ref():
                shape = self.tensors[self._tensor(expr)].shape
                self._check_is_layer(expr)
                return expr.name, np.arange(int(np.prod(shape, dtype=np.int64))).reshape(shape)
            case nodes.Subscript(base=nodes.Ref() as base, indices=indices):
                shape = self.tensors[self._tensor(base)].shape
                self._check_is_layer(base)
                return base.name, read_index(self.elaborator, shape, indices, base.name, base.span, ())
        raise not_yet(
            "an expression after `return`", expr.span, help="return a layer or entries of one, such as  return o[0]"
        )

    def _check_is_layer(self, ref: nodes.Ref) -> None:
        if ref.name == self.declaration.inputs[0].name.text:
            raise fail("NNM0203", "a network returns a layer, not its input", ref.span)

    # ---- whole network -----------------------------------------------------------------------------------------

    def _check_pruning(self, network: Network) -> None:
        """Removing a unit removes its weights, so nothing else may read them."""
        for layer in network.layers:
            if layer.prune is None:
                continue
            name = layer.inputs[0]
            while True:
                if name == network.input_name:
                    raise fail(
                        "NNM0204", "`prune` needs units with weights, and this layer reads the input", layer.origin.span
                    )
                readers = network.readers(name)
                if len(readers) > 1 or network.result_layer == name:
                    other = next((r for r in readers if r is not layer), None)
                    where = other.origin.span if other else self.declaration.result.span
                    raise fail(
                        "NNM0204",
                        f"the units of `{name}` cannot be pruned, because something else reads them too",
                        layer.origin.span,
                        secondary=(Label(where, f"reads `{name}`"),),
                    )
                if network.layer(name).decisions:
                    break
                name = network.layer(name).inputs[0]

    def _warn_unread(self, network: Network) -> None:
        for layer in network.layers:
            if layer.name != network.result_layer and not network.readers(layer.name):
                self.warnings.warning(
                    "NNM0208",
                    f"layer `{layer.name}` is never read",
                    layer.origin.span,
                    help=f"`{network.result_layer}` is returned; remove the layer or read it",
                )


def read_shape(elaborator: Elaborator, type_: nodes.TypeExpr) -> Shape:
    """The shape of a type such as `real[2, 3]`; DiagnosticError NNM0205 or NNM0301."""
    sizes = [integer(elaborator.constant(size), "a size", size.span) for size in type_.shape]
    for size, expr in zip(sizes, type_.shape, strict=True):
        if size < 1:
            raise fail("NNM0301", f"a size must be at least 1, not {size}", expr.span)
    return tuple(sizes)
