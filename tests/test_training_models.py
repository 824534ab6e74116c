"""The models of the training benchmark on tables so small that plain enumeration gives their optima."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations_with_replacement, product
from pathlib import Path

import highspy
import numpy as np
import pytest

import nnmip
from nnmip.backends.process import Session
from tests.benchmarks.training.columns import UNIT, FloatArray, IntArray, units_of
from tests.benchmarks.training.composite import BOX, MARGIN, Problem, confirm, least_hinge
from tests.benchmarks.training.counting import Counting
from tests.benchmarks.training.covering import Covering
from tests.benchmarks.training.instances import Instance, chosen
from tests.benchmarks.training.measure import Options, command
from tests.benchmarks.training.phases import Program, heads_of
from tests.benchmarks.training.rules import Rules

FORMULATIONS = ("direct", "auto")


def tiny(name: str, table: str, **parameters: int) -> Instance:
    """A row with another table and other parameters."""
    return replace(chosen([name])[0], table=table, parameters=parameters)


def solved(row: Instance, formulation: str, folder: Path) -> list[float]:
    """The proved values of the goals of a row, its columns in another order."""
    arguments = command(row, Options(permute=1), folder)
    defines = dict(arguments[i + 1].split("=", 1) for i, word in enumerate(arguments) if word == "-D")
    result = nnmip.load(arguments[1], defines).solve(formulation=formulation, time_limit=120)
    assert result.solution == "optimal" and result.replay.status == "passed"
    assert all(stage.dual_bound == pytest.approx(stage.objective, abs=1e-7) for stage in result.stages)
    return [stage.objective for stage in result.stages]


@pytest.mark.parametrize("formulation", FORMULATIONS)
def test_two_classes(formulation: str, tmp_path: Path) -> None:
    row = tiny("moons-20", "moons-10", inputs=2, hidden=2)
    assert solved(row, formulation, tmp_path) == pytest.approx([confirm(row).value], abs=1e-7)


@pytest.mark.parametrize("formulation", FORMULATIONS)
def test_three_classes(formulation: str, tmp_path: Path) -> None:
    row = tiny("iris-60", "iris-12", inputs=4, hidden=1, fan=1)
    assert solved(row, formulation, tmp_path) == pytest.approx([confirm(row).value], abs=1e-7)


@pytest.mark.parametrize("formulation", FORMULATIONS)
def test_rules_and_goals_in_order(formulation: str, tmp_path: Path) -> None:
    row = tiny("rules-iris2-100", "iris2-10", inputs=4, hidden=1, budget=2, pairs=1)
    with Session() as session:
        values = Rules(row, session, "highs").solve()
    assert solved(row, formulation, tmp_path) == pytest.approx(list(values), abs=1e-6)


@pytest.mark.parametrize("formulation", FORMULATIONS)
def test_zero_one(formulation: str, tmp_path: Path) -> None:
    row = tiny("zero-one-iris2-50", "moons-12", inputs=2, hidden=1)
    labels = row.read().labels
    problem = Problem.of(units_of(row).distinct(), labels)
    scores = labels * problem.columns(np.arange(problem.cost.size)).T
    # A best bias makes some row just right.
    biases = MARGIN * labels - scores
    assert np.abs(biases).max() <= BOX
    leads = labels * (scores[:, None, :] + biases[:, :, None])
    costs = (leads < MARGIN - 1e-9).mean(axis=2).min(axis=1) + problem.cost.ravel()
    assert solved(row, formulation, tmp_path) == pytest.approx([min(costs.min(), (labels > 0).mean())], abs=1e-7)


@pytest.mark.parametrize(("name", "optimum"), [("digits-4x4", 0.0828), ("digits-6x6", 0.0140)])
def test_images(name: str, optimum: float, tmp_path: Path) -> None:
    """The tables of the benchmark themselves: a filter with one position, and two with four."""
    assert solved(chosen([name])[0], "search", tmp_path) == pytest.approx([optimum], abs=1e-7)


@pytest.mark.parametrize("units", [1, 2, 3])
def test_counting_agrees_with_enumeration(units: int) -> None:
    row = tiny("zero-one-iris2-50", "moons-14", inputs=2, hidden=units)
    labels = row.read().labels
    problem = Problem.of(units_of(row).distinct(), labels)
    columns, cost = labels * problem.columns(np.arange(problem.cost.size)).T, problem.cost.ravel()
    best = 0.5
    for chosen_units in range(1, units + 1):
        members = np.array(list(combinations_with_replacement(range(len(cost)), chosen_units)))
        for some in np.array_split(members, 1 + len(members) // 10_000):
            scores = columns[some].sum(axis=1)
            leads = labels * (scores[:, None, :] + (MARGIN * labels - scores)[:, :, None])
            errors = (leads < MARGIN - 1e-9).mean(axis=2).min(axis=1)
            best = min(best, float((errors + cost[some].sum(axis=1)).min()))
    assert Counting.of(row).run(units) == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize("units", [1, 2, 3])
@pytest.mark.parametrize(("table", "fan"), [("moons-20", 2), ("bc-50", 1)])
def test_covering_agrees_with_counting(table: str, fan: int, units: int) -> None:
    """None below the optimum, and the optimum below a value above it, for which networks may have more errors."""
    inputs = {"moons-20": 2, "bc-50": 30}[table]
    row = tiny("zero-one-iris2-50", table, inputs=inputs, fan=fan, hidden=units)
    least = Counting.of(row).run(units)
    assert Covering(Counting.of(row), least).run(units) is None
    for above in (0.001, 0.03):
        assert Covering(Counting.of(row), least + above).run(units) == round(1000 * least)


@pytest.mark.parametrize("formulation", FORMULATIONS)
def test_sign_units(formulation: str, tmp_path: Path) -> None:
    row = tiny("signs", "signs-2", inputs=2, hidden=2)
    table = row.read()
    weights = np.array(list(product((-1, 0, 1), repeat=2)))
    sums = weights @ table.features.T
    units = np.array([np.where(z + bias >= 0, 1, -1) for z in sums for bias in range(-3, 4)])
    costs = np.repeat((weights != 0).sum(axis=1), 7) / 1000
    best = 1.0
    for first, second, bias in product((-1, 0, 1), (-1, 0, 1), range(-2, 3)):
        scores = first * units[:, None] + second * units[None] + bias
        wrong = (np.where(scores >= 0, 1, -1) != table.labels).mean(axis=2)
        price = costs[:, None] + costs[None] + (abs(first) + abs(second)) / 1000
        best = min(best, float((wrong + price).min()))
    assert solved(row, formulation, tmp_path) == pytest.approx([best], abs=1e-7)


@pytest.mark.parametrize("formulation", FORMULATIONS)
def test_two_layers(formulation: str, tmp_path: Path) -> None:
    row = tiny("two-layers-iris2-50", "moons-6", inputs=2, wide=1, narrow=1)
    labels = row.read().labels
    units = units_of(replace(row, parameters={"inputs": 2}))
    first = units.activations[:, 0] / UNIT
    best = min((labels > 0).mean(), (labels < 0).mean())
    for weight, bias, out in product((-1, 1), np.arange(-2, 2.5, 0.5), (-1, 1)):
        scores = out * np.maximum(weight * first + bias, 0)
        best = min(best, float((least_hinge(scores, labels) + units.cost + 0.012).min()))
    assert solved(row, formulation, tmp_path) == pytest.approx([best], abs=1e-7)


@pytest.mark.parametrize("formulation", FORMULATIONS)
def test_continuous_weights(formulation: str, tmp_path: Path) -> None:
    row = tiny("continuous-iris2-60", "moons-6", inputs=2, hidden=1)
    table = row.read()
    values = [_pattern_optimum(table.features, table.labels, *choice) for choice in _patterns(len(table.labels))]
    # Without a unit the score is the same for all rows, and half of them are of each class.
    assert (table.labels > 0).mean() == 0.5
    assert solved(row, formulation, tmp_path) == pytest.approx([min(1.0, *values)], abs=1e-6)


def test_choices_of_output_weights_agree_with_all_patterns() -> None:
    row = tiny("continuous-iris2-60", "moons-6", inputs=2, hidden=1)
    table = row.read()
    choices = list(_patterns(len(table.labels)))
    for sign in (-1, 1):
        best = min(_pattern_optimum(table.features, table.labels, *each) for each in choices if each[1] == sign)
        labels = table.labels.astype(np.float64)
        for below, value in ((np.inf, best), (best + 1e-6, best), (best - 1e-6, np.inf)):
            answer = Program(table.features, labels, (sign,)).solve(below, 60)
            assert answer.value == pytest.approx(value, abs=1e-7)


def test_choices_of_output_weights_agree_with_the_model(tmp_path: Path) -> None:
    row = tiny("continuous-iris2-60", "iris2-16", inputs=4, hidden=2)
    table = row.read()
    programs = [Program(table.features, table.labels.astype(np.float64), heads) for heads in heads_of(row)]
    least = min(program.solve(np.inf, 60).value for program in programs)
    assert solved(row, "auto", tmp_path) == pytest.approx([least], abs=1e-6)


def _patterns(rows: int) -> Iterator[tuple[tuple[bool, ...], int, tuple[int, ...]]]:
    """Which rows are active, the output weight, and the columns that are read."""
    for pattern in product((False, True), repeat=rows):
        for sign in (-1, 1):
            yield from ((pattern, sign, columns) for columns in ((0,), (1,), (0, 1)))


def _pattern_optimum(
    features: FloatArray, labels: IntArray, pattern: tuple[bool, ...], sign: int, columns: tuple[int, ...]
) -> float:
    """The least goal of one continuous ReLU unit with a known pattern, as a linear program; inf if there is none."""
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    weights = [highs.addVariable(-2, 2) for _ in columns]
    bias, shift = highs.addVariable(-2, 2), highs.addVariable(-10, 10)
    total = 0
    for row, label, is_active in zip(features, labels, pattern, strict=True):
        z = bias + sum(float(row[column]) * weight for column, weight in zip(columns, weights, strict=True))
        highs.addConstr(z >= 0 if is_active else z <= 0)
        error = highs.addVariable(0, highspy.kHighsInf)
        score = float(sign) * z + shift if is_active else 1.0 * shift
        highs.addConstr(error + float(label) * score >= 1)
        total = total + error
    highs.minimize(total)
    if highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return np.inf
    return highs.getObjectiveValue() / len(labels) + 0.001 * (len(columns) + 1) + 0.01
