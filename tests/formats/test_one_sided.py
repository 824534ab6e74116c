"""Rows with two sides become two rows with the same meaning."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nnmip.formats.one_sided import for_files, one_sided
from nnmip.milp.model import Block, Milp

INF = np.inf


def test_a_model_without_ranges_stays_as_it_is(build: Callable[..., Milp]) -> None:
    milp = build([({0: 1.0}, 2.0, 2.0), ({0: 1.0}, -INF, 3.0)], [(0.0, 1.0, True, 1.0)])
    assert one_sided(milp) is milp


def test_ranges_are_split_and_free_rows_left_out(
    build: Callable[..., Milp], new_block: Callable[[str, tuple[int, ...], int], Block]
) -> None:
    rows = [({0: 1.0, 1: 2.0}, 1.0, 4.0), ({1: 3.0}, -1.0, 5.0)]
    rows += [({0: 4.0}, -INF, INF), ({0: 5.0, 1: 6.0}, 0.0, 7.0), ({1: 8.0}, 2.0, 2.0)]
    blocks = (new_block("whole", (1, 2), 0), new_block("part", (3,), 2))
    split = one_sided(build(rows, [(0.0, 1.0, False, 1.0)] * 2, 0.5, None, blocks))
    split.verify()
    assert split.row_lb.tolist() == [1.0, -1.0, -INF, -INF, 0.0, 2.0, -INF]
    assert split.row_ub.tolist() == [INF, INF, 4.0, 5.0, INF, 2.0, 7.0]
    assert split.indptr.tolist() == [0, 2, 3, 5, 6, 8, 9, 11]
    assert split.data.tolist() == [1, 2, 3, 1, 2, 3, 5, 6, 8, 5, 6]
    assert split.indices.tolist() == [0, 1, 1, 0, 1, 1, 0, 1, 1, 0, 1]
    assert [(block.path, block.shape, block.start) for block in split.rows] == [
        ("whole", (1, 2), 0),
        ("whole.upper", (1, 2), 2),
        ("part", (3,), 4),
        ("part.upper", (3,), 6),
    ]
    assert [split.row_name(row) for row in range(split.num_rows)] == [
        "whole[0, 0]",
        "whole[0, 1]",
        "whole.upper[0, 0]",
        "whole.upper[0, 1]",
        "part[1]",
        "part[2]",
        "part.upper[1]",
    ]
    assert split.offset == 0.5


def test_a_file_has_a_row(build: Callable[..., Milp]) -> None:
    """GLPK reads no LP file without one: the first bound of a column is repeated."""
    columns = [(-INF, INF, False, 0.0), (-3.0, -2.0, True, 1.0), (-1.0, INF, False, 1.0)]
    made = for_files(build([], columns))
    made.verify()
    assert (made.num_rows, made.row_name(0), made.indices.tolist(), made.data.tolist()) == (1, "repeated", [1], [1.0])
    assert (made.row_lb.tolist(), made.row_ub.tolist()) == ([-INF], [-2.0])
    made = for_files(build([({0: 1.0}, -INF, INF)], columns[2:]))
    assert (made.num_rows, made.row_lb.tolist(), made.row_ub.tolist()) == (1, [-1.0], [INF])
    free = build([], columns[:1])
    assert for_files(free) is free


@given(data=st.data())
def test_the_same_points_are_feasible(milps: st.SearchStrategy[Milp], data: st.DataObject) -> None:
    milp = data.draw(milps)
    split = one_sided(milp)
    split.verify()
    equal = split.row_lb == split.row_ub
    assert (equal | (np.isfinite(split.row_lb) != np.isfinite(split.row_ub))).all()
    x = np.array(data.draw(st.lists(st.floats(-1e6, 1e6), min_size=milp.num_columns, max_size=milp.num_columns)))
    assert split.violation(x) == milp.violation(x)
