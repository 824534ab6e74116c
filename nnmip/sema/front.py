"""Which two goals a front is traced between: what the user's name of a term stands for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from numbers import Real
from typing import Any

from nnmip.diagnostics import DiagnosticError, Label
from nnmip.hir.core import Constant, Program
from nnmip.hir.front import Tradeoff, addends, tradeoff_of
from nnmip.hir.goals import Stage, Term
from nnmip.hir.stages import LEAST_STEP
from nnmip.records import dataclass
from nnmip.sema.goals import terms_of
from nnmip.sema.values import fail, listed
from nnmip.source import SourceFile, Span
from nnmip.syntax.suggest import closest

OPTION = "--pareto"
"""Where the name of the term stands."""


@dataclass(frozen=True, slots=True, eq=False)
class _Candidate:
    """A part of a goal that can be named: `names` are its texts, `stage` the number of its goal.

    `part` is the goal to have it alone; `rest` is what else the goal of that stage has.
    """

    names: tuple[str, ...]
    stage: int
    part: Stage
    rest: tuple[Term, ...]

    @property
    def label(self) -> str:
        return self.names[0]


def read_tradeoff(program: Program, name: str, step: float | None = None) -> Tradeoff:
    """The trade-off between the part of the goal that is called `name` and the rest of it.

    A part is an addend of the first goal, named by its text, by its first word where no other addend begins with that,
    or by its number; or a `let` whose value the goal adds. Where the named part is all of a goal, the front is that
    between the first two goals. Later goals decide between networks that are equal in both.

    Raises DiagnosticError NNM0209 where the goal has no such part, or nothing beside it; TypeError for a name that is
    no text and a `step` that is no number, ValueError for a step that solvers cannot tell from 0.
    """
    _check_types(name, step)
    if step is not None and not LEAST_STEP <= step < math.inf:
        raise ValueError(f"step must be a finite number from {LEAST_STEP:g} on, not {step!r}")
    found = [c for c in _candidates(program) if any(_same(name, text) for text in c.names)] or [
        c for c in _candidates(program) if any(text.startswith(f"{name.strip()}(") for text in c.names)
    ]
    if not program.stages:
        raise _refusal(program, name, "the goal is `satisfy`, so it has no terms", "add `minimize ...` to trade off")
    if not found:
        raise _unknown(program, name)
    if len(found) > 1:
        help = f"name one of them in full: {listed(c.label for c in found)}"
        raise _refusal(program, name, f"the goal has {len(found)} terms that `{name}` may stand for", help)
    return _between(program, found[0], name)


def _check_types(name: Any, step: Any) -> None:
    if not isinstance(name, str):
        raise TypeError(f"term must be a text of the goal, not {name!r}")
    if step is not None and (isinstance(step, bool) or not isinstance(step, Real)):
        raise TypeError(f"step must be a number or None, not {step!r}")


def _between(program: Program, named: _Candidate, name: str) -> Tradeoff:
    """The trade-off for a part, if something stands beside it."""
    stages = program.stages
    if any(not isinstance(term.value, Constant) for term in named.rest):
        if named.stage > 0:
            help = "name a term of the first goal, or one that is the whole of the second"
            raise _refusal(program, name, f"`{named.label}` is a part of goal {named.stage + 1} only", help)
        rest = _plain(replace(stages[0], terms=named.rest))
        return tradeoff_of(program, rest, named.part, stages[1:], (label_of(rest), named.label))
    if len(stages) == 1:
        help = "add what it is to be traded for, as in `minimize A + B`, or `minimize A then B`"
        raise _refusal(program, name, f"`{named.label}` is all that the goal has", help)
    if named.stage > 1:
        help = "name a term of the first goal, or the second goal"
        raise _refusal(program, name, f"`{named.label}` is goal {named.stage + 1}, which comes after two others", help)
    other = _plain(stages[1 - named.stage])
    return tradeoff_of(program, other, named.part, stages[2:], (label_of(other), named.label))


def _candidates(program: Program) -> Iterator[_Candidate]:
    """Everything that can be named: the addends of all goals, numbered through, and the `let`s that a goal adds."""
    number = 0
    for place, stage in enumerate(program.stages):
        for at, term in enumerate(stage.terms):
            if isinstance(term.value, Constant):
                continue
            number += 1
            part = _alone(stage, (replace(term, coefficient=1.0),), term.coefficient)
            rest = (*stage.terms[:at], *stage.terms[at + 1 :])
            names = [let for let, value in program.lets if value is term.value]
            yield _Candidate((*names, term.label, str(number)), place, part, rest)
        for let, value in program.lets:
            own = {id(leaf) for leaf, _ in addends(value)}
            terms = terms_of(value)
            if id(value) not in own and (factor := _factor(stage, terms)) is not None:
                rest = tuple(term for term in stage.terms if id(term.value) not in own)
                yield _Candidate((let,), place, _alone(stage, tuple(terms), factor), rest)


def _factor(stage: Stage, terms: Sequence[Term]) -> float | None:
    """The factor with which a goal adds up exactly these terms, None where it does not."""
    has: dict[int, float] = {}
    for term in stage.terms:
        has[id(term.value)] = has.get(id(term.value), 0.0) + term.coefficient
    wanted: dict[int, float] = {}
    for term in terms:
        if not isinstance(term.value, Constant):
            wanted[id(term.value)] = wanted.get(id(term.value), 0.0) + term.coefficient
    factors = [has[key] / w for key, w in wanted.items() if w != 0 and key in has]
    if not factors or len(factors) < len(wanted):
        return None
    near = all(abs(factor - factors[0]) <= 1e-12 * abs(factors[0]) for factor in factors)
    return factors[0] if near else None


def _alone(stage: Stage, terms: tuple[Term, ...], factor: float) -> Stage:
    """The goal that has only these terms, which `stage` adds with a factor."""
    turned = {"minimize": "maximize", "maximize": "minimize"}
    return replace(stage, sense=turned[stage.sense] if factor < 0 else stage.sense, terms=terms)


def _plain(stage: Stage) -> Stage:
    """A goal of a single addend without its factor, which changes only the unit."""
    if len(stage.terms) > 1:
        return stage
    (term,) = stage.terms
    return _alone(stage, (replace(term, coefficient=1.0),), term.coefficient)


def label_of(stage: Stage) -> str:
    """A goal as one text: `hinge(clf, train) + 0.1 * count(used(clf.a))`."""
    text = ""
    for term in stage.terms:
        size = abs(term.coefficient)
        if isinstance(term.value, Constant):
            shown = f"{size * float(term.value.value):g}"
        else:
            shown = term.label if size == 1 else f"{size:g} * {term.label}"
        sign = (" - " if term.coefficient < 0 else " + ") if text else ("-" if term.coefficient < 0 else "")
        text += sign + shown
    return text


def _same(name: str, text: str) -> bool:
    """Whether two texts differ in spaces only."""
    return "".join(name.split()) == "".join(text.split())


def _unknown(program: Program, name: str) -> DiagnosticError:
    known = list(dict.fromkeys(text for c in _candidates(program) for text in c.names if not text.isdigit()))
    words = [text.partition("(")[0] for text in known]
    near = closest(name, [*known, *words])
    has = f"its terms are {listed(known)}"
    help = f"did you mean `{near}`? {has}" if near else has
    return _refusal(program, name, f"the goal has no term `{name}`", help)


def _refusal(program: Program, name: str, message: str, help: str) -> DiagnosticError:
    span = Span(SourceFile(OPTION, name, is_model=False), 0, len(name))
    goals = tuple(Label(stage.origin.span, "the goal") for stage in program.stages[:1])
    return fail("NNM0209", message, span, secondary=goals, help=help)
