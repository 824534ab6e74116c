"""Files as a whole: their text, their names file, equal bytes, and all or nothing."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nnmip.formats import files
from nnmip.formats.files import SUFFIXES, read_model, write_model
from nnmip.milp.model import Block, Milp

INF = np.inf


@pytest.fixture
def milp(build: Callable[..., Milp], new_block: Callable[[str, tuple[int, ...], int], Block]) -> Milp:
    columns = [(-INF, 3.0, False, 0.1), (0.0, 1.0, True, -1.0), (-2.0, -1.0, True, 0.0), (-INF, INF, False, 0.0)]
    columns += [(1.5, 1.5, False, 0.0), (0.5, INF, False, 1e-7)]
    rows = [({0: 1.0, 1: -2.5}, -1.0, 4.0), ({1: 1.0, 5: 1 / 3}, 0.0, 0.0), ({3: 1.0}, -INF, 1e-3)]
    blocks = (new_block("clf.h.weights", (2, 2), 0), new_block("größe", (), 4), new_block("st", (), 5))
    return build(rows, columns, 7.25, blocks, (new_block("budget", (2,), 0), new_block("last", (), 2)))


MPS = """\
NAME nnmip FREE
ROWS
 N obj
 G budget.0
 E budget.1
 L budget.upper.0
 L last
COLUMNS
 clf.h.weights.0.0 obj 0.1
 clf.h.weights.0.0 budget.0 1.0
 clf.h.weights.0.0 budget.upper.0 1.0
 MARKER 'MARKER' 'INTORG'
 clf.h.weights.0.1 obj -1.0
 clf.h.weights.0.1 budget.0 -2.5
 clf.h.weights.0.1 budget.1 1.0
 clf.h.weights.0.1 budget.upper.0 -2.5
 clf.h.weights.1.0 obj 0.0
 MARKER 'MARKER' 'INTEND'
 clf.h.weights.1.1 last 1.0
 gr__e obj 0.0
 st_1 obj 1e-07
 st_1 budget.1 0.3333333333333333
 objconst obj 7.25
RHS
 rhs budget.0 -1.0
 rhs budget.upper.0 4.0
 rhs last 0.001
BOUNDS
 MI bnd clf.h.weights.0.0
 UP bnd clf.h.weights.0.0 3.0
 LO bnd clf.h.weights.0.1 0.0
 UP bnd clf.h.weights.0.1 1.0
 LO bnd clf.h.weights.1.0 -2.0
 UP bnd clf.h.weights.1.0 -1.0
 FR bnd clf.h.weights.1.1
 FX bnd gr__e 1.5
 LO bnd st_1 0.5
 PL bnd st_1
 FX bnd objconst 1.0
ENDATA
"""

LP = """\
Minimize
 obj:
 + 0.1 clf.h.weights.0.0
 - 1.0 clf.h.weights.0.1
 + 0.0 clf.h.weights.1.0
 + 0.0 clf.h.weights.1.1
 + 0.0 gr__e
 + 1e-07 st_1
 + 7.25 objconst
Subject To
budget.0:
 + 1.0 clf.h.weights.0.0
 - 2.5 clf.h.weights.0.1
 >= -1.0
budget.1:
 + 1.0 clf.h.weights.0.1
 + 0.3333333333333333 st_1
 = 0.0
budget.upper.0:
 + 1.0 clf.h.weights.0.0
 - 2.5 clf.h.weights.0.1
 <= 4.0
last:
 + 1.0 clf.h.weights.1.1
 <= 0.001
Bounds
 -inf <= clf.h.weights.0.0 <= 3.0
 0.0 <= clf.h.weights.0.1 <= 1.0
 -2.0 <= clf.h.weights.1.0 <= -1.0
 clf.h.weights.1.1 free
 gr__e = 1.5
 st_1 >= 0.5
 objconst = 1.0
General
 clf.h.weights.0.1
 clf.h.weights.1.0
