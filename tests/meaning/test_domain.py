"""Domains against their definition as a set."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnmip.hir.domain import Domain

ENDS = st.integers(-8, 8).map(lambda v: v / 2)
INTERVALS = st.lists(st.tuples(ENDS, ENDS).map(lambda e: (min(e), max(e))), max_size=3)
VALUES = st.lists(ENDS, max_size=4)


@st.composite
def described(draw: st.DrawFn) -> tuple[list[tuple[float, float]], list[float]]:
    intervals, values = draw(INTERVALS), draw(VALUES)
    return (intervals, values) if intervals or values else ([], [draw(ENDS)])


def belongs(x: float, intervals: list[tuple[float, float]], values: list[float]) -> bool:
    return x in values or any(lo <= x <= hi for lo, hi in intervals)


GRID = np.arange(-40, 41) / 8


@given(described())
def test_a_domain_is_the_union_of_its_pieces(pieces: tuple[list[tuple[float, float]], list[float]]) -> None:
    domain = Domain.of(*pieces)
    inside = np.array([belongs(x, *pieces) for x in GRID])
    assert np.array_equal(domain.distance(GRID) == 0.0, inside)
    assert domain.has_zero == belongs(0.0, *pieces)
    ends = [end for interval in pieces[0] for end in interval] + pieces[1]
    assert (domain.lo, domain.hi) == (min(ends), max(ends))
    assert domain.is_finite == all(lo == hi for lo, hi in pieces[0])
    with_zero = domain.with_zero()
    assert np.array_equal(with_zero.distance(GRID) == 0.0, inside | (GRID == 0))


@given(described())
def test_the_form_is_canonical(pieces: tuple[list[tuple[float, float]], list[float]]) -> None:
    domain = Domain.of(*pieces)
    assert all(lo < hi for lo, hi in domain.intervals)
    assert all(first[1] < second[0] for first, second in zip(domain.intervals, domain.intervals[1:], strict=False))
    assert list(domain.values) == sorted(set(domain.values))
    assert not any(lo <= v <= hi for v in domain.values for lo, hi in domain.intervals)
    assert Domain.of(reversed(domain.intervals), reversed(domain.values)) == domain
    assert domain.is_interval == (len(domain.intervals) == 1 and not domain.values)


@given(described())
def test_projection_goes_to_the_nearest_member(pieces: tuple[list[tuple[float, float]], list[float]]) -> None:
    domain = Domain.of(*pieces)
    projected = domain.project(GRID)
    assert (domain.distance(projected) == 0.0).all()
    # Ends and values are multiples of 1/2, so among the multiples of 1/8 there is a nearest member of every point.
    members = GRID[domain.distance(GRID) == 0.0]
    nearest = np.abs(GRID[:, None] - members).min(axis=1)
    assert np.array_equal(np.abs(projected - GRID), nearest)
    assert np.array_equal(domain.distance(GRID), nearest)
    if domain.values:
        assert set(domain.nearest_value(GRID).tolist()) <= set(domain.values)


@given(described())
def test_the_least_magnitude_bounds_every_nonzero_member(pieces: tuple[list[tuple[float, float]], list[float]]) -> None:
    domain = Domain.of(*pieces)
    members = GRID[domain.distance(GRID) == 0.0]
    nonzero = np.abs(members[members != 0])
    if any(lo <= 0 <= hi for lo, hi in domain.intervals) or not len(nonzero):
        assert domain.least_magnitude == 0.0
    else:
        assert domain.least_magnitude == nonzero.min()


def test_touching_intervals_become_one() -> None:
    assert Domain.of([(0, 1), (1, 2), (5, 6), (0.5, 1.5)]) == Domain(((0.0, 2.0), (5.0, 6.0)), ())
    assert Domain.of([(1, 1)], [2, 2, 1.5]) == Domain((), (1.0, 1.5, 2.0))


def test_negative_zero_is_zero() -> None:
    assert str(Domain.of([], [-0.0])) == "{0}"
    assert str(Domain.of([(-0.0, 1)])) == "[0, 1]"


@pytest.mark.parametrize(
    ("domain", "text"),
    [
        (Domain.of([(-2, -0.05), (0.05, 2)], [0]), "[-2, -0.05] | {0} | [0.05, 2]"),
        (Domain.of([], [-1, 0.5]), "{-1, 0.5}"),
        (Domain.of([(0, 1)], [3]), "[0, 1] | {3}"),
        (Domain.of([], range(12)), "{0, 1, 2, 3, …, 10, 11}"),
    ],
)
def test_domains_are_written_as_in_the_source(domain: Domain, text: str) -> None:
    assert str(domain) == text


def test_an_empty_domain_is_refused() -> None:
    with pytest.raises(AssertionError):
        Domain.of()
