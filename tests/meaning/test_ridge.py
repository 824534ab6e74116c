"""`norm_2sq` of weights from intervals is held by tangents: certified values against closed forms and projected
gradients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nnmip
from nnmip.bounds.interval import Interval
from nnmip.hir.core import FloatArray
from nnmip.lowering.words import norm_2sq
from nnmip.solution.result import Result
from tests.meaning.handwritten.model import model as corner
from tests.meaning.harness import load

LINEAR = "layer o = dense(x, units: 1, weights in {w}, bias in [-4, 4]); return o[0]"
HIDDEN = (
    "layer a = relu(dense(x, units: 2, weights in {w}){prune});"
    " layer o = dense(a, units: 1, weights in {{-1, 1}}, bias in {{0}}); return o[0]"
)


def points(seed: int) -> tuple[FloatArray, FloatArray]:
    """Twelve rows of two features, and targets near a plane."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-8, 9, (12, 2)) / 4.0
    return x, np.round(x @ np.array([1.5, -0.75]) + rng.normal(0.0, 0.4, 12), 2)


def solved(folder: Path, layers: str, goal: str, *constraints: str, seed: int = 0) -> Result:
    x, y = points(seed)
    rows = "".join(f"{a:g},{b:g},{t:g}\n" for (a, b), t in zip(x, y, strict=True))
    load(corner(layers, goal, *constraints, rows=rows, truth="target t"), folder)
    return nnmip.load(folder / "model.nnm").solve()


def ridge(seed: int, penalty: float) -> float:
    """The least goal from the normal equations; the bias is free."""
    x, y = points(seed)
    a = np.column_stack([x, np.ones(len(y))])
    w = np.linalg.solve(a.T @ a / len(y) + penalty * np.diag([1.0, 1.0, 0.0]), a.T @ y / len(y))
    return float(((a @ w - y) ** 2).mean() + penalty * (w[:2] ** 2).sum())


def boxed_ridge(seed: int, penalty: float, most: float) -> float:
    """The least goal with weights in [-most, most], by projected gradients."""
    x, y = points(seed)
    a, w = np.column_stack([x, np.ones(len(y))]), np.zeros(3)
    hessian = a.T @ a / len(y) + penalty * np.diag([1.0, 1.0, 0.0])
    rate, ends = 1.0 / np.linalg.eigvalsh(hessian)[-1], np.array([most, most, 4.0])
    for _ in range(20_000):
        w = np.clip(w - rate * (hessian @ w - a.T @ y / len(y)), -ends, ends)
    return float(((a @ w - y) ** 2).mean() + penalty * (w[:2] ** 2).sum())


def least_in_ball(seed: int, most: float) -> float:
    """The least mean of squares with squared weights that add up to `most`: the multiplier is found by halving."""
    x, y = points(seed)
    a, low, high = np.column_stack([x, np.ones(len(y))]), 0.0, 1e3
    for _ in range(200):
        middle = (low + high) / 2
        w = np.linalg.solve(a.T @ a / len(y) + middle * np.diag([1.0, 1.0, 0.0]), a.T @ y / len(y))
        low, high = (middle, high) if (w[:2] ** 2).sum() > most else (low, middle)
    return float(((a @ w - y) ** 2).mean())


def check(result: Result, truth: float) -> None:
    """The truth is between both ends, which are within the tolerance that is stated."""
    assert result.is_certified and result.proof == "solver" and result.bracket is not None
    lower, upper, tolerance = result.bracket.lower, result.bracket.upper, result.bracket.tolerance
    assert lower is not None and upper is not None and upper - lower <= tolerance
    assert lower - 1e-7 <= truth <= upper + 1e-7


@pytest.mark.parametrize("penalty", [0.01, 0.3])
@pytest.mark.parametrize("seed", range(3))
def test_ridge_regression(seed: int, penalty: float, tmp_path: Path) -> None:
    goal = f"minimize squared(net, train, tolerance: 0.001) + {penalty} * norm_2sq(net.weights, tolerance: 0.001)"
    check(solved(tmp_path, LINEAR.format(w="[-4, 4]"), goal, seed=seed), ridge(seed, penalty))


@pytest.mark.parametrize("most", [0.4, 1.0])
def test_weights_at_the_ends_of_their_interval(most: float, tmp_path: Path) -> None:
    layers = LINEAR.format(w=f"[-{most}, {most}]")
    result = solved(tmp_path, layers, "minimize squared(net, train) + 0.2 * norm_2sq(net.weights)")
    check(result, boxed_ridge(0, 0.2, most))


def test_a_limit_of_the_norm(tmp_path: Path) -> None:
    """Rounds go on until the replay finds the constraint satisfied."""
    limit = "norm_2sq(net.weights) <= 1"
    result = solved(tmp_path, LINEAR.format(w="[-4, 4]"), "minimize squared(net, train)", limit)
    check(result, least_in_ball(0, 1.0))
    weights = result.networks["net"].weights["o"]
    assert (weights**2).sum() <= 1.0 + 1e-6


def test_domains_of_both_kinds(tmp_path: Path) -> None:
    """Known weights of a finite domain add exactly what they are; the others are as small as they may be."""
    layers = HIDDEN.format(w="[0.5, 2] | {3}", prune="")
    result = solved(tmp_path, layers, "minimize norm_2sq(net.weights) + norm_2sq(net.biases)")
    assert result.objective == pytest.approx(4 * 0.25 + 2, abs=2e-4) and result.dual_bound is not None
    assert result.dual_bound <= 4 * 0.25 + 2 + 1e-7


def removed(folder: Path) -> Result:
    layers = HIDDEN.format(w="[0.5, 2]", prune=", prune: units")
    return solved(folder, layers, "minimize norm_2sq(net.weights) + 3 * count(used(net.a))")


def test_weights_of_removed_units_count_nothing(tmp_path: Path) -> None:
    assert removed(tmp_path).objective == pytest.approx(0.0, abs=1e-6)


def test_bounds_without_the_zero_of_removed_units_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(norm_2sq, "Interval", lambda lo, hi: Interval(np.maximum(lo, 0.5), hi))
    assert removed(tmp_path).replay is None or removed(tmp_path).objective != pytest.approx(0.0, abs=1e-6)


def test_a_goal_behind_another(tmp_path: Path) -> None:
    """Among the networks within the tolerance of the best one the smallest weights are sought."""
    goal = "minimize squared(net, train, tolerance: 0.001) then norm_2sq(net.weights, tolerance: 0.01)"
    result = solved(tmp_path, LINEAR.format(w="[-4, 4]"), goal)
    assert result.is_certified and [stage.proof for stage in result.stages] == ["solver", "solver"]
    first, second = (stage.objective for stage in result.stages)
    assert first is not None and second is not None
    x, y = points(0)
    best = np.linalg.lstsq(np.column_stack([x, np.ones(len(y))]), y, rcond=None)[0]
    assert first <= ridge(0, 0.0) + 0.0011 and second <= float((best[:2] ** 2).sum()) + 0.05
