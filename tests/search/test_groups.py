"""Tuples of groups of like columns stand for every network once, and no bound of theirs is above one of them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from nnmip.search import group_master, groups
from nnmip.search.ending_one import OneScore
from nnmip.search.engine import Search
from tests.search.instances import LOSSES, optimum, problem
from tests.search.test_search import assert_is_optimal

ONE_SCORE = [name for name in LOSSES if "classes" not in name]
ALWAYS = (groups, "MANY_CHOICES", 0)
SETTINGS = {
    "at once": [],
    "cut to the last": [(groups, "MOST_NETWORKS", 1)],
    "deep": [(groups, "MOST_NETWORKS", 2), (groups, "MOST_HELD", 0)],
    "few priced": [(groups, "MOST_NETWORKS", 2), (group_master, "LARGE", 0), (group_master, "FEW", 2)],
}


@pytest.fixture(params=SETTINGS)
def setting(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Everything goes through groups, and local search finds nothing before."""
    for module, name, value in (ALWAYS, (group_master, "EACH_ROUND", 2), *SETTINGS[request.param]):
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(OneScore, "improve", lambda self, root, count: None)
    return str(request.param)


@pytest.mark.usefixtures("setting")
@pytest.mark.parametrize("seed", range(60, 68))
@pytest.mark.parametrize("loss", ONE_SCORE)
def test_the_optimum_is_found_and_proved(loss: str, seed: int) -> None:
    given = problem(np.random.default_rng([seed, *loss.encode()]), LOSSES[loss])
    assert_is_optimal(given, Search(given).run())


@pytest.mark.parametrize("setting", ["cut to the last", "few priced"], indirect=True)
def test_a_search_that_is_stopped_keeps_a_valid_bound(setting: str) -> None:
    for seed in range(3):
        given = problem(np.random.default_rng([seed, 9]), LOSSES["hinge"])
        best = optimum(given).value
        for patience in itertools.chain(range(3), itertools.count(3, 13 + 4 * seed)):
            asked = itertools.count()
            found = Search(given, stop=lambda asked=asked, patience=patience: next(asked) >= patience).run()
            assert found.bound <= best, setting
            if found.finished:
                break
