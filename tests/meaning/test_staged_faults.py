"""The safety net sees faults of goals in order of importance: what a stage holds of those before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from nnmip.hir import stages
from nnmip.hir.core import Program
from nnmip.hir.goals import Held, Stage
from nnmip.hir.stages import held_at
from nnmip.lowering import lower
from nnmip.lowering.lower import lower_program
from nnmip.milp.builder import MilpBuilder
from tests.meaning.faults import dropping
from tests.meaning.handwritten.staged import STAGED
from tests.meaning.harness import difference, load, solve_highs
from tests.meaning.oracle import enumerate_stages

Staged = tuple[str, list[tuple[Program, float]]]


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> list[Staged]:
    """Every later stage of the models with several goals, those before held at their true optima, with its own."""
    found = []
    for number, (name, text) in enumerate(STAGED.items()):
        program = load(text, tmp_path_factory.mktemp(f"s{number}"))
        truth = enumerate_stages(program)
        assert truth is not None
        parts = []
        for value, best in pairwise(truth):
            program = held_at(program, value)
            parts.append((program, best))
        found.append((name, parts))
    return found


def first_wrong_stage(staged: list[Staged], change: Callable[[Held], Held] = lambda held: held) -> str | None:
    """The name of a model of which the MILP of a stage, with changed values to hold, and the enumeration differ."""
    for name, parts in staged:
        for program, truth in parts:
            lowered = lower_program(replace(program, held=tuple(change(held) for held in program.held)))
            answer = solve_highs(lowered.milp)
            if difference(replace(lowered, program=program), answer, truth):
                return name
    return None


def test_without_a_fault_all_stages_agree(staged: list[Staged]) -> None:
    assert first_wrong_stage(staged) is None


@pytest.mark.parametrize("number", [1, 2])
def test_a_stage_that_is_not_held_is_noticed(
    number: int, staged: list[Staged], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MilpBuilder, "rows", dropping(f"stage.{number}"))
    assert first_wrong_stage(staged) is not None


@pytest.mark.parametrize("sense", ["minimize", "maximize"])
def test_a_stage_that_is_held_in_the_wrong_sense_is_noticed(
    sense: str, staged: list[Staged], monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = lower._hold

    def faulty(low: Any, number: int, stage: Stage, held: Held) -> None:
        honest(low, number, replace(stage, sense=sense), held)

    monkeypatch.setattr(lower, "_hold", faulty)
    assert first_wrong_stage(staged) is not None


@pytest.mark.parametrize("kind", ["grid", "continuous"])
@pytest.mark.parametrize(("room", "by"), [("3 times as much", 3.0), ("none of it, and less", -1.0)])
def test_a_wrong_room_is_noticed(kind: str, room: str, by: float, staged: list[Staged]) -> None:
    """A step too much or too little on a grid; elsewhere 0.03 in place of 1e-7, or a slack that leaves nothing."""
    is_grid = kind == "grid"

    def change(held: Held) -> Held:
        if (held.slack == 0) is not is_grid:
            return held
        return replace(held, room=held.room * by if is_grid else held.room * by * 1e5)

    assert first_wrong_stage(staged, change) is not None


def test_a_value_of_another_stage_is_noticed(staged: list[Staged]) -> None:
    assert first_wrong_stage(staged, lambda held: replace(held, value=held.value + 1.0)) is not None


@pytest.mark.parametrize("name", ["_step", "_grid"])
def test_a_grid_that_is_too_wide_is_noticed(name: str, staged: list[Staged], monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that is too large holds a goal too loosely."""
    honest = getattr(stages, name)
    monkeypatch.setattr(stages, name, lambda *args: None if honest(*args) is None else honest(*args) * 5)

    def held_again(program: Program) -> tuple[Held, ...]:
        again = replace(program, held=())
        for held in program.held:
            again = held_at(again, held.value)
        return again.held

    wide = [(name, [(p, held_again(p), truth) for p, truth in parts]) for name, parts in staged]
    assert any(
        difference(replace(lowered, program=p), solve_highs(lowered.milp), truth)
        for _, parts in wide
        for p, held, truth in parts
        for lowered in [lower_program(replace(p, held=held))]
    )


@pytest.mark.parametrize("end", ["hinge.at_least", "predicted.right"])
def test_a_row_that_only_a_held_goal_needs_is_noticed(
    end: str, staged: list[Staged], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MilpBuilder, "rows", dropping(end))
    assert first_wrong_stage(staged) is not None
