"""Functions that are linear between points: their values, bounds of them, and their rows against dense samples."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from nnmip.bounds.interval import Interval
from nnmip.hir.core import FloatArray
from nnmip.hir.rational import Rational
from nnmip.lowering import increments
from nnmip.lowering.asked import Asked
from nnmip.lowering.increments import interpolated
from nnmip.milp.affine import Affine
from nnmip.ops.layers.piecewise import OP, Knots
from tests.meaning.harness import solve_highs
from tests.meaning.test_pieces import ORIGIN, best, free, lowering

Generator = np.random.Generator


def random_knots(rng: Generator) -> Knots:
    points = np.cumsum(rng.uniform(0.01, 1.0, size=rng.integers(2, 9)))
    outside = tuple(rng.normal(size=2)) if rng.random() < 0.5 else (0.0, 0.0)
    return Knots(points - points.mean(), rng.normal(size=len(points)), outside)


def random_box(rng: Generator, knots: Knots) -> tuple[float, float]:
    """Sometimes outside of the points, at one, or between two."""
    lo, hi = sorted(rng.uniform(-3.0, 3.0, size=2))
    return (float(rng.choice(knots.points)), 4.0) if rng.random() < 0.3 else (float(lo), float(hi) + 1e-3)


def encoded(knots: Knots, box: tuple[float, float], asked: Asked | None = None) -> tuple[object, Affine, Affine]:
    low = lowering()
    z = free(low, "z", *box)
    y = interpolated(low, "f", z, Interval.box((1, 1), *box), knots, asked, ORIGIN)
    return low, z, y


@pytest.mark.parametrize("seed", range(40))
def test_the_rows_are_exact_and_ideal(seed: int) -> None:
    """The least value of a linear function is that over the graph, with whole bits and without."""
    rng = np.random.default_rng(seed)
    knots = random_knots(rng)
    box = random_box(rng, knots)
    points = np.concatenate([box, knots.points[(knots.points > box[0]) & (knots.points < box[1])]])
    values = knots_at(knots, points)
    for c, d in rng.normal(size=(4, 2)):
        for relaxed in (False, True):
            low, z, y = encoded(knots, box)
            found = best(low, (z * c + y * d).sum(), relaxed)
            assert found == pytest.approx((c * points + d * values).min(), abs=2e-4 if relaxed else 1e-6)


@pytest.mark.parametrize("seed", range(10))
def test_both_sides_of_every_value(seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    knots = random_knots(rng)
    box = random_box(rng, knots)
    for at in np.linspace(*box, 7):
        for sign in (1.0, -1.0):
            low, z, y = encoded(knots, box)
            low.builder.rows("fixed", z, ORIGIN, lb=at - NEAR, ub=at + NEAR)
            steepest = np.abs(knots.slopes).max()
            assert best(low, (y * sign).sum()) == pytest.approx(sign * knots_at(knots, at), abs=1e-6 + steepest * NEAR)


NEAR = 1e-6
"""An equation for z would leave a solver nothing of its tolerances."""


def knots_at(knots: Knots, at: FloatArray | float) -> FloatArray:
    points, (before, behind) = knots.points, knots.outside
    beyond = before * np.minimum(at - points[0], 0.0) + behind * np.maximum(at - points[-1], 0.0)
    return np.asarray(np.interp(at, points, knots.values) + beyond)


@pytest.mark.parametrize(("values", "sign"), [((0.0, 0.2, 1.0, 3.0), 1.0), ((0.0, 1.0, 1.5, 1.6), -1.0)])
def test_one_side_of_a_bend_the_right_way_needs_no_bit(values: tuple[float, ...], sign: float) -> None:
    """Slopes that rise, where the value must be at least the true one, and the mirror image."""
    knots, box = Knots(np.array([-1.0, 0.0, 1.0, 2.0]), np.array(values)), (-0.75, 1.5)
    one, none = np.ones((1, 1), dtype=bool), np.zeros((1, 1), dtype=bool)
    asked = Asked(one, none) if sign > 0 else Asked(none, one)
    for at in np.linspace(*box, 9):
        low, z, y = encoded(knots, box, asked)
        low.builder.rows("fixed", z, ORIGIN, lb=at, ub=at)
        assert best(low, (y * sign).sum()) == pytest.approx(sign * knots_at(knots, at), abs=1e-9)
        assert not low.builder.build().integer.any()
    low, z, y = encoded(knots, box)
    assert low.builder.build().integer.sum() == 2
    low, z, y = encoded(knots, box, Asked(asked.lower, asked.upper))
    assert low.builder.build().integer.sum() == 2


@pytest.mark.parametrize("values", [(0.0, 0.2, 1.0, 3.0), (0.0, 1.0, 1.5, 1.6), (0.0, 1.0, 0.0, 2.0)])
def test_an_entry_that_nothing_reads_forbids_no_point(values: tuple[float, ...]) -> None:
    """What is asked of neither side has rows, too, which its true value keeps."""
    knots, none = Knots(np.array([-1.0, 0.0, 1.0, 2.0]), np.array(values)), np.zeros((1, 1), dtype=bool)
    for at in np.linspace(-0.75, 1.5, 9):
        for sign in (1.0, -1.0):
            low, z, y = encoded(knots, (-0.75, 1.5), Asked(none, none))
            low.builder.rows("fixed", z, ORIGIN, lb=at - NEAR, ub=at + NEAR)
            assert best(low, (y * sign).sum()) <= sign * knots_at(knots, at) + 4 * NEAR


def test_pieces_out_of_reach_leave_the_model() -> None:
    knots = Knots(np.arange(-5.0, 6.0), np.arange(-5.0, 6.0) ** 2)
    for box, bits in (((-5.0, 5.0), 9), ((0.2, 2.5), 2), ((1.0, 2.0), 0), ((6.0, 9.0), 0), ((4.5, 9.0), 1)):
        low, _, _ = encoded(knots, box)
        assert low.builder.build().integer.sum() == bits


def test_entries_of_one_tensor_have_pieces_of_their_own() -> None:
    """Equal entries share them."""
    knots = Knots(np.array([-1.0, 0.0, 1.0]), np.array([0.0, 1.0, -1.0]))
    low = lowering()
    lo, hi = np.array([[-3.0, -0.5, 0.25]]), np.array([[3.0, 0.5, 0.5]])
    z = low.builder.columns("z", (1, 3), lo, hi, ORIGIN, lambda x, choice: lo)
    picked = np.array([0, 1, 0, 2])
    y = interpolated(low, "f", z.gather(picked[None]), Interval(lo, hi).take(picked), knots, None, ORIGIN)
    low.builder.minimise(y.sum())
    milp = low.builder.build()
    assert milp.integer.sum() == 3 + 1
    assert solve_highs(milp).objective == pytest.approx(-1.0 + 0.0 - 1.0 + 0.0, abs=1e-7)


@pytest.mark.parametrize("seed", range(20))
def test_bounds_and_lines_hold_at_dense_points(seed: int) -> None:
    rng = np.random.default_rng(200 + seed)
    knots = random_knots(rng)
    options = {"points": tuple(knots.points), "values": tuple(knots.values), "outside": knots.outside}
    lo = rng.uniform(-3.0, 2.0, size=(1, 50))
    z = Interval(lo, lo + rng.exponential(size=lo.shape))
    bounds = OP.interval((z,), {}, options)
    lines = OP.relax((z,), {}, options).lines  # type: ignore[misc]
    slopes, below, above = OP.relax((z,), {}, options).facets()  # type: ignore[misc]
    least, most = OP.slope(options)
    before = None
    for part in np.linspace(0.0, 1.0, 401):
        x = np.clip(z.lo + part * (z.hi - z.lo), z.lo, z.hi)
        exact = np.array([exactly(knots, at) for at in x.ravel()] if part in (0.0, 1.0) else []).reshape(-1)
        y = OP.forward((x,), {}, options)
        assert np.abs(y - knots_at(knots, x)).max() <= 1e-14
        assert (bounds.lo <= y).all() and (y <= bounds.hi).all()
        if len(exact):
            assert (bounds.lo.ravel() <= exact).all() and (exact <= bounds.hi.ravel()).all()
        assert (lines.low * x + lines.low_shift <= y + 1e-12).all()
        assert (lines.high * x + lines.high_shift >= y - 1e-12).all()
        assert (slopes * x + below <= y + 1e-12).all() and (slopes * x + above >= y - 1e-12).all()
        if before is not None:
            step = x - before[0]
            assert (y - before[1] <= most * step + 1e-12).all() and (y - before[1] >= least * step - 1e-12).all()
        before = x, y


def exactly(knots: Knots, at: float) -> Fraction:
    points, values = [Fraction(p) for p in knots.points], [Fraction(v) for v in knots.values]
    z, (before, behind) = Fraction(at), map(Fraction, knots.outside)
    if not points[0] <= z <= points[-1]:
        return values[0] + before * (z - points[0]) if z < points[0] else values[-1] + behind * (z - points[-1])
    right = next(k for k in range(1, len(points)) if z <= points[k])
    steep = (values[right] - values[right - 1]) / (points[right] - points[right - 1])
    return values[right - 1] + steep * (z - points[right - 1])


def test_rational_values() -> None:
    """A third of the way is a third of the way."""
    options = {"points": (0.0, 0.3, 1.0), "values": (0.0, 0.1, -0.9)}
    z = np.array([[Rational(n) for n in (Fraction(1, 10), Fraction(1, 3), -2, 5, Fraction(3, 10))]], dtype=object)
    found = OP.forward((z,), {}, options)[0]
    assert list(found) == [
        Fraction(1, 30),
        Fraction(1, 10) - (Fraction(1, 3) - Fraction(3, 10)) / Fraction(7, 10),
        0,
        Fraction(-9, 10),
        Fraction(1, 10),
    ]


def test_rational_values_outside() -> None:
    options = {"points": (0.0, 1.0), "values": (0.5, 1.0), "outside": (0.1, -2.0)}
    z = np.array([[Rational(n) for n in (Fraction(-1, 3), 0, 1, Fraction(4, 3))]], dtype=object)
    assert list(OP.forward((z,), {}, options)[0]) == [Fraction(14, 30), Fraction(1, 2), 1, Fraction(1, 3)]


def without(row: str) -> Callable[..., object]:
    """The encoding with one kind of its rows left out."""

    def increments_without(own, *rest):  # type: ignore[no-untyped-def]
        builder, rows = own.low.builder, own.low.builder.rows

        class Fewer:
            def __getattr__(self, name: str) -> object:
                return getattr(builder, name)

            def rows(self, path: str, *args: object, **named: object) -> None:
                if not path.endswith(row):
                    rows(path, *args, **named)

        low = type("Low", (), {"builder": Fewer()})()
        return REAL(increments._Entries(low, own.path, own.z, own.bounds, own.shape, own.picked, own.origin), *rest)

    return increments_without


REAL = increments._increments


@pytest.mark.parametrize("row", ["parts", "full", "next", "is"])
def test_a_row_that_is_left_out_is_noticed(row: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(increments, "_increments", without(f".{row}"))
    with pytest.raises(AssertionError):
        for seed in range(40):
            test_the_rows_are_exact_and_ideal(seed)
