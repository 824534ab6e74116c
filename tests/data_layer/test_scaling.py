"""Scaling: exact ends, the way back, linear functions in raw units, and columns that cannot be scaled."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nnmip.data import ScaleChoice, Scaling, fit, no_scaling
from nnmip.source import Span
from tests.data_layer.helpers import refusal, refused, span

SPAN = span("scale minmax")
RAW = np.array([[1.0, 10.0], [3.0, 30.0], [2.0, 50.0]])

numbers = st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: round(x, 6))
columns = st.lists(numbers, min_size=2, max_size=8)
ends = st.tuples(numbers, numbers).filter(lambda pair: pair[0] < pair[1])


def fitted(
    kind: str, raw: np.ndarray, names: tuple[str, ...], where: Span = SPAN, pair: tuple[float, float] = (0.0, 1.0)
) -> Scaling:
    """One scaling for all columns."""
    return fit([ScaleChoice(kind, where, *pair)] * raw.shape[1], raw, names)


def column(values: list[float]) -> np.ndarray:
    return np.array(values)[:, None]


def test_the_middle_of_a_range_around_0_is_0() -> None:
    """-1 * 0.5000000000000001 + 0.4999999999999999 is no coefficient that a solver would keep."""
    scaling = fitted("minmax", column([0.1, 0.2]), ("a",), SPAN, (-1.0, 1.0))
    assert scaling.apply([[0.1], [0.15], [0.2]]).tolist() == [[-1.0], [0.0], [1.0]]
    assert no_scaling(1).apply([[1e-17]]).tolist() == [[1e-17]]


def test_minmax() -> None:
    scaling = fitted("minmax", RAW, ("a", "b"), SPAN)
    assert scaling.apply(RAW).tolist() == [[0.0, 0.0], [1.0, 0.5], [0.5, 1.0]]
    assert scaling.apply([[0.0, 70.0]]).tolist() == [[-0.5, 1.5]]
    assert scaling.factor.tolist() == [0.5, 0.025]
    assert not scaling.shift.flags.writeable


def test_minmax_with_ends() -> None:
    scaling = fitted("minmax", RAW, ("a", "b"), SPAN, (-1.0, 3.0))
    assert scaling.apply(RAW).tolist() == [[-1.0, -1.0], [3.0, 1.0], [1.0, 3.0]]
    assert scaling.undo([[-1.0, 3.0]]).tolist() == [[1.0, 50.0]]
    assert scaling.apply_column(1, 30.0) == 1.0
    assert scaling.undo_column(1, [-1.0, 1.0]).tolist() == [10.0, 30.0]


def test_rounding_stays_between_the_ends() -> None:
    scaling = fitted("minmax", column([0.0, 1.0]), ("a",), SPAN, (1.3, 1.7))
    fractions = np.arange(1, 200) * 2.0**-60
    assert (1.3 * (1 - fractions) + 1.7 * fractions < 1.3).any()
    assert (scaling.apply(column(list(fractions))) >= 1.3).all()


def test_standard_uses_the_population_deviation() -> None:
    scaling = fitted("standard", column([1.0, 3.0, 1.0, 3.0]), ("a",), SPAN, (5.0, 9.0))
    assert (scaling.shift.tolist(), scaling.width.tolist()) == ([2.0], [1.0])
    assert scaling.apply(column([1.0, 2.0, 4.0])).tolist() == [[-1.0], [0.0], [2.0]]


def test_each_column_has_a_scaling_of_its_own() -> None:
    choices = [ScaleChoice("none", SPAN), ScaleChoice("minmax", SPAN, -1.0, 1.0), ScaleChoice("standard", SPAN)]
    raw = np.array([[1.0, 0.0, -3.0], [1.0, 4.0, 3.0]])
    scaling = fit(choices, raw, ("a", "b", "c"))
    assert scaling.apply(raw).tolist() == [[1.0, -1.0, -1.0], [1.0, 1.0, 1.0]]
    assert (scaling.kinds, scaling.is_identity) == (("none", "minmax", "standard"), False)
    assert [scaling.column(j).apply([[2.0]]).tolist() for j in range(3)] == [[[2.0]], [[0.0]], [[2.0 / 3.0]]]
    assert scaling.undo(scaling.apply(raw)).tolist() == raw.tolist()


def test_none_leaves_the_numbers() -> None:
    assert fitted("none", np.array([[7.0, 7.0]]), ("a", "b"), SPAN).apply(RAW).tolist() == RAW.tolist()
    assert no_scaling(2).undo(RAW).tolist() == RAW.tolist()


def test_linear_function_in_raw_units() -> None:
    scaling = fitted("minmax", RAW, ("a", "b"), SPAN, (-1.0, 3.0))
    weights, bias = scaling.unscale_linear([[1.0, 2.0], [0.0, -4.0]], [0.5, 1.0])
    # a: scaled = 2 a - 3, b: scaled = 0.1 b - 2
    np.testing.assert_allclose(weights, [[2.0, 0.2], [0.0, -0.4]], rtol=1e-15)
    np.testing.assert_allclose(bias, [-6.5, 9.0], rtol=1e-15)


def test_constant_columns_are_named() -> None:
    raw = np.array([[1.0, 0.1, 5.0], [2.0, 0.1, 5.0], [3.0, 0.1, 5.0]])
    first, second = refused(lambda: fitted("standard", raw, ("a", "b", "c"), SPAN))
    assert (first.code, first.span) == ("NNM0507", SPAN)
    assert first.message == "column `b` cannot be scaled by `standard`: it is 0.1 in every row"
    assert first.help == "remove `b` from the features, or write `scale none`"
    assert second.message == "column `c` cannot be scaled by `standard`: it is 5.0 in every row"


@pytest.mark.parametrize(
    ("kind", "values"),
    [("minmax", [-1e308, 1e308]), ("minmax", [0.0, 5e-324]), ("standard", [0.0, 1e200]), ("standard", [0.0, 1e-200])],
)
def test_spread_must_be_a_number(kind: str, values: list[float]) -> None:
    found = refusal(lambda: fitted(kind, column(values), ("a",), SPAN))
    assert found.code == "NNM0507"
    assert (
        found.message == f"column `a` cannot be scaled by `{kind}`: its spread is too large or too small for a number"
    )


@pytest.mark.parametrize("pair", [(1.0, 0.0), (2.0, 2.0), (0.0, float("inf"))])
def test_ends_must_be_an_interval(pair: tuple[float, float]) -> None:
    found = refusal(lambda: fitted("minmax", RAW, ("a", "b"), SPAN, pair))
    assert (found.code, found.message) == ("NNM0303", f"`minmax` cannot scale to [{pair[0]:g}, {pair[1]:g}]")


@given(columns, ends)
def test_least_and_greatest_map_to_the_ends_exactly(values: list[float], pair: tuple[float, float]) -> None:
    assume(min(values) < max(values))
    raw = column(values)
    scaled = fitted("minmax", raw, ("a",), SPAN, pair).apply(raw)
    assert (scaled[raw == raw.min()] == pair[0]).all()
    assert (scaled[raw == raw.max()] == pair[1]).all()
    assert ((pair[0] <= scaled) & (scaled <= pair[1])).all()


@given(columns, st.sampled_from(["minmax", "standard", "none"]), numbers)
def test_undo_is_the_way_back(values: list[float], kind: str, other: float) -> None:
    assume(max(values) - min(values) >= 1e-3)
    raw = column([*values, other])
    scaling = fitted(kind, column(values), ("a",), SPAN)
    back = scaling.undo(scaling.apply(raw))
    np.testing.assert_allclose(back, raw, rtol=0, atol=1e-15 * 8 * max(1.0, np.abs(raw).max()))


@given(columns, st.sampled_from(["minmax", "standard", "none"]), st.floats(-4, 4), st.floats(-4, 4))
def test_linear_functions_agree(values: list[float], kind: str, weight: float, bias: float) -> None:
    assume(max(values) - min(values) >= 1e-3)
    raw = column(values)
    scaling = fitted(kind, raw, ("a",), SPAN)
    raw_weight, raw_bias = scaling.unscale_linear([weight], bias)
    scale = 1 + np.abs(raw_weight).max() * np.abs(raw).max()
    np.testing.assert_allclose(raw @ raw_weight + raw_bias, scaling.apply(raw) @ [weight] + bias, atol=1e-13 * scale)


@given(columns, ends, st.sampled_from(["minmax", "standard", "none"]))
def test_json_keeps_every_bit(values: list[float], pair: tuple[float, float], kind: str) -> None:
    assume(max(values) - min(values) >= 1e-3)
    scaling = fitted(kind, column(values), ("a",), SPAN, pair)
    again = Scaling.from_json(json.loads(json.dumps(scaling.to_json())))
    assert again.to_json() == scaling.to_json()
    assert again.apply(column(values)).tobytes() == scaling.apply(column(values)).tobytes()


GOOD = {"kinds": ["minmax"], "shift": [0.0], "width": [1.0], "low": [0.0], "high": [1.0]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kinds": ["log"]}, r"unknown kinds of scaling \['log'\]"),
        ({"kinds": "minmax"}, "unknown kinds of scaling minmax"),
        ({"kinds": [["none"]]}, r"unknown kinds of scaling \[\['none'\]\]"),
        ({"shift": 3}, "`shift` must be a list of numbers"),
        ({"shift": [True]}, "`shift` must be a list of numbers"),
        ({"shift": [float("nan")]}, "`shift` must be finite"),
        ({"width": [0.0]}, "`width` must be positive"),
        ({"width": [1.0, 1.0]}, "`width` must have a number for each column"),
        ({"low": [1.0], "high": [0.0]}, "`low` must be less than `high`"),
    ],
)
def test_json_of_something_else(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        Scaling.from_json({**GOOD, **change})
