"""Networks that annealing finds: they are networks of the model, never better than its optimum, and mostly that."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnmip.hir.evaluate import evaluate
from nnmip.pipeline import load as load_model
from nnmip.search import anneal
from nnmip.search.anneal import annealed, unlisted
from nnmip.search.enumerate import Prices, activated, sums_of
from nnmip.search.unit_tables import UnitTables
from nnmip.search.view import Refusal, view_of
from nnmip.sizes import UNASKED
from nnmip.solution.replay import ReplayStatus
from tests.benchmarks.training.instances import chosen
from tests.meaning.harness import load
from tests.search.compare import searched
from tests.search.models import seeded_model

SEEDS = range(5000, 5120)


def test_random_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anneal, "MOST_STEPS", 100)
    annealings = optima = 0
    for seed in SEEDS:
        (tmp_path / str(seed)).mkdir()
        program = load(seeded_model(seed), tmp_path / str(seed))
        try:
            view = view_of(program)
        except Refusal:
            continue
        network = annealed(view, lambda: 0.0, lambda: None)
        if network is None:
            continue
        evaluation = evaluate(program, network)
        assert evaluation.max_violation <= 1e-9, seed
        assert program.goal is not None
        optimum = searched(program).raw.objective
        assert optimum is not None
        behind = program.goal.sign * evaluation.objectives[0] - optimum
        assert behind >= -1e-6, seed
        annealings += 1
        optima += behind <= 1e-6
    assert annealings >= 15 and optima >= 0.75 * annealings


def test_tables_agree_with_layers_and_goals(tmp_path: Path) -> None:
    """Also where conditions forbid units, and where weights cost something together."""
    looked_up = 0
    for seed in SEEDS[:60]:
        (tmp_path / str(seed)).mkdir()
        try:
            view = view_of(load(seeded_model(seed), tmp_path / str(seed)))
        except Refusal:
            continue
        weights, bias = view.hidden.decision("weights"), view.hidden.decision("bias")
        assert weights is not None
        values = np.sort(np.array(weights.domain.values))
        biases = np.sort(np.array(bias.domain.values)) if bias is not None else np.zeros(1)
        width, chance, prices = weights.size // view.parts.units, np.random.default_rng(seed), Prices(view)
        tables = UnitTables(view, prices, values, biases, anneal._nearest_to_zero(view))
        both = np.column_stack([chance.choice(values, (40, width)), chance.choice(biases, 40)])
        both[0, :-1] = anneal._nearest_to_zero(view)[:-1]
        allowed, cost, _ = prices.own(both)
        found = tables.own(both)
        assert found[0].tolist() == allowed.tolist(), seed
        assert found[1] == pytest.approx(cost, abs=1e-12), seed
        sums = sums_of(view, both[:, :-1])
        given = activated(view, sums + both[:, -1].reshape(-1, *(1,) * (sums.ndim - 1)))
        assert tables.shown(both) == pytest.approx(given, abs=1e-9), seed
        looked_up += tables.looks_up
    assert looked_up >= 10


def signs(folder: Path) -> dict[str, str]:
    chosen(["signs"])[0].read().save(folder / "rows.npz")
    return {"rows": str(folder / "rows.npz"), "inputs": "16", "hidden": "4"}


def test_units_with_too_many_columns_start_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The constant network has 27 of 80 rows wrong, which a solver does not mend in so short a time."""
    monkeypatch.setattr(anneal, "MOST_STEPS", 400)
    model = load_model(chosen(["signs"])[0].path, signs(tmp_path))
    result = model.solve(time_limit=3)
    assert result.how.formulation == "direct"
    assert result.objective is not None and result.objective < 0.25
    assert result.dual_bound == pytest.approx(0.006) == result.stages[0].dual_bound
    assert result.replay is not None and result.replay.status is ReplayStatus.PASSED


