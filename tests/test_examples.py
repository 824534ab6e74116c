"""Every example is proved, to the value that stands here."""

from __future__ import annotations

from pathlib import Path

import pytest

import nnmip

FOLDER = Path(__file__).parents[1] / "examples"
OPTIMA = {
    "breast_cancer": 0.0965933,
    "flower_rules": 0.1529231,
    "iris": 0.2488889,
    "iris_classes": 0.123145,
    "petals": 0.135667,
    "xor": 0.0066,
}


@pytest.mark.parametrize("name", OPTIMA)
def test_an_example_is_proved(name: str) -> None:
    result = nnmip.load(FOLDER / f"{name}.nnm").solve()
    assert result.solution == "optimal" and result.proof == "solver"
    assert result.objective == pytest.approx(OPTIMA[name], abs=1e-6)


def test_no_example_is_left_out() -> None:
    assert {path.stem for path in FOLDER.glob("*.nnm")} == set(OPTIMA)
