"""The second methods that list networks, on small random problems against plain enumeration."""

from __future__ import annotations

from itertools import combinations_with_replacement, product

import numpy as np
import pytest

from tests.benchmarks.training import covering, layers
from tests.benchmarks.training.columns import UNIT, IntArray
from tests.benchmarks.training.counting import Counting
from tests.benchmarks.training.covering import Covering
from tests.benchmarks.training.layers import Layers

SHARES = (0, UNIT // 3, UNIT // 3 + 1, UNIT // 2, UNIT)
"""What a column does for a row: three of the third one are just enough for a pair, three of the second are not."""

MORE = (0, 1, 60)
"""How far above the optimum the value is that networks are to be below."""


def columns_and_labels(chance: np.random.Generator, count: int, rows: int) -> tuple[IntArray, IntArray]:
    """Columns that do something for few rows, mostly for their class; both classes are there."""
    labels = chance.permutation(np.repeat([1, -1], [rows // 2, rows - rows // 2]))
    idle = chance.uniform(0.3, 0.9)
    does = chance.choice(SHARES, (count, rows), p=[idle, *[(1 - idle) / 4] * 4])
    return does * chance.choice((1, 1, 1, 1, -1), (count, rows)) * labels, labels


def least_errors(scores: IntArray, labels: IntArray) -> IntArray:
    """Of each network [N, n]: a best output bias makes some row just right."""
    leads = labels * (scores[:, None, :] + (labels * (UNIT // 2) - scores)[:, :, None])
    return np.asarray((leads < UNIT // 2).sum(axis=2).min(axis=1))


def least_losses(scores: IntArray, labels: IntArray) -> IntArray:
    """The hinge loss of each network [N, n]: it has a corner at a best output bias."""
    leads = labels * (scores[:, None, :] + (labels * (UNIT // 2) - scores)[:, :, None])
    return np.asarray(np.maximum(UNIT // 2 - leads, 0).sum(axis=2).min(axis=1))


@pytest.mark.parametrize("seed", range(24))
def test_networks_with_few_errors(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = np.random.default_rng(seed)
    rows = int(chance.choice((4, 8, 10, 20)))
    columns, labels = columns_and_labels(chance, 14, rows)
    cost = chance.integers(1, 1 + int(chance.choice((2, 4, 40, 1200 // rows))), 14)
    least = round(1000 * Counting(columns, cost / 1000, labels).value)
    for units in (1, 2, 3):
        members = np.array(list(combinations_with_replacement(range(14), units)))
        errors = least_errors(columns[members].sum(axis=1), labels)
        least = min(least, int((cost[members].sum(axis=1) + errors * (1000 // rows)).min()))
        counting = Counting(columns, cost / 1000, labels)
        assert round(1000 * counting.run(units)) == least
        for more in MORE:
            for name, choices in (("STEP", (1, 2, 16)), ("CHUNK", (2, 5, 256)), ("EVERY", (1, 4))):
                monkeypatch.setattr(covering, name, int(chance.choice(choices)))
            found = Covering(Counting(columns, cost / 1000, labels), (least + more) / 1000).run(units)
            assert found == (least if more else None)


@pytest.mark.parametrize("seed", range(10))
def test_networks_of_two_layers(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = np.random.default_rng(seed)
    rows = int(chance.integers(4, 9))
    columns, labels = columns_and_labels(chance, 4, rows)
    cost = chance.integers(0, int(chance.choice((2, 500, 5000))), 4)
    problem = Layers(
        np.abs(columns), cost, labels, UNIT // 2, int(chance.integers(0, 500)), int(chance.integers(0, 3000))
    )
    biases = chance.choice((-UNIT, -UNIT // 2, 0, UNIT // 2, UNIT), 2, replace=False)
    monkeypatch.setattr(layers, "BIASES", biases)
    monkeypatch.setattr(layers, "DRAWN", 200)
    monkeypatch.setattr(layers, "CHUNK", int(chance.choice((2, 64))))
    for wide, narrow in ((1, 1), (2, 1), (1, 2), (2, 2), (3, 2)):
        least = least_value(problem, biases, wide, narrow)
        assert problem.run(wide, narrow, least) is None
        for more in (1, 3000):
            assert problem.run(wide, narrow, least + more) == least


def least_value(problem: Layers, biases: IntArray, wide: int, narrow: int) -> int:
    """Of all networks of two layers, by plain enumeration; a second unit without an output weight is left out."""
    weights = np.array(list(product((-1, 0, 1), repeat=wide)))
    second = problem.weight * (1 + np.abs(weights).sum(axis=1)) + problem.unit
    values = []
    for members in map(list, combinations_with_replacement(range(len(problem.units)), wide)):
        shown = np.maximum((weights @ problem.units[members])[:, None] + biases[:, None], 0)
        columns = np.concatenate([np.zeros_like(shown[:1, 0]), *np.concatenate([shown, -shown], axis=1)])
        cost = np.append(0, np.repeat(second, 2 * len(biases)))
        reads = np.concatenate([np.zeros_like(weights[:1]), np.repeat(weights != 0, 2 * len(biases), axis=0)])
        chosen = np.array(list(combinations_with_replacement(range(len(columns)), narrow)))
        used = reads[chosen].any(axis=1) @ problem.cost[members]
        losses = least_losses(columns[chosen].sum(axis=1), problem.labels)
        values.append(int((losses + cost[chosen].sum(axis=1) + used).min()))
    return min(values)
