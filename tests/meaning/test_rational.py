"""The meaning in rational arithmetic: the values of floating point without their rounding, for every layer and word."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import nnmip
from nnmip.hir.core import Apply, Program
from nnmip.hir.evaluate import ROUNDING, evaluate
from nnmip.hir.rational import Rational, rational_evaluation, rationals
from nnmip.hir.walk import roots, walk
from nnmip.ops.registry import LAYERS, WORDS
from nnmip.report.text import render_result
from nnmip.solution.replay import ReplayStatus, rationally, replay
from tests.meaning.generator import Model, NumpyChooser, seeded_model
from tests.meaning.harness import load, random_assignment
from tests.meaning.nets import random_net

TENTHS = """nnm 0.1
data points = csv("points.csv") {
  features x0, x1, x2
  target   y
}
network net(x: real[3] in [0, 1]) {
  layer o = dense(x, units: 1, weights in {-0.1, 0, 0.1}, bias in {0.3})
  return o[0]
}
minimize absolute(net, points) + 0.1 * norm_1(net.weights)
constraint edge "the scores stay below": forall s in points: net(s) <= 0.6
"""
TABLE = "x0,x1,x2,y\n1,1,1,0.5\n0.1,0.2,0.3,0.1\n0,0,0,0.6\n"


MOVED = Model(
    """nnm 0.1
data points = csv("points.csv") {
  features x0, x1, x2
  target   y
}
network net(x: real[3] in [0, 1]) {
  layer r = rescale(select(x, entries: [2, 0]), weights in {0.5, 2}, bias in {0.25})
  layer c = piecewise(r, points: [-1, 0.5, 1], values: [0.25, 0.5, -1], outside: [0.25, 2])
  layer o = dense(c, units: 1, weights in {-0.5, 0, 0.5}, bias in {0.25})
  return o[0]
}
minimize absolute(net, points) + sum(abs(net.weights)) + max(net.weights) - min(net.weights)
  + sum(clip(net.weights, low: 0, high: 0.25)) + argmax(net.weights) - argmin(net.weights)
