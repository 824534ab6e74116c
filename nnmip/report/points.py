"""What is proved of networks with known weights at the points where a model applies them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nnmip.lowering.lower import Lowered
from nnmip.passes.ledger import Ledger
from nnmip.report.numbers import number
from nnmip.report.table import table


def points_facts(lowered: Lowered) -> list[dict[str, Any]]:
    """For every network at points: where the text applies it, its layers with bounds, and CPU seconds by step."""
    points = lowered.known.points
    return [] if points is None else [_facts(lowered, ledger) for ledger in points.ledgers.values()]


def _facts(lowered: Lowered, ledger: Ledger) -> dict[str, Any]:
    network, phases = ledger.known.network, ledger.phases()
    smoothed = lowered.program.known_network(network.name).smoothed
    return {
        "network": network.name,
        "text": " ".join(ledger.origin.span.text.split()),
        "line": ledger.origin.span.line,
        "points": len(ledger.box.lo),
        "layers": [
            {
                "name": layer.name,
                "op": layer.op,
                "width": ledger.outputs[layer.name].lo[0].size,
                "lower": float(ledger.outputs[layer.name].lo.min()),
                "upper": float(ledger.outputs[layer.name].hi.max()),
                **phases.get(layer.name, {}),
                "largest_big_m": _largest(lowered, f"{ledger.label}.{layer.name}"),
                "bounds_by": ledger.given_by(layer.name),
            }
            for layer in network.layers
        ],
        "seconds": dict(ledger.seconds),
        "curves": None if smoothed is None else str(smoothed),
    }


def _largest(lowered: Lowered, path: str) -> float:
    blocks = (b.big_m for b in lowered.milp.rows if b.path == path or b.path.startswith(f"{path}."))
    return max(blocks, default=0.0)


HEAD = ("layer", "op", "width", "bounds", "stable active", "stable inactive", "unstable", "largest M", "bounds by")


def render_points(facts: Sequence[Mapping[str, Any]]) -> list[str]:
    """The same as lines for people."""
    lines: list[str] = []
    for at in facts:
        several = f" at {at['points']} points" if at["points"] > 1 else ""
        spent = ", ".join(f"{step} {seconds:.3f} s" for step, seconds in at["seconds"].items())
        lines.extend(["", f"  {at['text']} in line {at['line']}{several}, bounds proved by {spent}:"])
        lines.extend([f"    {at['curves']}"] if at["curves"] else [])
        lines.extend(table([HEAD, *map(_cells, at["layers"])], indent=4))
    return lines


def _cells(layer: Mapping[str, Any]) -> tuple[str, ...]:
    phases = [str(layer.get(key, "-")) for key in ("stable_active", "stable_inactive", "unstable")]
    largest = number(layer["largest_big_m"]) if layer["largest_big_m"] else "-"
    total = sum(layer["bounds_by"].values())
    shares = ", ".join(f"{step} {100 * count / total:.0f} %" for step, count in layer["bounds_by"].items())
    ends = f"[{number(layer['lower'])}, {number(layer['upper'])}]"
    return (layer["name"], layer["op"], str(layer["width"]), ends, *phases, largest, shares)
