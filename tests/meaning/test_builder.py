"""The builder keeps the meaning of rows that solvers would not take as they are."""

from __future__ import annotations

import numpy as np

from nnmip.milp.affine import Affine
from nnmip.milp.builder import MilpBuilder
from nnmip.milp.model import Milp
from nnmip.source import Origin, SourceFile, Span
from tests.meaning.harness import solve_highs

ORIGIN = Origin(Span(SourceFile("model.nnm", "nnm 0.1\n"), 0, 0), "model")


def builder_with(count: int) -> tuple[MilpBuilder, Affine]:
    builder = MilpBuilder(ORIGIN)
    x = builder.columns("x", (count,), 0.0, 10.0, ORIGIN, lambda values, choice: choice["x"])
    return builder, x


def built(builder: MilpBuilder) -> Milp:
    milp = builder.build()
    milp.verify()
    return milp


def at(x: Affine, *places: int) -> Affine:
    return x.gather(np.array(places, dtype=np.int64))


def test_constants_move_to_the_bounds_and_repeats_are_added() -> None:
    builder, x = builder_with(2)
    builder.rows("r", at(x, 1) + at(x, 0) * 2.0 + at(x, 1) * 3.0 + 1.0, ORIGIN, lb=0.0, ub=5.0)
    milp = built(builder)
    assert milp.indices.tolist() == [0, 1] and milp.data.tolist() == [2.0, 4.0]
    assert (milp.row_lb.tolist(), milp.row_ub.tolist()) == ([-1.0], [4.0])


def test_terms_that_cancel_leave_no_row() -> None:
    builder, x = builder_with(1)
    builder.rows("r", x - x + 2.0, ORIGIN, ub=2.0)
    milp = built(builder)
    assert (milp.num_rows, milp.num_columns) == (0, 1)


def test_rows_without_bounds_are_not_made() -> None:
    builder, x = builder_with(2)
    builder.rows("r", x, ORIGIN, ub=np.array([np.inf, 3.0]))
    milp = built(builder)
    assert milp.num_rows == 1
    assert milp.row_name(0) == "r[1]"


def test_a_false_constant_row_makes_the_model_infeasible() -> None:
    builder, x = builder_with(1)
    builder.rows("r", x - x + 3.0, ORIGIN, ub=2.0)
    builder.minimise(x.sum())
    milp = built(builder)
    assert milp.num_rows == 1
    assert milp.row_name(0) == "r[0]"
    assert solve_highs(milp).objective is None


def test_a_false_row_among_others_keeps_every_row_in_its_place() -> None:
    builder, x = builder_with(3)
    tensor = x * np.array([1.0, 0.0, 1.0]) + np.array([0.0, 3.0, 0.0])
    builder.rows("r", tensor, ORIGIN, lb=np.array([5.0, 4.0, 6.0]))
    milp = built(builder)
    rows = [milp.indices[milp.indptr[i] : milp.indptr[i + 1]].tolist() for i in range(3)]
    one = milp.num_columns - 1
    assert milp.column_name(one) == "one"
    assert rows == [[0], [one], [2]]
    assert milp.row_lb.tolist() == [5.0, 2.0, 6.0]
    assert (milp.col_lb[one], milp.col_ub[one]) == (1.0, 1.0)
    assert solve_highs(milp).objective is None


def test_a_false_scalar_row_can_be_completed() -> None:
    builder, x = builder_with(1)
    builder.rows("r", (x - x).sum() + 3.0, ORIGIN, ub=2.0)
    assert builder.complete({"x": np.array([7.0])}).tolist() == [7.0, 1.0]


def test_columns_are_filled_from_the_choice_and_from_earlier_columns() -> None:
    builder, x = builder_with(2)
    y = builder.columns("y", (), 0.0, 20.0, ORIGIN, lambda values, choice: x.sum().value(values))
    builder.binaries("b", (2, 2), ORIGIN, lambda values, choice: y.value(values) > 5, picked=np.array([1, 2]))
    assert builder.complete({"x": np.array([2.0, 4.0])}).tolist() == [2.0, 4.0, 6.0, 1.0, 1.0]


def test_the_objective_keeps_its_constant() -> None:
    builder, x = builder_with(2)
    builder.minimise((x * np.array([1.0, -2.0])).sum() + 7.0)
    milp = built(builder)
    assert milp.cost.tolist() == [1.0, -2.0] and milp.offset == 7.0
    assert milp.objective(np.array([1.0, 3.0])) == 2.0


def test_rows_keep_the_largest_big_m_of_the_entries_that_are_there() -> None:
    builder, x = builder_with(2)
    builder.rows("first", x, ORIGIN, lb=0.0, big_m=np.array([-3.0, 2.0]))
    builder.rows("second", x * np.array([0.0, 1.0]), ORIGIN, lb=0.0, big_m=np.array([7.0, 2.5]))
    builder.rows("third", x, ORIGIN, lb=0.0)
    milp = built(builder)
    assert [(block.path, block.big_m) for block in milp.rows] == [("first", 3.0), ("second", 2.5), ("third", 0.0)]
    assert milp.big_m == 3.0


def test_blocks_keep_who_owns_them() -> None:
    builder, x = builder_with(1)
    with builder.owned_by("net"):
        with builder.owned_by("net.a"):
            builder.rows("inner", x, ORIGIN, lb=0.0)
        builder.binaries("b", (1,), ORIGIN, lambda _x, _choice: np.zeros(1))
    builder.rows("outer", x, ORIGIN, lb=0.0)
    milp = built(builder)
    assert [block.owner for block in (*milp.columns, *milp.rows)] == ["", "net", "net.a", ""]


def test_an_empty_builder_builds_an_empty_model() -> None:
    milp = built(MilpBuilder(ORIGIN))
    assert (milp.num_rows, milp.num_columns, milp.num_nonzeros) == (0, 0, 0)


def test_picked_rows_keep_the_names_of_their_tensor() -> None:
    builder, x = builder_with(2)
    builder.rows("r", x, ORIGIN, ub=np.array([1.0, 2.0]), shape=(2, 3), picked=np.array([1, 5]))
    milp = built(builder)
    assert [milp.row_name(i) for i in range(2)] == ["r[0, 1]", "r[1, 2]"]
