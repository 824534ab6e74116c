"""A bound of wrong rows together with weights: never above the optimum, and the least over all sets of features."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from nnmip.backends.protocol import Termination
from nnmip.pipeline import Model
from nnmip.pipeline import load as load_model
from nnmip.report import text
from nnmip.search import anneal, cover
from nnmip.search.cover import covering_bound
from nnmip.search.view import View, view_of
from nnmip.solution import annealing
from nnmip.solution.replay import ReplayStatus
from nnmip.solution.result import Proof, Result, SolutionStatus
from nnmip.solution.stage import Stage
from tests.benchmarks.training.instances import chosen
from tests.search.compare import searched
from tests.search.test_anneal import signs


def model(folder: Path, seed: int) -> View:
    """Six rows of three small features, rules and further terms now and then."""
    chance = np.random.default_rng(seed)
    rows = chance.integers(-1, 2, (int(chance.integers(4, 9)), 3))
    labels = chance.choice([-1, 1], len(rows))
    weights = chance.choice([1.0, 2.0, 5.0], len(rows))
    lines = [f"{a},{b},{c},{y},{w}" for (a, b, c), y, w in zip(rows, labels, weights, strict=True)]
    (folder / "rows.csv").write_text("\n".join(["a,b,c,y,w", *lines, ""]))
    kind = chance.choice(["sign", "relu", "step"])
    share = chance.choice([0.01, 0.05, 0.2])
    more = chance.choice(["", f" + {share} * norm_1(net.h.weights)", f" + {share} * count(used(net.a))"])
    rule = chance.choice(["", "constraint narrow: fan_in(net.a) <= 2\n"])
    source = f"""nnm 0.1
data rows = csv("rows.csv") {{
  features a, b, c
  label    y
  weight   w
}}
network net(x: real[3] in [-1, 1]) {{
  layer h = dense(x, units: {chance.integers(1, 3)}, weights in {{-1, 0, 2}}, bias in -1..1)
  layer a = {kind}(h)
  layer o = dense(a, units: 1, weights in {{-1, 0, 1}}, bias in {chance.choice(["-2..2", "[-3, 3]"])})
  return o[0]
}}
{rule}minimize zero_one(net, rows) + {share} * l0(net.weights){more}
"""
    (folder / "model.nnm").write_text(source)
    return view_of(load_model(folder / "model.nnm").program)


def by_all_sets(view: View) -> float:
    """The same bound by enumeration of all sets of features."""
    rows, loss, costs = view.rows.reshape(len(view.rows), -1), view.loss, cover._costs(view)
    assert isinstance(loss, cover.Mistakes) and costs is not None
    weights, output = costs
    found = []
    for size in range(rows.shape[1] + 1):
        for places in combinations(range(rows.shape[1]), size):
            groups: dict[tuple[float, ...], list[float]] = {}
            for row, sign, weight in zip(rows[:, list(places)], loss.sign, loss.weight, strict=True):
                groups.setdefault(tuple(row), [0.0, 0.0])[int(sign > 0)] += weight
            wrong = sum(min(pair) for pair in groups.values())
            found.append(wrong + sum(weights[j] for j in places) + (output if places else 0.0))
    return float(min(found))


def test_random_models(tmp_path: Path) -> None:
    tight = above_nothing = 0
    for seed in range(25):
        (tmp_path / str(seed)).mkdir()
        view = model(tmp_path / str(seed), seed)
        bound, optimum = covering_bound(view), searched(view.program).raw.objective
        assert optimum is not None and bound <= optimum + 1e-9, seed
        assert bound == pytest.approx(by_all_sets(view), abs=1e-9), seed
        tight += bound >= optimum - 1e-9
        above_nothing += bound > 1e-6
    assert tight >= 5 and above_nothing >= 15


def test_it_bounds_wherever_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen(["signs"])[0].read().save(tmp_path / "rows.npz")
    view = view_of(load_model(chosen(["signs"])[0].path, signs(tmp_path)).program)
    monkeypatch.setattr(cover, "MOST_NODES", 2)
    early = covering_bound(view)
    monkeypatch.undo()
    assert 0.002 - 1e-9 <= early <= covering_bound(view) == pytest.approx(0.006)


def test_random_covers() -> None:
    for seed in range(150):
        chance = np.random.default_rng(seed)
        codes, up = chance.integers(0, 2, (4, 10)), chance.random(10) < 0.5
        cost, weight = chance.choice([0.5, 1.0, 2.0], 4), chance.choice([0.75, 1.0], 10)
        high, low = np.where(up, weight, 0.0), np.where(up, 0.0, weight)
        found = []
        for places in (list(some) for size in range(5) for some in combinations(range(4), size)):
            groups = codes[places].T @ (2 ** np.arange(len(places)))
            wrong = sum(min(high[groups == g].sum(), low[groups == g].sum()) for g in set(groups.tolist()))
            found.append(wrong + cost[places].sum())
        assert cover._Cover(codes, cost, high, low).least() == pytest.approx(min(found), abs=1e-9), seed


def wide(folder: Path, rows: list[tuple[list[int], int]], more: str = "") -> Model:
    """Sixteen features, so that the columns of a unit are too many to list: the first ones as given, the others 0."""
    lines = [",".join(map(str, [*first, *[0] * (16 - len(first)), label])) for first, label in rows]
    names = [f"x{place}" for place in range(16)]
    (folder / "rows.csv").write_text("\n".join([",".join([*names, "y"]), *lines, ""]))
    (folder / "model.nnm").write_text(f"""nnm 0.1