End
"""


@pytest.mark.parametrize(("suffix", "expected"), [(".mps", MPS), (".lp", LP)])
def test_the_text_of_a_file(suffix: str, expected: str, milp: Milp, tmp_path: Path) -> None:
    plain = write_model(milp, tmp_path / f"out{suffix}", fingerprint="f", sense="minimize", extra={})
    packed = write_model(milp, tmp_path / f"out{suffix}.gz", fingerprint="f", sense="minimize", extra={})
    assert plain.model.read_text() == expected
    assert gzip.decompress(packed.model.read_bytes()).decode() == expected


def test_the_names_file_leads_back_to_the_source(milp: Milp, tmp_path: Path) -> None:
    written = write_model(
        milp, tmp_path / "out.mps.gz", fingerprint="abc", sense="maximize", extra={"goal": "hinge", "stage": 1}
    )
    assert written.model == tmp_path / "out.mps.gz"
    assert written.names == tmp_path / "out.names.json"
    source = {"file": "net.nnm", "line": 3, "column": 3}
    assert json.loads(written.names.read_text()) == {
        "format": "nnmip-names",
        "version": 1,
        "fingerprint": "abc",
        "sense": "maximize",
        "kind": "equivalent",
        "objective_constant_column": "objconst",
        "extra": {"goal": "hinge", "stage": 1},
        "blocks": {
            "columns": [
                {"path": "clf.h.weights", "shape": [2, 2], "start": 0, "picked": None, "source": source},
                {"path": "größe", "shape": [], "start": 4, "picked": None, "source": source},
                {"path": "st", "shape": [], "start": 5, "picked": None, "source": source},
            ],
            "rows": [
                {"path": "budget", "shape": [2], "start": 0, "picked": None, "source": source},
                {"path": "budget.upper", "shape": [2], "start": 2, "picked": [0], "source": source},
                {"path": "last", "shape": [], "start": 3, "picked": None, "source": source},
            ],
        },
        "columns": {
            "clf.h.weights.0.0": "clf.h.weights[0, 0]",
            "clf.h.weights.0.1": "clf.h.weights[0, 1]",
            "clf.h.weights.1.0": "clf.h.weights[1, 0]",
            "clf.h.weights.1.1": "clf.h.weights[1, 1]",
            "gr__e": "größe",
            "st_1": "st",
        },
        "rows": {
            "budget.0": "budget[0]",
            "budget.1": "budget[1]",
            "budget.upper.0": "budget.upper[0]",
            "last": "last",
        },
    }
    assert "/somewhere" not in written.names.read_text()


def test_a_model_without_constant_names_no_column_for_it(build: Callable[..., Milp], tmp_path: Path) -> None:
    written = write_model(build([], []), tmp_path / "out.lp", fingerprint="", sense="minimize", extra={})
    names = json.loads(written.names.read_text())
    assert names["objective_constant_column"] is None
    assert (names["columns"], names["rows"], names["blocks"]) == (
        {},
        {},
        {"columns": [names_block()], "rows": [names_block("r")]},
    )


def names_block(path: str = "x") -> dict[str, object]:
    return {
        "path": path,
        "shape": [0],
        "start": 0,
        "picked": None,
        "source": {"file": "net.nnm", "line": 3, "column": 3},
    }


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_equal_models_give_equal_bytes_whatever_the_file_is_called(suffix: str, milp: Milp, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    first = write_model(milp, tmp_path / f"a{suffix}", fingerprint="f", sense="minimize", extra={"k": [1, 2]})
    second = write_model(
        milp, tmp_path / "other" / f"b{suffix}", fingerprint="f", sense="minimize", extra={"k": [1, 2]}
    )
    assert first.model.read_bytes() == second.model.read_bytes()
    assert first.names.read_bytes() == second.names.read_bytes()
    if suffix.endswith(".gz"):
        header = first.model.read_bytes()[:8]
        assert header[3] == 0, "no file name in the header"
        assert header[4:8] == b"\0\0\0\0", "no time in the header"


def test_lines_of_an_lp_file_are_short(
    build: Callable[..., Milp], new_block: Callable[..., Block], tmp_path: Path
) -> None:
    long = "layer" * 40
    columns = [(-1.2345678901234567e-300, 1.2345678901234567e19, True, -1.2345678901234567e-300)] * 200
    rows = [(dict.fromkeys(range(200), -1.2345678901234567e-5), -1.2345678901234567e-300, INF)]
    milp = build(rows, columns, 1.0, (new_block(long, (200,), 0),), (new_block(long, (1,), 0),))
    written = write_model(milp, tmp_path / "out.lp", fingerprint="f", sense="minimize", extra={})
    assert max(map(len, written.model.read_text().splitlines())) <= 255


@pytest.mark.parametrize("name", ["out", "out.txt", "out.mps.bz2", ".lp", "out.LP"])
def test_other_suffixes_are_refused(name: str, milp: Milp, tmp_path: Path) -> None:
    message = f"`{name}` is not a model file name: it must end in .lp, .lp.gz, .mps or .mps.gz"
    with pytest.raises(ValueError, match=re.escape(message)):
        write_model(milp, tmp_path / name, fingerprint="f", sense="minimize", extra={})
    with pytest.raises(ValueError, match=re.escape(message)):
        read_model(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("failing", ["write_names", "write_lp", "write_mps"])
def test_a_failure_leaves_the_old_files_and_nothing_else(
    failing: str, suffix: str, milp: Milp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if failing != "write_names" and failing[-2:] not in suffix:
        failing = "write_names"
    written = write_model(milp, tmp_path / f"out{suffix}", fingerprint="old", sense="minimize", extra={})
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files, failing, fail)
    with pytest.raises(KeyboardInterrupt):
        write_model(milp, written.model, fingerprint="new", sense="maximize", extra={})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_an_unwritable_folder_is_an_os_error(milp: Milp, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        write_model(milp, tmp_path / "missing" / "out.lp", fingerprint="f", sense="minimize", extra={})


@pytest.mark.parametrize("suffix", [".lp", ".mps"])
@pytest.mark.parametrize(
    "change",
    [
        {"data": [1.0, np.nan, 1.0, 1.0, 1.0]},
        {"col_ub": [3.0, 1.0, np.nan, INF, 1.5, INF]},
        {"offset": INF},
        {"row_ub": [1e20, 0.0, 1.0]},
        {"col_lb": [-1e30, 0.0, -2.0, -INF, 1.5, 0.5]},
    ],
)
def test_what_a_file_cannot_carry_is_a_defect(
    change: dict[str, object], suffix: str, milp: Milp, tmp_path: Path
) -> None:
    arrays = {key: np.array(value) if isinstance(value, list) else value for key, value in change.items()}
    with pytest.raises(AssertionError):
        write_model(replace(milp, **arrays), tmp_path / f"out{suffix}", fingerprint="f", sense="minimize", extra={})
    assert list(tmp_path.iterdir()) == []
