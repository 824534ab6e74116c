"""`fair` against its meaning spelled out, by enumeration, on both solvers, and with faults put into its encoding."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnmip.backends.process import Session
from nnmip.hir.core import Program
from nnmip.hir.evaluate import evaluate
from nnmip.lowering.lower import lower_program
from nnmip.lowering.words import fair
from tests.meaning.generator import Model
from tests.meaning.handwritten.model import HIDDEN, LINEAR, SCORES, SIGNS, model
from tests.meaning.harness import difference, disagreements, load, random_assignment, solve_highs
from tests.meaning.oracle import enumerate_optimum

GROUPED = f"{SIGNS}; group g"
ROWS = "0,neg,a\n1,pos,a\n2,pos,a\n0.5,neg,b\n-1,neg,b\n1,pos,b\n1,neg,b\n"
FLAT = LINEAR.format(w="{-1, 0, 1, 2}")
BIASED = "minimize zero_one(net, train) + 0.01 * l0(net.weights)"
LIMITS = ("parity: 0.2", "parity: 0", "ratio: 0.8", "odds: 0.4", "opportunity: 0.1", "parity: 0.5, odds: 0.6")

CLASSES = "label label as {a, b, c}; group g"
OF_CLASSES = "0,a,u\n1,b,u\n2,c,u\n1,a,v\n2,b,v\n0,c,v\n-1,a,v\n"
TARGETS = "target y; group g"
OF_TARGETS = "0,0,u\n1,2,u\n2,1,v\n1,0.5,v\n"


def fair_model(limit: str, goal: str = BIASED, no: str = "") -> Model:
    return model(FLAT, goal, f"{no}fair(net, train, group: g, {limit})", rows=ROWS, truth=GROUPED)


def test_shares_are_counted_row_by_row(tmp_path: Path) -> None:
    """Of three rows in one group and four in the other, by hand for every network."""
    limits = ("parity: 0.2", "ratio: 0.8", "odds: 0.4", "opportunity: 0.4")
    rules = [f"fair(net, train, group: g, {limit})" for limit in limits]
    program = load(model(FLAT, BIASED, *rules, rows=ROWS, truth=GROUPED), tmp_path)
    x, seen = np.array([0, 1, 2, 0.5, -1, 1, 1]), np.zeros((2, 4), dtype=bool)
    rng = np.random.default_rng(0)
    for _ in range(200):
        assignment = random_assignment(program, rng)
        w, b = float(assignment.values["net.o.weights"][0, 0]), float(assignment.values["net.o.bias"][0])
        p = w * x + b >= 0
        a, c = sum(p[:3]) / 3, sum(p[3:]) / 4
        positive, negative = abs(sum(p[1:3]) / 2 - p[5]), abs(int(p[0]) - (int(p[3]) + p[4] + p[6]) / 3)
        expected = [
            abs(a - c) <= 0.2 + 1e-9,
            a >= 0.8 * c - 1e-9 and c >= 0.8 * a - 1e-9,
            max(positive, negative) <= 0.4 + 1e-9,
            positive <= 0.4,
        ]
        assert [v == 0 for v in evaluate(program, assignment).constraints.values()] == expected
        seen[np.array(expected, dtype=int), np.arange(4)] = True
    assert seen.all()


@pytest.mark.parametrize("no", ["", "not "])
@pytest.mark.parametrize("limit", LIMITS)
def test_the_best_fair_network(limit: str, no: str, tmp_path: Path, session: Session) -> None:
    assert disagreements(load(fair_model(limit, no=no), tmp_path), session, ("highs", "cbc")) == []


@pytest.mark.parametrize("no", ["", "not "])
@pytest.mark.parametrize("limit", ["parity: 0.25", "ratio: 0.5", "odds: 0.5", "opportunity: 0"])
def test_the_best_fair_network_of_three_classes(limit: str, no: str, tmp_path: Path, session: Session) -> None:
    layers = SCORES.format(k=3, w="{-1, 0, 1}", b="{0, 1}")
    rule = f"{no}fair(net, train, group: g, {limit})"
    program = load(model(layers, "minimize zero_one(net, train)", rule, rows=OF_CLASSES, truth=CLASSES), tmp_path)
    assert disagreements(program, session, ("highs", "cbc")) == []


@pytest.mark.parametrize("rule", ["parity: 0.5", "parity: 0"])
@pytest.mark.parametrize("no", ["", "not "])
def test_means_of_a_regression(rule: str, no: str, tmp_path: Path, session: Session) -> None:
    rule = f"{no}fair(net, train, group: g, {rule})"
    program = load(model(FLAT, "minimize absolute(net, train)", rule, rows=OF_TARGETS, truth=TARGETS), tmp_path)
    assert disagreements(program, session, ("highs", "cbc")) == []


def test_weights_of_rows_count_and_groups_can_be_a_feature_or_more_than_two(tmp_path: Path) -> None:
    layers = LINEAR.format(w="{-1, 0, 1}")
    rows = "0,0,neg,1,u\n1,1,pos,2,u\n2,0,pos,0,v\n1,1,neg,3,v\n1,2,neg,1,w\n0,2,pos,1,w\n"
    for group in ("g", "f1"):
        rule = f"fair(net, train, group: {group}, parity: 0.5)"
        truth = f"{SIGNS}; weight w; group g"
        program = load(model(layers, BIASED, rule, rows=rows, truth=truth), tmp_path)
        assert disagreements(program) == []


def test_a_rule_that_depends_on_another(tmp_path: Path) -> None:
    rule = "nonzero(net.h.weights[0, 0]) -> fair(net, train, group: g, parity: 0.1)"
    layers = HIDDEN.format(w="{-1, 0, 1}", v="{-1, 1}", prune=", prune: units")
    program = load(model(layers, BIASED, rule, rows=ROWS, truth=GROUPED), tmp_path)
    assert disagreements(program) == []


def test_predictions_are_those_of_predict(tmp_path: Path) -> None:
    """A score that is negative beyond rounding is a negative prediction, whatever a replay tolerates elsewhere."""
    program = load(fair_model("parity: 0"), tmp_path)
    assignment = random_assignment(program, np.random.default_rng(0))
    assignment.values["net.o.weights"][:] = 0.0
    for bias, violation in ((0.0, 0.0), (-1e-7, 0.0)):
        assignment.values["net.o.bias"][:] = bias
        assert evaluate(program, assignment, 1e-6).constraints == {"c0": violation}
    assignment.values["net.o.weights"][:] = 1.0  # row 0 of group a is at the threshold, of group b two of four above it
    assignment.values["net.o.bias"][:] = -1e-7
    by_rounding = evaluate(program, assignment, 1e-6).constraints["c0"]
    assert by_rounding == evaluate(program, assignment).constraints["c0"] == 1.0


# ---- seeded faults -------------------------------------------------------------------------------------------------

Known = list[tuple[Program, float | None]]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Known:
    layers = SCORES.format(k=3, w="{-1, 0, 1}", b="{0, 1}")
    rule = "fair(net, train, group: g, parity: 0.3)"
    texts = [fair_model(limit, no=no) for limit in LIMITS for no in ("", "not ")]
    texts.append(model(layers, "minimize zero_one(net, train)", rule, rows=OF_CLASSES, truth=CLASSES))
    found = []
    for number, text in enumerate(texts):
        program = load(text, tmp_path_factory.mktemp(f"f{number}"))
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


@pytest.mark.parametrize("fault", ["sign", "limit", "one direction", "sizes"])
def test_a_wrong_comparison_is_noticed(fault: str, known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = fair._comparisons

    def faulty(*args: Any) -> Any:
        found = list(honest(*args))
        match fault:
            case "sign":
                return [replace(one, factor=np.abs(one.factor)) for one in found]
            case "limit":
                return [replace(one, limit=one.limit + 0.2) for one in found]
            case "one direction":
                return found[:1]
        return [replace(one, factor=np.sign(one.factor) / len(one.factor)) for one in found]

    monkeypatch.setattr(fair, "_comparisons", faulty)
    assert is_noticed(known)


def test_rows_of_another_label_are_noticed(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = fair._compared

    def faulty(name: str, *args: Any) -> Any:
        return honest("parity" if name in ("odds", "opportunity") else name, *args)

    monkeypatch.setattr(fair, "_compared", faulty)
    assert is_noticed(known)
