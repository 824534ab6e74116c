"""Every example is proved, to the value that stands here; the infeasible one names its conflict."""

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
    "lexicographic": 5.0,
    "petals": 0.135667,
    "xor": 0.0066,
}


@pytest.mark.parametrize("name", OPTIMA)
def test_an_example_is_proved(name: str) -> None:
    result = nnmip.load(FOLDER / f"{name}.nnm").solve()
    assert result.solution == "optimal" and result.proof == "solver"
    assert result.objective == pytest.approx(OPTIMA[name], abs=1e-6)


def test_goals_in_order_of_importance() -> None:
    result = nnmip.load(FOLDER / "lexicographic.nnm").solve()
    assert [stage.objective for stage in result.stages] == pytest.approx([0.02, 3, 5], abs=1e-6)
    assert [stage.slack for stage in result.stages] == [0, 0, None]


def test_the_infeasible_example_names_its_conflict() -> None:
    result = nnmip.load(FOLDER / "infeasible.nnm").solve()
    assert result.termination == "infeasible" and result.conflict is not None
    assert result.conflict.irreducible and [c.name for c in result.conflict.constraints] == ["right", "few"]


def test_no_example_is_left_out() -> None:
    assert {path.stem for path in FOLDER.glob("*.nnm")} == {*OPTIMA, "infeasible"}
