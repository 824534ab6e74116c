"""Results as text for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nnmip.backends.protocol import Termination
from nnmip.hir.core import Constraint
from nnmip.report.rules import describe, number
from nnmip.solution.conflict import Conflict
from nnmip.solution.metrics import Accuracy, Errors, Metric
from nnmip.solution.replay import ReplayStatus
from nnmip.solution.result import Proof, Result, SolutionStatus, StageResult, TermValue

_ENDINGS = {
    Termination.OPTIMAL: "the search is complete",
    Termination.INFEASIBLE: "no network satisfies the model",
    Termination.UNBOUNDED: "the goal is unbounded",
    Termination.TIME_LIMIT: "stopped at the time limit",
    Termination.NODE_LIMIT: "stopped at the node limit",
    Termination.GAP_LIMIT: "stopped at the gap that was asked for",
    Termination.MEMORY_LIMIT: "stopped for lack of memory",
    Termination.INTERRUPTED: "interrupted",
    Termination.SOLVER_ERROR: "the solver failed",
    Termination.BACKEND_MISSING: "the solver is not installed",
    Termination.LICENCE_ERROR: "the solver's licence does not allow this model",
}

_PROOFS = {
    Proof.NONE: "none",
    Proof.SOLVER: "the solver's bound, at tolerances of at most 1e-8",
    Proof.CONFIRMED: "confirmed by a second solver",
    Proof.CERTIFIED: "the network itself, checked without the solver",
}


def headline(result: Result) -> str:
    """The answer in one line."""
    solver = f"{result.solver} {result.solver_version}".strip()
    if result.termination is None:
        passed = result.solution is SolutionStatus.FEASIBLE
        return f"a network from {solver or 'a solution file'}, " + (
            "re-checked" if passed else "which fails the replay"
        )
    ending = _ENDINGS[result.termination]
    if result.solution is SolutionStatus.OPTIMAL:
        return f"globally optimal, proved with {solver}"
    if result.solution is SolutionStatus.FEASIBLE and result.sense is None:
        return f"a network that satisfies the model, found with {solver}"
    if result.solution is SolutionStatus.FEASIBLE:
        return f"a feasible network, not proved optimal: {ending} ({solver})"
    if result.replay is not None and result.replay.status is ReplayStatus.FAILED:
        return f"no answer: what {solver} found fails the replay"
    if result.termination is Termination.INFEASIBLE:
        return f"infeasible: {ending}, proved with {solver}"
    return f"no answer: {ending} ({solver})"


def render_result(result: Result) -> str:
    """The whole report, ending in a line break."""
    lines = [f"{result.model}: {headline(result)}", ""]
    if purpose := result.documentation.get("", "").split("\n\n")[0]:
        lines.extend([*(f"  {line}" for line in purpose.splitlines()), ""])
    for name, trained in result.networks.items():
        lines.extend(f"  {line}" for line in describe(trained, result.used_units.get(name, {})))
        lines.append("")
    if len(result.stages) > 1 and result.has_answer:
        for place, stage in enumerate(result.stages, 1):
            lines.extend(_stage_lines(place, stage))
    elif result.objective is not None:
        lines.append(f"  goal      {result.sense} {number(result.objective)}")
        lines.extend(_term_lines(result.terms))
    if result.conflict is not None:
        lines.extend(_conflict_lines(result.conflict))
    for metric in result.metrics:
        lines.extend(_metric_lines(metric))
    lines.extend(_proof_lines(result))
    sizes = result.sizes
    lines.append(
        f"  model     {sizes['rows']} rows, {sizes['columns']} columns, {sizes['binaries']} binaries, "
        f"{sizes['nonzeros']} nonzeros, largest big-M {number(float(sizes['largest_big_m']))}"
    )
    lines.append(f"  time      {', '.join(f'{phase} {seconds:.2f} s' for phase, seconds in result.times.items())}")
    lines.extend(f"  note      {note}" for note in result.notes)
    if result.message:
        lines.append(f"  note      {result.message}")
    return "\n".join(lines) + "\n"


def describe_networks(result: Result) -> str:
    """The networks of a result in words, as `network.txt` holds them."""
    lines = [f"{result.model}: {headline(result)}"]
    for name, trained in result.networks.items():
        lines.extend(["", *describe(trained, result.used_units.get(name, {}))])
    return "\n".join(lines) + "\n"


def _stage_lines(place: int, stage: StageResult) -> list[str]:
    """One goal of several: its value, its terms, and how far it is proved."""
    assert stage.objective is not None
    lines = [f"  stage {place}   {stage.sense} {number(stage.objective)}", *_term_lines(stage.terms)]
    said = []
    if stage.dual_bound is not None and stage.gap is not None:
        said.append(f"bound {number(stage.dual_bound)}, gap {_gap(stage.gap, stage.objective)}")
    if stage.held is not None:
        said.append(f"proved {number(stage.held)} and held within {stage.slack:.2g}")
    elif stage.termination is None:
        said.append("not reached: the stage before is not proved")
    return [*lines, f"            {'; '.join(said)}"] if said else lines


def _conflict_lines(conflict: Conflict) -> list[str]:
    """The constraints that cannot hold together, each with its sentence and its place."""
    if not conflict.constraints:
        return ["  conflict  no constraint is to blame: the domains and the data alone leave no network"]
    count = len(conflict.constraints)
    what = f"these {count} constraints cannot hold together" if count > 1 else "this constraint cannot hold"
    proved = "any smaller set of them can" if count > 1 else "without it there is a network"
    lines = [f"  conflict  {what}; " + (proved if conflict.irreducible else "not proved that all are needed")]
    for c in conflict.constraints:
        span = c.origin.span
        sentence = f' "{c.sentence}"' if c.sentence else ""
        lines.append(f"            {c.name}{sentence}  ({span.file.path}:{span.line}:{span.column})")
        lines.append(f"              {_condition(c)}")
    return lines


def _condition(constraint: Constraint) -> str:
    """What a constraint demands, as in the source, on one line."""
    text = constraint.origin.span.text
    head, colon, body = text.partition(":")
    if constraint.sentence is not None:
        body = text[text.index('"') + 1 :].split('":', 1)[-1] if '":' in text else body
    return " ".join(body.split()) if colon else " ".join(head.split())


def _term_lines(terms: Sequence[TermValue]) -> list[str]:
    if not terms:
        return []
    width = max(len(t.label) for t in terms)
    roles = max(len(t.role) for t in terms)
    return [
        f"            {t.role:<{roles}}  {t.label:<{width}}  {number(t.coefficient)} x {number(t.value)} = "
        f"{number(t.contribution)}"
        for t in terms
    ]


def _metric_lines(metric: Metric) -> list[str]:
    place = f"{metric.network} on {metric.data}"
    match metric:
        case Accuracy():
            share = f"{100 * metric.accuracy:.1f} %"
            lines = [f"  accuracy  {place}: {metric.right} of {metric.rows} rows right ({share})"]
            if len(metric.confusion) > 2:
                lines += [f"            {_confused(name, row)}" for name, row in metric.confusion.items() if row]
            return lines
        case Errors():
            return [
                f"  error     {place}, {t.target}: mean absolute {number(t.mean_absolute)}, largest {number(t.largest)}"
                for t in metric.targets
            ]


def _confused(name: str, predicted: Mapping[str, int]) -> str:
    """`versicolor: 48 of 50 right, 2 as virginica`."""
    wrong = [f"{count} as {other}" for other, count in predicted.items() if other != name]
    return ", ".join([f"{name}: {predicted.get(name, 0)} of {sum(predicted.values())} right", *wrong])


def _gap(gap: float, objective: float | None) -> str:
    """A relative gap in per cent, an absolute one where the objective is near 0 (see `Result.gap`)."""
    if objective is not None and abs(objective) < 1e-6:
        return f"{gap:.2g} (absolute)"
    return f"{100 * gap:.4g} %" if gap >= 1e-8 else "below 1e-6 %" if gap > 0 else "0 %"


def _proof_lines(result: Result) -> list[str]:
    lines = []
    if result.dual_bound is not None and not (len(result.stages) > 1 and result.has_answer):
        shown = "" if result.gap is None else f", gap {_gap(result.gap, result.objective)}"
        lines.append(f"  bound     {number(result.dual_bound)}{shown}")
    lines.append(f"  proof     {_PROOFS[result.proof]}")
    replay = result.replay
    if replay is None:
        lines.append("  replay    not run: there is no network to check")
    elif replay.status is ReplayStatus.PASSED:
        lines.append(
            f"  replay    passed: recomputed from the weights alone, largest violation {replay.max_violation:.1g}"
        )
    else:
        lines.append(f"  replay    failed: {replay.message}")
    return lines
