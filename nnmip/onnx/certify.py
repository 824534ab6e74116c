"""How far the results of an imported network with curves are from those of its file at most."""

from __future__ import annotations

from collections.abc import Mapping

from nnmip.hir.core import Assignment, Network
from nnmip.hir.known import Curve, Group, Smoothed
from nnmip.onnx.layers import Layers
from nnmip.onnx.refusal import unsupported
from nnmip.ops.drift import Jump, Source, output_drift
from nnmip.ops.functions import FUNCTIONS


def smoothed_of(network: Network, assignment: Assignment, layers: Layers, names: Mapping[str, str]) -> Smoothed | None:
    """The curves of a network with the error at its outputs, None without any; names: of the tensors, as layers.

    Raises Refused where that has no bound.
    """
    curves = {names[key]: curve for key, curve in layers.curves.items() if key in names}
    if not curves:
        return None
    composed = {names[key]: each for key, each in layers.composed.items() if key in names}
    sources = {name: Source(FUNCTIONS[each.function].steepest, each.made.error) for name, each in curves.items()}
    groups = {
        name: Group(names[each.scores], each.groups, each.steepest, each.error) for name, each in composed.items()
    }
    try:
        error = output_drift(network, assignment, sources, groups)
    except Jump as jump:
        first = next(iter(curves.values()))
        message = (
            f"the layer `{jump.layer.name}` (`{jump.layer.op}`) jumps behind the `{first.operator}` ({first.node}), "
        )
        help = "take an output before the jump: what is linear between points there is only near the function"
        raise unsupported(f"{message}so that no error of its curve can be certified", help) from None
    whole = {(each.operator, each.node): each.error for each in composed.values()}
    made = [
        Curve(
            *(name, c.function, c.node, c.made.pieces, c.made.error),
            *(c.operator, whole.get((c.operator, c.node), c.scale * c.made.error)),
        )
        for name, c in curves.items()
    ]
    return Smoothed(tuple(made), error, groups)
