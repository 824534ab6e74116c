"""The search finds the optimum of every small problem, proves it, and knows a valid bound at every moment."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from nnmip.search.ending_one import OneScore
from nnmip.search.ending_several import SeveralScores
from nnmip.search.engine import Search
from nnmip.search.mistake_search import MistakeSearch
from nnmip.search.problem import Outcome, Problem
from tests.search.instances import LOSSES, at, even, mistakes, optimum, problem, value

CLOSE = 1e-8


@pytest.fixture
def no_local_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """It finds nearly every optimum before a bound can do harm."""
    for ending in (OneScore, SeveralScores):
        monkeypatch.setattr(ending, "improve", lambda self, root, count: None)


def assert_is_optimal(given: Problem, found: Outcome) -> None:
    best = optimum(given)
    assert found.finished
    if best.members is None:
        assert found.members is None and found.value == found.bound == math.inf
        return
    assert found.members is not None
    assert found.value == pytest.approx(best.value, abs=CLOSE)
    assert value(given, found.members) == pytest.approx(found.value, abs=CLOSE)
    assert found.value - CLOSE <= found.bound <= best.value
    assert given.admits is None or given.admits(found.members)
    assert_is_attained(given, found)


def assert_is_attained(given: Problem, found: Outcome) -> None:
    """At the biases that the search gives, which are allowed."""
    assert found.members is not None
    scores = np.zeros((given.loss.rows, given.loss.outputs))
    for unit, head in found.members:
        scores += np.einsum("pn,pc->nc", given.pool.activations[unit], given.heads.vectors[head])
    paid = given.cost(found.members)
    if given.listed is None:
        assert (found.biases >= given.low).all() and (found.biases <= given.high).all()
    else:
        for bias, (values, cost) in zip(found.biases, given.listed, strict=True):
            paid += float(cost[np.flatnonzero(values == bias)[0]])
    assert at(given.loss, scores, found.biases[None])[0] + paid == pytest.approx(found.value, abs=CLOSE)


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("loss", LOSSES)
def test_the_optimum_is_found_and_proved(loss: str, seed: int) -> None:
    given = problem(np.random.default_rng([seed, *loss.encode()]), LOSSES[loss])
    assert_is_optimal(given, Search(given).run())


@pytest.mark.usefixtures("no_local_search")
@pytest.mark.parametrize("seed", range(40, 60))
@pytest.mark.parametrize("loss", LOSSES)
def test_the_optimum_is_found_and_proved_without_a_local_search(loss: str, seed: int) -> None:
    given = problem(np.random.default_rng([seed, *loss.encode()]), LOSSES[loss])
    assert_is_optimal(given, Search(given).run())


@pytest.mark.parametrize("seed", range(60))
def test_the_fewest_mistakes_are_found_and_proved(seed: int) -> None:
    given = problem(np.random.default_rng([seed, 11]), mistakes)
    assert_is_optimal(given, MistakeSearch(given).run())


def test_a_search_for_mistakes_that_is_stopped_keeps_a_valid_bound() -> None:
    for seed in range(4):
        given = problem(np.random.default_rng([seed, 12]), mistakes)
        best = optimum(given).value
        for patience in itertools.count():
            asked = itertools.count()
            found = MistakeSearch(given, stop=lambda asked=asked, patience=patience: next(asked) >= patience).run()
            assert found.bound <= best and found.value >= best - CLOSE
            if found.finished:
                break


@pytest.mark.parametrize("loss", ["hinge", "quantile", "three classes"])
def test_a_search_that_is_stopped_keeps_a_valid_bound(loss: str) -> None:
    for seed in range(4):
        given = problem(np.random.default_rng([seed, 7]), LOSSES[loss])
        best = optimum(given).value
        for patience in itertools.chain(range(12), itertools.count(12, 7 + seed)):
            asked = itertools.count()
            found = Search(given, stop=lambda asked=asked, patience=patience: next(asked) >= patience).run()
            assert found.bound <= best
            assert found.value >= best - CLOSE
            if found.finished:
                break
        assert found.value == pytest.approx(best, abs=CLOSE) or best == math.inf


@pytest.mark.parametrize("loss", LOSSES)
def test_what_is_told_on_the_way_only_gets_better(loss: str) -> None:
    for seed in range(8):
        given = problem(np.random.default_rng([seed, 8]), LOSSES[loss])
        told: list[tuple[float, float]] = []
        Search(given, progress=lambda best, bound, told=told: told.append((best, bound))).run()
        best = optimum(given).value
        assert all(high >= best - CLOSE and low <= best for high, low in told)
        for (high, low), (lower, higher) in itertools.pairwise(told):
            assert lower <= high and higher >= low - CLOSE


def test_a_known_network_is_the_first_incumbent() -> None:
    given = problem(np.random.default_rng(3), LOSSES["hinge"])
    best = optimum(given)
    assert best.members is not None
    told: list[float] = []
    found = Search(given, start=(best.members,), progress=lambda high, low: told.append(high)).run()
    assert min(told) == min(told[0], *told) == found.value == pytest.approx(best.value, abs=CLOSE)


def test_a_known_network_that_breaks_a_rule_is_not_taken() -> None:
    given = next(
        some
        for some in (problem(np.random.default_rng(seed), LOSSES["hinge"]) for seed in itertools.count())
        if some.admits is even and some.units >= 2 and some.idle is not None
    )
    found = Search(given, start=(((0, 0), (0, 0)),)).run()
    assert_is_optimal(given, found)


def test_rules_that_nothing_keeps_leave_no_network() -> None:
    for seed in range(20):
        given = replace(problem(np.random.default_rng([seed, 9]), LOSSES["hinge"]), admits=lambda members: False)
        found = Search(given).run()
        assert found.members is None and found.bound == found.value == math.inf


def test_lists_of_biases_for_several_scores_have_a_limit() -> None:
    given = problem(np.random.default_rng(0), LOSSES["three classes"])
    many = tuple((np.arange(20.0), np.zeros(20)) for _ in range(3))
    listed = Problem(given.pool, given.heads, given.loss, given.low, given.high, given.units, listed=many)
    with pytest.raises(ValueError, match="8000 vectors of output biases are more than the 4096 that can be tried"):
        Search(listed)


@pytest.mark.usefixtures("no_local_search")
@pytest.mark.parametrize("loss", ["two classes", "three classes"])
def test_patterns_of_output_weights_find_the_same(loss: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnmip.search.patterns.MANY_CHOICES", 0)
    for seed in range(25):
        given = problem(np.random.default_rng([seed, 10]), LOSSES[loss])
        assert_is_optimal(given, Search(given).run())


@pytest.mark.usefixtures("no_local_search")
@pytest.mark.parametrize("loss", ["hinge", "quantile", "insensitive"])
def test_what_single_networks_prove_leaves_out_no_better_one(loss: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnmip.search.ending_one.FEW", 0)
    for seed in range(40):
        given = problem(np.random.default_rng([seed, 13]), LOSSES[loss])
        assert_is_optimal(given, Search(given).run())
