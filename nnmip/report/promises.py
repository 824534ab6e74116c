"""Constraints over regions in words: how they are proved, in how many rounds, and what is claimed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from nnmip.backends.protocol import Termination
from nnmip.report.numbers import number
from nnmip.solution.promise import START, TIGHTENED, Kept, Promise
from nnmip.solution.result import Proof, Result, SolutionStatus


def promised(result: Result, solver: str, ending: str) -> str:
    """The answer in one line where rules over regions say more of it; empty where they do not. `ending` says why the
    last round ended, which is not why the rounds did where they got stuck."""
    promise = result.promise
    assert promise is not None
    if result.is_tightened:
        claim = f"within {number(promise.tolerance)} of the optimum" if promise.tolerance else "optimal"
        claim = f"every goal in its order {claim}" if len(result.stages) > 1 else claim
        rules = _listed(promise.tightened)
        return f"{claim} for {rules} tightened by {promise.delta:g}, proved for the rules themselves"
    if result.solution is SolutionStatus.NONE and result.termination is not Termination.INFEASIBLE:
        reason = "" if result.termination is Termination.GAP_LIMIT else f"{ending}, and "
        return f"no answer: {reason}no {result.subject} is proved to keep the rules over regions ({solver})"
    if result.solution is SolutionStatus.FEASIBLE and result.sense is None:
        return f"a {result.subject} that is proved to keep the rules, found with {solver}"
    return ""


def promise_lines(result: Result) -> list[str]:
    """How each rule is proved, the rounds, and the claim."""
    promise = result.promise
    assert promise is not None
    lines = [f"  {'' if place else 'rules':<10}{_proved(rule)}" for place, rule in enumerate(promise.rules)]
    lines.append(f"  rounds    {_rounds(promise)}")
    return [*lines, *_claim(result, promise)]


def _proved(rule: Kept) -> str:
    sentence = f' "{rule.sentence}"' if rule.sentence else ""
    margin = "" if rule.margin is None else f", holds by at least {number(rule.margin)}"
    return f"{rule.name}{sentence}: proved for its whole region, by {rule.by} ({rule.proof}){margin}"


def _rounds(promise: Promise) -> str:
    rounds = [each for each in promise.rounds if each.kind != START]
    tightened = sum(each.kind == TIGHTENED for each in rounds)
    stages = Counter(each.stage for each in rounds)
    shares = ", ".join(f"{count} in stage {number}" for number, count in sorted(stages.items()))
    where = f" ({shares})" if len(stages) > 1 else ""
    text = f"{len(rounds)}{where}, with the rules at {_counted(promise.points, 'point')} in the end"
    return f"{text}; {tightened} of them tightened" if tightened else text


def _claim(result: Result, promise: Promise) -> list[str]:
    """What a reader may conclude."""
    said = []
    if result.is_tightened:
        names, by = _listed(promise.tightened), f" by {number(promise.tolerance)}" if promise.tolerance else ""
        order = " in the order of the goals" if len(result.stages) > 1 else ""
        said.append(f"no {result.subject} that keeps {names} with {promise.delta:g} to spare is better{order}{by}")
    elif result.solution is SolutionStatus.FEASIBLE and result.sense is not None and not result.is_proved:
        said.append(f"the best {result.subject} so far that is proved to keep the rules")
    said.extend(_bounds(result))
    return [f"  claim     {'; '.join(said)}"] if said else []


def _bounds(result: Result) -> list[str]:
    """What no network that keeps the rules is better than; with several goals in each that is not proved as it is."""
    if result.solution is SolutionStatus.OPTIMAL:
        return []
    if len(result.stages) < 2 or not result.has_answer:
        best = result.dual_bound
        return [] if best is None else [f"no {result.subject} that keeps the rules is better than {number(best)}"]
    found = []
    for place, stage in enumerate(result.stages, 1):
        if stage.dual_bound is not None and (stage.proof is Proof.NONE or stage.is_tight):
            whom = "" if place == 1 else " and is as good in the goals before"
            found.append(
                f"in stage {place} no {result.subject} that keeps the rules{whom} is better than "
                f"{number(stage.dual_bound)}"
            )
    return found


def _listed(names: Sequence[str]) -> str:
    quoted = [f"`{name}`" for name in names]
    return f"{', '.join(quoted[:-1])} and {quoted[-1]}" if len(quoted) > 1 else "".join(quoted)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
