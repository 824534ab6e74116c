"""The exact step of a column."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnmip.data import column_grids, decimal_grid, numeric_column, read_csv
from tests.data_layer.helpers import EXAMPLES, span


@pytest.mark.parametrize(
    ("values", "step"),
    [
        ([0.1, 0.2, 0.7], Fraction(1, 10)),
        ([0.2, 0.4], Fraction(1, 5)),
        ([0.1, 0.25], Fraction(1, 20)),
        ([-3.0, 6.0, 0.0], Fraction(3)),
        ([0.0009765625, 0.5], Fraction(1, 1024)),
        ([0.0009765625, 0.1], Fraction(1, 5120)),
        ([1e-6, 5.0], Fraction(1, 10**6)),
        ([3e13, 6e13], Fraction(3 * 10**13)),
        ([1.5e300, 1e300], Fraction(5 * 10**299)),
        ([0.0, -0.0], Fraction(1)),
        ([1e-7, 5.0], None),
        ([1 / 3], None),
        ([0.1 + 0.2], None),
        ([2.0**-20], None),
    ],
)
def test_step(values: list[float], step: Fraction | None) -> None:
    assert decimal_grid(np.array(values)) == step


def test_steps_of_iris() -> None:
    raw = read_csv(EXAMPLES / "iris.csv", span())
    columns = np.stack([numeric_column(raw, name, span()) for name in raw.columns[:4]], axis=1)
    assert column_grids(columns) == (Fraction(1, 10),) * 4
    assert column_grids(columns[:, :1] / 3) == (None,)


@given(st.lists(st.integers(-(10**6), 10**6), min_size=1), st.sampled_from([1, 10, 64, 125, 1000, 1024, 3200, 10**6]))
def test_every_value_is_a_multiple_and_no_larger_step_is(counts: list[int], denominator: int) -> None:
    values = [count / denominator for count in counts]
    step = decimal_grid(np.array(values))
    assert step is not None
    multiples = [Fraction(count, denominator) / step for count in counts]
    assert all(multiple.denominator == 1 for multiple in multiples)
    assert np.gcd.reduce([int(multiple) for multiple in multiples]) in (0, 1)


@given(st.lists(st.floats(-1e9, 1e9, allow_nan=False), min_size=1))
def test_the_fast_way_agrees_with_fractions(values: list[float]) -> None:
    step = decimal_grid(np.array(values))
    fractions = [Fraction(repr(value)) for value in values]
    denominator = np.lcm.reduce([fraction.denominator for fraction in fractions], dtype=object)
    assert (step is None) == (denominator > 10**6)
    assert step is None or all((fraction / step).denominator == 1 for fraction in fractions)
