"""What a model becomes: declarations, layers with their bounds, and the MILP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import log10, prod
from typing import Any

from nnmip.arrays import distinct
from nnmip.data import Dataset
from nnmip.hir.core import Layer, Network, Program, Reference
from nnmip.hir.domain import Domain
from nnmip.hir.goals import Annotation
from nnmip.hir.walk import strengthened
from nnmip.lowering.lower import Lowered
from nnmip.milp.model import Block
from nnmip.milp.statistics import sizes_of, statistics
from nnmip.passes.base import Analysed
from nnmip.report.numbers import number
from nnmip.report.points import points_facts, render_points
from nnmip.report.table import table
from nnmip.solution.formulations import Offer
from nnmip.solution.result import DIRECT, Formulation, How
from nnmip.source import GOAL

Sizes = Mapping[str, int | float]


def model_facts(lowered: Lowered, fingerprint: str, how: How = DIRECT, offers: Sequence[Offer] = ()) -> dict[str, Any]:
    """Parameters, tables, networks layer by layer, goal, constraints, sizes and how it is solved, as plain values."""
    program, parts = lowered.program, _parts(lowered)
    return {
        "model": program.source.path,
        "fingerprint": fingerprint,
        "parameters": {name: value.tolist() for name, value in program.parameters},
        "data": {d.name: _data_facts(program, d.name) for d in program.datasets},
        "variables": {
            v.decision.path: {
                "type": _type(v),
                "shape": list(v.shape),
                "domain": str(v.decision.domain),
                **parts[v.decision.path],
            }
            for v in program.variables
        },
        "networks": {
            n.name: [_layer_facts(lowered, n, layer, parts[layer.path]) for layer in n.layers] for n in program.networks
        },
        "points": points_facts(lowered),
        "goal": [
            {
                "sense": s.sense,
                "terms": [{"label": t.label, "role": t.role, "coefficient": t.coefficient} for t in s.terms],
            }
            for s in program.stages
        ],
        "stage": len(program.held) + 1,
        "held": [held.value for held in program.held],
        "constraints": {c.name: c.sentence for c in program.constraints},
        "regions": {rule.name: rule.sentence for rule in program.regions},
        "documentation": dict(program.documentation),
        "annotations": {path: [_annotation(a) for a in found] for path, found in program.annotations},
        "parts": parts,
        "sizes": statistics(lowered.milp),
        "two_sided_rows": lowered.milp.num_two_sided,
        "formulation": how.to_json(),
        "formulations": [_offer_facts(offer) for offer in offers],
        "below": lowered.gaps,
        "sufficient": {name: list(words) for name, words in strengthened(program).items()},
    }


def _offer_facts(offer: Offer) -> dict[str, Any]:
    """A formulation: its estimate, or why it does not fit."""
    if offer.estimate is None:
        return {"name": offer.name.value, "why": str(offer.refusal)}
    return {"name": offer.name.value, "why": None, **asdict(offer.estimate)}


def _annotation(annotation: Annotation) -> str:
    """As in the source: `@formulation("partition", parts: 4)`."""
    texts = [f'"{argument}"' for argument in annotation.arguments]
    arguments = ", ".join([*texts, *(f"{name}: {number}" for name, number in annotation.options)])
    return f"@{annotation.name}({arguments})" if arguments else f"@{annotation.name}"


def _data_facts(program: Program, name: str) -> dict[str, Any]:
    data = program.dataset(name)
    return {
        "source": data.source_name,
        "rows": data.row_count,
        "distinct_rows": len(distinct(data.features, axis=0)),
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


def _layer_facts(lowered: Lowered, network: Network, layer: Layer, sizes: Sizes) -> dict[str, Any]:
    return {
        "name": layer.name,
        "op": layer.op,
        "reads": list(layer.inputs),
        "shape": list(layer.shape),
        "prune": layer.prune,
        "decisions": {
            d.role: {"shape": list(d.shape), "domain": str(d.domain), "kind": _kind(d.domain)} for d in layer.decisions
        },
        **_phases(lowered.known, network, layer),
        **sizes,
    }


def _type(variable: Reference) -> str:
    """The type of a variable: an `int` may be declared as a `real` with whole values."""
    if variable.boolean:
        return "bool"
    return "int" if _kind(variable.decision.domain) in ("binary", "integer") else "real"


def _kind(domain: Domain) -> str:
    """What values a decision has: `binary`, `integer`, `finite` (other values), `continuous`, or `mixed`."""
    if domain.intervals:
        return "mixed" if domain.values else "continuous"
    if not all(value.is_integer() for value in domain.values):
        return "finite"
    return "binary" if set(domain.values) <= {0.0, 1.0} else "integer"


def _parts(lowered: Lowered) -> dict[str, Sizes]:
    """The sizes of what every layer, term of the goal and constraint became; every row and column belongs to one part.

    What is made of a decision or a layer belongs to its layer, whoever asked for it first.
    """
    program, milp = lowered.program, lowered.milp
    layers = [layer.path for network in program.networks for layer in network.layers]
    layers = [*(variable.decision.path for variable in program.variables), *layers]
    goal = [f"{GOAL} {term.label}" for term in program.goal.terms] if program.goal is not None else []
    owners = [*layers, *goal, *(f"constraint {c.name}" for c in program.constraints)]
    columns: dict[str, list[Block]] = {owner: [] for owner in owners}
    rows: dict[str, list[Block]] = {owner: [] for owner in owners}
    known = sorted(layers, key=len, reverse=True)
    for blocks, owned in ((milp.columns, columns), (milp.rows, rows)):
        for block in blocks:
            within = next((p for p in known if block.path == p or block.path.startswith(f"{p}.")), block.owner)
            owned.setdefault(within, []).append(block)
    return {owner: sizes_of(milp, columns.get(owner, ()), rows.get(owner, ())) for owner in {**columns, **rows}}


def _phases(known: Analysed, network: Network, layer: Layer) -> dict[str, Any]:
    """Widest bounds, and for an activation how many cases (distinct row, unit) are stable or unstable."""
    found = [over.bounds.outputs for (name, _), over in known.bounds.items() if name == network.name]
    if not found:
        return {}
    ends = [bounds[layer.name] for bounds in found]
    facts: dict[str, Any] = {
        "lower": min(float(end.lo.min()) for end in ends),
        "upper": max(float(end.hi.max()) for end in ends),
    }
    if not layer.decisions:
        sources = [bounds[layer.inputs[0]] for bounds in found]
        active = sum(int((source.lo >= 0).sum()) for source in sources)
        inactive = sum(int(((source.lo < 0) & (source.hi <= 0)).sum()) for source in sources)
        total = sum(source.lo.size for source in sources)
        facts.update(stable_active=active, stable_inactive=inactive, unstable=total - active - inactive)
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
    for name, variable in facts["variables"].items():
        shape = str(variable["shape"]) if variable["shape"] else ""
        where = "" if variable["type"] == "bool" else f" in {variable['domain']}"
        lines.extend([*_remarks(facts, name), f"  var {name} : {variable['type']}{shape}{where}"])
    for name, layers in facts["networks"].items():
        lines.extend(["", *_remarks(facts, name), f"  network {name}, {_decided(layers)}"])
        for layer in layers:
            lines.extend(_remarks(facts, f"{name}.{layer['name']}", indent="    ", label=f"{layer['name']}: "))
        lines.extend(_layer_table(layers))
    known = dict.fromkeys(at["network"] for at in facts["points"])
    notes = [line for name in known for line in _remarks(facts, name, label=f"{name}: ")]
    lines.extend([*([""] if notes else []), *notes, *render_points(facts["points"]), "", *_remarks(facts, GOAL)])
    for stage in facts["goal"]:
        terms = " + ".join(f"{number(t['coefficient'])} * {t['label']}" for t in stage["terms"])
        lines.append(f"  {stage['sense']} {terms}")
    for name, sentence in facts["constraints"].items():
        lines.extend(_remarks(facts, name))
        lines.append(f"  constraint {name}" + (f": {sentence}" if sentence else ""))
    for name, sentence in facts["regions"].items():
        lines.extend(_remarks(facts, name))
        lines.append(f"  constraint {name}" + (f": {sentence}" if sentence else "") + " (over a region)")
    lines.extend(["", f"  {_which_milp(facts)}:", *_size_table(facts)])
    if two_sided := facts["two_sided_rows"]:
        lines.append(
            f"  {two_sided} {'rows have' if two_sided > 1 else 'row has'} two sides; files have two rows for each"
        )
    lines.extend(
        f"  a relaxation: {loss} is held by tangents, at most {number(gap)} below its value, until a run adds more"
        for loss, gap in facts["below"].items()
    )
    lines.extend(
        f"  more than the model says: {name} holds a condition that is only sufficient for "
        f"{' and '.join(f'`{word}`' for word in words)}"
        for name, words in facts["sufficient"].items()
    )
    lines.extend(
        f"  without {name}, a rule over a region, which `solve` meets by rounds: train, verify, add what breaks it"
        for name in facts["regions"]
    )
    lines.extend(_formulations(facts["formulations"], facts["formulation"]["why"]))
    lines.append(_how_line(facts["formulation"]))
    return "\n".join(lines) + "\n"


def _which_milp(facts: Mapping[str, Any]) -> str:
    """Of which goal the sizes are, and what the goals before it are held at."""
    goals, stage = len(facts["goal"]), facts["stage"]
    if goals <= 1:
        return "the MILP"
    if stage == 1:
        return f"the MILP of the first of {goals} goals"
    held = " and ".join(f"goal {before} at {value:.12g}" for before, value in enumerate(facts["held"], 1))
    return f"the MILP of goal {stage} of {goals}, with {held}"


def _formulations(offers: Sequence[Mapping[str, Any]], known: str | None) -> list[str]:
    """What every formulation would be, the cheapest first; and those that do not fit, by the reason, but for the one
    that is `known`."""
    fits = sorted((offer for offer in offers if offer["why"] is None), key=lambda offer: float(offer["cost"]))
    counts = [
        (o["name"], str(o["integers"]), str(o["coefficients"]), f"10^{round(log10(max(1.0, o['cost'])))}") for o in fits
    ]
    lines = table([("formulation", "integers", "coefficients", "operations"), *counts], indent=2, right=True)
    others: dict[str, list[str]] = {}
    for offer in offers:
        if offer["why"] not in (None, known):
            others.setdefault(offer["why"], []).append(offer["name"])
    return [
        *(["", "  estimates, at most:", *lines] if fits else []),
        *(f"  not {' or '.join(names)}: {why}" for why, names in others.items()),
    ]


def _how_line(how: Mapping[str, Any]) -> str:
    """How `solve` goes about the goal."""
    if how["name"] == Formulation.SEARCH:
        return f"  solved by exact search: {how['columns']} choices of weights for a hidden unit, and no MILP"
    if how["name"] == Formulation.SPLIT:
        return f"  solved by a tree over {how['patterns']} choices of the output weights, each a MILP without products"
    return "  solved as this MILP" + (f", and not by search over columns: {how['why']}" if how["why"] else "")


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


def _layer_table(layers: list[dict[str, Any]]) -> list[str]:
    head = ("layer", "op", "shape", "decisions", "bounds", "stable active", "stable inactive", "unstable")
    return table([head, *map(_layer_cells, layers)], indent=4)


def _layer_cells(layer: Mapping[str, Any]) -> tuple[str, ...]:
    decisions = ", ".join(f"{prod(d['shape'])} {role} in {d['domain']}" for role, d in layer["decisions"].items())
    prune = f"prune {layer['prune']}" if layer["prune"] else ""
    bounds = f"[{number(layer['lower'])}, {number(layer['upper'])}]" if "lower" in layer else "-"
    phases = [str(layer.get(key, "-")) for key in ("stable_active", "stable_inactive", "unstable")]
    return (layer["name"], layer["op"], str(layer["shape"]), decisions or prune or "-", bounds, *phases)


def _decided(layers: list[dict[str, Any]]) -> str:
    """How many decisions of each kind a network has: `9 decisions: 6 continuous, 3 integer`."""
    counts: dict[str, int] = {}
    for decision in (d for layer in layers for d in layer["decisions"].values()):
        counts[decision["kind"]] = counts.get(decision["kind"], 0) + prod(decision["shape"])
    listed = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    total = sum(counts.values())
    return f"{total} decision{'s' if total != 1 else ''}: {listed}"


def _size_table(facts: Mapping[str, Any]) -> list[str]:
    """Rows and columns of every part and of the whole."""
    head = ("part", "rows", "nonzeros", "columns", "binary", "integer", "continuous", "largest M")
    parts = [(name, *_size_cells(sizes)) for name, sizes in facts["parts"].items()]
    return table([head, *parts, ("total", *_size_cells(facts["sizes"]))], indent=2, right=True)


def _size_cells(sizes: Sizes) -> tuple[str, ...]:
    continuous = int(sizes["columns"] - sizes["binaries"] - sizes["integers"])
    counts = [str(sizes[key]) for key in ("rows", "nonzeros", "columns", "binaries", "integers")]
    return (*counts, str(continuous), number(sizes["largest_big_m"]) if sizes["largest_big_m"] else "-")