data rows = csv("rows.csv") {{
  features {", ".join(names)}
  label    y
}}
network net(x: real[16] in [-1, 1]) {{
  layer h = dense(x, units: 2, weights in -1..1, bias in -2..2)
  layer a = sign(h)
  layer o = dense(a, units: 1, weights in -1..1, bias in -2..2)
  return o[0]
}}
minimize zero_one(net, rows) + 0.01 * l0(net.weights){more}
""")
    return load_model(folder / "model.nnm")


SETTLED = {
    "one feature": ([([-1, 1], -1), ([-1, -1], -1), ([1, 1], 1), ([1, 0], 1)], 0.02),
    "one feature, equal rows": ([([-1], -1), ([-1], 1), ([-1], -1), ([1], 1)], 0.27),
    "no feature": ([([-1], 1), ([1], 1)], 0.0),
    "a feature costs more than a row": ([([0, 1], 1)] * 199 + [([1, 0], -1)], 0.005),
}


@pytest.mark.parametrize("name", SETTLED)
def test_a_network_that_is_as_good_is_proved_and_ends_annealing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = []
    step = anneal._Annealing._step
    monkeypatch.setattr(anneal._Annealing, "_step", lambda self, warm: steps.append(warm) or step(self, warm))
    rows, optimum = SETTLED[name]
    result = wide(tmp_path, rows).solve(time_limit=100)
    assert result.objective == pytest.approx(optimum, abs=1e-9) == result.dual_bound
    assert (result.solution, result.termination, result.proof) == ("optimal", "optimal", "certified")
    assert (result.how.formulation, result.solver, result.stages[0].proof) == ("cover", "cover", "certified")
    assert result.replay is not None and result.replay.status is ReplayStatus.PASSED
    assert len(steps) < 1000
    shown = text.render_result(result)
    assert "  search    annealing, until it met what a test cover of the rows proves\n" in shown
    assert "  proof     certified: " in shown


def test_a_network_of_the_solver_that_is_as_good_is_proved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Annealing finds nothing, and the solver is cut off with the best network and a bound of nothing."""
    solve = Stage.solve

    def cut_off(stage: Stage) -> Result:
        found = replace(solve(stage), termination=Termination.TIME_LIMIT, solution=SolutionStatus.FEASIBLE)
        return replace(found, proof=Proof.NONE, dual_bound=0.0)

    monkeypatch.setattr(annealing, "annealed", lambda *arguments, **options: None)
    monkeypatch.setattr(Stage, "solve", cut_off)
    result = wide(tmp_path, SETTLED["one feature"][0]).solve(time_limit=100)
    assert (result.solution, result.termination, result.proof) == ("optimal", "optimal", "certified")
    assert (result.objective, result.dual_bound) == (pytest.approx(0.02), pytest.approx(0.02))


def test_a_network_that_is_not_as_good_is_not_proved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The floor does not count units, so that 0.02 is out of reach; nor does a floor above a network prove anything."""
    monkeypatch.setattr(anneal, "MOST_STEPS", 100)
    rows = SETTLED["one feature"][0]
    result = wide(tmp_path, rows, " + 0.01 * count(used(net.a))").solve(time_limit=100)
    assert result.objective == pytest.approx(0.03) and result.how.formulation == "direct"
    monkeypatch.setattr(annealing, "covering_bound", lambda view: 0.1)
    stage = annealing.AnnealedStage(view_of(wide(tmp_path, rows).program), [], lambda: False, None, None)
    stage.anneal(100, 0.0, lambda: None)
    assert stage.known and stage.answer() is None
