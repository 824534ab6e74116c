"""Variables beside networks: their values, their domains, and what is said of them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import nnmip
from nnmip.build import Draft, atleast
from nnmip.hir.core import Assignment, Program
from nnmip.hir.evaluate import evaluate
from tests.workbench import nnmip as run

PRICES = """nnm 0.1

param fee : real = 4

var price : real[3] in [5, 20]
var open  : bool[3]
var staff : int[3] in 0..8

constraint ladder: price[0] <= price[1] and price[1] <= price[2]
constraint closed: forall i in indices(open): not open[i] -> price[i] = 5
constraint served: forall i in indices(open): staff[i] >= 0.2 * price[i]
constraint some: atleast(2, open) and atmost(2, open)

maximize sum(price) - fee * count(open) - 0.5 * sum(staff)
"""


@pytest.mark.parametrize("solver", ["highs", "cbc"])
def test_the_values_of_variables_are_the_answer(solver: str) -> None:
    result = nnmip.loads(PRICES).solve(solver=solver)
    assert result.solution == "optimal"
    assert result.objective == pytest.approx(32.5, abs=1e-9)
    assert result.variables["price"].tolist() == [5, 20, 20]
    assert result.variables["open"].dtype == bool
    assert result.variables["open"].tolist() == [False, True, True]
    assert result.variables["staff"].tolist() == [1, 4, 4]
    assert result.networks == {}


def test_a_run_prints_saves_and_resumes_variables(tmp_path: Path) -> None:
    (tmp_path / "prices.nnm").write_text(PRICES)
    first = run(tmp_path, "solve", "prices.nnm", "--save", "run")
    assert first.returncode == 0
    assert "  price  [5, 20, 20]\n  open   [false, true, true]\n  staff  [1, 4, 4]\n" in first.stdout
    assert "recomputed from the variables alone" in first.stdout
    assert "open   [false, true, true]" in (tmp_path / "run" / "network.txt").read_text()
    again = run(tmp_path, "solve", "prices.nnm", "--resume", "run", "--json")
    found = json.loads(again.stdout)
    assert found["variables"] == {"price": [5, 20, 20], "open": [False, True, True], "staff": [1, 4, 4]}


def test_show_lists_variables_and_says_why_it_is_not_searched(tmp_path: Path) -> None:
    (tmp_path / "prices.nnm").write_text(PRICES)
    shown = run(tmp_path, "show", "prices.nnm").stdout
    assert "  var price : real[3] in [5, 20]\n  var open : bool[3]\n  var staff : int[3] in" in shown
    assert "not by search over columns: there are variables" in shown


def test_an_infeasible_model_of_variables_speaks_of_answers() -> None:
    model = nnmip.loads("nnm 0.1\nvar x : real in [0, 1]\nconstraint big: x >= 2\nminimize x\n")
    result = model.solve()
    assert result.termination == "infeasible"
    assert result.conflict is not None and result.conflict.members[0][0] == "big"
    assert result.subject == "answer"


@pytest.mark.parametrize("seed", range(30))
def test_small_models_agree_with_enumeration(seed: int, best: Callable[[Program, str], float | None]) -> None:
    """Whole numbers and Booleans with linear and logic constraints, on both solvers, against all assignments."""
    chance = np.random.default_rng(seed)
    draft = Draft("small")
    x = draft.variable("x", 3, range(-1, 3), kind="int")
    b = draft.variable("b", 2, kind="bool")
    c, d = chance.integers(-3, 4, size=(2, 3)).astype(float)
    e = chance.integers(-2, 3, size=2).astype(float)
    draft.constraint("row", (x * c).sum() <= float(chance.integers(-2, 4)))
    draft.constraint("either", b[0] | (x[0] >= x[1]))
    draft.constraint("guard", atleast(1, b[1], x[2] <= 0.0))
    goal = (x * d).sum() + e[0] * draft.word("count", b[:1]) + e[1] * draft.word("count", b[1:])
    (draft.minimize if seed % 2 else draft.maximize)(goal)
    program = draft.program()
    sign, least = (1.0 if seed % 2 else -1.0), np.inf
    for values in itertools.product(range(-1, 3), repeat=3):
        for bits in itertools.product((0.0, 1.0), repeat=2):
            chosen = Assignment({"x": np.array(values, float), "b": np.array(bits)}, {})
            found = evaluate(program, chosen)
            if found.max_violation <= 1e-9:
                least = min(least, sign * found.objectives[0])
    wanted = None if np.isinf(least) else pytest.approx(sign * least, abs=1e-6)
    assert best(program, "highs") == wanted
    assert best(program, "cbc") == wanted


def test_a_variable_stands_beside_a_network_that_is_trained(tmp_path: Path) -> None:
    """A threshold that is decided together with the weights: the goal reads both."""
    (tmp_path / "points.csv").write_text("x0,x1,parity\n-1,-1,even\n-1,1,odd\n1,-1,odd\n1,1,even\n")
    text = """nnm 0.1
data points = csv("points.csv") { features x0, x1 label parity as {even: -1, odd: +1} }
network net(x: real[2] in [-1, 1]) {
  layer h = dense(x, units: 2, weights in -1..1, bias in -1..1)
  layer a = relu(h)
  layer o = dense(a, units: 1, weights in {-1, 0, 1}, bias in -2..2)
  return o[0]
}
var most : int in 0..6
constraint cap: l0(net.weights) <= most
minimize hinge(net, points) + 0.2 * most
"""
    (tmp_path / "both.nnm").write_text(text)
    result = nnmip.load(tmp_path / "both.nnm").solve()
    assert result.solution == "optimal"
    weights = sum(int(np.count_nonzero(w)) for w in result.networks["net"].weights.values())
    assert result.variables["most"] == weights
    assert result.objective == pytest.approx(1.0, abs=1e-7)
