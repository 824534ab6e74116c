"""Checks of a whole network: what `prune` may remove, and layers that nothing reads."""

from __future__ import annotations

from nnmip.arrays import distinct
from nnmip.diagnostics import Diagnostics, Label
from nnmip.hir.core import Layer, Network
from nnmip.hir.wiring import Wiring, wiring_of
from nnmip.sema.values import fail
from nnmip.source import Span


def check_pruning(network: Network, returned: Span) -> None:
    """NNM0204 where a pruned unit is not one of its own, or something else reads it: removing a unit removes its
    weights."""
    pruned = [layer for layer in network.layers if layer.kept_shape is not None]
    wiring = wiring_of(network) if pruned else None
    for layer in pruned:
        assert wiring is not None
        if layer.skip is None:
            _check_layer(wiring, layer, returned)
        else:
            _check_block(wiring, layer)


def _check_layer(wiring: Wiring, layer: Layer, returned: Span) -> None:
    network, between = wiring.network, _before(wiring, layer)
    inside = {layer.name, *between}
    for name in between:
        others = [other for other in network.readers(name) if other.name not in inside]
        if others or network.result_layer == name:
            where = others[0].origin.span if others else returned
            raise fail(
                "NNM0204",
                f"the {layer.prune} of `{name}` cannot be pruned, because something else reads them too",
                layer.origin.span,
                secondary=(Label(where, f"also reads `{name}`"),),
                help=f"let everything read `{layer.name}`, or leave `prune` out",
            )
        first = network.layer(name)
        if first.kept_shape is not None:
            label = Label(first.origin.span, "pruned here already")
            owner = wiring.layer_of(int(wiring.units(name)[0])).name
            message = f"the {layer.prune} of `{owner}` are pruned twice"
            raise fail("NNM0204", message, layer.origin.span, secondary=(label,), help="leave the second `prune` out")
    units = wiring.units(layer.name)
    if (units < 0).any() or len(distinct(units)) < len(units):
        reads = "reads the input" if (wiring.owner[layer.name] == -1).all() else "mixes several of them"
        message = f"`prune` removes {layer.prune} with their weights, and `{layer.name}` {reads}"
        raise fail("NNM0204", message, layer.origin.span, help="leave `prune` out")


def _check_block(wiring: Wiring, layer: Layer) -> None:
    """NNM0204 where leaving an optional layer out would leave nothing out, because something else needs its weights."""
    between = [layer.name, *_before(wiring, layer)] if layer.name not in wiring.first else [layer.name]
    block = wiring.block(layer)
    for name in between:
        if name not in block:
            others = [other for other in wiring.network.readers(name) if other.name not in block]
            secondary = (Label(others[0].origin.span, f"also reads `{name}`"),) if others else ()
            message = f"`{layer.name}` cannot be optional, because something else needs `{name}`"
            help = f"let everything read `{layer.name}`, or leave `optional` out"
            raise fail("NNM0204", message, layer.origin.span, secondary=secondary, help=help)
    if not any(name in wiring.first for name in between):
        message = f"`{layer.name}` cannot be optional: it reads the input without weights"
        raise fail("NNM0204", message, layer.origin.span, help="leave `optional` out")


def _before(wiring: Wiring, layer: Layer) -> list[str]:
    """The layers between a layer and the weights of its units, those with the weights last."""
    found: dict[str, None] = {}
    open_ = list(layer.inputs)
    while open_:
        name = open_.pop(0)
        if name == wiring.network.input_name or name in found:
            continue
        found[name] = None
        if name not in wiring.first:
            open_.extend(wiring.network.layer(name).inputs)
    return list(found)


def warn_unread(network: Network, diagnostics: Diagnostics) -> None:
    """NNM0208 for layers that neither the result nor another layer reads."""
    for layer in network.layers:
        if layer.name != network.result_layer and not network.readers(layer.name):
            help = f"`{network.result_layer}` is returned; remove `{layer.name}`, or read it"
            diagnostics.warning("NNM0208", f"nothing reads layer `{layer.name}`", layer.origin.span, help=help)
