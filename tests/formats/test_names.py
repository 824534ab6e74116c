"""Names that every reader takes as they are, and that still tell the user where they come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnmip.formats.files import write_model
from nnmip.formats.names import is_safe, model_names, readable_names, safe_names
from nnmip.milp.model import Block, Milp

NewBlock = Callable[[str, tuple[int, ...], int], Block]

HOSTILE = [
    "e",
    "e1",
    "E.x",
    "inf",
    "information",
    "Infant",
    "nancy",
    "free",
    "st",
    "end",
    "bounds",
    "obj",
    "rhs",
    "bnd",
]
HOSTILE += [
    "objconst",
    "marker",
    "2x",
    "x y",
    "größe",
    "a<b",
    "a:b",
    "a+b",
    "\\",
    "",
    "[]",
    "semi",
    "sos1",
    "s.t.",
    "max",
]
HOSTILE += [
    "x" * 300,
    "A",
    "a",
    "a[1]",
    "a.1",
    "General",
    "RANGES",
    "x.",
    "..",
    "st.0",
    "free.x",
    "end.1",
    "-1",
    "none",
]


def _names(new_block: NewBlock, *parts: tuple[str, tuple[int, ...]]) -> list[str]:
    blocks, start = [], 0
    for path, shape in parts:
        blocks.append(new_block(path, shape, start))
        start = blocks[-1].stop
    return safe_names(blocks)


def test_a_name_is_the_path_and_the_indices(new_block: NewBlock) -> None:
    assert _names(new_block, ("clf.h.weights", (2, 2)), ("total", ()), ("z[3]", (1,)), ("f(2)", ())) == [
        "clf.h.weights.0.0",
        "clf.h.weights.0.1",
        "clf.h.weights.1.0",
        "clf.h.weights.1.1",
        "total",
        "z.3.0",
        "f.2",
    ]


@pytest.mark.parametrize(
    ("path", "shape", "expected"),
    [
        ("information", (2,), ["_information.0", "_information.1"]),
        ("NaN", (), ["_NaN"]),
        ("e", (1,), ["_e.0"]),
        ("e1", (), ["_e1"]),
        ("error", (), ["error"]),
        ("2fast", (), ["_2fast"]),
        ("x y", (), ["x_y"]),
        ("größe", (), ["gr__e"]),
        ("free", (), ["free_1"]),
        ("free", (1,), ["free.0"]),
        ("objconst", (), ["objconst_1"]),
        ("Obj", (), ["Obj_1"]),
        ("", (), ["_"]),
        ("x" * 80, (), ["x" * 59 + "_1"]),
        ("x" * 80, (1, 1), ["x" * 55 + "_1.0.0"]),
        ("empty", (0, 3), []),
    ],
)
def test_an_unsafe_path_is_mended(new_block: NewBlock, path: str, shape: tuple[int, ...], expected: list[str]) -> None:
    assert _names(new_block, (path, shape)) == expected


def test_clashes_are_numbered_whatever_the_case(new_block: NewBlock) -> None:
    names = _names(new_block, ("a", (2,)), ("A", (2,)), ("a.1", ()), ("a.2", ()), ("a_1", ()), ("a", ()), ("A", ()))
    assert names == ["a.0", "a.1", "A_2.0", "A_2.1", "a.1_3", "a.2", "a_1", "a", "A_4"]


def test_parts_of_one_tensor_keep_its_indices(new_block: NewBlock) -> None:
    block = new_block("clf.a", (2, 2), 0)
    parts = [
        replace(block, picked=np.array(picked), start=start) for start, picked in ((0, [0, 3]), (2, [1]), (3, [3, 2]))
    ]
    assert safe_names(parts) == ["clf.a.0.0", "clf.a.1.1", "clf.a.0.1", "clf.a_1.1.1", "clf.a_1.1.0"]
    assert readable_names(parts[2]) == ["clf.a[1, 1]", "clf.a[1, 0]"]


def test_a_scalar_that_is_not_there_has_no_name(new_block: NewBlock) -> None:
    """A comparison that bounds decide leaves a block of one entry of which none is picked."""
    gone, there = replace(new_block("holds", (), 0), picked=np.zeros(0, np.int64)), new_block("holds.2", (), 0)
    assert safe_names([gone, there]) == ["holds.2"]
    assert readable_names(gone) == [] and len(gone.places()) == 0


def test_very_deep_tensors_fall_back_to_one_index(new_block: NewBlock) -> None:
    assert _names(new_block, ("deep", (1,) * 20))[0] == "deep_1.0"


@given(
    parts=st.lists(
        st.tuples(st.one_of(st.sampled_from(HOSTILE), st.text(max_size=70)), st.sampled_from([(), (1,), (3,), (2, 2)])),
        max_size=12,
    )
)
def test_names_are_always_safe_and_unique(new_block: NewBlock, parts: list[tuple[str, tuple[int, ...]]]) -> None:
    names = _names(new_block, *parts)
    assert all(is_safe(name) for name in names)
    assert len({name.lower() for name in names}) == len(names)


@pytest.mark.parametrize(
    "name", ["e1", "E.", "inf.0", "nan_x", "st", "BOUNDS", "9a", "a b", "a-b", "x" * 62, "", "objconst"]
)
def test_unsafe_names_are_seen_as_such(name: str) -> None:
    assert not is_safe(name)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 1, 2), (0,)])
@pytest.mark.parametrize("share", [1, 2])
def test_readable_names_are_those_of_the_block(new_block: NewBlock, shape: tuple[int, ...], share: int) -> None:
    block = new_block("clf.a", shape, 5)
    if share > 1 and shape:
        block = replace(block, picked=np.arange(0, block.size, share))
    assert readable_names(block) == [block.name(index) for index in range(5, block.stop)]


@pytest.mark.parametrize("suffix", [".lp", ".mps"])
@pytest.mark.parametrize("solver", ["cbc", "highs", "gurobi"])
def test_every_solver_keeps_names_made_from_hostile_paths(
    suffix: str,
    solver: str,
    build: Callable[..., Milp],
    new_block: NewBlock,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    read: Callable[[list[Path]], list[dict[str, Any]]] = request.getfixturevalue(f"read_with_{solver}")
    count = 2 * len(HOSTILE)
    blocks = tuple(new_block(path, (2,) if k % 3 else (1, 2), 2 * k) for k, path in enumerate(HOSTILE))
    scalars = tuple(new_block(path, (), count + k) for k, path in enumerate(HOSTILE))
    total = count + len(HOSTILE)
    columns = [(0.5 + k, 2.5 + k, k % 5 == 0, 1.0) for k in range(total)]
    rows = [({k: 1.0, (k + 1) % total: 2.0}, 1.0 + k, float("inf")) for k in range(total)]
    milp = build(rows, columns, 2.0, blocks + scalars, blocks + scalars)
    written = write_model(milp, tmp_path / f"out{suffix}", fingerprint="f", sense="minimize", extra={})
    names = model_names(milp)
    (answer,) = read([written.model])
    assert answer["columns"] == [*names.columns, "objconst"]
    assert answer["rows"] == names.rows
    assert answer["integer"] == [*milp.integer.tolist(), False]
    assert answer["status"] == "OPTIMAL"
