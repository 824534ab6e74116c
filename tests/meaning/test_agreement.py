"""The optimum of the MILP is the optimum of the model: solvers against enumeration, with and without symmetry rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from nnmip.backends.process import Session
from nnmip.hir.evaluate import evaluate
from tests.meaning.generator import Model, models, seeded_model
from tests.meaning.handwritten.every import CORNERS
from tests.meaning.harness import disagreements, load
from tests.meaning.oracle import BatchMeaning, batches

PERSISTENT_FOLDER = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


ONE_VALUE = 923
"""A square of what has one value alone, and bounds that rounding has made wider."""


@pytest.mark.parametrize("seed", [*range(40), ONE_VALUE])
def test_solvers_agree_with_enumeration(seed: int, tmp_path: Path, session: Session) -> None:
    program = load(seeded_model(seed), tmp_path)
    assert disagreements(program, session, ("highs", "cbc")) == []


@pytest.mark.parametrize("name", CORNERS)
def test_corners_agree_with_enumeration(name: str, tmp_path: Path, session: Session) -> None:
    program = load(CORNERS[name], tmp_path)
    assert disagreements(program, session, ("highs", "cbc", "gurobi")) == []


@settings(max_examples=30, deadline=None, suppress_health_check=PERSISTENT_FOLDER, derandomize=True)
@given(model=models())
def test_highs_agrees_with_enumeration(model: Model, tmp_path: Path) -> None:
    assert disagreements(load(model, tmp_path)) == []


@pytest.mark.parametrize("seed", range(40, 70))
def test_the_oracle_means_what_the_language_means(seed: int, tmp_path: Path) -> None:
    """Two independent readings of the semantics agree on a sample of assignments."""
    program = load(seeded_model(seed), tmp_path)
    rng = np.random.default_rng(seed)
    for batch in batches(program):
        meaning = BatchMeaning(program, batch)
        goal, feasible = meaning.goal(), meaning.feasible()
        for index in rng.integers(0, batch.size, 8):
            found = evaluate(program, batch.assignment(int(index)), 1e-6)
            if program.stages:
                assert found.objectives[0] == pytest.approx(goal[index], abs=1e-9)
            assert (found.max_violation <= 1e-6) == feasible[index]


FALSE_OPTIMUM = Model(
    """nnm 0.1
data train = csv("rows.csv") {
  features f0
  label label as {a, b, c}
}
data more = csv("more.csv") {
  features f0
  label label as {a, b, c}
}
network net(x: real[1] in [-4, 4]) {
  layer h0 = dense(x, units: 2, weights in {-1, 0, 1}, bias in {1, 2})
  layer a0 = relu(h0, prune: units)
  layer o = dense(a0, units: 3, weights in {-1, 1})
  return o
}
minimize - margin(net, more) + 0.1 * count(used(net.a0))
constraint c0: features(net) <= 0
""",
    {"rows.csv": "f0,label\n-1,c\n-1,b\n2,c\n2,a\n-1,c\n", "more.csv": "f0,label\n3,c\n3,c\n"},
)


def test_cbc_is_right_where_highs_is_not(tmp_path: Path, session: Session) -> None:
    assert disagreements(load(FALSE_OPTIMUM, tmp_path), session, ("cbc",)) == []


@pytest.mark.xfail(reason="HiGHS 1.15.1 cuts off the optimum -7.8 at the root and proves -3.8", strict=False)
def test_a_false_optimum_of_highs_in_the_safe_configuration(tmp_path: Path) -> None:
    """Without the order of units, which no run leaves out, and for some seeds only."""
    assert disagreements(load(FALSE_OPTIMUM, tmp_path)) == []