def test_it_is_left_out_where_a_formulation_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unwanted(*arguments: object) -> None:
        raise AssertionError

    monkeypatch.setattr(anneal, "annealed", unwanted)
    model = load_model(chosen(["signs"])[0].path, signs(tmp_path))
    assert model.solve(time_limit=0.2, formulation="direct").objective == pytest.approx(0.3375)


def test_it_is_left_out_where_columns_can_be_listed(tmp_path: Path) -> None:
    model = load_model(chosen(["iris2-50"])[0].path, {**signs(tmp_path), "inputs": "16", "fan": "1"})
    assert unlisted(model.program, UNASKED) is None
    assert unlisted(load_model(chosen(["signs"])[0].path, signs(tmp_path)).program, UNASKED) is not None


def test_it_ends_when_it_is_stopped_or_interrupted(tmp_path: Path) -> None:
    view = view_of(load_model(chosen(["signs"])[0].path, signs(tmp_path)).program)
    assert annealed(view, lambda: 1.0, lambda: None) is not None
    told: list[bool] = []

    def press() -> float:
        raise KeyboardInterrupt

    assert annealed(view, press, lambda: told.append(True)) is not None
    assert told == [True]


def test_the_seed_decides_what_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anneal, "MOST_STEPS", 300)
    program = load_model(chosen(["signs"])[0].path, signs(tmp_path)).program
    values = []
    for seed in (0, 0, 1):
        network = annealed(view_of(program), lambda: 0.0, lambda: None, seed)
        assert network is not None
        values.append({path: value.tolist() for path, value in network.values.items()})
    assert values[0] == values[1] != values[2]


@pytest.fixture
def temperatures(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Those of all steps that are taken."""
    seen: list[float] = []
    plain = anneal._Annealing._step

    def step(self: anneal._Annealing, temperature: float) -> anneal.FloatArray:
        seen.append(temperature)
        return plain(self, temperature)

    monkeypatch.setattr(anneal._Annealing, "_step", step)
    return seen


def test_few_rows_take_few_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, temperatures: list[float]) -> None:
    monkeypatch.setattr(anneal, "EACH_ROW", 2)
    view = view_of(load_model(chosen(["signs"])[0].path, signs(tmp_path)).program)
    assert annealed(view, lambda: 0.0, lambda: None) is not None
    assert len(temperatures) == 2 * len(view.rows) == 160


def test_copies_are_networks_with_their_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands beside a network after copying is what belongs to it."""
    spreads: list[int] = []
    plain = anneal._Annealing._look

    def look(self: anneal._Annealing, before: float, temperature: float) -> None:
        known = {(both.tobytes(), head.tobytes()) for both, head in zip(self._both, self._head, strict=True)}
        plain(self, before, temperature)
        after = {(both.tobytes(), head.tobytes()) for both, head in zip(self._both, self._head, strict=True)}
        assert after <= known
        spreads.append(len(after))
        adds, cost, _ = self._of_units(self._both[:, 0], self._head[:, 0])
        assert (adds == self._adds[:, 0]).all() and cost == pytest.approx(self._cost[:, 0], abs=1e-12)
        assert self._value == pytest.approx(self._values_of(self._adds.sum(axis=1)) + self._cost.sum(axis=1))

    monkeypatch.setattr(anneal, "MOST_STEPS", 600)
    monkeypatch.setattr(anneal._Annealing, "_look", look)
    view = view_of(load_model(chosen(["signs"])[0].path, signs(tmp_path)).program)
    assert annealed(view, lambda: 0.0, lambda: None) is not None
    assert spreads[0] == 256 and len(spreads) == 10 and spreads[-1] < 200


def test_it_cools_by_the_time_where_that_ends_sooner(tmp_path: Path, temperatures: list[float]) -> None:
    gone = iter((0.0, 0.5, 0.99, 1.0))
    view = view_of(load_model(chosen(["signs"])[0].path, signs(tmp_path)).program)
    assert annealed(view, lambda: next(gone), lambda: None) is not None
    assert len(temperatures) == 3 * 64
    assert temperatures[0] == pytest.approx(0.4 / 80) and temperatures[-1] == pytest.approx(0.001, rel=0.05)
