"""Columns of groups: which row belongs to which, and what is said of cells that name none."""

from __future__ import annotations

import numpy as np

from nnmip.data import FeatureColumn, GroupColumn, ScaleChoice, SplitRule, TableSpec, build_dataset
from nnmip.data.missing import MissingRule
from tests.data_layer.helpers import refused, span, table

NONE = ScaleChoice("none", span("scale none"))
X = (FeatureColumn("x", "x", span("x"), NONE), FeatureColumn("kind", "kind", span("kind"), NONE, onehot=True))
G = (GroupColumn("g", "ward", span("g as ward")),)
ROWS = "x,kind,g 1,red,b 2,blue,a 1,red,a 4,red,b"


def test_groups_are_in_the_order_of_the_file_and_numbers_in_their_own() -> None:
    data = build_dataset(table(ROWS), TableSpec("t", X, groups=G))
    names, members = data.members("ward")
    assert names == ("b", "a") and members.tolist() == [[True, False, False, True], [False, True, True, False]]
    assert data.group_names == ("ward", "x", "kind", "kind_red", "kind_blue")
    numbers = build_dataset(table("x,kind,g 1,red,10 2,blue,2.0 1,red,2"), TableSpec("t", X, groups=G))
    names, members = numbers.members("ward")
    assert names == ("2.0", "10") and members.tolist() == [[False, True, True], [True, False, False]]


def test_features_tell_rows_apart_too() -> None:
    data = build_dataset(table(ROWS), TableSpec("t", X))
    names, members = data.members("x")
    assert names == ("1", "2", "4") and members.sum(axis=1).tolist() == [2, 1, 1]
    names, members = data.members("kind")
    assert names == ("red", "blue") and members[1].tolist() == [False, True, False, False]


def test_each_part_has_its_own_rows() -> None:
    data = build_dataset(table(ROWS), TableSpec("t", X, groups=G, split=SplitRule(0.25, 0, span())))
    assert data.test is not None
    counts = [sum(part.members("ward")[1].sum() for part in data.parts)]
    assert counts == [4] and len(data.test.members("ward")[0]) == 1
    assert np.concatenate([part.groups[0].codes for part in data.parts]).tolist().count(0) == 2


def test_a_cell_that_names_no_group() -> None:
    rows = table("x,kind,g 1,red,b 2,blue, 1,red,a")
    (found,) = refused(lambda: build_dataset(rows, TableSpec("t", X, groups=G)))
    assert (found.code, found.message) == ("NNM0503", "empty cell in column `g` on line 3 of `t.csv`")
    data = build_dataset(rows, TableSpec("t", X, groups=G, missing=MissingRule("drop", span())))
    assert data.row_count == 2
    (found,) = refused(lambda: build_dataset(table("x,kind 1,red"), TableSpec("t", X, groups=G)))
    assert found.code == "NNM0502"
