"""Networks with known weights at points that are decided."""

from __future__ import annotations

from nnmip.diagnostics.edit import substitute
from nnmip.hir.core import Applied, Constant, Network, Node, Reference
from nnmip.sema.arithmetic import entries_of
from nnmip.sema.scope import Known
from nnmip.sema.values import describe, fail, not_yet, origin_of
from nnmip.source import Span


def at_points(
    names: Known, network: Network, point: Node, at: Span, span: Span, is_over_region: bool = False
) -> Applied:
    """`net(x)`: the results of a network for points (*batch, *input), of shape (*batch, *output).

    In a rule over a region the weights may be decided. Raises DiagnosticError: NNM0312 for a network whose weights
    are decided elsewhere (NNM0104 where the points are known), NNM0205 for Booleans, NNM0301 for points of another
    shape.
    """
    wanted = network.input_shape
    if network.name not in names.known and not is_over_region:
        rows = "apply it to rows: `forall s in data: ... net(s) ...`"
        if isinstance(point, Constant):
            raise not_yet("a network applied to a point", span, help=rows)
        message = f"`{network.name}` is still to be trained: its weights would multiply what is decided here"
        help = f"{rows}; or read a trained network: `saved(...)`, `onnx(...)`"
        raise fail("NNM0312", message, at, help=help)
    if point.boolean:
        raise fail("NNM0205", f"`{network.name}` reads numbers, and this is {describe(point)}", at)
    start = len(point.shape) - len(wanted)
    if start < 0 or point.shape[start:] != wanted:
        message = f"`{network.name}` reads a tensor of shape {list(wanted)}, and this is {describe(point)}"
        part = entries_of(point, wanted, span)
        declared = f"declare it with that shape: `real{list(wanted)}`"
        if not isinstance(point, Reference):
            declared = f"give it what the network reads: a tensor of shape {list(wanted)}"
        help = f"take as many entries as it reads: `{network.name}({part})`" if part else declared
        raise fail("NNM0301", message, at, help=help, fix=substitute(at, part) if part else ())
    return Applied(network.name, point, (*point.shape[:start], *network.output_shape), origin_of(span))
