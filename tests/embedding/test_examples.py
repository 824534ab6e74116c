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
