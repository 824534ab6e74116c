"""Tuples of groups of like columns stand for every network once, and no bound of theirs is above one of them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from nnmip.search import group_master, groups, leaves
from nnmip.search.ending_one import OneScore
from nnmip.search.engine import Search
from nnmip.search.group_master import GroupMaster, Hulls, Prices, Tuples
from nnmip.search.master import DualProgram
from nnmip.search.peel import Partial
from tests.search.instances import LOSSES, optimum, problem
from tests.search.test_search import assert_is_optimal

ONE_SCORE = [name for name in LOSSES if "classes" not in name]
ALWAYS = [(groups, "MANY_CHOICES", 0), (group_master, "EACH_ROUND", 2)]
LISTED = {most: [(groups, "MOST_LISTED", most), (groups, "AT_ONCE", most)] for most in (1, 2)}
SETTINGS = {
    "at once": [],
    "by tangents": [(leaves, "FEW", 0), (leaves, "LIKE", 2)],
    "by few tangents": [(leaves, "FEW", 0), (leaves, "MOST_NETWORKS", 1), (leaves, "SAMPLE", 3)],
    "cut to the last": LISTED[1],
    "deep": [*LISTED[2], (groups, "MOST_HELD", 0)],
    "few priced": [*LISTED[2], (group_master, "LARGE", 0), (group_master, "FEW", 2)],
}


@pytest.fixture(params=SETTINGS)
def setting(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Everything goes through groups, and local search finds nothing before."""
    for module, name, value in (*ALWAYS, *SETTINGS[request.param]):
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(OneScore, "improve", lambda self, root, count: None)
    return str(request.param)


@pytest.mark.usefixtures("setting")
@pytest.mark.parametrize("seed", range(60, 68))
@pytest.mark.parametrize("loss", ONE_SCORE)
def test_the_optimum_is_found_and_proved(loss: str, seed: int) -> None:
    given = problem(np.random.default_rng([seed, *loss.encode()]), LOSSES[loss])
    assert_is_optimal(given, Search(given).run())


@pytest.mark.parametrize("setting", ["cut to the last"], indirect=True)
@pytest.mark.parametrize("loss", ONE_SCORE)
def test_a_bound_of_others_excludes_no_column(loss: str, setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every other relaxation is useless, so that tuples have a better bound from the one that they were cut from."""
    solve, solved = GroupMaster.solve, itertools.count()

    def every_other(self: GroupMaster, partial: Partial, tuples: Tuples) -> Hulls:
        with monkeypatch.context() as patch:
            if next(solved) % 2:
                patch.setattr(DualProgram, "solve", lambda *_: None)
            return solve(self, partial, tuples)

    monkeypatch.setattr(GroupMaster, "solve", every_other)
    for seed in range(8):
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


@pytest.mark.parametrize("seed", range(20))
def test_prices_in_single_precision_are_lower_bounds_with_an_exact_least_one(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_master, "LARGE", 0)
    chance = np.random.default_rng(seed)
    signed = chance.normal(size=(300, 40)) * 10.0 ** chance.integers(-3, 6)
    signed[:50] += 1e3 * np.sign(signed[:50])  # sums that cancel
    slopes, cost = chance.normal(size=40) * 10.0 ** chance.integers(-30, 1), chance.normal(size=300)
    places = np.array_split(chance.permutation(300), 3)
    exact = cost.astype(np.longdouble) - signed.astype(np.longdouble) @ slopes.astype(np.longdouble)
    rounding = 50 * 2.0**-52 * (1.0 + np.abs(signed) @ np.abs(slopes))
    for group, reduced in zip(places, Prices(cost, signed).of(tuple(places))(slopes), strict=True):
        assert (reduced <= exact[group] + rounding[group]).all()
        assert reduced.min() == pytest.approx(float(exact[group].min()), abs=rounding[group].max())
    assert np.isfinite(Prices(cost, signed * 1e40).of(tuple(places))(slopes)[0]).all()
