"""Bounds are sound: no choice of weights and removed units leaves them, and their rounding is outward."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnmip.bounds.interval import Interval, matmul
from nnmip.bounds.table import propagate_intervals, removable
from nnmip.hir.core import FloatArray
from nnmip.hir.evaluate import forward, without_removed
from nnmip.lowering.lower import lower_program
from nnmip.lowering.ranges import bounds_of
from nnmip.milp.affine import Affine
from nnmip.milp.builder import MilpBuilder
from nnmip.source import Origin, SourceFile, Span
from tests.meaning.generator import seeded_model
from tests.meaning.handwritten.every import CORNERS
from tests.meaning.handwritten.model import model
from tests.meaning.harness import load, random_assignment


@pytest.mark.parametrize("seed", range(200, 225))
def test_no_assignment_leaves_the_bounds(seed: int, tmp_path: Path) -> None:
    program = load(seeded_model(seed), tmp_path)
    rng = np.random.default_rng(seed)
    (network,) = program.networks
    rows = program.datasets[0].features
    bounds = propagate_intervals(network, rows)
    for _ in range(100):
        assignment = without_removed(program, random_assignment(program, rng))
        for name, value in forward(network, assignment, rows).items():
            interval = bounds.outputs[name]
            assert (value >= interval.lo - 1e-12).all() and (value <= interval.hi + 1e-12).all(), name


def test_the_extremes_of_one_layer_are_attained(tmp_path: Path) -> None:
    layers = "layer o = dense(x, units: 1, weights in {-1, 2}, bias in {0.5}); return o[0]"
    program = load(model(layers, "minimize hinge(net, train)", rows="1,2,pos\n-1,0,neg\n"), tmp_path)
    bounds = propagate_intervals(program.networks[0], program.datasets[0].features).outputs["o"]
    assert bounds.lo == pytest.approx(np.array([[-2.5], [-1.5]]), rel=1e-12)
    assert bounds.hi == pytest.approx(np.array([[6.5], [1.5]]), rel=1e-12)


def test_zero_belongs_to_what_can_be_removed(tmp_path: Path) -> None:
    program = load(CORNERS["both layers pruned, weights between them without 0"], tmp_path)
    (network,) = program.networks
    assert removable(network) == {"net.h.weights", "net.k.weights", "net.o.weights"}
    bounds = propagate_intervals(network, program.datasets[0].features)
    for layer in ("h", "a", "k", "b"):
        assert (bounds.outputs[layer].lo <= 0).all() and (bounds.outputs[layer].hi >= 0).all()


def test_without_removal_the_domain_alone_counts(tmp_path: Path) -> None:
    layers = (
        "layer h = dense(x, units: 1, weights in {1, 2}, bias in {1, 2}); layer a = relu(h);"
        "layer o = dense(a, units: 1, weights in {1, 2}); return o[0]"
    )
    program = load(model(layers, "minimize hinge(net, train)", rows="1,pos\n"), tmp_path)
    (network,) = program.networks
    bounds = propagate_intervals(network, program.datasets[0].features).outputs
    assert removable(network) == frozenset()
    ends = (bounds["h"].lo.item(), bounds["a"].lo.item(), bounds["o"].hi.item())
    assert ends == pytest.approx((2.0, 2.0, 8.0), rel=1e-12)


# ---- rounding ------------------------------------------------------------------------------------------------------

ADVERSARIAL = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, 0.1, -0.1, 1 / 3, 1e16, -1e16, 1 + 2**-52, 5e-324, -5e-324, 1e-160, -1e-170]),
    st.floats(-1e18, 1e18, allow_subnormal=True),
)


def interval(draw: st.DrawFn, shape: tuple[int, int]) -> Interval:
    a, b = (np.array([[draw(ADVERSARIAL) for _ in range(shape[1])] for _ in range(shape[0])]) for _ in range(2))
    return Interval(np.minimum(a, b), np.maximum(a, b))


@st.composite
def factors(draw: st.DrawFn) -> tuple[Interval, Interval]:
    width = draw(st.integers(1, 5))
    return interval(draw, (2, width)), interval(draw, (2, width))


def exact_product(a: Interval, b: Interval, n: int, k: int) -> tuple[Fraction, Fraction]:
    lo = hi = Fraction(0)
    for i in range(a.shape[1]):
        ends = [Fraction(x[n, i]) * Fraction(w[k, i]) for x in (a.lo, a.hi) for w in (b.lo, b.hi)]
        lo, hi = lo + min(ends), hi + max(ends)
    return lo, hi


@settings(max_examples=200, deadline=None)
@given(pair=factors())
def test_products_are_rounded_outwards(pair: tuple[Interval, Interval]) -> None:
    found = matmul(*pair)
    for n in range(2):
        for k in range(2):
            lo, hi = exact_product(*pair, n, k)
            assert Fraction(found.lo[n, k]) <= lo and Fraction(found.hi[n, k]) >= hi


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_sums_are_rounded_outwards(data: st.DataObject) -> None:
    @st.composite
    def pairs(draw: st.DrawFn) -> tuple[Interval, Interval]:
        return interval(draw, (1, 4)), interval(draw, (1, 4))

    a, b = data.draw(pairs())
    total = a + b
    for at in np.ndindex(a.shape):
        assert Fraction(total.lo[at]) <= Fraction(a.lo[at]) + Fraction(b.lo[at])
        assert Fraction(total.hi[at]) >= Fraction(a.hi[at]) + Fraction(b.hi[at])


def box(*ends: tuple[float, float]) -> Interval:
    lo, hi = np.array([ends]).transpose(2, 0, 1)
    return Interval(lo, hi)


def test_known_signs_are_kept() -> None:
    """A unit whose least value is 0 is stable; a bound of -5e-324 would give it a binary and a useless big-M."""
    product = matmul(box((0.0, 1.0), (0.0, 2.0)), box((0.0, 0.1), (0.0, 3.0)))
    assert product.lo.item() == 0.0
    assert product.hi.item() > 6.1
    assert (box((0.0, 1.0)) + box((0.0, 0.5))).lo.item() == 0.0
    assert (box((-1.0, 0.0)) + box((-0.5, 0.0))).hi.item() == 0.0
    inexact = box((0.1, 0.1)) + box((0.2, 0.2))
    assert inexact.lo.item() < 0.1 + 0.2 < inexact.hi.item()


def test_underflow_is_not_taken_for_zero() -> None:
    product = matmul(box((1e-200, 1.0)), box((1e-200, 1.0)))
    negative = matmul(box((-1e-200, 1e-200)), box((1e-200, 1e-200)))
    assert product.lo.item() <= 0.0
    assert negative.lo.item() < 0.0 < negative.hi.item()


def test_large_tables_are_cut_into_parts() -> None:
    rng = np.random.default_rng(0)
    rows: FloatArray = rng.normal(size=(3000, 60))
    weights = Interval(-np.ones((50, 60)), np.full((50, 60), 2.0))
    found = matmul(Interval.point(rows), weights)
    expected = np.where(rows > 0, 2 * rows, -rows).sum(axis=1)
    assert np.allclose(found.hi, expected[:, None]) and (found.hi >= expected[:, None] - 1e-9).all()


# ---- bounds of affine expressions ----------------------------------------------------------------------------------

_DECIMALS = st.one_of(
    st.integers(-(10**6), 10**6).map(lambda n: n / 1000),
    st.integers(-(10**6), 10**6).map(lambda n: n / 10**6),
    st.integers(-1000, 1000).map(float),
)
_FLOATS = st.floats(-100, 100, allow_subnormal=False)


def _bounds(terms: list[tuple[float, float, float]], const: float) -> tuple[float, float, Fraction, Fraction]:
    """What `bounds_of` gives for const + sum of c x with x in [a, b], and the exact bounds of the decimals."""
    builder = MilpBuilder(Origin(Span(SourceFile("", ""), 0, 0), "test"))
    total = Affine.constant(np.asarray(const))
    lo = hi = Fraction(repr(const))
    for number, (coef, a, b) in enumerate(terms):
        a, b = min(a, b), max(a, b)
        x = builder.columns(f"x{number}", (), a, b, builder.origin, lambda x, choice: np.zeros(()))
        total = total + x * coef
        ends = sorted(Fraction(repr(coef)) * Fraction(repr(end)) for end in (a, b))
        lo, hi = lo + ends[0], hi + ends[1]
    found = bounds_of(builder, total)
    return float(found.lo), float(found.hi), lo, hi


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(_DECIMALS, _DECIMALS, _DECIMALS), max_size=6), _DECIMALS)
def test_bounds_of_decimals_are_exact_or_outside(terms: list[tuple[float, float, float]], const: float) -> None:
    """Exact is: the float64 nearest to the sum, as long as its parts are below 9000."""
    lo, hi, exact_lo, exact_hi = _bounds(terms, const)
    size = sum(abs(c) * max(abs(a), abs(b)) for c, a, b in terms) + abs(const)
    if size < 9000:
        assert (lo, hi) == (float(exact_lo), float(exact_hi))
    else:
        noise = Fraction(size) / 2**48
        assert exact_lo - noise <= Fraction(lo) <= max(exact_lo, Fraction(float(exact_lo)))
        assert exact_hi + noise >= Fraction(hi) >= min(exact_hi, Fraction(float(exact_hi)))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(_FLOATS, _FLOATS, _FLOATS), max_size=6), _FLOATS)
def test_bounds_of_other_numbers_are_rounded_outwards(terms: list[tuple[float, float, float]], const: float) -> None:
    lo, hi, exact_lo, exact_hi = _bounds(terms, const)
    size = Fraction(sum(abs(c) * max(abs(a), abs(b)) for c, a, b in terms) + abs(const))
    read = size / 2**51  # the numbers as texts and as float64 differ by this much
    assert Fraction(lo) <= exact_lo + read and Fraction(hi) >= exact_hi - read
    assert exact_lo - Fraction(lo) <= size / 2**48 and Fraction(hi) - exact_hi <= size / 2**48


def test_a_bound_that_equals_a_coefficient_leaves_no_dust(tmp_path: Path) -> None:
    """`if c then w else 1` with w in {-1, 0, 0.5}: the upper bound of w - 1 is -0.5, to the last digit."""
    layers = "layer o = dense(x, units: 1, weights in {-1, 0, 0.5}, bias in {-0.3, 0, 0.1}); return o[0]"
    for rule in (
        "(if nonzero(net.o.weights[0, 0]) then sum(net.weights) else 1) <= 0.5",
        "(if nonzero(net.o.bias[0]) then 0.1 * sum(net.weights) + net.o.bias[0] else 0.7) <= 0.2",
        "not (net.o.bias[0] >= 0.1 and 3 * net.o.bias[0] + 0.1 * net.o.weights[0, 0] <= 0.3)",
    ):
        program = load(model(layers, "minimize hinge(net, train)", rule), tmp_path)
        assert np.abs(lower_program(program).milp.data).min() > 1e-3
