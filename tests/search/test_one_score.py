"""The best output bias of one score: its value, the bias, and multipliers that prove it."""

from __future__ import annotations

import numpy as np
import pytest

from nnmip.search.biases import Biases
from nnmip.search.bound import Bounds
from nnmip.search.mistakes import FewestMistakes, matching
from nnmip.search.one_score import Separate, best_bias
from nnmip.search.pool import Heads, Pool
from tests.search.instances import LOSSES, corners, loss_at, mistakes, mistakes_at, turns

WIDE = np.array([50.0])
SEPARATE = ["hinge", "absolute", "quantile", "insensitive"]


@pytest.mark.parametrize("reach", [0.0, 0.5, 50.0])
@pytest.mark.parametrize("loss", [*SEPARATE, "largest"])
def test_values_and_biases_are_those_of_the_best_kink(loss: str, reach: float) -> None:
    for seed in range(30):
        rng = np.random.default_rng([seed, 1])
        given = LOSSES[loss](rng, 6)
        low, high = np.array([-reach]), np.array([reach])
        best = best_bias(given, Biases.box(low, high))
        assert best is not None
        scores, more = rng.integers(-6, 7, 6) / 2.0, rng.integers(-6, 7, (5, 6)) / 2.0
        for value, added in zip(best.values(scores, more), more, strict=True):
            total = (scores + added)[:, None]
            least = loss_at(given, total, corners(given, total, low, high)).min()
            bias = best.bias(total[:, 0])
            assert value == pytest.approx(least, abs=1e-12)
            assert -reach <= bias <= reach
            assert loss_at(given, total, np.array([[bias]]))[0] == pytest.approx(least, abs=1e-12)


@pytest.mark.parametrize("loss", SEPARATE)
def test_multipliers_prove_the_least_loss(loss: str) -> None:
    for seed in range(30):
        rng = np.random.default_rng([seed, 2])
        given = LOSSES[loss](rng, 7)
        biases = Biases.box(-WIDE, WIDE)
        best = Separate(given, biases)
        none = np.zeros((1, 1))
        pool = Pool(np.zeros((1, 1, 7)), none, none[0], none, none[0])
        bounds = Bounds(pool, Heads(none[None], none[0]), given, biases, 1)
        scores = rng.integers(-6, 7, 7) / 2.0
        multipliers = best.multipliers(scores)
        assert multipliers is not None
        value = float(best.values(scores, np.zeros((1, 7)))[0])
        assert bounds.of(multipliers, scores[:, None], 0.0, 0).base == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize("reach", [0.0, 0.5, 50.0])
def test_the_fewest_mistakes_of_one_network(reach: float) -> None:
    for seed in range(60):
        rng = np.random.default_rng([seed, 3])
        given = mistakes(rng, 7)
        low, high = np.array([-reach]), np.array([reach])
        best = FewestMistakes(given, Biases.box(low, high))
        scores, more = rng.integers(-6, 7, 7) / 2.0, rng.integers(-6, 7, (5, 7)) / 2.0
        for value, added in zip(best.values(scores, more), more, strict=True):
            total = (scores + added)[:, None]
            bias = best.bias(total[:, 0])
            assert value == pytest.approx(mistakes_at(given, total, turns(given, total, low, high)).min(), abs=1e-12)
            assert -reach <= bias <= reach
            assert mistakes_at(given, total, np.array([[bias]]))[0] == pytest.approx(value, abs=1e-12)


def test_matched_rows_never_prove_more_mistakes_than_there_are() -> None:
    for seed in range(60):
        rng = np.random.default_rng([seed, 4])
        given = mistakes(rng, 9)
        samples = rng.integers(-6, 7, (8, 9)) / 2.0
        pairs = matching(given, samples)
        for scores in samples:
            proved = pairs.weight[pairs.apart(scores[None])[0] < pairs.need].sum()
            total = scores[:, None]
            assert proved <= mistakes_at(given, total, turns(given, total, -WIDE, WIDE)).min() + 1e-12


def test_a_row_that_reaches_its_margin_exactly_is_right_at_the_bias_that_is_given() -> None:
    rng = np.random.default_rng(0)
    given = mistakes(rng, 2)
    given.sign[:] = 1.0, -1.0
    best = FewestMistakes(given, Biases.box(-WIDE, WIDE))
    scores = np.array([given.margin[0] + 0.25, 0.25 - given.margin[1]])
    assert best.values(scores, np.zeros((1, 2)))[0] == 0.0
    assert best.bias(scores) == pytest.approx(-0.25, abs=1e-12)
