"""The training benchmark: its tables are those that the optima belong to, its models are right, its runner counts."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import nnmip
from nnmip.backends.process import Session
from tests.benchmarks.cold import ROOT
from tests.benchmarks.training import composite
from tests.benchmarks.training.columns import UNIT, Pool, units_of
from tests.benchmarks.training.composite import Confirming, Problem, confirm, least_hinge
from tests.benchmarks.training.instances import ROWS, chosen, instances
from tests.benchmarks.training.measure import Options, Row, Run, command, measure
from tests.benchmarks.training.tables import table

DIGESTS = {
    "bc-100": "b573e32715b22f7d",
    "bc-569": "bb268caaa18f210e",
    "digits01-4x4": "e7bcaa063902575a",
    "digits01-6x6": "3d6b0b8a9d00ed23",
    "digits01-8x8": "675b8af6679b2708",
    "iris-150": "894595ed3e0446a2",
    "iris-60": "b3dfc71101a8906f",
    "iris2-100": "956c173a85b1292d",
    "iris2-50": "1ba9e1b3c651f450",
    "iris2-60": "fb4b31f92266e5f3",
    "moons-100": "540132fcf67c8ba0",
    "moons-1600": "d1ce329b670976c8",
    "moons-20": "80ad49667dfa03ea",
    "moons-200": "0693c1467fc7a64d",
    "moons-3200": "32c62b0ed12f1597",
    "moons-40": "00b3881b1fb4f3c7",
    "moons-400": "a83c1c41c0b5ae2b",
    "moons-6400": "b26a92976b21efd5",
    "moons-800": "eca3aede83719a28",
    "signs-16": "aace6816e9dd73a9",
    "wine-178": "da6c6ec05e040513",
    "wine-60": "508e18fe3d1b472d",
    "xor": "b3138b46133d6810",
}
MODELS = {row.model: row for row in reversed(ROWS)}
"""The first row of every model."""

MOONS = replace(chosen(["moons-20"])[0], name="moons-20-h1", parameters={"inputs": 2, "hidden": 1})
"""One unit is all that a direct proof within a second has room for."""

MOONS_OPTIMUM = 0.188535


@pytest.mark.parametrize("name", DIGESTS)
def test_the_numbers_of_every_table(name: str) -> None:
    made = table(name)
    whole = np.round(made.features * 10_000).astype("<i4")
    assert np.array_equal(whole / 10_000, made.features)
    digest = hashlib.sha256(whole.tobytes() + made.labels.astype("<i4").tobytes()).hexdigest()
    assert digest[:16] == DIGESTS[name]


def test_every_table_is_known() -> None:
    assert {row.table for row in ROWS} == set(DIGESTS)


def test_points_of_the_moons() -> None:
    made = table("moons-20")
    assert made.features[:2].tolist() == [[0.9414, 0.1311], [0.3319, 0.1893]]
    assert made.labels[:4].tolist() == [1, -1, 1, -1]


def test_a_draw_is_another_table_with_the_same_classes() -> None:
    first, second = table("bc-100"), table("bc-100", draw=1)
    assert not np.array_equal(first.features, second.features)
    assert np.array_equal(first.labels, second.labels)
    assert (first.labels == -1).sum() == 37


@pytest.mark.parametrize("name", MODELS)
def test_models_check_clean(name: str, tmp_path: Path) -> None:
    arguments = command(MODELS[name], Options(permute=1), tmp_path)
    defines = dict(arguments[i + 1].split("=", 1) for i, word in enumerate(arguments) if word == "-D")
    assert nnmip.load(arguments[1], defines).check() == ()


def test_a_permuted_table_has_the_same_rows(tmp_path: Path) -> None:
    row = chosen(["rules-bc-100"])[0]
    plain = row.read()
    command(row, Options(permute=7), tmp_path)
    with np.load(tmp_path / "rows.npz") as saved:
        permuted, columns = plain.permuted(7)
        assert np.array_equal(saved["X"], permuted.features)
    back = permuted.features[:, np.argsort(columns)]
    assert sorted(map(tuple, back.tolist())) == sorted(map(tuple, plain.features.tolist()))
    assert not np.array_equal(back, plain.features)


def test_rules_name_the_same_columns_after_a_permutation(tmp_path: Path) -> None:
    row = chosen(["rules-bc-100"])[0]
    _, columns = row.read().permuted(3)
    assert not np.array_equal(columns, np.argsort(columns))
    arguments = command(row, Options(permute=3), tmp_path)
    for name, wanted in (("first", range(10)), ("second", range(20, 30))):
        (value,) = [word.removeprefix(f"{name}=") for word in arguments if word.startswith(f"{name}=")]
        assert columns[json.loads(value)].tolist() == list(wanted)


def test_the_runner_proves_the_smallest_row() -> None:
    row = measure(MOONS, Options(repetitions=1, permute=0, formulation="direct"))
    (run,) = row.runs
    assert run.is_proved and run.seconds > 0 and run.nodes is not None
    assert run.figure("objective") == pytest.approx(MOONS_OPTIMUM, abs=1e-9)
    assert run.figure("dual_bound") == pytest.approx(MOONS_OPTIMUM, abs=1e-9)
    assert run.root_bound is not None and run.root_bound <= MOONS_OPTIMUM + 1e-9
    assert run.verdict((MOONS_OPTIMUM,)) == "proved" and run.authority == "highs, solver"
    assert row.verdict == "proved, no reference" and row.is_right


def _run(objective: float | None, bound: float, solution: str = "optimal", termination: str = "optimal") -> Run:
    stage = {"objective": objective, "dual_bound": bound, "termination": termination}
    return Run(1.0, {"solution": solution, "replay": {"status": "passed"}, "stages": [stage]}, None, None, "gone")


@pytest.mark.parametrize(
    ("run", "verdict"),
    [
        (_run(0.5, 0.5), "proved"),
        (_run(0.5000009, 0.5), "proved"),
        (_run(0.500002, 0.4), "wrong: goal 1 is not 0.5"),
        (_run(0.499998, 0.4), "wrong: goal 1 is below 0.5"),
        (_run(0.6, 0.500002, "feasible", "time_limit"), "wrong: goal 1 has a bound above 0.5"),
        (_run(0.6, 0.4, "feasible", "time_limit"), "open"),
        (_run(None, 0.4, "none", "time_limit"), "open"),
        (Run(1.0, {}, None, None, "gone"), "failed: gone"),
    ],
)
def test_verdicts(run: Run, verdict: str) -> None:
    assert run.verdict((0.5,)) == verdict


def test_a_bound_above_a_known_network_is_wrong() -> None:
    assert _run(0.6, 0.500002).verdict((), 0.5) == "wrong: goal 1 has a bound above 0.5, the value of a network"
    assert _run(0.4, 0.4).verdict((), 0.5) == "proved, no reference"


def test_the_verdict_of_a_row_is_its_worst() -> None:
    xor = chosen(["xor"])[0]
    runs = (_run(0.0, 0.0), _run(1.0, 0.0), _run(0.5, 0.0, "feasible", "time_limit"))
    assert Row(xor, "", runs).verdict == "wrong: goal 1 is not 0"
    assert not Row(xor, "", runs).is_right
    assert Row(xor, "", runs[2:]).verdict == "open"


def test_names_of_rows() -> None:
    names = [row.name for row in instances()]
    assert len(set(names)) == len(names)
    assert [row.name for row in chosen(["iris-60*"])] == ["iris-60", "iris-60@1", "iris-60@2", "iris-60@3"]
    with pytest.raises(ValueError, match="no row is called sun"):
        chosen(["sun"])


def test_every_optimum_has_a_second_method() -> None:
    folder = Path(composite.__file__).parent
    for row in instances():
        if row.optima and row.optima != (0.0,):
            assert row.second is not None, row.name
            assert (folder / f"{row.second[0]}.py").exists()


def test_the_command_prints_a_table() -> None:
    command_line = [sys.executable, "tests/benchmarks/training/run.py", "xor", "--repetitions", "1", "--markdown"]
    done = subprocess.run(command_line, cwd=ROOT, capture_output=True, text=True, check=True)
    head, _, line = done.stdout.splitlines()
    cells = dict(zip(head.split(" | "), line.split(" | "), strict=True))
    assert cells["binaries"] == "12" and cells["must / aim"] == "1 / -"
    assert line.endswith("| 0 | 0 | proved |")


def test_composite_columns_agree_with_enumeration() -> None:
    two = replace(MOONS, parameters={"inputs": 2, "hidden": 2})
    problem = Problem.of(units_of(two).distinct(), two.read().labels)
    columns, costs = problem.columns(np.arange(problem.cost.size)), problem.cost.ravel()
    first, second = np.triu_indices(len(costs))
    labels = two.read().labels
    # What a composite column adds to the leads, without the sign of the label, is what it adds to the scores.
    alone = least_hinge(labels * columns.T, labels) + costs
    pairs = least_hinge(labels * (columns.T[first] + columns.T[second]), labels) + costs[first] + costs[second]
    with Session() as session:
        found = Confirming(problem, session, "highs").run(2)
    assert min(alone.min(), pairs.min()) == pytest.approx(MOONS_OPTIMUM, abs=1e-9)
    assert found.value == pytest.approx(MOONS_OPTIMUM, abs=1e-8)
    assert found.bound == pytest.approx(MOONS_OPTIMUM, abs=1e-8)


def test_the_pool_is_every_unit_once() -> None:
    row = chosen(["iris2-50"])[0]
    everything = units_of(row)
    pool = everything.distinct()
    features = row.read().features
    z = everything.weights @ features.T + everything.bias[:, None] / UNIT
    assert np.allclose(np.maximum(z, 0), everything.activations[:, 0] / UNIT, atol=1e-12)
    # All weights and biases but those that give 0 everywhere.
    listed = np.column_stack([everything.weights, everything.bias / UNIT]).tolist()
    units = product(*[(-1, 0, 1)] * 4, np.arange(-2, 2.5, 0.5).tolist())
    active = [unit for unit in units if (features @ unit[:4] + unit[4] > 1e-9).any()]
    assert sorted(map(tuple, listed)) == sorted(active)
    cheapest: dict[tuple[int, ...], float] = {}
    for column, cost in zip(everything.activations[:, 0].tolist(), everything.cost.tolist(), strict=True):
        cheapest[tuple(column)] = min(cost, cheapest.get(tuple(column), 1.0))
    assert len(cheapest) == pool.size == 584
    assert [cheapest[tuple(column)] for column in pool.activations[:, 0].tolist()] == pool.cost.tolist()


def test_units_that_differ_in_an_attribute_stay_apart() -> None:
    units = Pool(np.ones((4, 1, 3), np.int64), np.array([[1, 1], [0, 1], [0, 0], [1, 0]]), np.array([5, 5, 10, 5]))
    assert units.distinct().weights.tolist() == [[0, 0]]
    assert units.distinct(units.bias).weights.tolist() == [[0, 0], [0, 1]]
    assert units.within((1,)).bias.tolist() == [5, 10]
    assert units.within((0, 1), [(0, 1)]).weights.tolist() == [[0, 1], [0, 0], [1, 0]]


def test_filters_are_pooled() -> None:
    row = chosen(["digits-4x4"])[0]
    everything = units_of(row)
    images = row.read().features[:, 0]
    windows = np.lib.stride_tricks.sliding_window_view(images, (3, 3), axis=(1, 2))
    for k in np.random.default_rng(0).integers(0, everything.size, 20):
        sums = (windows * everything.weights[k].reshape(3, 3)).sum(axis=(3, 4))
        pooled = np.maximum(sums + everything.bias[k] / UNIT, 0).max(axis=(1, 2))
        assert np.allclose(pooled, everything.activations[k, 0] / UNIT, atol=1e-12)


def test_listing_one_unit_agrees_with_its_milp(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Problem.of(units_of(MOONS).distinct(), MOONS.read().labels)
    monkeypatch.setattr(composite, "MOST", 1)
    monkeypatch.setattr(composite, "FEW", 1)
    with Session() as session:
        found = Confirming(problem, session, "highs").run(1)
    assert any(line.endswith("listed") for line in found.lines)
    assert found.value == found.bound == pytest.approx(MOONS_OPTIMUM, abs=1e-9)


@pytest.mark.parametrize("name", ["moons-20", "iris-60"])
def test_composite_columns_confirm_optima(name: str) -> None:
    row = chosen([name])[0]
    found = confirm(row)
    assert found.value == pytest.approx(row.optima[0], abs=1e-7)
    assert found.bound == pytest.approx(row.optima[0], abs=1e-7)
