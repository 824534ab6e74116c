"""`nnmip.arrays` says what NumPy's functions on sets say."""

from __future__ import annotations

import numpy as np

from nnmip.arrays import distinct, is_among, union, without


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
