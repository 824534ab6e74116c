"""Sparse affine tensors against dense NumPy."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nnmip.milp.affine import Affine, combine, concatenate
from nnmip.milp.model import FloatArray

COLUMNS = 5


def dense(affine: Affine) -> FloatArray:
    """[*shape, 1 + COLUMNS]: the constant and the coefficient of every column."""
    table = np.zeros((affine.size, 1 + COLUMNS))
    table[:, 0] = affine.const.reshape(-1)
    np.add.at(table, (affine.entry, affine.column + 1), affine.coef)
    return table.reshape(*affine.shape, 1 + COLUMNS)


SHAPES = st.sampled_from([(), (1,), (3,), (2, 3), (3, 1), (2, 1, 3), (0,), (2, 0)])


@st.composite
def affines(draw: st.DrawFn, shapes: st.SearchStrategy[tuple[int, ...]] = SHAPES) -> Affine:
    """Random terms with repeated columns and unsorted entries."""
    shape = draw(shapes)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    size = int(np.prod(shape))
    terms = draw(st.integers(0, 12)) if size else 0
    entry, column = rng.integers(0, max(size, 1), terms), rng.integers(0, COLUMNS, terms)
    const = rng.integers(-3, 4, shape).astype(np.float64)
    return Affine(const, entry, column, rng.integers(-3, 4, terms).astype(np.float64))


PAIRS = st.sampled_from([((), ()), ((2, 3), ()), ((), (3,)), ((2, 3), (3,)), ((2, 1), (1, 3)), ((2, 3), (2, 3))])


@given(st.data(), PAIRS)
def test_sums_broadcast(data: st.DataObject, shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    a, b = (data.draw(affines(st.just(shape))) for shape in shapes)
    rank = max(a.const.ndim, b.const.ndim) + 1
    wide = [dense(x).reshape((1,) * (rank - 1 - x.const.ndim) + (*x.shape, 1 + COLUMNS)) for x in (a, b)]
    assert np.array_equal(dense(a + b), wide[0] + wide[1])
    assert np.array_equal(dense(a - b), wide[0] - wide[1])
    assert np.array_equal(dense(-a), -dense(a))


@given(st.data(), PAIRS)
def test_constants_add_and_multiply(data: st.DataObject, shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    a = data.draw(affines(st.just(shapes[0])))
    number = np.random.default_rng(data.draw(st.integers(0, 99))).integers(-2, 3, shapes[1]).astype(np.float64)
    rank = max(a.const.ndim, number.ndim)
    wide = dense(a).reshape((1,) * (rank - a.const.ndim) + (*a.shape, 1 + COLUMNS))
    factor = number.reshape((1,) * (rank - number.ndim) + number.shape)
    assert np.array_equal(dense(a * number), wide * factor[..., None])
    shift = np.zeros_like(np.broadcast_to(wide, (*np.broadcast_shapes(*shapes), 1 + COLUMNS)))
    shift[..., 0] = factor
    assert np.array_equal(dense(a + number), wide + shift)
    assert np.array_equal(dense(a - number), wide - shift)


@given(affines(), st.data())
def test_entries_are_gathered(a: Affine, data: st.DataObject) -> None:
    places = data.draw(st.lists(st.integers(0, a.size - 1), max_size=6)) if a.size else []
    index = np.array(places, dtype=np.int64)
    flat = dense(a).reshape(a.size, 1 + COLUMNS)
    assert np.array_equal(dense(a.gather(index)), flat[index])
    if len(places) == 6:
        assert np.array_equal(dense(a.gather(index.reshape(2, 3))), flat[index.reshape(2, 3)])
    mask = np.random.default_rng(a.size).random(a.shape) < 0.5
    assert np.array_equal(dense(a.where(mask)), dense(a)[mask])


@given(affines())
def test_sums_run_along_axes(a: Affine) -> None:
    assert np.array_equal(dense(a.sum()), dense(a).reshape(a.size, 1 + COLUMNS).sum(axis=0))
    for axis in range(a.const.ndim):
        assert np.array_equal(dense(a.sum(axis=axis)), dense(a).sum(axis=axis))
        assert np.array_equal(dense(a.sum(axis=axis - a.const.ndim)), dense(a).sum(axis=axis))


@given(affines())
def test_merging_sorts_and_adds_repeats(a: Affine) -> None:
    merged = a.merged()
    assert np.array_equal(dense(merged), dense(a))
    keys = merged.entry * COLUMNS + merged.column
    assert (np.diff(keys) > 0).all()
    assert (merged.coef != 0).all()


@given(affines())
def test_what_is_merged_stays_as_it_is(a: Affine) -> None:
    merged = a.merged()
    again = merged.merged()
    assert np.array_equal(again.entry, merged.entry) and np.array_equal(again.column, merged.column)
    assert np.array_equal(again.coef, merged.coef) and again.const is merged.const


@given(affines(), st.integers(0, 99))
def test_values_follow_the_columns(a: Affine, seed: int) -> None:
    x = np.random.default_rng(seed).integers(-3, 4, COLUMNS).astype(np.float64)
    assert np.array_equal(a.value(x), dense(a) @ np.concatenate([[1.0], x]))


@given(st.lists(affines(), min_size=1, max_size=4))
def test_tensors_are_joined(parts: list[Affine]) -> None:
    assert np.array_equal(
        dense(concatenate(parts)), np.concatenate([dense(p).reshape(p.size, 1 + COLUMNS) for p in parts])
    )


@given(affines(st.sampled_from([(1, 1), (2, 3), (3, 2)])), st.integers(0, 99), st.integers(0, 4))
def test_data_times_weights(weights: Affine, seed: int, rows: int) -> None:
    """Every unit has two outputs, as a filter has at two places."""
    k, width = weights.shape
    data = np.random.default_rng(seed).integers(-2, 3, (rows, k, 2, width)).astype(np.float64)
    product = combine(data, weights)
    assert product.shape == (rows, k * 2)
    assert np.array_equal(
        dense(product), np.einsum("nkpi,kic->nkpc", data, dense(weights)).reshape(rows, k * 2, 1 + COLUMNS)
    )


@given(affines(), st.integers(0, 2**32 - 1))
def test_equal_entries_are_found(affine: Affine, seed: int) -> None:
    """Entries count as equal where they are the same function of the columns, however it is written."""
    repeated = affine.gather(np.random.default_rng(seed).integers(0, affine.size, 7)) if affine.size else affine
    first, inverse = repeated.distinct()
    table = dense(repeated).reshape(repeated.size, 1 + COLUMNS)
    assert np.array_equal(table[first][inverse], table)
    assert len(first) == len(np.unique(table, axis=0))
    assert (np.diff(first) > 0).all() and np.array_equal(inverse[first], np.arange(len(first)))


def test_columns_are_numbered_in_order() -> None:
    columns = Affine.columns(1, (2, 2))
    assert np.array_equal(columns.value(np.array([9.0, 1, 2, 3, 4])), [[1, 2], [3, 4]])
    assert Affine.constant(np.ones(3)).is_constant and not columns.is_constant
    assert Affine.columns(0, ()).size == 1
