"""Lines below curves, the encodings made of them, and single faults in both."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from nnmip.bounds.interval import Interval
from nnmip.lowering import convex as convex_
from nnmip.lowering.convex import FEW, Argument, Tangents, convex, joined, on_grid
from nnmip.lowering.curves import SOFTPLUS, SQUARE, Curve
from nnmip.lowering.losses import logistic
from nnmip.lowering.lower import Lowered, lower_program
from nnmip.lowering.scores import centred, leads
from nnmip.milp.builder import MilpBuilder
from tests.meaning.faults import Known, dropping, first_disagreement, problems, turning, with_rows
from tests.meaning.handwritten.every import CORNERS
from tests.meaning.harness import load, solve_highs

CURVES = {"square": SQUARE, "softplus": SOFTPLUS}
PLACES = np.array([*np.linspace(-3, 3, 41), 1e-9, -1e-7, 0.1, 1 / 3, 17.3, -29.0, 45.0, -700.0, 700.0, 1e5, -1e5])


def exact_value(curve: Curve, t: float) -> Decimal:
    """The curve at a float64 to 60 digits."""
    with localcontext() as context:
        context.prec = 60
        exact = Decimal(t)
        if curve is SQUARE:
            return exact * exact
        return max(exact, Decimal(0)) + (1 + (-abs(exact)).exp()).ln() if abs(t) < 500 else max(exact, Decimal(0))


# ---- lines ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CURVES)
def test_no_tangent_is_above_its_curve_in_exact_arithmetic(name: str) -> None:
    """At every place, those where it touches above all: slope and constant are taken as the numbers that they are."""
    curve = CURVES[name]
    slopes, constants = curve.tangents(PLACES)
    with localcontext() as context:
        context.prec = 60
        for s, c, own in zip(slopes.tolist(), constants.tolist(), PLACES.tolist(), strict=True):
            near = [own, np.nextafter(own, -np.inf), np.nextafter(own, np.inf), 0.0, 1.0, -2.5]
            for t in near:
                assert Decimal(s) * Decimal(t) + Decimal(c) <= exact_value(curve, t), (own, t)


def test_the_tangents_of_a_square_are_below_it_everywhere() -> None:
    """s t + c <= t^2 for all t exactly where c <= -s^2 / 4."""
    slopes, constants = SQUARE.tangents(np.random.default_rng(0).normal(size=500) * 1e3)
    for s, c in zip(slopes.tolist(), constants.tolist(), strict=True):
        assert Fraction(c) <= -(Fraction(s) ** 2) / 4


@pytest.mark.parametrize("name", CURVES)
def test_tangents_touch_where_they_are_asked_for(name: str) -> None:
    curve, places = CURVES[name], PLACES[np.abs(PLACES) <= 3]
    slopes, constants = curve.tangents(places)
    assert slopes * places + constants == pytest.approx(curve.value(places), abs=1e-11)


@pytest.mark.parametrize("name", CURVES)
def test_the_spread_and_its_inverse_fit(name: str) -> None:
    places = np.linspace(-12, 12, 49)
    assert CURVES[name].at(CURVES[name].spread(places)) == pytest.approx(places, abs=1e-6)


@pytest.mark.parametrize("name", CURVES)
def test_chords_meet_the_curve_at_every_point(name: str) -> None:
    curve, none = CURVES[name], np.nan
    points = np.array([[-40.0, -2.0, -0.5, 0.0, 1.0, 7.0], [0.0, 3.0, none, none, none, none]])
    slopes, constants = curve.chords(points)
    lines = slopes[:, None, :] * points[:, :, None] + constants[:, None, :]
    highest = np.nanmax(lines, axis=2, initial=-np.inf)
    there = np.isfinite(points)
    assert highest[there] == pytest.approx(curve.value(points)[there], abs=1e-6)
    assert (highest[there] <= curve.value(points)[there]).all()


def tangents_of(curve: Curve, lo: float, hi: float, tolerance: float = 1e-3, few: int = 8) -> Tangents:
    """Tangents of one number between `lo` and `hi`."""
    bounds = Interval(np.array([lo]), np.array([hi]))
    node: Any = type("Node", (), {"option": lambda self, name: tolerance})()
    nothing: Any = None
    empty = Tangents(node, "t", curve, nothing, nothing, bounds, np.ones(1), np.zeros((1, 0)), 1, 0.0)
    return empty.extended(curve.tangents(convex_.spaced(curve, bounds, few))[0])


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize(("lo", "hi"), [(-4.0, 3.0), (0.5, 2.0), (-30.0, 40.0), (-3.0, -1.0)])
def test_the_stated_gap_is_the_largest(name: str, lo: float, hi: float) -> None:
    curve = CURVES[name]
    found, places = tangents_of(curve, lo, hi), np.linspace(lo, hi, 20001)
    lines = found.slopes[0][:, None] * places + curve.support(found.slopes[0])[:, None]
    largest = (curve.value(places) - lines.max(axis=0)).max()
    assert largest <= found.gap()[0] <= largest + 1e-3 * max(1.0, largest)


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize("tolerance", [0.1, 1e-2, 1e-3])
def test_even_tangents_keep_the_tolerance(name: str, tolerance: float) -> None:
    found = tangents_of(CURVES[name], -9.0, 7.0, tolerance)
    assert found.extended(found.even(1000)).gap()[0] <= tolerance


def test_a_tangent_that_gains_nothing_is_not_added() -> None:
    found = tangents_of(SQUARE, -2.0, 2.0)
    new = found.missing(np.array([[0.3, 0.3, 5.0]]))
    assert np.isfinite(new).sum() == 2  # 5 is outside, and so is the end of the bounds
    assert not np.isfinite(found.extended(new).missing(np.array([[0.3, 2.0]]))).any()


# ---- values --------------------------------------------------------------------------------------------------------


def test_the_values_on_a_grid() -> None:
    bounds = Interval(np.array([-1.0, 0.2, 3.0]), np.array([1.0, 0.2, 3.6]))
    found = on_grid(0.5, Interval(bounds.lo, bounds.hi))
    assert found is not None
    assert [row[np.isfinite(row)].tolist() for row in found] == [[-1.0, -0.5, 0.0, 0.5, 1.0], [], [3.0, 3.5]]
    assert on_grid(0.01, bounds) is None and on_grid(None, bounds) is None


def test_sums_of_values_are_counted_once() -> None:
    found = joined(np.array([[0.0, 1.0]]), np.array([[0.0, 1.0, 1.0 + 1e-12]]))
    assert found is not None and found.tolist() == [[0.0, 1.0, 2.0]]
    assert joined(np.arange(FEW)[None, :] * 1.0, np.array([[0.0, 100.0]])) is None
    assert joined(None, np.zeros((1, 1))) is None


# ---- faults --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> list[Known]:
    """The corner models of curved losses."""
    curved = {name: text for name, text in CORNERS.items() if name.startswith(("squares", "probabilities"))}
    return [Known.of(name, load(text, tmp_path_factory.mktemp("c"))) for name, text in curved.items()]


def test_without_a_fault_all_agree(known: list[Known]) -> None:
    assert not problems(known)


def test_both_ways_are_met(known: list[Known]) -> None:
    """Some of the models are relaxed, and some are exact."""
    assert {bool(lower_program(each.program).tangents) for each in known} == {True, False}


@pytest.mark.parametrize("end", ["squared.chord", "logistic.chord", ".class1.chord", ".value.one", ".value.is"])
def test_a_dropped_row_is_noticed(end: str, known: list[Known], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MilpBuilder, "rows", dropping(end))
    assert first_disagreement(with_rows(known, end)) is not None


@pytest.mark.parametrize("end", ["squared.chord", "logistic.chord"])
def test_a_row_with_the_wrong_sign_is_noticed(end: str, known: list[Known], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MilpBuilder, "rows", turning(end))
    assert first_disagreement(with_rows(known, end)) is not None


def with_lines_moved(loss: str, by: float, monkeypatch: pytest.MonkeyPatch) -> None:
    name = {"squared": "SQUARE", "logistic": "SOFTPLUS"}[loss]
    curve = {"squared": SQUARE, "logistic": SOFTPLUS}[loss]
    faulty = replace(curve, support=lambda s: curve.support(s) + by)
    monkeypatch.setattr(f"nnmip.lowering.losses.{loss}.{name}", faulty)


def relaxed(known: list[Known], loss: str) -> list[Known]:
    programs = [each for each in known if f"{loss}(" in each.program.source.text]
    return [each for each in programs if lower_program(each.program).tangents]


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_tangents_that_are_too_low_are_noticed(loss: str, known: list[Known], monkeypatch: pytest.MonkeyPatch) -> None:
    """They leave a goal that no network has."""
    with_lines_moved(loss, -0.05, monkeypatch)
    assert first_disagreement(relaxed(known, loss)) is not None


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_tangents_that_are_too_high_are_noticed(loss: str, known: list[Known], monkeypatch: pytest.MonkeyPatch) -> None:
    """They cut networks off: after a few rounds the bound is above the best goal."""
    with_lines_moved(loss, 0.05, monkeypatch)
    found = []
    for each in relaxed(known, loss):
        lowered, truth = lower_program(each.program), each.truth
        for _ in range(6):
            answer = solve_highs(lowered.milp)
            lowered = lowered if answer.x is None else lowered.refined([lowered.lift(answer.x)])
        is_above = answer.objective is None or (truth is not None and lowered.sign * answer.objective > truth + 1e-3)
        found.append(is_above)
    assert any(found)


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_a_wrong_slope_is_noticed(loss: str, known: list[Known], monkeypatch: pytest.MonkeyPatch) -> None:
    rows = Tangents.rows

    def faulty(self: Tangents, slopes: Any) -> Any:
        expression, constants = rows(self, slopes)
        return expression * -1.0, constants

    monkeypatch.setattr(Tangents, "rows", faulty)
    assert first_disagreement(relaxed(known, loss)) is not None


def test_rounds_that_are_left_out_are_noticed(known: list[Known], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lowered, "refined", lambda self, networks: self)
    assert first_disagreement(known) is not None


@pytest.mark.parametrize("fault", ["mean", "variance", "share"])
def test_merged_targets_that_are_wrong_are_noticed(
    fault: str, known: list[Known], monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(*args: Any) -> Any:
        found = centred(*args)
        if fault == "mean":
            return replace(found, value=found.value + 0.25)
        if fault == "variance":
            return replace(found, variance=found.variance * 0.0)
        return replace(found, share=np.full(len(found.share), 1.0 / len(found.share)))

    monkeypatch.setattr("nnmip.lowering.losses.squared.centred", faulty)
    assert first_disagreement(known) is not None


def test_classes_that_are_not_chained_are_noticed(known: list[Known], monkeypatch: pytest.MonkeyPatch) -> None:
    """The sum over the classes of log(1 + exp(-d)), which is not the logarithm of the sum."""

    def faulty(low: Any, path: str, node: Any, curve: Any, argument: Argument, *args: Any) -> Any:
        if path.endswith("class1"):
            found = leads(low, node, "mean")
            lead = found.value.gather(np.arange(len(found.groups.share)) * found.value.shape[1] + 1)
            bounds = Interval(-found.bounds.hi[:, 1], -found.bounds.lo[:, 1])
            argument = replace(argument, value=-lead, bounds=bounds, points=None)
        return convex(low, path, node, curve, argument, *args)

    monkeypatch.setattr(logistic, "convex", faulty)
    of_classes = [each for each in known if "classes" in each.name and "small" not in each.name]
    assert first_disagreement(of_classes) is not None


def test_a_grid_that_is_too_wide_is_noticed(known: list[Known], monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(step: float | None, bounds: Interval) -> Any:
        return on_grid(None if step is None else step * 2, bounds)

    for loss in ("squared", "logistic"):
        monkeypatch.setattr(f"nnmip.lowering.losses.{loss}.on_grid", faulty)
    assert first_disagreement(known) is not None
