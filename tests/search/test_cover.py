"""A bound of wrong rows together with weights: never above the optimum, and the least over all sets of features."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from nnmip.pipeline import load as load_model
from nnmip.search import cover
from nnmip.search.cover import covering_bound
from nnmip.search.view import View, view_of
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
