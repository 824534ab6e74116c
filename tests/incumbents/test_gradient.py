"""Networks by gradient descent, and what linear programs make of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nnmip
from nnmip.backends.relaxation import Infeasible, Relaxation, Relaxed
from nnmip.hir.core import Assignment
from nnmip.hir.evaluate import evaluate
from nnmip.incumbents.gradient import Nets, descended
from nnmip.incumbents.polish import fixed, polished
from nnmip.search.loss import Shortfalls

ROWS = np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
LABELS = np.array([-1.0, 1.0, 1.0, -1.0])
HEADS = np.array([[1.0], [1.0]])
MODEL = """nnm 0.1
data rows {
  features X
  label    y
}
network net(x: real[2] in [-1, 1]) {
  layer h = dense(x, units: 2, weights in [-2, 2], bias in [-1, 1])
  layer a = relu(h)
  layer o = dense(a, units: 1, weights in {-1, 0, 1}, bias in [-2, 2])
  return o[0]
}
minimize hinge(net, rows) + 0.01 * norm_1(net.weights)
"""


def hinge(margin: float = 1.0) -> Shortfalls:
    every = np.arange(4)
    return Shortfalls(4, every, LABELS[:, None], np.full(4, margin), every, np.full(4, 0.25))


def box(reach: float) -> Nets:
    return Nets(np.full((2, 2), reach), np.full(2, reach / 2), HEADS, np.full(1, reach))


def model(tmp_path: Path) -> nnmip.Model:
    np.savez(tmp_path / "rows.npz", X=ROWS, y=LABELS)
    return nnmip.loads(MODEL, {"rows": tmp_path / "rows.npz"})


def test_descent_learns_exclusive_or_within_its_box() -> None:
    nets = descended(ROWS, hinge(), box(-2.0), box(2.0), seed=1)
    values = [hinge().value(net.scores(ROWS, 0.0)) for net in nets]
    assert values[0] < 0.05
    assert values == sorted(values)
    for net in nets:
        assert np.abs(net.weights).max() <= 2.0
        assert np.abs(net.bias).max() <= 1.0
        assert (net.heads == HEADS).all()


def test_slopes_are_those_of_the_loss() -> None:
    """A step against the subgradient makes the loss smaller by the square of its length."""
    from nnmip.incumbents.gradient import _value_and_slopes

    chance = np.random.default_rng(0)
    nets = Nets(*(chance.uniform(-1, 1, (1, *part.shape)) for part in box(1.0).parts()))
    for slope in (0.0, 0.25):
        (value,), slopes = _value_and_slopes(ROWS, hinge(2.0), nets, slope)
        step = 1e-7
        moved = Nets(*(part - step * s for part, s in zip(nets.parts(), slopes, strict=True)))
        after = hinge(2.0).value(moved.scores(ROWS, slope)[0])
        assert (value - after) / step == pytest.approx(sum((s**2).sum() for s in slopes), rel=1e-4)


def test_polish_takes_the_best_network_of_its_phases(tmp_path: Path) -> None:
    lowered = model(tmp_path).lowered
    weights = np.array([[1.5, 1.5], [-1.5, -1.5]])
    rough = Assignment(
        {
            "net.h.weights": weights,
            "net.h.bias": np.array([-0.9, -0.9]),
            "net.o.weights": np.array([[-1.0, -1.0]]),
            "net.o.bias": np.array([0.8]),
        },
        {},
    )
    before = evaluate(lowered.program, rough).objectives[0]
    after = evaluate(lowered.program, polished(lowered, rough)).objectives[0]
    assert before > 0.06
    assert after == pytest.approx(0.06)
    milp, x = lowered.milp, lowered.complete(rough)
    low, high = fixed(milp, x)
    assert (low[milp.integer] == high[milp.integer]).all()
    assert (low[~milp.integer] == milp.col_lb[~milp.integer]).all()


def test_relaxations_change_bounds_and_rows(tmp_path: Path) -> None:
    lowered = model(tmp_path).lowered
    relaxation = Relaxation(lowered.milp)
    root = relaxation.solve()
    assert isinstance(root, Relaxed)
    assert root.value == pytest.approx(lowered.milp.objective(root.x))
    basis = relaxation.basis
    cut = np.where(lowered.milp.cost != 0, -1.0, 0.0)[None, :]
    relaxation.add_rows(cut, np.array([-1.0]))
    relaxation.set_basis(basis)
    higher = relaxation.solve()
    assert isinstance(higher, Relaxed)
    assert higher.value > root.value
    assert -(cut[0] @ higher.x) >= 1.0 - 1e-7
    relaxation.drop_rows(np.array([relaxation.rows - 1]))
    again = relaxation.solve()
    assert isinstance(again, Relaxed)
    assert again.value == pytest.approx(root.value)
    first = np.eye(1, lowered.milp.num_columns)
    relaxation.add_rows(first, lowered.milp.col_lb[:1] - 1.0)
    assert isinstance(relaxation.solve(), Infeasible)
