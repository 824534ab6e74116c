"""A network extends to a solution of the MILP with the same value, and comes back unchanged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnmip.hir.core import Program
from nnmip.hir.evaluate import evaluate
from nnmip.lowering.lower import lower_program
from nnmip.milp.model import BoolArray, Milp
from tests.meaning.generator import seeded_model
from tests.meaning.handwritten.every import CORNERS
from tests.meaning.handwritten.model import model
from tests.meaning.harness import load, random_assignment

CONTINUOUS = {
    "continuous weights, pruned": (
        "layer h = dense(x, units: 2, weights in [-2, 2], bias in [0.5, 1]); layer a = relu(h, prune: units);"
        "layer o = dense(a, units: 1, weights in {-1, 0, 1}, bias in [-1, 1]); return o[0]"
    ),
    "unions, pruned": (
        "layer h = dense(x, units: 2, weights in [-2, -0.5] | {0} | [0.5, 2], bias in [-1, 1] | {3});"
        "layer a = relu(h, prune: units); layer o = dense(a, units: 1, weights in [-1, 1] step 1/2); return o[0]"
    ),
}


def check(program: Program, seed: int, symmetry: bool) -> None:
    """Random assignments against every row that is not the user's, the goal and the way back."""
    low = lower_program(program, symmetry=symmetry)
    rng = np.random.default_rng(seed)
    ours = ~user_rows(low.milp, program)
    for _ in range(15):
        assignment = random_assignment(program, rng)
        x = low.complete(assignment)
        activity = low.milp.activity(x)
        excess = np.maximum(low.milp.row_lb - activity, activity - low.milp.row_ub)
        broken = [low.milp.row_name(int(i)) for i in np.flatnonzero((excess > 1e-9) & ours)]
        assert broken == []
        assert ((x >= low.milp.col_lb - 1e-9) & (x <= low.milp.col_ub + 1e-9)).all()
        assert np.abs(x - np.round(x))[low.milp.integer].max(initial=0.0) <= 1e-9
        there, back = evaluate(program, assignment, 1e-6), evaluate(program, low.lift(x), 1e-6)
        assert back.domain_violation <= 1e-12
        assert back.constraints == pytest.approx(there.constraints, abs=1e-9)
        if program.stages:
            assert back.objectives == pytest.approx(there.objectives, abs=1e-9)
            assert low.milp.objective(x) == pytest.approx(low.sign * there.objectives[0], abs=1e-9)


def user_rows(milp: Milp, program: Program) -> BoolArray:
    """Which rows state a constraint of the model."""
    names = {constraint.name for constraint in program.constraints}
    mask = np.zeros(milp.num_rows, dtype=bool)
    for block in milp.rows:
        mask[block.start : block.stop] = block.path.split(".")[0] in names
    return mask


@pytest.mark.parametrize("symmetry", [True, False])
@pytest.mark.parametrize("seed", range(100, 130))
def test_random_models_complete(seed: int, symmetry: bool, tmp_path: Path) -> None:
    check(load(seeded_model(seed), tmp_path), seed, symmetry)


@pytest.mark.parametrize("name", CORNERS)
def test_corners_complete(name: str, tmp_path: Path) -> None:
    check(load(CORNERS[name], tmp_path), 0, True)


@pytest.mark.parametrize("symmetry", [True, False])
@pytest.mark.parametrize("name", CONTINUOUS)
def test_continuous_models_complete(name: str, symmetry: bool, tmp_path: Path) -> None:
    goal = "minimize hinge(net, train) + 0.1 * l0(net.weights) + 0.2 * count(used(net.a)) + 0.3 * norm_1(net.weights)"
    check(load(model(CONTINUOUS[name], goal), tmp_path), 1, symmetry)


def test_a_removed_unit_comes_back_as_zeros(tmp_path: Path) -> None:
    program = load(CORNERS["pruned units with weights that cannot be 0"], tmp_path)
    low = lower_program(program)
    rng = np.random.default_rng(0)
    assignment = random_assignment(program, rng)
    assignment.kept["net.a"][:] = False
    back = low.lift(low.complete(assignment))
    assert not back.kept["net.a"].any()
    assert all((back.values[path] == 0).all() for path in ("net.h.weights", "net.h.bias", "net.o.weights"))


def test_units_are_brought_into_the_order_that_the_rows_impose(tmp_path: Path) -> None:
    program = load(CORNERS["both layers pruned, weights between them without 0"], tmp_path)
    low = lower_program(program)
    rng = np.random.default_rng(3)
    for _ in range(10):
        back = low.lift(low.complete(random_assignment(program, rng)))
        assert back.kept["net.a"][0] >= back.kept["net.a"][1]
        assert back.kept["net.b"][0] >= back.kept["net.b"][1]
