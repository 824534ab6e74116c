"""Sides that nothing relies on are left out: the direct MILP against the search, which has no encoding at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nnmip
from nnmip.milp.model import Milp

TEXT = """nnm 0.1
data rows {{
  features X
  label    y
}}
network net(x: real[2] in [-1, 1]) {{
  layer h = dense(x, units: 2, weights in {{-1, 0, 1}}, bias in {{-0.5, 0, 0.5}})
  layer a = relu(h)
  layer o = dense(a, units: 1, weights in {heads}, bias in [-1, 1])
  return o[0]
}}
minimize {loss} + 0.01 * l0(net.weights)
{rule}
"""


def made(seed: int, tmp_path: Path, rule: str = "", heads: str = "") -> nnmip.Model:
    chance = np.random.default_rng(seed)
    features = np.round(chance.uniform(-1, 1, (8, 2)) * 8) / 8
    labels = np.where(chance.random(8) < 0.5, -1.0, 1.0)
    np.savez(tmp_path / "rows.npz", X=features, y=labels)
    loss = ("hinge(net, rows)", "zero_one(net, rows, margin: 0.25)")[seed % 2]
    heads = heads or ("{0, 1}", "{-1, 0}", "{0.5, 1}")[seed % 3]
    return nnmip.loads(TEXT.format(heads=heads, loss=loss, rule=rule), {"rows": tmp_path / "rows.npz"})


def phases(milp: Milp) -> int:
    return sum(block.size for block in milp.columns if block.path == "net.a.phase")


@pytest.mark.parametrize("seed", range(18))
def test_one_sided_models_have_the_optimum_of_the_search(seed: int, tmp_path: Path) -> None:
    model = made(seed, tmp_path)
    found = model.solve(formulation="search")
    solver = ("highs", "cbc")[seed % 2]
    direct = model.solve(formulation="direct", solver=solver, time_limit=60)
    assert direct.solution == "optimal"
    assert direct.objective == pytest.approx(found.objective, abs=1e-6)
    assert phases(model.lowered.milp) < phases(made(seed, tmp_path, heads="{-1, 1}").lowered.milp)


def test_a_constraint_on_scores_needs_both_sides(tmp_path: Path) -> None:
    plain = made(0, tmp_path, 'constraint few "": l0(net.h.weights) <= 2').lowered.milp
    watched = made(0, tmp_path, 'constraint high "": forall s in rows: net(s) <= 0.5').lowered.milp
    assert phases(plain) < phases(watched)
