"""Results as text for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from nnmip.backends.protocol import Termination
from nnmip.report.numbers import number
from nnmip.report.promises import promise_lines, promised
from nnmip.report.rules import describe
from nnmip.report.variables import variable_lines
from nnmip.solution.metrics import Accuracy, Errors, Group, GroupMetric, Metric
from nnmip.solution.replay import ReplayStatus
from nnmip.solution.result import (
    OWN,
    Bracket,
    Contender,
    Formulation,
    Proof,
    Result,
    SolutionStatus,
    StageResult,
    TermValue,
)

if TYPE_CHECKING:
    from nnmip.solution.conflict import Conflict

ENDINGS = {
    Termination.OPTIMAL: "the search is complete",
    Termination.INFEASIBLE: "no {subject} satisfies the model",
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

PROOFS = {
    Proof.NONE: "none",
    Proof.SOLVER: "the solver's bound, at tolerances of at most 1e-8",
    Proof.CONFIRMED: "confirmed by a second solver",
    Proof.CERTIFIED: "the {subject} itself, checked without the solver",
}

BY_SEARCH = "certified: every bound follows from the data in floating point rounded outward, whatever a solver says"

MOST_PARTS = 10**6
"""An exact value is printed as a fraction where its denominator is at most this."""

DUST = 1e-12
"""Bounds nearer to 0 are printed as 0: no solver computes them so well."""


def headline(result: Result) -> str:
    """The answer in one line."""
    solver = f"{result.solver} {result.solver_version}".strip()
    if result.termination is None:
        passed = result.solution is SolutionStatus.FEASIBLE
        return f"{_one(result)} from {solver or 'a solution file'}, " + (
            "re-checked" if passed else "which fails the replay"
        )
    ending = ENDINGS[result.termination].format(subject=result.subject)
    is_searched = result.how.formulation in OWN
    is_certified = is_searched and result.proof is not Proof.SOLVER  # an earlier stage may be a solver's
    solver = "exact search" if is_searched else solver or "no solver ran"
    if result.solution is SolutionStatus.OPTIMAL:
        claim = f"optimal among {result.among}" if result.among else "globally optimal"
        return f"{claim}, {'certified by' if is_certified else 'proved with'} {solver}"
    best = f"the optimum among {result.among}" if result.among else "the global optimum"
    if result.is_certified and len(result.stages) > 1:
        return f"certified: every goal in its order within its tolerance of {best}, with {solver}"
    if result.is_certified and result.bracket is not None:
        return f"certified within {number(result.bracket.tolerance)} of {best}, with {solver}"
    if result.promise is not None and (claim := promised(result, solver, ending)):
        return claim
    if result.solution is SolutionStatus.FEASIBLE and result.sense is None:
        return f"{_one(result)} that satisfies the model, found with {solver}"
    if result.solution is SolutionStatus.FEASIBLE:
        count, reached = len(result.stages), [stage.termination is not None for stage in result.stages]
        place = f" in stage {sum(reached)} of {count}" if count > 1 else ""
        if result.termination is Termination.INFEASIBLE:
            ending = "its encoding leaves none that keeps the stages before,"
        return f"a feasible {result.subject}, not proved optimal: {ending}{place} ({solver})"
    if result.replay is not None and result.replay.status is ReplayStatus.FAILED:
        return f"no answer: what {solver} found fails the replay"
    if result.termination is Termination.INFEASIBLE:
        return f"infeasible: {no_network(result.among, result.conflict, result.subject)}, proved with {solver}"
    return f"no answer: {ending} ({solver})"


def _one(result: Result) -> str:
    return f"{'an' if result.subject[0] in 'aeiou' else 'a'} {result.subject}"


def no_network(among: str, conflict: Conflict | None, subject: str = "network") -> str:
    """Which networks an infeasible model has none of: those that meet its sufficient conditions, unless the conflict
    does without them."""
    if not among or (conflict is not None and not conflict.sufficient):
        return ENDINGS[Termination.INFEASIBLE].format(subject=subject)
    return f"none of {among} satisfies the rest of the model"


def _portfolio_lines(portfolio: Sequence[Contender]) -> list[str]:
    """The ways that were taken side by side, each with what came of it."""
    lines = []
    for place, way in enumerate(portfolio):
        name = f"{way.solver} {way.formulation}".strip()
        found = [f"best {number(way.objective)}"] if way.objective is not None else ["no network"]
        found += [f"bound {number(way.dual_bound)}"] if way.dual_bound is not None else []
        ending = "ended by that" if way.is_cut or way.termination is None else ENDINGS[way.termination]
        what = "the first proof" if way.has_won else ", ".join([ending, *found])
        lines.append(f"  {'' if place else 'portfolio':<10}{name}: {what}, after {way.seconds:.2f} s")
    return lines


def render_result(result: Result) -> str:
    """The whole report, ending in a line break."""
    lines = [f"{result.model}: {headline(result)}", ""]
    if purpose := result.documentation.get("", "").split("\n\n")[0]:
        lines.extend([*(f"  {line}" for line in purpose.splitlines()), ""])
    for name, trained in result.networks.items():
        lines.extend(f"  {line}" for line in describe(trained, result.used_units.get(name, {})))
        lines.append("")
    if result.values:
        lines.extend([*(f"  {line}" for line in variable_lines(result.values)), ""])
    if len(result.stages) > 1 and result.has_answer:
        now = sum(stage.held is not None for stage in result.stages) + 1
        for place, stage in enumerate(result.stages, 1):
            lines.extend(_stage_lines(place, stage, _exactly(result, place - 1), is_reached=place <= now))
    elif result.objective is not None:
        lines.append(f"  goal      {result.sense} {number(result.objective)}{_exactly(result, 0)}")
        lines.extend(_term_lines(result.terms))
    if result.conflict is not None:
        lines.extend(conflict_lines(result.conflict))
    for metric in result.metrics:
        lines.extend(_metric_lines(metric))
    lines.extend(_proof_lines(result))
    how = result.how
    if how.formulation is Formulation.SEARCH:
        lines.append(
            f"  search    {how.columns} columns of a hidden unit, {how.nodes} linear programs, "
            f"{how.networks} networks compared"
        )
    elif how.formulation is Formulation.SPLIT:
        lines.append(f"  search    {how.patterns} choices of the output weights, {how.nodes} nodes")
    elif how.formulation is Formulation.COVER:
        lines.append("  search    annealing, until it met what a test cover of the rows proves")
    elif result.sizes:
        lines.append(_size_line(result.sizes))
    lines.extend(_portfolio_lines(result.portfolio))
    lines.append(f"  time      {', '.join(f'{phase} {seconds:.2f} s' for phase, seconds in result.times.items())}")
    lines.extend(f"  note      {note}" for note in result.notes)
    if result.message:
        lines.append(f"  note      {result.message}")
    return "\n".join(lines) + "\n"


def _size_line(sizes: Mapping[str, int | float]) -> str:
    return (
        f"  model     {sizes['rows']} rows, {sizes['columns']} columns, {sizes['binaries']} binaries, "
        f"{sizes['nonzeros']} nonzeros, largest big-M {number(float(sizes['largest_big_m']))}"
    )


def describe_networks(result: Result) -> str:
    """The networks of a result in words, as `network.txt` holds them."""
    lines = [f"{result.model}: {headline(result)}"]
    for name, trained in result.networks.items():
        lines.extend(["", *describe(trained, result.used_units.get(name, {}))])
    if result.values:
        lines.extend(["", *variable_lines(result.values)])
    return "\n".join(lines) + "\n"


def _exactly(result: Result, stage: int) -> str:
    """The value of a goal as a fraction, where it is known and says more than the digits that are printed."""
    if result.replay is None or result.replay.exact is None:
        return ""
    value = result.replay.exact.objectives[stage]
    is_printed = Fraction(number(float(value))) == value
    return "" if is_printed or value.denominator > MOST_PARTS else f" = {value.numerator}/{value.denominator}"


def _stage_lines(place: int, stage: StageResult, exactly: str, is_reached: bool) -> list[str]:
    """One goal of several: its value, its terms, and how far it is proved."""
    assert stage.objective is not None
    lines = [f"  stage {place}   {stage.sense} {number(stage.objective)}{exactly}", *_term_lines(stage.terms)]
    said = []
    if stage.dual_bound is not None and stage.gap is not None:
        said.append(f"bound {_bound(stage.dual_bound)}, gap {_gap(stage.gap, stage.objective)}")
    if stage.held is not None:
        how = f"within {stage.slack:.2g}" if stage.slack else "exactly"
        is_given = stage.proof is Proof.NONE
        said.append(
            f"held {how} at {stage.held:.12g}, which was given and is not proved"
            if is_given
            else f"{_proved(stage)} and held {how}"
        )
    elif stage.bracket is not None and stage.bracket.tolerance and stage.bracket.upper is not None:
        said.append(f"certified: {_between(stage.bracket, stage.sense)}")
    elif not is_reached:
        said.append("not reached")
    elif stage.is_tight:
        said.append("proved for the tightened rules")
    if stage.proof is Proof.CONFIRMED:
        said.append("confirmed by a second solver")
    return [*lines, f"            {'; '.join(said)}"] if said else lines


def _proved(stage: StageResult) -> str:
    """The value that a stage was held at: `proved 0.25`, or `certified 0.2500012 within 0.0001`."""
    if stage.is_tight:
        return f"proved {stage.held:.12g} for the tightened rules"
    if stage.bracket is not None and not stage.bracket.is_closed:
        return f"certified {stage.held:.12g} within {number(stage.bracket.tolerance)}"
    return f"proved {stage.held:.12g}"


def _bracket_lines(bracket: Bracket, sense: str | None, stages: int) -> list[str]:
    """Between which values the best goal lies, and how many relaxations were solved."""
    lines = []
    if bracket.lower is not None and bracket.upper is not None and bracket.tolerance and stages < 2:
        lines.append(f"  certified {_between(bracket, sense)}")
    rounds = f"{bracket.rounds} round{'s' if bracket.rounds != 1 else ''}"
    return [*lines, f"  tangents  {bracket.tangents}, after {rounds}"]


def _between(bracket: Bracket, sense: str | None) -> str:
    """The ends of a bracket, which of them is that of the network, and whether they are near enough."""
    assert bracket.lower is not None and bracket.upper is not None
    apart, wanted = f"{bracket.upper - bracket.lower:.2g} apart", number(bracket.tolerance)
    said = f"within the tolerance of {wanted}" if bracket.is_reached else f"the tolerance is {wanted}"
    whose = ("bound", "this network") if sense == "minimize" else ("this network", "bound")
    lower, upper = (f"{number(end)} ({who})" for end, who in zip((bracket.lower, bracket.upper), whose, strict=True))
    return f"the best lies between {lower} and {upper}: {apart}, {said}"


def conflict_lines(conflict: Conflict) -> list[str]:
    """What cannot hold together, each member with its sentence, its place and its text."""
    lines = [f"  conflict  {_conflict_headline(conflict)}"]
    for name, span, text in conflict.members:
        lines += [f"            {name}  ({span.file.path}:{span.line}:{span.column})", f"              {text}"]
    if names := " and ".join(f"`{name}`" for name in conflict.sufficient):
        lines.append(f"            no proof that no network has what {names} says: the condition is only sufficient")
    return lines


def _conflict_headline(conflict: Conflict) -> str:
    count = len(conflict.constraints)
    these = f"these {count} constraints" if count > 1 else "this constraint"
    if conflict.goal is None and count == 0:
        return "no constraint is to blame: the domains and the data alone leave no answer"
    rest = "any smaller set of them can" if conflict.irreducible else "not proved that all are needed"
    if conflict.goal is not None:
        what = "the goal, which leaves out networks too near to its thresholds,"
        return f"{what} and {these} cannot hold together; {rest}" if count else f"{what} leaves none at all"
    if count == 1 and conflict.irreducible:
        rest = "without it there is an answer"
    return f"{these} cannot hold{' together' if count > 1 else ''}; {rest}"


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
            name, alone = metric.majority
            share, least = (f"{100 * count / metric.rows:.1f} %" for count in (metric.right, alone))
            right = f"{metric.right} of {metric.rows} rows right ({share})"
            lines = [f"  accuracy  {place}: {right}; always {name}: {alone} ({least})"]
            if len(metric.confusion) > 2:
                lines += [f"            {_confused(name, row)}" for name, row in metric.confusion.items() if row]
            return lines
        case Errors():
            return [
                f"  error     {place}, {t.target}: mean absolute {number(t.mean_absolute)}, largest {number(t.largest)}"
                for t in metric.targets
            ]
        case GroupMetric():
            first, *others = (f"{metric.column} {group.name}: {_outcome(group)}" for group in metric.groups)
            return [f"  groups    {place}, {first}", *(f"            {'':{len(place)}}  {line}" for line in others)]


def _outcome(group: Group) -> str:
    """`60 of 118 rows worse (50.8 %)`; with several classes the number of rows of each."""
    if group.means:
        return f"mean {', '.join(f'{name} {number(mean)}' for name, mean in group.means.items())} of {group.rows} rows"
    if len(group.predicted) > 2:
        counts = ", ".join(f"{count} {name}" for name, count in group.predicted.items())
        return f"{counts} of {group.rows} rows"
    name, count = list(group.predicted.items())[-1]
    return f"{count} of {group.rows} rows {name} ({100 * count / group.rows:.1f} %)"


def _confused(name: str, predicted: Mapping[str, int]) -> str:
    """`versicolor: 48 of 50 right, 2 as virginica`."""
    wrong = [f"{count} as {other}" for other, count in predicted.items() if other != name]
    return ", ".join([f"{name}: {predicted.get(name, 0)} of {sum(predicted.values())} right", *wrong])


def _gap(gap: float, objective: float | None) -> str:
    """A relative gap in per cent, an absolute one where the objective is near 0 (see `Result.gap`)."""
    if objective is not None and abs(objective) < 1e-6:
        return f"{gap:.2g} (absolute)"
    return f"{100 * gap:.4g} %" if gap >= 1e-8 else "below 1e-6 %" if gap > 0 else "0 %"


def _bound(value: float) -> str:
    """A bound as reports print it: what a solver leaves of 0 when it has rounded is 0."""
    return number(0.0 if abs(value) < DUST else value)


def _proof_lines(result: Result) -> list[str]:
    lines = []
    if result.dual_bound is not None and not (len(result.stages) > 1 and result.has_answer):
        shown = "" if result.gap is None else f", gap {_gap(result.gap, result.objective)}"
        lines.append(f"  bound     {_bound(result.dual_bound)}{shown}")
    if result.promise is not None:
        lines.extend(promise_lines(result))
    if result.bracket is not None:
        lines.extend(_bracket_lines(result.bracket, result.sense, len(result.stages)))
    is_searched = result.how.formulation in OWN and result.proof is Proof.CERTIFIED
    proof = BY_SEARCH if is_searched else PROOFS[result.proof].format(subject=result.subject)
    lines.append(f"  proof     {proof}")
    replay = result.replay
    if replay is None:
        lines.append(f"  replay    not run: there is no {result.subject} to check")
    elif replay.status is ReplayStatus.PASSED:
        whole = "from the weights alone" if result.subject == "network" else "from the variables alone"
        how = whole + (", in rational arithmetic" if replay.exact is not None else "")
        lines.append(f"  replay    passed: recomputed {how}, largest violation {replay.max_violation:.1g}")
    else:
        lines.append(f"  replay    failed: {replay.message}")
    return lines
