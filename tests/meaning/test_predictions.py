"""What is predicted for a row is one binary for all words that ask, on the sides that they ask for; by enumeration."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnmip.backends.process import Session
from nnmip.hir.core import IntArray, Program
from nnmip.lowering import predictions
from nnmip.lowering.base import Polarity
from nnmip.lowering.lower import Lowered, lower_program
from nnmip.lowering.predictions import Predictions
from nnmip.milp.affine import Affine
from nnmip.milp.builder import MilpBuilder
from nnmip.source import Origin
from tests.meaning.generator import Model
from tests.meaning.handwritten.model import HIDDEN, LINEAR, SCORES, SIGNS, model
from tests.meaning.harness import difference, disagreements, load, solve_highs
from tests.meaning.oracle import enumerate_optimum

ROWS = "0,neg,a\n1,pos,a\n2,pos,a\n0.5,neg,b\n-1,neg,b\n1,neg,b\n1,pos,b\n2,neg,b\n"
"""Five different rows, two of which have both labels."""

OF_CLASSES = "0,a,u\n1,b,u\n2,c,u\n1,a,v\n2,b,v\n0,c,v\n-1,a,v\n1,c,v\n"
FLAT = LINEAR.format(w="{-1, 0, 1, 2}")
THREE = SCORES.format(k=3, w="{-1, 0, 1}", b="{0, 1}")
GOALS = (
    "minimize zero_one(net, train) + 0.01 * l0(net.weights)",
    "maximize zero_one(net, train) - 0.01 * l0(net.weights)",
    "minimize hinge(net, train)",
)
RULES = (
    "fair(net, train, group: g, parity: 0.3)",
    "not fair(net, train, group: g, parity: 0.3)",
    "fair(net, train, group: g, opportunity: 0.5)",
    "zero_one(net, train) = 0.375",
    "zero_one(net, train, strictness: 0.6) <= 0.5",
)
OF_SCORES = (
    "count(s in train: net(s) >= 0) <= 5",
    "count(s in train where s.label = 1: 0 <= net(s)) = 2",
    "forall s in train: net(s) >= 0 or s.f0 < 1",
)


def stated(layers: str, goal: str, *rules: str) -> Model:
    if layers == THREE:
        return model(layers, goal, *rules, rows=OF_CLASSES, truth="label label as {a, b, c}; group g")
    return model(layers, goal, *rules, rows=ROWS, truth=f"{SIGNS}; group g")


def predicted(lowered: Lowered) -> int:
    """How many binaries say what is predicted."""
    return sum(block.size for block in lowered.milp.columns if block.path.startswith("predicted"))


# ---- meaning -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rules", [(), *combinations((*RULES, *OF_SCORES), 1), *combinations((*RULES, *OF_SCORES), 2)])
def test_readers_of_one_score_agree_with_enumeration(rules: tuple[str, ...], tmp_path: Path) -> None:
    for goal in GOALS:
        assert disagreements(load(stated(FLAT, goal, *rules), tmp_path)) == []


@pytest.mark.parametrize("rules", [(), *combinations(RULES, 1), *combinations(RULES, 2)])
def test_readers_of_three_classes_agree_with_enumeration(rules: tuple[str, ...], tmp_path: Path) -> None:
    for goal in GOALS:
        assert disagreements(load(stated(THREE, goal, *rules), tmp_path)) == []


@pytest.mark.parametrize("layers", [FLAT, THREE, HIDDEN.format(w="{-1, 0, 1}", v="{-1, 1}", prune=", prune: units")])
def test_both_solvers_agree_with_enumeration(layers: str, tmp_path: Path, session: Session) -> None:
    for goal in GOALS[:2]:
        program = load(stated(layers, goal, *RULES[:1]), tmp_path)
        assert disagreements(program, session, ("highs", "cbc")) == []


def without_grid(*readers: str) -> Model:
    """No score of these weights is within 1e-4 of 0."""
    text = stated(FLAT.replace("{-1, 0, 1}", "{-0.7, 0.1, 1}"), *readers)
    return Model(text.text.replace("features f0", "features f0 scale standard"), text.tables)


@pytest.mark.parametrize("readers", [GOALS[:1], *((GOALS[0], rule) for rule in (*RULES[:3], *OF_SCORES))])
def test_scores_without_a_grid(readers: tuple[str, ...], tmp_path: Path) -> None:
    program = load(without_grid(*readers), tmp_path)
    assert disagreements(program) == []
    assert not any(is_exact for _, _, _, is_exact in lower_program(program).way.low.predictions)


def test_a_score_between_two_labels_is_wrong_by_both(tmp_path: Path) -> None:
    """Under a strictness that is not that of the grid no label is right there: the row is not reified on both sides."""
    at = "forall s in train where s.f0 = 1: net(s) = -0.5"
    layers = "layer o = dense(x, units: 1, weights in {0, 1}, bias in {-1.5, 0}); return o[0]"
    text = model(layers, "minimize zero_one(net, train, strictness: 0.8)", at, rows="1,neg\n1,pos\n0,neg\n")
    program = load(text, tmp_path)
    assert enumerate_optimum(program).objective == pytest.approx(2 / 3)
    assert disagreements(program) == []


# ---- sizes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("readers", "count"),
    [
        (("minimize zero_one(net, train)",), 5),
        (("maximize zero_one(net, train)",), 5),
        (("minimize hinge(net, train)", "fair(net, train, group: g, parity: 0.3)"), 5),
        (("minimize hinge(net, train)", "fair(net, train, group: g, opportunity: 0.5)"), 2),
        ((GOALS[0], *RULES[:4], *OF_SCORES), 5),
        ((GOALS[1], *OF_SCORES, *RULES[:4]), 5),
        ((GOALS[0], RULES[4]), 12),
    ],
)
def test_one_binary_for_each_row(readers: tuple[str, ...], count: int, tmp_path: Path) -> None:
    """Rows 1 and 2 alone have the label +1; another strictness asks something else, of each label."""
    assert predicted(lower_program(load(stated(FLAT, *readers), tmp_path))) == count


@pytest.mark.parametrize(
    ("readers", "count"),
    [
        (("minimize zero_one(net, train)",), 7),
        (("minimize hinge(net, train)", "fair(net, train, group: g, parity: 0.3)"), 8),
        ((GOALS[0], *RULES[:4]), 8),
    ],
)
def test_one_binary_for_each_row_and_class(readers: tuple[str, ...], count: int, tmp_path: Path) -> None:
    """Four different rows with 2, 3, 2 and 1 labels; of a row that has all entries one needs no binary."""
    assert predicted(lower_program(load(stated(THREE, *readers), tmp_path))) == count


# ---- seeded faults -------------------------------------------------------------------------------------------------

Known = list[tuple[Program, float | None]]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Known:
    texts = [stated(FLAT, goal, *rules) for goal in GOALS for rules in ((), *combinations((*RULES, *OF_SCORES), 1))]
    texts += [stated(THREE, goal, *rules) for goal in GOALS for rules in ((), *combinations(RULES, 1))]
    texts += [without_grid(GOALS[0], rule) for rule in (*RULES[:3], OF_SCORES[0])]
    cheap = "minimize hinge(net, train) + 0.001 * zero_one(net, train)"
    texts += [without_grid(cheap, f"count(s in train: net(s) >= 0) = {k}") for k in range(6)]
    found = []
    for number, text in enumerate(texts):
        program = load(text, tmp_path_factory.mktemp(f"p{number}"))
        found.append((program, enumerate_optimum(program).objective))
    return found


def is_noticed(known: Known) -> bool:
    for program, truth in known:
        lowered = lower_program(program)
        if difference(lowered, solve_highs(lowered.milp), truth):
            return True
    return False


def test_without_a_fault_all_agree(known: Known) -> None:
    assert not is_noticed(known)


@pytest.mark.parametrize("fault", ["right dropped", "one_answer dropped", "right turned", "rest turned"])
def test_a_wrong_row_is_noticed(fault: str, known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    honest, (end, how) = MilpBuilder.rows, fault.split()

    def rows(self: MilpBuilder, path: str, expression: Affine, *args: Any, **options: Any) -> None:
        is_meant = re.fullmatch(rf"predicted(\.\d+)?\.{end}", path) is not None
        if not is_meant or how == "turned":
            honest(self, path, -expression if is_meant else expression, *args, **options)

    monkeypatch.setattr(MilpBuilder, "rows", rows)
    assert is_noticed(known)


def one_sided(self: Predictions, rows: IntArray, origin: Origin) -> None:
    """Answers of both sides made as if each side were asked for on its own."""
    places = (rows[:, None] * self.answers + np.arange(self.answers)).reshape(-1)
    self._add(self.low.label("predicted"), places[~self.is_made.reshape(-1)[places]], origin)


def other_side(self: Predictions, places: IntArray, polarity: Polarity, origin: Origin) -> Affine:
    """The binary that a loss made for its side, also for who asks for the other one."""
    return HONEST(self, places, Polarity.LOWER, origin)


def other_row(self: Predictions, places: IntArray, polarity: Polarity, origin: Origin) -> Affine:
    return HONEST(self, (places + self.answers) % self.is_made.size, polarity, origin)


HONEST = Predictions.entry


@pytest.mark.parametrize(
    ("name", "fault"),
    [("_complete", one_sided), ("entry", other_side), ("entry", other_row)],
    ids=lambda v: str(v)[:20],
)
def test_a_wrong_entry_is_noticed(
    name: str, fault: Callable[..., Any], known: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Predictions, name, fault)
    assert is_noticed(known)


@pytest.mark.parametrize("change", [lambda s: -s, lambda s: s + 2.0])
def test_a_wrong_strictness_is_noticed(
    change: Callable[[float], float], known: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Predictions._add

    def faulty(self: Predictions, *args: Any, **options: Any) -> IntArray:
        before, self.strictness = self.strictness, change(self.strictness)
        found = honest(self, *args, **options)
        self.strictness = before
        return found

    monkeypatch.setattr(Predictions, "_add", faulty)
    assert is_noticed(known)


def test_ties_on_the_wrong_side_are_noticed(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = predictions.ahead

    def faulty(*args: Any) -> Any:
        found = honest(*args)
        return replace(found, tie_is_wrong=~found.tie_is_wrong)

    monkeypatch.setattr(predictions, "ahead", faulty)
    assert is_noticed(known)
