"""Expressions of the source as HIR nodes: names, types, shapes and linearity."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import field, replace
from types import MappingProxyType

import numpy as np

from nnmip.data import Dataset
from nnmip.diagnostics import Diagnostics
from nnmip.diagnostics.edit import substitute
from nnmip.hir.core import CHANNELS, Constant, Gather, Join, Layer, Network, Node, Reference, Units
from nnmip.ops.registry import LAYERS, WORDS
from nnmip.records import dataclass
from nnmip.sema.arithmetic import Sum, negated, product, quotient
from nnmip.sema.binders import INDEX_SETS, read_quantified
from nnmip.sema.builtins import BUILTINS, call_word, network_at
from nnmip.sema.channels import channels_read
from nnmip.sema.features import features_at, table_of
from nnmip.sema.indexing import Columns, read_index
from nnmip.sema.logic import (
    as_truth,
    junction,
    negation,
    read_chain,
    read_conditional,
    read_connective,
    read_membership,
)
from nnmip.sema.scope import Scope
from nnmip.sema.values import (
    MOST_AXES,
    NODE_TYPES,
    FeaturesValue,
    InputValue,
    LayerValue,
    Poisoned,
    RowValue,
    Value,
    as_tensor,
    collected,
    describe,
    fail,
    listed,
    origin_of,
    quoted,
    short_text_of,
)
from nnmip.source import Origin, Span
from nnmip.syntax import nodes
from nnmip.syntax.suggest import closest

_COUNTS = frozenset({"parameters", "operations"})


@dataclass(frozen=True, slots=True)
class Elaborator:
    """Builds values from expressions.

    `bindings` says which data set names the inputs of which network; `bound` has the names that quantifiers and
    comprehensions around the expression give to one of their members. `around` is the constraint that it stands in.
    `columns` has the names of the entries of points, by the id of the node; `is_over_region` says that networks which
    are still to be trained can be applied to points.
    """

    scope: Scope
    bindings: tuple[tuple[str, str], ...] = ()
    bound: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))
    around: nodes.Constraint | None = None
    columns: Mapping[int, Columns] = field(default_factory=lambda: MappingProxyType({}))
    is_over_region: bool = False

    def only_table(self) -> str | None:
        """The name of the one data set that the file declares; None where there are none or several."""
        names = [name for name, node in self.scope.declarations.items() if isinstance(node, nodes.Data)]
        return names[0] if len(names) == 1 else None

    def constant(self, expr: nodes.Expr) -> Constant:
        """The value of an expression that must be known before solving; NNM0205 where it is a decision."""
        value = self.value(expr)
        if not isinstance(value, Constant):
            what = "decided by the solver" if isinstance(value, NODE_TYPES) else describe(value)
            raise fail("NNM0205", f"{quoted(expr.span)} is {what}, but a known number is needed here", expr.span)
        return value

    def scalar(self, expr: nodes.Expr, what: str) -> float:
        """A known number; NNM0205 where `what` is something else."""
        node = self.constant(expr)
        if node.shape != () or node.boolean:
            raise fail("NNM0205", f"{what} must be a number, and this is {describe(node)}", expr.span)
        return float(node.value)

    def number(self, expr: nodes.Expr) -> Node:
        """A numeric tensor; NNM0205 for anything else."""
        value = self.value(expr)
        if not isinstance(value, NODE_TYPES) or isinstance(value, Units) or value.boolean:
            what = f"{quoted(expr.span)} is {describe(value)}, but a number is needed here"
            raise fail("NNM0205", what, expr.span, help=_as_number(value, expr))
        return value

    def truth(self, expr: nodes.Expr) -> Node:
        """A Boolean or a tensor of Booleans; NNM0205 for anything else."""
        return as_truth(self.value(expr), expr, "a Boolean is needed here")

    def tensor(self, expr: nodes.Expr) -> Node:
        """A number, a Boolean or a tensor of either; NNM0205 for anything else."""
        value = as_tensor(self.value(expr))
        return value if value is not None and value.boolean else self.number(expr)

    def network(self, name: str, span: Span) -> Network:
        """The network of that name, which has been resolved before."""
        network = self.scope.resolve(name, span)
        assert isinstance(network, Network)
        return network

    def value(self, expr: nodes.Expr) -> Value:
        """The value of any expression."""
        match expr:
            case nodes.Ref(name=name):
                return self.bound[name] if name in self.bound else self._named(name, expr.span)
            case nodes.Number(value=number):
                return _literal(number, expr.span)
            case nodes.Boolean(value=holds):
                return Constant(np.asarray(float(holds)), origin_of(expr.span), boolean=True)
            case nodes.Paren(inner=inner):
                return self.value(inner)
            case nodes.ListLiteral(items=items):
                return self._list(items, expr.span)
            case nodes.Unary(op="-" | "+" as sign, operand=operand):
                node = self.number(operand)
                return negated(node, expr.span) if sign == "-" else node
            case nodes.Binary(op="+" | "-" | "*" | "/"):
                return self._arithmetic(expr)
            case nodes.Attribute(base=base, name=attribute):
                return self.scope.known.folded(self._attribute(self.value(base), attribute, expr.span))
            case nodes.Subscript():
                return self._subscript(expr)
            case nodes.Call():
                return self.scope.known.folded(self._call(expr))
            case nodes.SetLiteral():
                raise fail("NNM0205", "a set is a domain, not a value", expr.span, help="write it after `in`")
            case nodes.String():
                raise fail("NNM0205", "a text is not a value here", expr.span)
            case nodes.Unary(operand=operand):
                return negation(self.truth(operand), expr.span)
            case nodes.Binary():
                return read_connective(self, expr)
            case nodes.Chain():
                return junction("and", read_chain(self, expr), expr.span)
            case nodes.Member():
                return read_membership(self, expr)
            case nodes.Conditional():
                return read_conditional(self, expr)
            case nodes.Quantified():
                return read_quantified(self, expr)

    def _named(self, name: str, span: Span) -> Value:
        """What a name stands for; a variable as it is called here, so that messages point at this place."""
        value = self.scope.resolve(name, span)
        return replace(value, origin=origin_of(span)) if isinstance(value, Reference) else value

    def _list(self, items: tuple[nodes.Expr, ...], span: Span) -> Node:
        """A tensor of items of one shape, known or decided."""
        parts = [self.tensor(item) for item in items]
        if len({p.shape for p in parts}) > 1:
            raise fail("NNM0301", "the items of a list must have one shape", span)
        if len({p.boolean for p in parts}) > 1:
            help = "write `count(b)` for the number, 0 or 1, that a Boolean `b` is"
            raise fail("NNM0205", "the items of a list must be all numbers or all Booleans", span, help=help)
        if len(parts[0].shape) >= MOST_AXES:
            raise fail("NNM0301", f"lists nest at most {MOST_AXES} deep", span)
        origin = origin_of(span)
        known = [part.value for part in parts if isinstance(part, Constant)]
        if len(known) == len(parts):
            return Constant(np.stack(known), origin, boolean=parts[0].boolean)
        joined = Join(tuple(parts), origin)
        shape = (len(parts), *parts[0].shape)
        return joined if joined.shape == shape else Gather(joined, np.arange(joined.shape[0]).reshape(shape), origin)

    def _arithmetic(self, expr: nodes.Binary) -> Node:
        """`a + b * c - d / e`, from left to right; every operand is read, so that each wrong one is reported."""
        first, operations = nodes.left_spine(expr)
        operands: list[Node] = []
        problems = Diagnostics()
        for operand in (first, *(operation.right for operation in operations)):
            with collected(problems):
                operands.append(self.number(operand))
        problems.raise_errors()
        if len(operands) <= len(operations):
            raise Poisoned
        total = Sum.of(operands[0], self.scope.allowance)
        for operation, right in zip(operations, operands[1:], strict=True):
            left_span, right_span = operation.left.span, operation.right.span
            match operation.op:
                case "+":
                    total.add(right, operation.span)
                case "-":
                    total.add(negated(right, right_span), operation.span)
                case "*":
                    factor = product(total.node(left_span), right, left_span, right_span)
                    total = Sum.of(factor, self.scope.allowance)
                case "/":
                    part = quotient(total.node(left_span), right, left_span, right_span)
                    total = Sum.of(part, self.scope.allowance)
        return total.node(expr.span)

    # ---- attributes and subscripts -----------------------------------------------------------------------------

    def _attribute(self, base: Value, name: nodes.Name, span: Span) -> Value:
        match base:
            case Network():
                return _network_attribute(base, name, span)
            case LayerValue():
                return _layer_attribute(base, name, span)
            case Dataset():
                return _data_attribute(base, name)
            case RowValue():
                if not base.data.is_read and name.text in base.data.group_names:
                    raise self.scope.unread()
                return _row_attribute(base, name, span)
        raise fail("NNM0201", f"{describe(base)} has no `{name.text}`", name.span)

    def _subscript(self, expr: nodes.Subscript) -> Node | FeaturesValue:
        base, at, span = self.value(expr.base), expr.base.span, expr.span
        match base:
            case RowValue():
                raise fail("NNM0205", f"{describe(base)} has no entries", at, help="write `row.column`")
            case InputValue():
                return features_at(self, base, expr)
            case FeaturesValue():
                raise fail("NNM0205", f"{describe(base)} has no entries", at)
            case LayerValue(network=network, layer=layer):
                places = read_index(self, (layer.units,), expr.indices, at, Columns())
                return Units(network.name, layer.name, places, origin_of(span))
            case Network():
                name = short_text_of(at)
                help = f"its weights are `{name}.weights`, and an entry of what it gives for a row `{name}(s)[0]`"
                raise fail("NNM0205", f"{describe(base)} has no entries", at, help=help)
            case Dataset():
                help = f"its rows come from a quantifier: `forall s in {short_text_of(at)}: ...`"
                raise fail("NNM0205", f"{describe(base)} has no entries", at, help=help)
        places = read_index(self, base.shape, expr.indices, at, self._columns(base))
        match base:
            case Units():
                return Units(base.network, base.layer, base.index.reshape(-1)[places], origin_of(span))
            case Constant():
                return Constant(np.asarray(base.value.reshape(-1)[places]), origin_of(span), base.boolean)
        return Gather(base, places, origin_of(span))

    def _columns(self, base: Value) -> Columns:
        """The names of the entries of a point, those of axis 1 of the weights of a layer that reads the input, or
        none."""
        if id(base) in self.columns:
            return self.columns[id(base)]
        if not isinstance(base, Reference) or base.decision.role != "weights":
            return Columns()
        network = self.network(base.decision.path.partition(".")[0], base.origin.span)
        layer = next(la for la in network.layers if base.decision in la.decisions)
        if layer.inputs != (network.input_name,):
            return Columns()
        data = table_of(self, network, base.origin.span)
        return Columns(1, unbound=network.name) if data is None else Columns(1, data.feature_names, data.name)

    def _call(self, expr: nodes.Call) -> Node:
        function = expr.function
        if not isinstance(function, nodes.Ref):
            raise fail("NNM0205", f"{quoted(function.span)} cannot be called", function.span)
        is_declared = function.name in self.scope.declarations or function.name in self.scope.broken
        if function.name in INDEX_SETS and function.name not in BUILTINS:
            help = f"it stands after `in`: `forall i in {function.name}(...): ...`"
            raise fail("NNM0205", f"`{function.name}` is a set of indices, not a value", expr.span, help=help)
        if function.name in WORDS or function.name in BUILTINS or not is_declared:
            return call_word(self, function.name, expr)
        value = self.value(function)
        if isinstance(value, Network):
            return network_at(self, value, expr)
        raise fail("NNM0205", f"`{function.name}` is {describe(value)} and cannot be called", function.span)


def _literal(value: int | float, span: Span) -> Constant:
    if value > sys.float_info.max:
        raise fail("NNM0205", f"{quoted(span)} is too large for a number", span)
    return Constant(np.asarray(float(value)), origin_of(span))


def _network_attribute(network: Network, name: nodes.Name, span: Span) -> Value:
    layers = {layer.name: layer for layer in network.layers}
    if name.text in ("weights", "biases"):
        role = "weights" if name.text == "weights" else "bias"
        origin = Origin(span, f"{network.name}.{name.text}")
        parts = tuple(Reference(d, origin) for d in network.decisions if d.role == role)
        if not parts:
            help = "a layer has one where it says `bias in [-1, 1]`" if role == "bias" else ""
            raise fail(
                "NNM0201",
                f"no layer of `{network.name}` has {'a bias' if role == 'bias' else 'weights'}",
                name.span,
                help=help,
            )
        return Join(parts, origin)
    if name.text in layers:
        return LayerValue(network, layers[name.text])
    if name.text == network.input_name:
        return InputValue(network)
    if name.text in _COUNTS:
        call = f"{name.text}({network.name})"
        help = f"write `{call}` for their number, or `{network.name}.weights` for the weights"
        message = f"`{name.text}` counts what a network has; it is no part of one"
        raise fail("NNM0201", message, name.span, help=help, fix=substitute(span, call))
    near = closest(name.text, [*layers, "weights", "biases"])
    help = f"did you mean `{near}`?" if near else f"its layers are {listed(layers)}"
    raise fail("NNM0201", f"network `{network.name}` has no `{name.text}`", name.span, help=help)


def _data_attribute(data: Dataset, name: nodes.Name) -> Value:
    if name.text != "test":
        help = "its test part is called `test`" if data.test is not None else ""
        raise fail("NNM0201", f"data set `{data.name}` has no `{name.text}`", name.span, help=help)
    if data.test is None:
        help = "add a line `split test 0.3 seed 1` to its declaration"
        raise fail("NNM0201", f"data set `{data.name}` has no test part", name.span, help=help)
    return data.test


def _layer_attribute(base: LayerValue, name: nodes.Name, span: Span) -> Value:
    network, layer = base.network, base.layer
    inside = [la for la in network.layers if la.name.startswith(f"{layer.name}.")]
    weighted = [la for la in (layer, *inside) if la.decisions]
    if inner := next((la for la in inside if la.name == f"{layer.name}.{name.text}"), None):
        return LayerValue(network, inner)
    # In `layer h = relu(dense(...))` there is one tensor of weights, and it is that of `h`.
    owner = weighted[0] if len(weighted) == 1 or layer.decisions else layer
    found = _own_attribute(owner, name.text, span)
    if found is not None:
        return found
    roles = [d.role for d in owner.decisions]
    near = closest(name.text, roles)
    if near:
        help = f"did you mean `{near}`?"
    elif roles:
        help = f"it has {listed(roles)}"
    elif weighted:
        help = f"several layers are written in it: name one, such as `{network.name}.{weighted[-1].name}.{name.text}`"
    else:
        source = next((la.name for la in network.layers if la.name in layer.inputs and la.decisions), None)
        help = f"the weights before it are `{network.name}.{source}.weights`" if source else ""
    raise fail("NNM0201", f"layer `{layer.name}` has no `{name.text}`", name.span, help=help)


def _own_attribute(layer: Layer, name: str, span: Span) -> Node | None:
    """The weights or the bias of a layer, or whether it reads each of its channels."""
    decision = layer.decision(name)
    if decision is not None:
        return Reference(decision, Origin(span, decision.path))
    return channels_read(layer, span) if name == CHANNELS and LAYERS[layer.op].prunes_channels else None


def _row_attribute(row: RowValue, name: nodes.Name, span: Span) -> Constant:
    """What a column says in a row: a feature or a target in the units of the file, or the code of the label."""
    entry = row.entry(name.text)
    if entry is not None:
        return Constant(np.asarray(entry), origin_of(span))
    text = row.text(name.text)
    if text is not None:
        message = f"`{name.text}` is a text here, and a number is needed"
        raise fail("NNM0503", message, span, help=f'compare it with a text: `{short_text_of(span)} = "{text}"`')
    label = [row.data.label_name] if row.data.label_name else []
    columns = [*row.data.feature_names, *label, *row.data.target_names, *(group.name for group in row.data.groups)]
    near = closest(name.text, columns)
    help = f"did you mean `{near}`?" if near else f"its columns are {listed(columns)}"
    raise fail("NNM0502", f"`{row.data.name}` has no column `{name.text}` that the model reads", name.span, help=help)


def _as_number(value: Value, expr: nodes.Expr) -> str:
    """The edit that makes a number of something else, empty where there is none."""
    text = short_text_of(expr.span)
    match value:
        case LayerValue(layer=layer):
            return f"its weights are `{text}.weights`" if layer.decisions else f"count its units: `count(used({text}))`"
        case InputValue() | FeaturesValue():
            return f"count its features in use: `count(used({text}))`"
        case Units():
            return f"count those in use: `count(used({text}))`"
        case Network():
            return f"its weights are `{text}.weights`"
        case Dataset() | RowValue():
            return ""
    return f"write `count({text})`" if value.boolean else ""
