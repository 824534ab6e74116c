"""Checks of a whole network: what `prune` may remove, and layers that nothing reads."""

from __future__ import annotations

from nnmip.diagnostics import Diagnostics, Label
from nnmip.hir.core import Layer, Network
from nnmip.sema.values import fail
from nnmip.source import Span


def check_pruning(network: Network, returned: Span) -> None:
    """NNM0204 where something else reads what `prune` removes: removing a unit removes its weights."""
    for layer in network.layers:
        if layer.prune is not None:
            _check_layer(network, layer, returned)


def _check_layer(network: Network, layer: Layer, returned: Span) -> None:
    reader, name = layer, layer.inputs[0]
    while name != network.input_name:
        others = [other for other in network.readers(name) if other is not reader]
        if others or network.result_layer == name:
            where = others[0].origin.span if others else returned
            raise fail(
                "NNM0204",
                f"the units of `{name}` cannot be pruned, because something else reads them too",
                layer.origin.span,
                secondary=(Label(where, f"also reads `{name}`"),),
                help=f"let everything read `{layer.name}`, or leave `prune` out",
            )
        reader = network.layer(name)
        if reader.decisions:
            _check_pruned_once(network, layer, reader)
            return
        name = reader.inputs[0]
    message = f"`prune` removes units with their weights, and `{layer.name}` reads the input"
    raise fail("NNM0204", message, layer.origin.span, help="leave `prune` out")


def _check_pruned_once(network: Network, layer: Layer, producer: Layer) -> None:
    """NNM0204 where two layers in a row prune the same units."""
    first = next(la for la in network.layers if la.prune is not None and network.producer(la.name) is producer)
    if first is not layer:
        label = Label(first.origin.span, "pruned here already")
        message = f"the units of `{producer.name}` are pruned twice"
        raise fail("NNM0204", message, layer.origin.span, secondary=(label,), help="leave the second `prune` out")


def warn_unread(network: Network, diagnostics: Diagnostics) -> None:
    """NNM0208 for layers that neither the result nor another layer reads."""
    for layer in network.layers:
        if layer.name != network.result_layer and not network.readers(layer.name):
            help = f"`{network.result_layer}` is returned; remove `{layer.name}`, or read it"
            diagnostics.warning("NNM0208", f"nothing reads layer `{layer.name}`", layer.origin.span, help=help)
