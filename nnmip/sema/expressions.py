"""Expressions of the source as HIR nodes: names, types, shapes and linearity."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from nnmip.data import Dataset
from nnmip.diagnostics import Label
from nnmip.hir.core import (
    Compare,
    Constant,
    Gather,
    Join,
    Network,
    Node,
    Plus,
    Reference,
    Scale,
    Shape,
    Units,
)
from nnmip.sema.indexing import read_index
from nnmip.sema.scope import Scope
from nnmip.sema.values import NODE_TYPES, LayerValue, Value, describe, fail, not_yet
from nnmip.sema.words import apply_word
from nnmip.source import Origin, Span
from nnmip.syntax import nodes
from nnmip.syntax.suggest import closest


@dataclass(frozen=True, slots=True)
class Elaborator:
    """Builds values from expressions; `bindings` says which data set names the inputs of which network."""

    scope: Scope
    bindings: tuple[tuple[str, str], ...] = ()

    def constant(self, expr: nodes.Expr) -> Constant:
        """The value of an expression that must be known before solving; NNM0205 where it is a decision."""
        value = self.value(expr)
        if not isinstance(value, Constant):
            raise fail(
                "NNM0205",
                f"`{text_of(expr.span)}` is {_not_constant(value)}, but a known number is needed here",
                expr.span,
            )
        return value

    def number(self, expr: nodes.Expr) -> Node:
        """A numeric tensor; NNM0205 for anything else."""
        value = self.value(expr)
        if not isinstance(value, NODE_TYPES) or isinstance(value, Units) or value.boolean:
            help = f"count({text_of(expr.span)}) is a number" if getattr(value, "boolean", False) else ""
            raise fail(
                "NNM0205",
                f"`{text_of(expr.span)}` is {describe(value)}, but a number is needed here",
                expr.span,
                help=help,
            )
        return value

    def value(self, expr: nodes.Expr) -> Value:
        """The value of any expression."""
        match expr:
            case nodes.Ref(name=name):
                return self.scope.resolve(name, expr.span)
            case nodes.Number(value=value):
                return self._literal(float(value), expr.span)
            case nodes.Boolean(value=value):
                return Constant(np.asarray(float(value)), _origin(expr.span), boolean=True)
            case nodes.Paren(inner=inner):
                return self.value(inner)
            case nodes.ListLiteral(items=items):
                return self._list(items, expr.span)
            case nodes.Unary(op="not"):
                raise not_yet("`not`", expr.span)
            case nodes.Unary(op=op, operand=operand):
                node = self.number(operand)
                return node if op == "+" else scale(np.asarray(-1.0), node, expr.span)
            case nodes.Binary(op="+" | "-" as op, left=left, right=right):
                second = self.number(right)
                return plus(
                    self.number(left), second if op == "+" else scale(np.asarray(-1.0), second, right.span), expr.span
                )
            case nodes.Binary(op="*" | "/"):
                return self._product(expr)
            case nodes.Attribute(base=base, name=name):
                return self._attribute(self.value(base), name, expr.span)
            case nodes.Subscript(base=base, indices=indices):
                return self._subscript(self.value(base), base, indices, expr.span)
            case nodes.Call():
                return self._call(expr)
            case nodes.SetLiteral():
                raise fail("NNM0205", "a set is a domain, not a value", expr.span, help="write it after `in`")
            case nodes.String():
                raise fail("NNM0205", "a text is not a value here", expr.span)
        raise not_yet(_LATER[type(expr)] if not isinstance(expr, nodes.Binary) else f"`{expr.op}`", expr.span)

    def _literal(self, value: float, span: Span) -> Constant:
        if not np.isfinite(value):
            raise fail("NNM0205", f"`{text_of(span)}` is too large for a number", span)
        return Constant(np.asarray(value), _origin(span))

    def _list(self, items: tuple[nodes.Expr, ...], span: Span) -> Constant:
        parts = [self.constant(item) for item in items]
        if len({p.shape for p in parts}) > 1:
            raise fail("NNM0301", "the items of a list must have one shape", span)
        return Constant(np.stack([p.value for p in parts]), _origin(span), boolean=parts[0].boolean)

    def _product(self, expr: nodes.Binary) -> Node:
        left, right = self.number(expr.left), self.number(expr.right)
        if expr.op == "/":
            if not isinstance(right, Constant):
                raise fail(
                    "NNM0313", "only known numbers can divide", expr.right.span, label="this is decided by the solver"
                )
            if (right.value == 0).any():
                raise fail("NNM0205", "division by zero", expr.right.span)
            return scale(1.0 / right.value, left, expr.span)
        if isinstance(left, Constant):
            return scale(left.value, right, expr.span)
        if isinstance(right, Constant):
            return scale(right.value, left, expr.span)
        raise fail(
            "NNM0312",
            "a product of two decisions in an expression has no exact encoding",
            expr.left.span,
            label="decided by the solver",
            secondary=(Label(expr.right.span, "and so is this"),),
            help="multiply by a number or a `param`",
        )

    def _attribute(self, base: Value, name: nodes.Name, span: Span) -> Value:
        match base:
            case Network():
                return self._network_attribute(base, name, span)
            case LayerValue(layer=layer):
                decision = layer.decision(name.text)
                if decision is not None:
                    return Reference(decision, Origin(span, decision.path))
                roles = [d.role for d in layer.decisions]
                has = f"it has {_listed(roles)}" if roles else "it has no weights"
                raise fail("NNM0201", f"layer `{layer.name}` has no `{name.text}`", name.span, help=f"{has}")
            case Dataset():
                raise not_yet(f"`.{name.text}` of a data set", name.span)
        raise fail("NNM0201", f"{describe(base)} has no `{name.text}`", name.span)

    def _network_attribute(self, network: Network, name: nodes.Name, span: Span) -> Value:
        if name.text in ("weights", "biases"):
            role = "weights" if name.text == "weights" else "bias"
            origin = Origin(span, f"{network.name}.{name.text}")
            return Join(tuple(Reference(d, origin) for d in network.decisions if d.role == role), origin)
        layers = {layer.name: layer for layer in network.layers}
        if name.text in layers:
            return LayerValue(network, layers[name.text])
        if name.text in ("parameters", "operations"):
            raise not_yet(f"`.{name.text}`", name.span)
        near = closest(name.text, [*layers, "weights", "biases"])
        help = f"did you mean `{near}`?" if near else f"its layers are {_listed(list(layers))}"
        raise fail("NNM0201", f"network `{network.name}` has no `{name.text}`", name.span, help=help)

    def _subscript(
        self, base: Value, at: nodes.Expr, indices: tuple[nodes.Expr | nodes.Slice, ...], span: Span
    ) -> Node:
        match base:
            case LayerValue(network=network, layer=layer):
                places = read_index(self, layer.shape, indices, text_of(at.span), at.span, ())
                return Units(network.name, layer.name, places, Origin(span, text_of(span)))
            case Network() | Dataset():
                raise fail("NNM0205", f"{describe(base)} has no entries", at.span)
        places = read_index(self, base.shape, indices, text_of(at.span), at.span, self._column_names(base))
        if isinstance(base, Units):
            return Units(base.network, base.layer, base.index.reshape(-1)[places], Origin(span, text_of(span)))
        if isinstance(base, Constant):
            return Constant(np.asarray(base.value.reshape(-1)[places]), _origin(span), base.boolean)
        return Gather(base, places, Origin(span, text_of(span)))

    def _column_names(self, base: Value) -> tuple[str, ...]:
        """The feature names of axis 1 where `base` is the weights of a layer that reads the input, else nothing."""
        if not isinstance(base, Reference) or base.decision.role != "weights":
            return ()
        for name, data in self.bindings:
            network = self.scope.resolve(name, base.origin.span)
            assert isinstance(network, Network)
            layer = next((la for la in network.layers if base.decision in la.decisions), None)
            if layer is not None and layer.inputs == (network.input_name,):
                dataset = self.scope.resolve(data, base.origin.span)
                assert isinstance(dataset, Dataset)
                return dataset.feature_names
        return ()

    def _call(self, expr: nodes.Call) -> Node:
        match expr.function:
            case nodes.Ref(name=name) if name not in self.scope.declarations:
                return apply_word(self, name, expr)
            case nodes.Ref(name=name):
                value = self.scope.resolve(name, expr.function.span)
                if isinstance(value, Network):
                    raise not_yet("a network applied to a point", expr.span)
                raise fail("NNM0205", f"`{name}` is {describe(value)} and cannot be called", expr.function.span)
        raise fail("NNM0205", f"`{text_of(expr.function.span)}` cannot be called", expr.function.span)


_LATER: dict[type, str] = {
    nodes.Chain: "a comparison inside an expression",
    nodes.Member: "a membership test",
    nodes.Quantified: "a quantifier",
    nodes.Conditional: "`if … then … else`",
}


def plus(left: Node, right: Node, span: Span) -> Node:
    """The sum of two numeric tensors."""
    shape = broadcast(left.shape, right.shape, span)
    if isinstance(left, Constant) and isinstance(right, Constant):
        return Constant(left.value + right.value, _origin(span))
    terms = (*(left.terms if isinstance(left, Plus) and left.shape == shape else (left,)), right)
    return Plus(terms, shape, _origin(span))


def scale(factor: np.ndarray, node: Node, span: Span) -> Node:
    """A constant times a numeric tensor."""
    shape = broadcast(factor.shape, node.shape, span)
    if isinstance(node, Constant):
        return Constant(factor * node.value, _origin(span))
    return Scale(np.asarray(factor, dtype=np.float64), node, shape, _origin(span))


def compare(op: str, left: Node, right: Node, span: Span) -> Compare:
    """`left op right` with `op` one of `<= >= =`."""
    return Compare(op, left, right, broadcast(left.shape, right.shape, span), _origin(span))


def broadcast(left: Shape, right: Shape, span: Span) -> Shape:
    """The common shape of two operands; only a scalar is stretched, so that a wrong shape is not hidden."""
    if left == right or right == ():
        return left
    if left == ():
        return right
    raise fail("NNM0301", f"shapes {list(left)} and {list(right)} do not agree", span)


def text_of(span: Span) -> str:
    """The source text of a span on one line, as labels show it."""
    return re.sub(r"\s+", " ", span.text)


def _origin(span: Span) -> Origin:
    return Origin(span, text_of(span))


def _not_constant(value: Value) -> str:
    return "decided by the solver" if isinstance(value, NODE_TYPES) else describe(value)


def _listed(words: list[str]) -> str:
    return ", ".join(f"`{w}`" for w in words)
