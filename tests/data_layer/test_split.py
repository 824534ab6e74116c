"""The split into a training and a test part: sizes, strata, and the same rows on every machine."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnmip.data.split import held_out


def test_the_same_rows_on_every_machine() -> None:
    labels = np.array([0.0] * 6 + [1.0] * 4)
    assert np.flatnonzero(held_out(labels, 0.3, 1)).tolist() == [4, 5, 7]
    assert np.flatnonzero(held_out(labels, 0.3, 2)).tolist() == [2, 5, 6]
    assert np.flatnonzero(held_out(labels, 0.5, 1)).tolist() == [2, 4, 5, 7, 8]


shares = st.integers(1, 99).map(lambda percent: percent / 100)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), shares, st.integers(0, 2**53))
def test_every_label_gives_its_share(labels: list[int], share: float, seed: int) -> None:
    chosen = held_out(np.array(labels, np.float64), share, seed)
    sizes, taken = Counter(labels), Counter(np.array(labels)[chosen].tolist())
    exact = Fraction(repr(share))
    for label, size in sizes.items():
        assert taken[label] <= size - 1
        assert abs(taken[label] - min(exact * size, size - 1)) <= 1
    assert sum(taken.values()) <= exact * len(labels) + Fraction(1, 2)
    assert (chosen == held_out(np.array(labels, np.float64), share, seed)).all()


@given(st.lists(st.sampled_from([-1.0, 1.0]), min_size=20, max_size=40), shares)
def test_total_is_the_nearest_number_of_rows(labels: list[float], share: float) -> None:
    chosen = held_out(np.array(labels), share, 7)
    sizes = Counter(labels).values()
    room = sum(size - 1 for size in sizes)
    exact = Fraction(repr(share)) * len(labels)
    assert int(chosen.sum()) == min(room, int(exact + Fraction(1, 2)))


def test_different_seeds_differ() -> None:
    labels = np.zeros(100)
    assert (held_out(labels, 0.5, 1) != held_out(labels, 0.5, 2)).any()


@pytest.mark.parametrize("labels", [[1.0], [1.0, 2.0], [1.0, 2.0, 3.0]])
def test_one_row_of_a_label_stays(labels: list[float]) -> None:
    assert not held_out(np.array(labels), 0.9, 1).any()
