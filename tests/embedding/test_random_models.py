"""What nnmip finds for random models of variables, networks and logic is the best of all answers."""

from __future__ import annotations

from pathlib import Path

import pytest

import nnmip
from tests.embedding.random_models import random_model

CAUGHT = (118, 224, 529, 601)
"""Where nnmip was wrong once: a positive part with the rows of one side stood for both (118, 224, 601), and the chord
of a jump over 1e-15 was a coefficient that no solver reads (529)."""


@pytest.mark.parametrize("seed", [*range(20), *CAUGHT])
def test_the_optimum_is_the_best_of_all_answers(seed: int, tmp_path: Path) -> None:
    model = random_model(seed, tmp_path)
    result = nnmip.loads(model.text, directory=tmp_path).solve(solver=["highs", "cbc"][seed % 2])
    assert str(result.solution) == ("none" if model.best is None else "optimal"), model.text
    if model.best is None:
        assert str(result.termination) == "infeasible", model.text
    else:
        found = [stage.objective for stage in result.stages] if len(model.best) > 1 else [result.objective]
        assert found == pytest.approx(model.best, abs=1e-6), model.text
