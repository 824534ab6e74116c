"""What a model becomes: declarations, layers with their bounds, and the MILP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nnmip.bounds.table import propagate_intervals
from nnmip.data import Dataset
from nnmip.hir.core import Annotation, Layer, Network, Program
from nnmip.lowering.lower import Lowered
from nnmip.milp.model import Block
from nnmip.milp.statistics import statistics
from nnmip.report.rules import number
from nnmip.source import GOAL


def model_facts(lowered: Lowered, fingerprint: str) -> dict[str, Any]:
    """Parameters, tables, networks layer by layer, goal, constraints and sizes, as plain values."""
    program = lowered.program
    return {
        "model": program.source.path,
        "fingerprint": fingerprint,
        "parameters": {name: value.tolist() for name, value in program.parameters},
        "data": {d.name: _data_facts(program, d.name) for d in program.datasets},
        "networks": {n.name: [_layer_facts(lowered, n, layer) for layer in n.layers] for n in program.networks},
        "goal": [
            {
                "sense": s.sense,
                "terms": [{"label": t.label, "role": t.role, "coefficient": t.coefficient} for t in s.terms],
            }
            for s in program.stages
        ],
        "constraints": {c.name: c.sentence for c in program.constraints},
        "documentation": dict(program.documentation),
        "annotations": {path: [_annotation(a) for a in found] for path, found in program.annotations},
        "sizes": statistics(lowered.milp),
    }


def _annotation(annotation: Annotation) -> str:
    """As in the source: `@formulation("big-m")`."""
    arguments = ", ".join(f'"{argument}"' for argument in annotation.arguments)
    return f"@{annotation.name}({arguments})" if arguments else f"@{annotation.name}"


def _data_facts(program: Program, name: str) -> dict[str, Any]:
    data = program.dataset(name)
    return {
        "source": data.source_name,
        "rows": data.row_count,
        "distinct_rows": len(np.unique(data.features, axis=0)),
        "features": list(data.feature_names),
        "scaling": _scalings(data),
        "label": data.label_name,
        "coding": dict(data.coding or ()),
    }


def _scalings(data: Dataset) -> str:
    """The kinds of scaling of the columns, categories apart, in the order of the features."""
    categories = {name for column in data.inputs if column.levels for name in column.names}
    named = zip(data.feature_names, data.scaling.kinds, strict=True)
    return ", ".join(dict.fromkeys(kind for name, kind in named if name not in categories)) or "none"


def _layer_facts(lowered: Lowered, network: Network, layer: Layer) -> dict[str, Any]:
    milp = lowered.milp
    rows = [b for b in milp.rows if _belongs(b, layer)]
    columns = [b for b in milp.columns if _belongs(b, layer)]
    starts = [(milp.indptr[b.start], milp.indptr[b.stop]) for b in rows]
    return {
        "name": layer.name,
        "op": layer.op,
        "reads": list(layer.inputs),
        "shape": list(layer.shape),
        "prune": layer.prune,
        "decisions": {d.role: {"shape": list(d.shape), "domain": str(d.domain)} for d in layer.decisions},
        **_phases(lowered.program, network, layer),
        "rows": sum(b.size for b in rows),
        "columns": sum(b.size for b in columns),
        "binaries": int(sum(milp.integer[b.start : b.stop].sum() for b in columns)),
        "nonzeros": int(sum(stop - start for start, stop in starts)),
    }


def _belongs(block: Block, layer: Layer) -> bool:
    """Whether a block was made for a layer; its path starts with that of the layer."""
    return block.path == layer.path or block.path.startswith(f"{layer.path}.")


def _phases(program: Program, network: Network, layer: Layer) -> dict[str, Any]:
    """Widest bounds, and for an activation how many cases (distinct row, unit) are stable or unstable."""
    tables = [program.dataset(d) for n, d in program.bindings if n == network.name]
    if not tables:
        return {}
    rows = np.unique(np.concatenate([t.features for t in tables]), axis=0)
    bounds = propagate_intervals(network, rows).outputs
    facts: dict[str, Any] = {"lower": float(bounds[layer.name].lo.min()), "upper": float(bounds[layer.name].hi.max())}
    if not layer.decisions:
        source = bounds[layer.inputs[0]]
        is_active = source.lo >= 0
        active, inactive = int(is_active.sum()), int((~is_active & (source.hi <= 0)).sum())
        facts.update(stable_active=active, stable_inactive=inactive, unstable=source.lo.size - active - inactive)
    return facts


def render_model(facts: Mapping[str, Any]) -> str:
    """The facts as text for people."""
    lines = [str(facts["model"]), "", *_remarks(facts, "")]
    for name, value in facts["parameters"].items():
        lines.extend([*_remarks(facts, name), f"  param {name} = {_value(value)}"])
    for name, data in facts["data"].items():
        lines.extend(_remarks(facts, name))
        lines.append(
            f"  data {name}: {data['rows']} rows ({data['distinct_rows']} distinct) of {data['source']}, "
            f"features {', '.join(data['features'])} (scale {data['scaling']}), label {data['label']}"
        )
    for name, layers in facts["networks"].items():
        lines.extend(["", *_remarks(facts, name), f"  network {name}"])
        for layer in layers:
            lines.extend(_remarks(facts, f"{name}.{layer['name']}", indent="    ", label=f"{layer['name']}: "))
        lines.extend(_table(layers))
    lines.extend(["", *_remarks(facts, GOAL)])
    for stage in facts["goal"]:
        terms = " + ".join(f"{number(t['coefficient'])} * {t['label']}" for t in stage["terms"])
        lines.append(f"  {stage['sense']} {terms}")
    for name, sentence in facts["constraints"].items():
        lines.extend(_remarks(facts, name))
        lines.append(f"  constraint {name}" + (f": {sentence}" if sentence else ""))
    sizes = facts["sizes"]
    counts = ", ".join(f"{sizes[key]} {key}" for key in ("rows", "columns", "binaries", "integers", "nonzeros"))
    lines.append(f"  MILP: {counts}, largest big-M {number(sizes['largest_big_m'])}")
    return "\n".join(lines) + "\n"


def _remarks(facts: Mapping[str, Any], path: str, *, indent: str = "  ", label: str = "") -> list[str]:
    """The annotations and the documentation of what stands at `path`, as in the source."""
    text = facts["documentation"].get(path, "")
    documented = [f"{indent}## {label}{line}".rstrip() for line in text.splitlines()]
    annotated = [f"{indent}{label}{annotation}" for annotation in facts["annotations"].get(path, ())]
    return [*documented, *([""] if documented and not path else []), *annotated]


def _value(value: object) -> str:
    """A parameter as reports print it; `value` is a number or nested lists of numbers."""
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    assert isinstance(value, int | float)
    return number(value)


def _table(layers: list[dict[str, Any]]) -> list[str]:
    head = (
        "layer",
        "op",
        "shape",
        "decisions",
        "bounds",
        "on",
        "off",
        "open",
        "rows",
        "columns",
        "binaries",
        "nonzeros",
    )
    body = [_cells(layer) for layer in layers]
    widths = [max(len(row[i]) for row in [head, *body]) for i in range(len(head))]
    return ["    " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in [head, *body]]


def _cells(layer: Mapping[str, Any]) -> tuple[str, ...]:
    decisions = ", ".join(f"{role} in {d['domain']}" for role, d in layer["decisions"].items())
    prune = f"prune {layer['prune']}" if layer["prune"] else ""
    bounds = f"[{number(layer['lower'])}, {number(layer['upper'])}]" if "lower" in layer else "-"
    phases = [str(layer.get(key, "-")) for key in ("stable_active", "stable_inactive", "unstable")]
    counts = [str(layer[key]) for key in ("rows", "columns", "binaries", "nonzeros")]
    return (layer["name"], layer["op"], str(layer["shape"]), decisions or prune or "-", bounds, *phases, *counts)
