"""A model after any pass, as text."""

from __future__ import annotations

from collections.abc import Mapping

from nnmip.hir.printer import print_program
from nnmip.lowering.lower import Lowered
from nnmip.milp.printer import print_milp
from nnmip.passes.base import Analysed
from nnmip.report.numbers import number
from nnmip.syntax.parser import ParseResult
from nnmip.syntax.public import dump


def print_ir(ir: ParseResult | Analysed | Lowered) -> str:
    """The syntax tree, the HIR or the MILP, as stable text: the same model gives the same lines."""
    match ir:
        case ParseResult(file=file):
            return dump(file) + "\n"
        case Analysed():
            return print_program(ir.program, _remarks(ir))
        case Lowered(milp=milp):
            return print_milp(milp)


def _remarks(known: Analysed) -> Mapping[str, str]:
    """What passes found out about the layers."""
    remarks: dict[str, list[str]] = {}
    for (network, data), over in known.bounds.items():
        for layer in known.program.network(network).layers:
            bounds = over.bounds.outputs[layer.name]
            ends = f"[{number(float(bounds.lo.min()))}, {number(float(bounds.hi.max()))}]"
            remarks.setdefault(layer.path, []).append(f"in {ends} over {data}")
    for ledger in known.points.ledgers.values() if known.points else ():
        for layer in ledger.known.network.layers:
            bounds = ledger.outputs[layer.name]
            ends = f"[{number(float(bounds.lo.min()))}, {number(float(bounds.hi.max()))}]"
            at = " ".join(ledger.origin.span.text.split())
            remarks.setdefault(layer.path, []).append(f"in {ends} at {at}")
    for alike in known.interchangeable:
        listed = ", ".join(map(str, alike.units.tolist()))
        remarks.setdefault(alike.layer.path, []).append(f"interchangeable units {listed}")
    return {path: ", ".join(found) for path, found in remarks.items()}
