"""The examples of trained networks in other models: their optima, found again without nnmip by ONNX Runtime."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest

import nnmip

FOLDER = Path(__file__).parents[2] / "examples"
Array = npt.NDArray[np.float64]
Network = Callable[[Array], Array]

MEAN = np.array([[0.0, 0.47, 0.63, 0.04], [0.09, 0.61, 0.53, 0.11], [0.08, 0.46, 0.48, 0.13], [0.0, 0.44, 0.68, 0.08]])
"""The middle of the pictures of `picture.nnm`."""


def network(name: str) -> Network:
    """What a file in `examples/data` gives for rows of points."""
    session = onnxruntime.InferenceSession(FOLDER / "data" / f"{name}.onnx", providers=["CPUExecutionProvider"])

    def results(points: Array) -> Array:
        (found,) = session.run(None, {"x": points.astype(np.float32)})
        return np.asarray(found, dtype=float)

    return results


def test_no_other_prices_earn_more() -> None:
    """All 64 choices of a level for each product."""
    prices = np.array(list(itertools.product([8, 11, 14, 17], repeat=3)), dtype=float)
    sold = network("demand")(prices)
    is_allowed = (sold <= [18, 11, 12]).all(axis=1) & ((prices == 8).sum(axis=1) <= 2) & (prices[:, 0] <= prices[:, 2])
    earned = np.where(is_allowed, (prices * sold).sum(axis=1), -np.inf)
    assert 0 < is_allowed.sum() < len(prices) and earned.max() < (prices * sold).sum(axis=1).max()
    result = nnmip.load(FOLDER / "pricing.nnm").solve()
    assert result.objective == pytest.approx(earned.max(), abs=1e-3)
    assert result.variables["price"].tolist() == prices[earned.argmax()].tolist() == [11, 17, 17]


def test_no_other_picture_is_more_clearly_a_one() -> None:
    """All 65536 corners of the box around the mean, the best of which is the optimum here, and points inside it."""
    mean = MEAN.ravel()
    low, high = np.maximum(mean - 0.25, 0), np.minimum(mean + 0.25, 1)
    is_high = np.array(list(itertools.product([False, True], repeat=16)))
    points = np.concatenate([np.where(is_high, high, low), np.random.default_rng(0).uniform(low, high, (20_000, 16))])
    scores = network("zero_or_one")(points.reshape(-1, 4, 4))
    lead = scores[:, 1] - scores[:, 0]
    result = nnmip.load(FOLDER / "picture.nnm").solve()
    assert result.objective == pytest.approx(lead.max(), abs=1e-4)
    found = result.variables["pixel"]
    np.testing.assert_allclose(found.ravel(), points[lead.argmax()], atol=1e-6)


def test_no_other_way_to_run_the_reactor_is_cheaper() -> None:
    """A grid of the whole plant finds nothing cheaper, and points around the answer come close to it."""
    result = nnmip.load(FOLDER / "process.nnm").solve()
    assert result.objective is not None
    answer = np.array([result.variables[name] for name in ("heat", "press", "flow", "stages")], dtype=float)
    whole = [np.linspace(300, 400, 101), np.linspace(1, 10, 46), np.linspace(1, 5, 17), np.arange(1.0, 7)]
    width = np.array([2, 0.5, 0.2, 0])
    near = np.random.default_rng(0).uniform(answer - width, answer + width, (200_000, 4))
    near[:, :3] = near[:, :3].clip([300, 1, 1], [400, 10, 5])
    costs = [_cost_of_running(points) for points in (_grid(whole), near, answer[None])]
    assert min(cost.min() for cost in costs[:2]) >= result.objective - 1e-3
    assert costs[0].min() <= result.objective + 2 and costs[1].min() <= result.objective + 0.1
    assert costs[2][0] == pytest.approx(result.objective, abs=1e-3)


def _cost_of_running(points: Array) -> Array:
    """What each point costs, with the cooler only where it must be; infinite where a rule is broken."""
    heat, press, flow, stages = points.T
    made, pure = network("reactor")(points).T
    is_allowed = (made >= 70 - 1e-4) & (pure >= 85 - 1e-4) & ((stages < 4) | (press <= 6))
    cost = 0.2 * (heat - 300) + 3 * press + 8 * stages + 6 * (heat >= 360) - 2 * flow
    return np.where(is_allowed, cost, np.inf)


def test_no_smaller_change_of_the_patient_gives_another_answer() -> None:
    """All ages and pressures with a grid of the other two, which has the values of the patient, and random points."""
    patient, spread = np.array([59, 2, 32.1, 101, 4.86]), np.array([13, 1, 4.4, 13.8, 0.52])
    bmi, s5 = (np.append(np.linspace(*ends, 33), own) for ends, own in (((18, 42), 32.1), ((3.2, 6.2), 4.86)))
    grid = _grid([np.arange(59.0, 80), patient[1:2], bmi, np.arange(62.0, 134), s5])
    anywhere = np.random.default_rng(0).uniform([59, 2, 18, 62, 3.2], [80, 2, 42, 134, 6.2], (300_000, 5))
    anywhere[:, [0, 3]] = np.floor(anywhere[:, [0, 3]])
    is_own = np.random.default_rng(1).random(anywhere.shape) < 0.5
    points = np.concatenate([grid, np.where(is_own, patient, anywhere)])
    moved = np.abs(points - patient) / spread
    cost = moved.sum(axis=1) + 0.25 * (moved[:, 2:] > 0).sum(axis=1)
    course = network("course")
    cost[course(points)[:, 0] > -0.1] = np.inf
    result = nnmip.load(FOLDER / "counterfactual.nnm").solve()
    assert result.objective == pytest.approx(cost.min(), abs=1e-5)
    values = [result.variables[name] for name in ("age", "bmi", "pressure", "s5")]
    np.testing.assert_allclose(values, points[cost.argmin()][[0, 2, 3, 4]], atol=1e-5)
    assert course(patient[None])[0, 0] > 0


def _grid(axes: list[Array]) -> Array:
    return np.stack([axis.ravel() for axis in np.meshgrid(*axes)], axis=1)
