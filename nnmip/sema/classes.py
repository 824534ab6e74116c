"""Classes by their names beside `argmax`: `argmax(net(s)) = "setosa"`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nnmip.hir.core import Constant, Network
from nnmip.sema.features import table_of
from nnmip.sema.values import fail, listed, origin_of, quoted
from nnmip.syntax import nodes
from nnmip.syntax.suggest import closest

if TYPE_CHECKING:
    from nnmip.sema.expressions import Elaborator

_PLACES = ("argmax", "argmin")


def class_number(elaborator: Elaborator, text: nodes.String, beside: Sequence[nodes.Expr]) -> Constant:
    """The place of a class among the scores of the network of which something `beside` it asks the place.

    Raises DiagnosticError NNM0205 where nothing does, or its scores have no names; NNM0201 for another name.
    """
    network = next((found for expr in beside if (found := _asked(elaborator, expr)) is not None), None)
    if network is None:
        raise fail("NNM0205", "a text is not a value here", text.span)
    names = _classes(elaborator, network, text)
    if not names:
        help = "write the number of the class, which counts from 0"
        raise fail("NNM0205", f"the scores of `{network.name}` have no names here", text.span, help=help)
    if text.value not in names:
        near = closest(text.value, names)
        help = f"did you mean `{near}`?" if near else f"its classes are {listed(names)}"
        raise fail("NNM0201", f"`{network.name}` has no class {quoted(text.span)}", text.span, help=help)
    return Constant(np.asarray(float(names.index(text.value))), origin_of(text.span))


def _asked(elaborator: Elaborator, expr: nodes.Expr) -> Network | None:
    """The network in `argmax(net(...))`."""
    match expr:
        case nodes.Paren(inner=inner):
            return _asked(elaborator, inner)
        case nodes.Call(function=nodes.Ref(name=word), arguments=(nodes.Positional(value=read), *_)) if word in _PLACES:
            called = read.function if isinstance(read, nodes.Call) else None
            is_name = isinstance(called, nodes.Ref) and called.name in elaborator.scope.declarations
            network = elaborator.value(called) if called is not None and is_name else None
            return network if isinstance(network, Network) else None
    return None


def _classes(elaborator: Elaborator, network: Network, text: nodes.String) -> Sequence[str]:
    """The names of its scores in their order: those that it was saved with, or those of the table that it reads."""
    known = elaborator.scope.known.networks.get(network.name)
    if known is not None and known.coding:
        ordered = sorted(known.coding, key=lambda pair: pair[1])
        is_counted = [code for _, code in ordered] == list(range(len(ordered)))
        return tuple(name for name, _ in ordered) if is_counted else ()
    data = table_of(elaborator, network, text.span)
    return data.classes if data is not None else ()
