"""Goals as sums of terms, constraints as comparisons."""

from __future__ import annotations

from dataclasses import replace

from nnmip.diagnostics import Diagnostics, Edit, Label
from nnmip.diagnostics.edit import delete, insert_after
from nnmip.hir.core import Apply, Constant, Node, Plus, Program
from nnmip.hir.front import addends
from nnmip.hir.goals import Constraint, Stage, Term
from nnmip.ops.base import Role
from nnmip.ops.registry import WORDS
from nnmip.sema.expressions import Elaborator
from nnmip.sema.known import KNOWN
from nnmip.sema.logic import as_truth, read_chain
from nnmip.sema.regions import SIGNATURES as REGIONS
from nnmip.sema.regions import SUFFICIENT, check_sufficient, refuse_sufficient
from nnmip.sema.values import Poisoned, collected, fail, quoted, short_text_of, text_of
from nnmip.source import Origin, Span
from nnmip.syntax import nodes
from nnmip.syntax.walk import walk


def read_goal(elaborator: Elaborator, goal: nodes.Goal) -> tuple[Stage, ...]:
    """The stages of a goal; one after `then` has the sense of the first unless it states its own.

    Raises DiagnosticError NNM0301 for each goal that is no scalar.
    """
    problems = Diagnostics()
    stages: list[Stage] = []
    for stage in goal.stages:
        with collected(problems):
            stages.append(_read_stage(elaborator, stage, stage.sense or goal.sense))
    problems.raise_errors()
    if len(stages) < len(goal.stages):
        raise Poisoned
    return tuple(stages)


def _read_stage(elaborator: Elaborator, stage: nodes.Stage, sense: str) -> Stage:
    """One stage with its addends."""
    return stage_of(elaborator.number(stage.value), sense, stage.span)


def stage_of(value: Node, sense: str, span: Span) -> Stage:
    """The goal to `minimize` or `maximize` a value; DiagnosticError NNM0301 where it is no scalar, NNM0205 where
    it reads a condition that is only sufficient."""
    refuse_sufficient(value)
    if value.shape != ():
        wrong = next(t for t in (value.terms if isinstance(value, Plus) else (value,)) if t.shape != ()).origin.span
        message = f"a goal is one number, and {quoted(wrong)} has shape {list(value.shape)}"
        raise fail("NNM0301", message, wrong, help=f"write `sum({short_text_of(wrong)})`")
    return Stage(sense, tuple(terms_of(value)), Origin(span, sense))


def terms_of(value: Node) -> list[Term]:
    """The addends of a scalar with their known coefficients, each under the text that it has in the source."""
    seen: dict[str, int] = {}
    terms: list[Term] = []
    for addend, coefficient in addends(value):
        role = WORDS[addend.word].role if isinstance(addend, Apply) else Role.OTHER
        is_plain = isinstance(addend, Constant) and addend.origin.path != KNOWN
        label = "constant" if is_plain else text_of(addend.origin.span)
        seen[label] = count = seen.get(label, 0) + 1
        terms.append(Term(label if count == 1 else f"{label} ({count})", coefficient, addend, role))
    return terms


def read_constraint(elaborator: Elaborator, declaration: nodes.Constraint) -> Constraint:
    """What must hold: a comparison or a chain of them, or any other Boolean.

    Raises DiagnosticError: NNM0205 for what is no Boolean, for a strict comparison, and for a condition that is only
    sufficient where it would have to fail; NNM0204 where `@sufficient` has nothing to speak of.
    """
    elaborator = replace(elaborator, around=declaration)
    body: nodes.Expr = declaration.body
    while isinstance(body, nodes.Paren):
        body = body.inner
    name, origin = declaration.name.text, Origin(declaration.span, declaration.name.text)
    condition = declaration.body.span
    if isinstance(body, nodes.Chain):
        parts = read_chain(elaborator, body)
    else:
        parts = (as_truth(elaborator.value(body), body, "a constraint says that something holds"),)
    check_sufficient(parts)
    _check_annotated(declaration)
    return Constraint(name, declaration.sentence, parts, origin, condition)


def _check_annotated(declaration: nodes.Constraint) -> None:
    """NNM0204 where `@sufficient` stands before a constraint without a word that it speaks of."""
    annotation = next((a for a in declaration.annotations if a.name.text == SUFFICIENT), None)
    words = (node.name for node in walk(declaration.body) if isinstance(node, nodes.Ref))
    if annotation is not None and not any(word in REGIONS for word in words):
        message = f"`@{SUFFICIENT}` speaks of `monotone` and `lipschitz`, and this constraint has neither"
        raise fail("NNM0204", message, annotation.span, help="leave it out", fix=delete(annotation.span))


def check_single_goal(
    goals: list[nodes.Goal | nodes.Satisfy], may_be_missing: bool, start: Span, diagnostics: Diagnostics
) -> None:
    """NNM0207 unless the file has exactly one goal; `may_be_missing` where unreadable text may hold it."""
    if not goals and not may_be_missing:
        help = "add `minimize ...`, `maximize ...`, or `satisfy` where any network that fits will do"
        end = Span(start.file, len(start.file.text), len(start.file.text))
        diagnostics.error("NNM0207", "the file has no goal", start, help=help, fix=insert_after(end, "\nsatisfy\n"))
    any_satisfy = any(isinstance(goal, nodes.Satisfy) for goal in goals)
    for extra in goals[1:]:
        diagnostics.error(
            "NNM0207",
            "the file has more than one goal",
            extra.span,
            secondary=(Label(goals[0].span, "the first goal"),),
            help="keep one of them" if any_satisfy else "add them up, or join them with `then` in order of importance",
            fix=delete(extra.span) if any_satisfy else _added(goals[0], extra),
        )


def check_goal(program: Program) -> None:
    """NNM0207 for a model of properties alone, of which there is nothing to solve."""
    if program.properties and not (program.stages or program.networks or program.variables):
        first = program.properties[0]
        message = "the file has properties and no goal: there is nothing to solve"
        raise fail("NNM0207", message, first.origin.span, help="`nnmip verify` decides the properties")


def _added(first: nodes.Goal | nodes.Satisfy, extra: nodes.Goal | nodes.Satisfy) -> tuple[Edit, ...]:
    """The edit that adds a goal to the first, where both are sought in the same direction and have no stages."""
    match first, extra:
        case nodes.Goal(sense=one, stages=(_,)), nodes.Goal(sense=other, stages=(stage,)) if one == other:
            return (*insert_after(first.span, f" + {stage.value.span.text}"), *delete(extra.span))
        case nodes.Goal(sense=one, stages=(_,)), nodes.Goal(stages=(stage,)):
            return (*insert_after(first.span, f" - ({stage.value.span.text})"), *delete(extra.span))
    return ()
