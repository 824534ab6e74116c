"""Goals in order: the search finds what the rows of the MILP find, stage after stage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nnmip
from nnmip.search import solve
from nnmip.solution import run
from nnmip.solution.result import Formulation, Proof

HEAD = """nnm 0.1
data d = csv("d.csv") {
  features x0, x1
  label y as {0: -1, 1: +1}
}
network net(x: real[2] in [-1, 1]) {
  layer h = dense(x, units: 2, weights in {-1, 0, 1}, bias in {-1, 0, 1})
  layer a = relu(h, prune: units)
  layer o = dense(a, units: 1, weights in {-1, 0, 1}, bias in [-3, 3])
  return o[0]
}
"""

GOALS = (
    "minimize hinge(net, d, margin: 0.5) then l0(net.weights) then norm_1(net.h.bias)",
    "minimize hinge(net, d) + 0.01 * l0(net.weights) then features(net)",
    "minimize hinge(net, d) + 0.01 * count(used(net.a)) then norm_1(net.h.bias) - l0(net.o.weights)",
    "maximize -1 * hinge(net, d) then -1 * count(used(net.a))",
    "minimize zero_one(net, d, margin: 0.5) + 0.05 * l0(net.weights) then sum(net.h.bias)",
    "minimize hinge(net, d)\n  then count(used(net.a)) then l0(net.o.weights)\nconstraint few: l0(net.weights) <= 4",
)


def write(folder: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.integers(-4, 5, size=(7, 2)) / 4
    y = (x[:, 0] * x[:, 1] + 0.2 * rng.normal(size=7) > 0).astype(int)
    y[:2] = 0, 1
    rows = "".join(f"{a:g},{b:g},{c}\n" for (a, b), c in zip(x, y, strict=True))
    (folder / "d.csv").write_text("x0,x1,y\n" + rows)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("goal", range(len(GOALS)))
def test_the_stages_of_the_search_are_those_of_the_milp(goal: int, seed: int, tmp_path: Path) -> None:
    write(tmp_path, seed)
    model = nnmip.loads(HEAD + GOALS[goal], directory=tmp_path)
    found, wanted = model.solve(formulation="search"), model.solve(solver="highs")
    assert found.how.formulation is Formulation.SEARCH and found.proof is Proof.CERTIFIED
    assert found.solution == wanted.solution == "optimal"
    assert [s.objective for s in found.stages] == pytest.approx([s.objective for s in wanted.stages], abs=1e-6)
    assert found.dual_bound == pytest.approx(wanted.objective, abs=1e-6)


def test_stages_of_three_classes(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("x0,x1,y\n0.75,-1,0\n0.25,0,1\n-0.5,1,2\n0,0.5,2\n-1,0.75,0\n")
    text = HEAD.replace("as {0: -1, 1: +1}", "as class").replace("units: 1, w", "units: 3, w").replace("o[0]", "o")
    goal = (
        "minimize hinge(net, d, margin: 0.5) + 0.01 * l0(net.weights) then norm_1(net.h.bias) - 0.5 * l0(net.o.weights)"
    )
    model = nnmip.loads(text + goal, directory=tmp_path)
    found, wanted = model.solve(formulation="search"), model.solve(solver="highs")
    assert found.proof is Proof.CERTIFIED and found.solution == wanted.solution == "optimal"
    assert [s.objective for s in found.stages] == pytest.approx([s.objective for s in wanted.stages], abs=1e-6)


def test_too_many_equal_networks_go_to_a_solver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, 0)
    monkeypatch.setattr(solve, "MOST_TIES", 3)
    result = nnmip.loads(HEAD + GOALS[0], directory=tmp_path).solve()
    assert result.solution == "optimal"
    assert result.how.formulation is Formulation.DIRECT
    assert result.how.why == "too many networks are equal for the first goal"
    assert result.stages[0].proof is Proof.CERTIFIED and result.proof is Proof.SOLVER


def test_a_network_that_refutes_an_earlier_goal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second stage that finds a better network for the first goal is not believed; a solver then tells the same."""
    write(tmp_path, 0)
    honest = run._held

    def worse(program: run.Program, result: run.Result) -> run.Program:
        held = honest(program, result)
        last = held.held[-1]
        return run.replace(held, held=(*held.held[:-1], run.replace(last, value=last.value + 0.1)))

    monkeypatch.setattr(run, "_held", worse)
    result = nnmip.loads(HEAD + GOALS[0], directory=tmp_path).solve()
    assert result.solution != "optimal"