""",
    {"points.csv": "x0,x1,x2,y\n1,1,1,0.5\n0.25,0.5,0.75,0\n"},
)
"""What random networks and goals do not have."""


def words_of(program: Program) -> set[str]:
    return {node.word for root in roots(program) for node in walk(root) if isinstance(node, Apply)}


def test_every_layer_and_word_is_rational(tmp_path: Path) -> None:
    """On grids of halves and quarters both ways agree to the last digits; nothing on the way is rounded."""
    layers: set[str] = set()
    words: set[str] = set()
    for seed in range(120):
        chooser = NumpyChooser(np.random.default_rng(seed))
        for model in (seeded_model(seed), random_net(chooser), *([MOVED] if seed == 0 else [])):
            program = load(model, tmp_path)
            if "logistic" in words_of(program):
                continue  # no rational function
            rng = np.random.default_rng(seed)
            for _ in range(2):
                assignment = random_assignment(program, rng)
                exact = rational_evaluation(program, assignment, ROUNDING)
                assert exact is not None, model.text
                rounded = evaluate(program, assignment)
                assert [float(v) for v in exact.objectives] == pytest.approx(list(rounded.objectives), abs=1e-12)
                assert exact.violation == pytest.approx(max([0.0, *rounded.constraints.values()]), abs=1e-12)
                for found, wanted in zip(exact.terms, rounded.terms, strict=True):
                    assert {k: float(v) for k, v in found.items()} == pytest.approx(wanted, abs=1e-12)
            layers |= {layer.op for network in program.networks for layer in network.layers}
            words |= words_of(program)
    assert layers == set(LAYERS)
    assert words == {name for name, word in WORDS.items() if not word.is_sufficient} - {"logistic", "fair"}


def test_a_logistic_loss_is_not_rational(tmp_path: Path) -> None:
    text = TENTHS.replace("target   y", 'label    y as {"0.5": -1, "0.1": +1, "0.6": +1}').replace(
        "absolute", "logistic"
    )
    program = load(Model(text, {"points.csv": TABLE}), tmp_path)
    assert rational_evaluation(program, random_assignment(program, np.random.default_rng(0)), ROUNDING) is None


def test_a_tenth_is_a_tenth(tmp_path: Path) -> None:
    """0.1 + 0.1 + 0.1 + 0.3 is 0.6 here, and the mean of three losses is a fraction."""
    program = load(Model(TENTHS, {"points.csv": TABLE}), tmp_path)
    (decision, bias) = program.decisions
    assignment = random_assignment(program, np.random.default_rng(0))
    assignment.values[decision.path][:] = 0.1
    assignment.values[bias.path][:] = 0.3
    exact = rational_evaluation(program, assignment, 0.0)
    assert exact is not None and exact.violation == 0.0
    assert evaluate(program, assignment, 0.0).max_violation > 0.0
    errors = (Fraction(1, 10), Fraction(26, 100), Fraction(3, 10))
    assert exact.objectives == (sum(errors) / 3 + Fraction(3, 100),)
    assert exact.terms[0] == {"absolute(net, points)": sum(errors) / 3, "norm_1(net.weights)": Fraction(3, 10)}


def test_replay_and_report(tmp_path: Path) -> None:
    load(Model(TENTHS, {"points.csv": TABLE}), tmp_path)
    result = nnmip.load(tmp_path / "model.nnm").solve()
    assert result.replay is not None and result.replay.exact is not None
    (value,) = result.replay.exact.objectives
    assert result.objective == float(value) and result.to_json()["replay"]["exact"] == [str(value)]
    text = render_result(result)
    assert value == Fraction(59, 300) and "  goal      minimize 0.196667 = 59/300\n" in text
    assert (
        "  replay    passed: recomputed from the weights alone, in rational arithmetic, largest violation 0\n" in text
    )


def test_a_continuous_weight_is_not_replayed_so(tmp_path: Path) -> None:
    program = load(Model(TENTHS.replace("{0.3}", "[0.3, 1]"), {"points.csv": TABLE}), tmp_path)
    assert rational_evaluation(program, random_assignment(program, np.random.default_rng(0)), ROUNDING) is None


def test_a_large_model_is_not_replayed_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = load(Model(TENTHS, {"points.csv": TABLE}), tmp_path)
    assignment = random_assignment(program, np.random.default_rng(0))
    monkeypatch.setattr("nnmip.hir.rational.MOST_PRODUCTS", 9)
    assert rational_evaluation(program, assignment, ROUNDING) is not None
    monkeypatch.setattr("nnmip.hir.rational.MOST_PRODUCTS", 8)
    assert rational_evaluation(program, assignment, ROUNDING) is None


def test_other_values_fail_the_replay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = load(Model(TENTHS, {"points.csv": TABLE}), tmp_path)
    assignment = random_assignment(program, np.random.default_rng(0))
    assignment.values[program.decisions[0].path][:] = 0.0
    honest = replay(program, assignment, None, None)
    again = rationally(program, honest)
    assert again.status is ReplayStatus.PASSED and again.exact is not None and again.objective == 7 / 30
    exact = rational_evaluation(program, assignment, ROUNDING)
    assert exact is not None
    for wrong, message in (
        (
            replace(exact, objectives=(Fraction(1, 4),)),
            "the goal is 0.25 in rational arithmetic, and 0.233333333 in fl",
        ),
        (replace(exact, violation=0.5), "a constraint is violated by 0.5 in rational arithmetic"),
    ):
        monkeypatch.setattr("nnmip.solution.replay.rational_evaluation", lambda *_, found=wrong: found)
        failed = rationally(program, honest)
        assert failed.status is ReplayStatus.FAILED and failed.message.startswith(message)


def test_rational_numbers_next_to_floats() -> None:
    tenth = Rational(1, 10)
    for value in (
        0.1 + tenth,
        tenth + 0.1,
        2 * tenth,
        0.3 - tenth,
        tenth / 0.5,
        abs(-tenth) * 2.0,
        np.float64(0.1) + tenth,
    ):
        assert type(value) is Rational and value == Fraction(2, 10)
    assert tenth == 0.1 and tenth <= 0.1 and not tenth < 0.1 and tenth < float("inf")
    array = rationals(np.array([[0.1, 0.2], [0.3, -1.0]]))
    assert (array @ np.array([1.0, 0.5])).tolist() == [Fraction(2, 10), Fraction(-2, 10)]
    assert np.einsum("ij,j->i", array, rationals(np.array([1.0, 0.5]))).tolist() == [Fraction(2, 10), Fraction(-2, 10)]


def test_shares_of_groups_are_rational(tmp_path: Path) -> None:
    """Two of three rows of one group and one of two of the other are predicted to be `p`."""
    table = "x,y,g\n1,p,a\n1,m,a\n-1,m,a\n1,p,b\n-1,m,b\n"
    text = """nnm 0.1
data points = csv("points.csv") {
  features x
  label    y as {m: -1, p: +1}
  group    g
}
network net(x: real[1] in [-1, 1]) {
  layer o = dense(x, units: 1, weights in {1}, bias in {-0.1})
  return o[0]
}
minimize zero_one(net, points)
constraint even: fair(net, points, group: g, parity: LIMIT)
"""
    for limit, violation in (("0.2", 0.0), ("0.1", 1.0)):
        program = load(Model(text.replace("LIMIT", limit), {"points.csv": table}), tmp_path)
        assignment = random_assignment(program, np.random.default_rng(0))
        exact = rational_evaluation(program, assignment, ROUNDING)
        assert exact is not None and exact.objectives == (Fraction(1, 5),)
        assert (exact.violation, evaluate(program, assignment).max_violation) == (violation, violation)
