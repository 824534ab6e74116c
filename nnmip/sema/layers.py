"""One layer: its options and domains, its shapes, and the check that every product has an exact encoding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from nnmip.diagnostics import Edit, Label
from nnmip.diagnostics.edit import insert_after, substitute, substitute_inside
from nnmip.hir.core import CHANNELS, Decision, Layer, Shape
from nnmip.hir.domain import Domain
from nnmip.ops.base import InferredShapes, LayerOp, ShapeMismatch
from nnmip.records import dataclass
from nnmip.sema.domains import read_bounds
from nnmip.sema.expressions import Elaborator
from nnmip.sema.values import check_size, fail, listed, not_yet, quoted, short_text_of
from nnmip.sema.words import read_options
from nnmip.sizes import Allowance
from nnmip.source import Origin, Span
from nnmip.syntax import nodes
from nnmip.syntax.suggest import closest

_OF_EVERY_LAYER = ("prune", "optional", "skip")


_OVER_IMAGES = ("conv2d", "maxpool2d", "avgpool2d", "globalavgpool")


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor inside a network: its shape, where it is declared, the decisions it depends on, if any, and whether it
    has only entries 0 and 1."""

    name: str
    shape: Shape
    span: Span
    decided: Span | None = None
    is_bits: bool = False


@dataclass(frozen=True, slots=True)
class LayerCall:
    """`dense(x, units: 4, weights in [-1, 1])` with its entry of the layer table and the path of its layer."""

    elaborator: Elaborator
    op: LayerOp
    node: nodes.Call
    path: str

    @property
    def named(self) -> list[nodes.Named]:
        return [a for a in self.node.arguments if isinstance(a, nodes.Named)]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a call says apart from its input: what is pruned, its options, and each domain with its place; whether the
    layer is optional, and what stands in for it where the call says so."""

    prune: str | None
    options: dict[str, Any]
    domains: dict[str, tuple[Domain, Span]]
    is_optional: bool = False
    skip: nodes.Expr | None = None


def read_settings(call: LayerCall) -> Settings:
    """The settings of a call; DiagnosticError NNM0104, NNM0204, NNM0205, NNM0303 or NNM0401."""
    return pruned_weights(Settings(_prune(call), _options(call), _domains(call), *_optional(call)))


def pruned_weights(settings: Settings) -> Settings:
    """`prune: weights` said as a domain: a weight that is pruned is 0, whatever its domain says."""
    if settings.prune != "weights":
        return settings
    domain, place = settings.domains["weights"]
    return replace(settings, prune=None, domains={**settings.domains, "weights": (domain.with_zero(), place)})


def _optional(call: LayerCall) -> tuple[bool, nodes.Expr | None]:
    """Whether `optional: true` is said, and the value of `skip:`; DiagnosticError NNM0204 or NNM0205."""
    found = {name: [a for a in call.named if a.name.text == name] for name in ("optional", "skip")}
    for name, arguments in found.items():
        if len(arguments) > 1:
            raise fail("NNM0204", f"option `{name}` is given twice", arguments[1].span)
    optional = found["optional"][0] if found["optional"] else None
    skip = found["skip"][0] if found["skip"] else None
    if optional is not None and not isinstance(optional.value, nodes.Boolean):
        raise fail("NNM0205", "`optional` is `true` or `false`", optional.value.span, help="write `true`")
    is_optional = isinstance(optional.value, nodes.Boolean) and optional.value.value if optional is not None else False
    if skip is not None and not is_optional:
        message = "`skip` says what stands in for a layer that is left out, and this one always stays"
        raise fail("NNM0204", message, skip.span, help="add `optional: true`, or leave it out")
    return is_optional, skip.value if skip is not None else None


def make_layer(
    op: LayerOp,
    path: str,
    at: Span,
    settings: Settings,
    name: str,
    inputs: tuple[Tensor, ...],
    span: Span,
    allowance: Allowance,
    skip: Tensor | None = None,
) -> tuple[Layer, Tensor]:
    """The layer of a call that reads `inputs`, and the tensor it makes.

    `path` is that of the layer, `at` the place of the call and `span` that of its declaration. `skip` stands in for an
    optional layer.

    Raises DiagnosticError NNM0204, NNM0205, NNM0301, NNM0310 or NNM0312.
    """
    options = settings.options
    if wrong := op.objection(options):
        raise fail("NNM0205", wrong, at, help=f"its signature is `{op.signature}`")
    shapes = _infer(op, at, inputs, options)
    _check_bits(op, at, inputs)
    check_size(shapes.output, f"layer `{name}`", at, allowance)
    _check_prune(settings.prune, shapes.output, at)
    decisions = tuple(
        _decision(f"{path}.{role}", role, shapes.decisions[role], domain, where, allowance)
        for role, (domain, where) in settings.domains.items()
    )
    _check_products(inputs, decisions)
    if skip is not None:
        _check_skip(op, at, name, settings, shapes.output, skip)
    depends = [tensor.decided for tensor in (*inputs, *((skip,) if skip is not None else ()))]
    decided = next((span for span in [*(d.origin.span for d in decisions), *depends] if span is not None), None)
    layer = Layer(
        name=name,
        path=path,
        op=op.name,
        inputs=tuple(tensor.name for tensor in inputs),
        decisions=decisions,
        options=tuple(options.items()),
        shape=shapes.output,
        prune=settings.prune,
        origin=Origin(span, path),
        skip=skip.name if skip is not None else None,
    )
    is_bits = op.gives_bits(tuple(tensor.is_bits for tensor in inputs)) and layer.kept_shape is None
    return layer, Tensor(name, shapes.output, span, decided, is_bits)


def _decision(path: str, role: str, shape: Shape, domain: Domain, span: Span, allowance: Allowance) -> Decision:
    check_size(shape, f"`{path}`", span, allowance)
    return Decision(path, role, shape, domain, Origin(span, path))


def _infer(op: LayerOp, at: Span, inputs: tuple[Tensor, ...], options: Mapping[str, Any]) -> InferredShapes:
    try:
        return op.infer(tuple(tensor.shape for tensor in inputs), options)
    except ShapeMismatch as error:
        first = inputs[0]
        shapes = [f"`{t.name}` has shape {list(t.shape)}" for t in inputs]
        fix: tuple[Edit, ...] = ()
        help = ""
        if len(inputs) == 1 and first.shape == ():
            shapes = [f"`{first.name}` is a single number"]
            help = "give the input its number of features, such as `x: real[2]`"
            fix = substitute_inside(first.span, "real", "real[2]")
        elif op.name in _OVER_IMAGES and len(first.shape) < 3:
            help = "give the input the shape of an image, such as `x: real[1, 8, 8]`"
        elif op.name == "dense":
            help = f"write `dense(flatten({first.name}), ...)`"
            fix = substitute_inside(at, first.name, f"flatten({first.name})")
        labels = tuple(Label(t.span, "declared here") for t in dict.fromkeys(inputs))
        message = f"{error}, but {' and '.join(dict.fromkeys(shapes))}"
        raise fail("NNM0301", message, at, secondary=labels, help=help, fix=fix) from None


def passed_over(op: LayerOp, source: str, layers: Sequence[Layer]) -> str:
    """What stands in for an optional layer that reads `source` where nothing else is said: what the nearest weights,
    its own or those before it, read."""
    known = {layer.name: layer for layer in layers}
    while op.connect is None and source in known:
        is_weighted = bool(known[source].decisions)
        source = known[source].inputs[0]
        if is_weighted:
            break
    return source


def _check_skip(op: LayerOp, at: Span, name: str, settings: Settings, shape: Shape, skip: Tensor) -> None:
    """NNM0204 for a layer that cannot be left out, NNM0301 where what stands in for it has another shape."""
    if op.connect is None and not op.prune:
        help = "make the layer with weights before it optional, or its activation"
        raise fail("NNM0204", f"`{op.name}` cannot be optional", at, help=help)
    if settings.prune is not None:
        message = f"`{name}` cannot be optional and have `prune` at once"
        help = "prune a layer inside the block, or leave one of the two out"
        raise fail("NNM0204", message, at, help=help)
    if skip.shape != shape:
        raise fail(
            "NNM0301",
            f"`{name}` has shape {list(shape)}, but `{skip.name}`, which stands in for it, has {list(skip.shape)}",
            at,
            secondary=(Label(skip.span, "declared here"),),
            help="name a layer of the same shape, such as a projection: `optional: true, skip: p`",
        )


def _check_bits(op: LayerOp, at: Span, inputs: tuple[Tensor, ...]) -> None:
    """NNM0205 where a layer needs an input of 0 and 1 and gets another."""
    for position in op.reads_bits:
        tensor = inputs[position]
        if not tensor.is_bits:
            message = f"`{op.name}` is switched by entries of 0 and 1, and `{tensor.name}` has others"
            help = f"make them with `step`: `step({tensor.name})`"
            raise fail("NNM0205", message, at, secondary=(Label(tensor.span, "declared here"),), help=help)


def _prune(call: LayerCall) -> str | None:
    """What `prune:` names, None without it."""
    arguments = [a for a in call.named if a.name.text == "prune"]
    if not arguments:
        return None
    (argument, *more) = arguments
    if more:
        raise fail("NNM0204", "option `prune` is given twice", more[0].span)
    op, value = call.op, argument.value
    chosen = value.name if isinstance(value, nodes.Ref) else ""
    if chosen in (*op.prune, *op.prune_weights):
        return chosen
    if op.domains:
        message = f"`{op.name}` prunes {' or '.join(op.prune_weights)}, not {quoted(value.span)}"
        help = "units and filters are pruned where they are activated: `relu(z, prune: units)`"
        raise fail("NNM0204", message, value.span, help=help)
    if not op.prune:
        help = "units are pruned where they are activated: `relu(z, prune: units)`"
        raise fail("NNM0204", f"`{op.name}` has no `prune`", argument.span, help=help)
    message = f"`{op.name}` prunes {op.prune[0]}, not {quoted(value.span)}"
    help = "channels are pruned where they are read: `conv2d(x, ..., prune: channels)`"
    raise fail("NNM0204", message, value.span, help=help if chosen == CHANNELS else f"write `{op.prune[0]}`")


def _check_prune(prune: str | None, shape: Shape, at: Span) -> None:
    """NNM0204 where `prune` calls the entries of a vector filters, or the channels of an image units."""
    right = "units" if len(shape) == 1 else "filters"
    if prune not in (None, CHANNELS, right):
        what = "the entries of a vector are units" if right == "units" else "the channels of an image are filters"
        help, fix = f"write `prune: {right}`", substitute_inside(at, f"prune: {prune}", f"prune: {right}")
        raise fail("NNM0204", f"{what}, not {prune}", at, help=help, fix=fix)


def _options(call: LayerCall) -> dict[str, Any]:
    """The values of all options but `prune`, defaults filled in."""
    op = call.op
    given = [a for a in call.named if a.name.text not in _OF_EVERY_LAYER]
    for argument in given:
        name = argument.name.text
        if any(domain.name == name for domain in op.domains):
            help = f"write `{name} in {short_text_of(argument.value.span)}`"
            raise fail("NNM0204", f"`{name}` takes a domain after `in`", argument.span, help=help)
        if name == "activation":
            example = f"layer a = {argument.value.span.text}(h)" if isinstance(argument.value, nodes.Ref) else "relu(h)"
            help = f"leave it out; an activation is a layer of its own: `{example}`"
            message = f"`{op.name}` has no option `activation`"
            raise fail("NNM0204", message, argument.span, help=help, fix=_without(call.node, argument))
    options = read_options(call.elaborator, op.name, op.options, given, _others(op))
    for option in op.options:
        if option.required and options[option.name] is None:
            example = f"{option.name}: {'[-1, 1]' if option.kind == 'numbers' else '2'}"
            help = f"say it, such as `{example}`; its signature is `{op.signature}`"
            fix = insert_after(call.node.arguments[0].span, f", {example}")
            raise fail("NNM0204", f"`{op.name}` needs `{option.name}`", call.node.span, help=help, fix=fix)
    return options


def _others(op: LayerOp) -> tuple[str, ...]:
    """The arguments of a layer that are read apart from its options."""
    return (*(("prune",) if op.prune else ()), *(("optional", "skip") if op.prune or op.connect is not None else ()))


def _without(call: nodes.Call, argument: nodes.Argument) -> tuple[Edit, ...]:
    """The edit that takes an argument, not the first, out of a call, with the comma before it."""
    index = call.arguments.index(argument)
    if index == 0:
        return ()
    before = call.arguments[index - 1].span
    return substitute(Span(before.file, before.end, argument.span.end), "")


def _domains(call: LayerCall) -> dict[str, tuple[Domain, Span]]:
    """The domain of each decision tensor that the call gives one, with its place, in the order of the table."""
    op, known = call.op, [option.name for option in call.op.domains]
    found: dict[str, tuple[Domain, Span]] = {}
    for argument in call.node.arguments:
        if isinstance(argument, nodes.Each):
            raise not_yet("a comprehension", argument.span)
        if not isinstance(argument, nodes.DomainArgument):
            continue
        name = argument.name.text
        if name not in known:
            near = closest(name, known)
            has = f"it has {listed(known)}" if known else "it has none"
            help = f"did you mean `{near}`?" if near else has
            raise fail("NNM0204", f"`{op.name}` has no decisions called `{name}`", argument.name.span, help=help)
        if name in found:
            raise fail("NNM0204", f"`{name}` is given twice", argument.span, help="leave one of them out")
        found[name] = (read_bounds(argument.domain, call.elaborator.constant), argument.span)
    for option in op.domains:
        if option.required and option.name not in found:
            help = f"every decision is bounded where it is born: `{option.name} in [-1, 1]`"
            fix = insert_after(call.node.arguments[-1].span, f", {option.name} in [-1, 1]")
            message = f"the {option.name} of this layer have no domain"
            raise fail("NNM0401", message, call.node.span, help=help, fix=fix)
    return {name: found[name] for name in known if name in found}


def _check_products(inputs: tuple[Tensor, ...], decisions: tuple[Decision, ...]) -> None:
    """NNM0312 where free weights multiply what depends on other decisions."""
    weights = next((d for d in decisions if d.role == "weights"), None)
    name, decided = next(((t.name, t.decided) for t in inputs if t.decided is not None), ("", None))
    if weights is None or decided is None or weights.domain.is_finite:
        return
    lo, hi = weights.domain.lo, weights.domain.hi
    raise fail(
        "NNM0312",
        f"`{weights.path}` multiplies two decisions, and neither takes finitely many values",
        weights.origin.span,
        label="these weights are free",
        secondary=(Label(decided, f"`{name}` depends on these"),),
        help=f"finitely many values are exact: `weights in {{-1, 0, 1}}` or `weights in [{lo:g}, {hi:g}] step 1/4`",
        fix=substitute(weights.origin.span, "weights in {-1, 0, 1}"),
    )
