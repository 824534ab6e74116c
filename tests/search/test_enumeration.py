"""Groups of like columns: their tree, what their matched rows prove, and that no multiset of columns is left out."""

from __future__ import annotations

import itertools
from dataclasses import replace
from math import comb

import numpy as np
import pytest

from nnmip.search.choices import Choices
from nnmip.search.ending_one import OneScore
from nnmip.search.enumeration import Pairs
from nnmip.search.mistake_search import MistakeSearch
from nnmip.search.mistakes import Mistakes, matching
from nnmip.search.problem import Members, Problem
from nnmip.search.tree import Tree, tree_of
from tests.search.instances import mistakes, optimum, problem, value
from tests.search.test_search import assert_is_optimal


def columns_of_node(tree: Tree, node: int) -> list[int]:
    if tree.column[node] >= 0:
        return [int(tree.column[node])]
    return [column for part in tree.parts[node] for column in columns_of_node(tree, int(part))]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 40, 173])
def test_a_node_has_the_columns_of_its_parts_and_the_largest_of_their_values(size: int) -> None:
    for seed in range(5):
        rng = np.random.default_rng([seed, size])
        apart, cost = rng.integers(-3, 4, (size, 4)) / 2.0, rng.integers(1, 4, size) / 8.0
        tree, values = tree_of(apart, cost), rng.integers(-9, 10, (size, 3)).astype(float)
        assert sorted(columns_of_node(tree, 0)) == list(range(size))
        assert len(tree.column) == 2 * size - 1
        most = tree.most(values)
        for node in range(len(tree.column)):
            assert (most[node] == values[columns_of_node(tree, node)].max(axis=0)).all()


def test_columns_that_cost_the_same_are_together_before_all_else() -> None:
    rng = np.random.default_rng(0)
    apart, cost = 1000.0 * rng.normal(size=(60, 5)), np.repeat([0.25, 0.375], 30)
    tree = tree_of(apart, cost)
    halves = [set(cost[columns_of_node(tree, int(part))]) for part in tree.parts[0]]
    assert halves == [{0.25}, {0.375}]


@pytest.mark.parametrize("scale", [1.0, 1e4, 1 / 3])
def test_groups_never_prove_more_mistakes_than_a_network_of_theirs_has(scale: float) -> None:
    for seed in range(25):
        rng = np.random.default_rng([seed, 5])
        rows, count = int(rng.integers(2, 9)), int(rng.integers(1, 4))
        given = mistakes(rng, rows)
        if seed % 2:
            given = replace(given, weight=rng.uniform(0.1, 3.0, rows))
        given = replace(given, margin=given.margin * scale)
        signed = rng.integers(-4, 5, (6, rows)) / 2.0 * scale
        pairs = matching(given, signed)
        tree = tree_of(pairs.apart(signed), np.ones(6))
        proof = Pairs(pairs, pairs.apart(signed), tree, count)
        nodes = np.array(list(itertools.product(range(len(tree.column)), repeat=count)), dtype=np.int32)
        for tuple_, missed in zip(nodes, proof.missed(nodes), strict=True):
            for chosen in itertools.product(*(columns_of_node(tree, int(node)) for node in tuple_)):
                least = fewest(given, signed[list(chosen)].sum(axis=0))
                assert missed <= least + 1e-12
                if (tree.column[tuple_] >= 0).all():
                    close = pairs.apart(signed[list(chosen)].sum(axis=0)[None])[0] < pairs.need
                    assert missed == pytest.approx(pairs.weight[close].sum(), rel=2e-3)


def fewest(given: Mistakes, scores: np.ndarray) -> float:
    """The weight of the wrong rows at the best bias."""
    ends = given.sign * given.margin - scores
    biases = [*ends, ends.min() - 1, ends.max() + 1]
    return min(float(given.weight[given.sign * (scores + b) < given.margin - 1e-9].sum()) for b in biases)


@pytest.mark.parametrize("batch", [1, 7, 8192])
@pytest.mark.parametrize("units", [1, 2, 3, 4])
def test_every_multiset_comes_once(batch: int, units: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no network keeps the rules there is nothing to compare with, and so nothing is left out."""
    monkeypatch.setattr("nnmip.search.enumeration.BATCH", batch)
    monkeypatch.setattr("nnmip.search.enumeration.MOST_MATCHINGS", 1)
    monkeypatch.setattr(OneScore, "improve", lambda self, root, count: None)
    given = problem(np.random.default_rng(units), mistakes)
    asked: list[Members] = []

    def none(members: Members) -> bool:
        asked.append(tuple(sorted(members)))
        return False

    MistakeSearch(replace(given, units=units, idle=None, admits=none)).run()
    columns = len(Choices.of(given.pool, given.heads, np.arange(given.pool.size * len(given.heads.cost))))
    assert len(set(asked)) == len(asked) == comb(columns + units - 1, units)


@pytest.mark.parametrize(("batch", "beam", "few", "most_open"), [(3, 5, 0, 10), (8, 4, 1, 10**6), (1, 50, 0, 1)])
def test_small_batches_find_the_optimum(
    batch: int, beam: int, few: int, most_open: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, number in (("BATCH", batch), ("BEAM", beam), ("FEW", few), ("MOST_OPEN", most_open)):
        monkeypatch.setattr(f"nnmip.search.enumeration.{name}", number)
    monkeypatch.setattr(OneScore, "improve", lambda self, root, count: None)
    for seed in range(30):
        given = problem(np.random.default_rng([seed, 15]), mistakes)
        assert_is_optimal(given, MistakeSearch(given).run())


def test_all_networks_below_a_cutoff_are_asked_for() -> None:
    """As for a later goal, which takes them from the rules."""
    for seed in range(20):
        given: Problem = problem(np.random.default_rng([seed, 16]), mistakes)
        given = replace(given, admits=None)
        cutoff = optimum(given).value + 0.1
        asked: set[Members] = set()

        def take(members: Members, asked: set[Members] = asked) -> bool:
            asked.add(tuple(sorted(members)))
            return False

        MistakeSearch(replace(given, admits=take), cutoff=cutoff).run()
        every = list(itertools.product(range(given.pool.size), range(len(given.heads.cost))))
        for count in given.counts:
            for members in itertools.combinations_with_replacement(every, count):
                if value(given, members) < cutoff - 1e-6:
                    assert members in asked
