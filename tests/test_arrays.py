"""`nnmip.arrays` says what NumPy's functions on sets say."""

from __future__ import annotations

import numpy as np

from nnmip.arrays import by_chance, distinct, is_among, union, without


def test_sets_are_those_of_numpy() -> None:
    rng = np.random.default_rng(3)
    for size in (0, 1, 7, 40):
        one, other = rng.integers(-5, 6, size=size), rng.integers(-5, 6, size=size // 2)
        assert np.array_equal(distinct(one), np.unique(one))
        assert np.array_equal(union(one, other), np.union1d(one, other))
        assert np.array_equal(without(one, other), np.setdiff1d(one, other))
        assert np.array_equal(is_among(one, distinct(other)), np.isin(one, other))
    table = rng.integers(0, 2, size=(20, 3))
    assert np.array_equal(distinct(table, axis=0), np.unique(table, axis=0))
    assert distinct(np.array([0.5, -0.0, 0.0, 0.5])).tolist() == [0.0, 0.5]


def test_numbers_by_chance_are_spread_and_the_same_each_time() -> None:
    numbers = by_chance((50, 40))
    assert numbers.shape == (50, 40) and np.array_equal(numbers, by_chance((50, 40)))
    assert len(distinct(numbers)) == 2000
    assert numbers.min() >= -1.0 and numbers.max() <= 1.0
    assert np.histogram(numbers, 4, (-1.0, 1.0))[0].min() > 400
    assert by_chance((0, 3)).shape == (0, 3)
