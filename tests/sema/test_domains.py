"""Domains of every kind, exact to the last decimal."""

from __future__ import annotations

import pytest

from nnmip.hir.domain import Domain
from tests.sema.models import build, messages


def domain(text: str) -> Domain:
    source = f"network n(x: real[1] in [0, 1]) {{ layer o = dense(x, units: 1, weights in {text}) return o }} satisfy"
    return build(source).decisions[0].domain


@pytest.mark.parametrize(
    ("text", "intervals", "values"),
    [
        ("[-1, 2]", ((-1, 2),), ()),
        ("([-1, 2])", ((-1, 2),), ()),
        ("[1, 1]", (), (1,)),
        ("{3, -1, 3, 0}", (), (-1, 0, 3)),
        ("-2..1", (), (-2, -1, 0, 1)),
        ("0..<3", (), (0, 1, 2)),
        ("-4..4 step 2", (), (-4, -2, 0, 2, 4)),
        ("[-1, 1] step 1/4", (), (-1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1)),
        ("[0, 1] step 0.3", (), (0, 0.3, 0.6, 0.9)),
        ("[0, 0.5] step 2", (), (0,)),
        ("[-2, -0.5] | {0} | [0.5, 2]", ((-2, -0.5), (0.5, 2)), (0,)),
        ("[0, 1] | [0.5, 2] | {1.5, 3}", ((0, 2),), (3,)),
        ("[0, 1] | [1, 2]", ((0, 2),), ()),
        ("-1..1 | {5} | [7, 8] step 0.5", (), (-1, 0, 1, 5, 7, 7.5, 8)),
        ("{-3/10, 0.1 * 3}", (), (-0.3, 0.1 * 3)),
        ("{-0}", (), (0,)),
    ],
)
def test_values(text: str, intervals: tuple[tuple[float, float], ...], values: tuple[float, ...]) -> None:
    found = domain(text)
    assert (found.intervals, found.values) == (intervals, values)


def test_decimal_steps_are_the_decimals() -> None:
    assert domain("[-1, 1] step 0.1").values == tuple(float(f"{k / 10:.1f}") for k in range(-10, 11))
    assert domain("[0.1, 0.7] step 0.2").values == (0.1, 0.3, 0.5, 0.7)


def test_steps_that_are_no_decimals_meet_zero_and_both_ends() -> None:
    assert domain("[-1, 1] step 1/3").values == (-1, -2 / 3, -1 / 3, 0, 1 / 3, 2 / 3, 1)
    assert domain("[-1, 1] step 2/7").has_zero is False
    sevenths = domain("[-1, 1] step 1/7").values
    assert len(sevenths) == 15
    assert 0.0 in sevenths and sevenths[-1] == 1.0


def test_most_values() -> None:
    assert len(domain("0..99_999").values) == 100_000
    source = "network n(x: real[1] in [0, 1]) {{ layer o = dense(x, units: 1, weights in {}) return o }} satisfy"
    too_many = ["NNM0303 a domain lists at most 100000 values, and this one has more"]
    assert messages(source.format("0..100_000")) == too_many
    assert messages(source.format("0..60_000 | 70_000..130_000")) == too_many
    assert messages(source.format("[0, 1] step 1e-300")) == too_many
