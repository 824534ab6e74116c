"""Hand-made model files: what they mean, and where a malformed one is wrong."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from nnmip.diagnostics import DiagnosticError
from nnmip.formats.files import read_model
from nnmip.formats.lp_reader import read_lp
from nnmip.formats.mps_reader import read_mps
from nnmip.milp.model import Milp
from nnmip.sizes import MODEL_TEXT, Allowance

INF = np.inf

MPS = """\
* a comment
NAME          TEST
OBJSENSE
    MAX
ROWS
 N  COST
 N  OTHER
 L  R1
 G  R2
 E  R3
 E  R4
COLUMNS
    X         COST         1.0   R1           2.0
    X         OTHER        9.0   R2          -1e1
    M1        'MARKER'                 'INTORG'
    Y         R1             3   R3            .5
    Y         COST       -2.5
    M2        'MARKER'                 'INTEND'
    Z         R3           1.0   R4            4.
    W         R4           0.0
RHS
    RHS       R1           8.0   R2          -3.0
    RHS       COST        10.0
    RHS       R3           2.0   R4             1
RANGES
    RNG       R1           6.0   R2           2.0
    RNG       R3          -1.5   R4           0.5
BOUNDS
 UP BND       X            4.0
 LI BND       Y             -7
 UI BND       Y              3
 MI BND       Z
 UP BND       Z             -1
 FR BND       W
ENDATA
"""


def _summary(milp: Milp) -> dict[str, object]:
    milp.verify()
    return {
        "columns": [milp.column_name(k) for k in range(milp.num_columns)],
        "rows": [milp.row_name(k) for k in range(milp.num_rows)],
        "matrix": [
            dict(zip(milp.indices[a:b].tolist(), milp.data[a:b].tolist(), strict=True))
            for a, b in zip(milp.indptr, milp.indptr[1:], strict=False)
        ],
        "sides": list(zip(milp.row_lb.tolist(), milp.row_ub.tolist(), strict=True)),
        "bounds": list(zip(milp.col_lb.tolist(), milp.col_ub.tolist(), strict=True)),
        "integer": milp.integer.tolist(),
        "cost": milp.cost.tolist(),
        "offset": milp.offset,
    }


def test_a_fixed_form_mps_file(tmp_path: Path) -> None:
    path = tmp_path / "test.mps.gz"
    path.write_bytes(gzip.compress(MPS.replace("\n", "\r\n").encode()))
    milp = read_model(path)
    assert _summary(milp) == {
        "columns": ["X", "Y", "Z", "W"],
        "rows": ["R1", "R2", "R3", "R4"],
        "matrix": [{0: 2.0, 1: 3.0}, {0: -10.0}, {1: 0.5, 2: 1.0}, {2: 4.0}],
        "sides": [(2.0, 8.0), (-3.0, -1.0), (0.5, 2.0), (1.0, 1.5)],
        "bounds": [(0.0, 4.0), (-7.0, 3.0), (-INF, -1.0), (-INF, INF)],
        "integer": [False, True, False, False],
        "cost": [-1.0, 2.5, 0.0, 0.0],
        "offset": 10.0,
    }
    span = milp.column_block(1).origin.span
    assert (span.text, span.line, span.file.path) == ("Y", 16, str(path))


LP = """\
\\ a comment with Bounds in it
Maximize
  profit: 3 x + 2.5y - z + 4 - 1e-1
Subject To
  c1: x + y <= 10
  c2: -5 <= x - 2 z <= 5 \\ two sides
  - y + z => -1
  c4: 3 = x
   + z
  c5: 2 >= - - z
Bounds
  x <= 4
  -inf <= y <= 1e30
  z free
  -3 <= k
  u = 2.5
Integers
  k x
Binary
  b
End
"""


def test_a_hand_made_lp_file(tmp_path: Path) -> None:
    path = tmp_path / "test.lp"
    path.write_text(LP.replace("Binary\n  b\n", "Binary\n  b\n\n"))
    milp = read_model(path)
    assert _summary(milp) == {
        "columns": ["x", "y", "z", "k", "u", "b"],
        "rows": ["c1", "c2", "R3", "c4", "c5"],
        "matrix": [{0: 1.0, 1: 1.0}, {0: 1.0, 2: -2.0}, {1: -1.0, 2: 1.0}, {0: 1.0, 2: 1.0}, {2: 1.0}],
        "sides": [(-INF, 10.0), (-5.0, 5.0), (-1.0, INF), (3.0, 3.0), (-INF, 2.0)],
        "bounds": [(0.0, 4.0), (-INF, INF), (-INF, INF), (-3.0, INF), (2.5, 2.5), (0.0, 1.0)],
        "integer": [True, False, False, True, False, True],
        "cost": [-3.0, -2.5, 1.0, 0.0, 0.0, 0.0],
        "offset": -3.9,
    }
    span = milp.row_block(1).origin.span
    assert (span.text, span.line, span.column) == ("c2", 6, 3)


def test_binary_keeps_tighter_bounds(tmp_path: Path) -> None:
    path = tmp_path / "test.lp"
    path.write_text("min\n x + y\nst\nbounds\n x = 1\n y <= 5\nbin\n x y\nend\n")
    milp = read_lp(path)
    assert (milp.col_lb.tolist(), milp.col_ub.tolist(), milp.integer.all()) == ([1.0, 0.0], [1.0, 1.0], True)


def test_a_column_called_objconst_that_is_not_a_constant_stays(tmp_path: Path) -> None:
    path = tmp_path / "test.lp"
    path.write_text("Minimize\n 2 objconst + x\nSubject To\n c: objconst + x >= 1\nBounds\n objconst = 1\nEnd\n")
    milp = read_lp(path)
    assert (milp.num_columns, milp.offset) == (2, 0.0)


MPS_ERRORS = [
    ("", None, 1, 1, "the file ends before ENDATA"),
    ("ENDATA\n", "", 34, 16, "the file ends before ENDATA"),
    ("ENDATA\n", "ENDATA\nX\n", 36, 1, "text after ENDATA"),
    ("* a comment", " data", 1, 2, "line outside of a section"),
    ("RANGES\n", "SOS\n", 25, 1, "section `SOS` is not supported"),
    ("RANGES\n", "RHS\n", 25, 1, "section RHS stands twice"),
    ("RANGES\n", "ROWS\n", 25, 1, "section ROWS stands twice"),
    ("NAME          TEST\n", "RHS\n", 2, 1, "there is no objective row (kind N) in ROWS"),
    ("    MAX", "    MOST", 4, 5, "the sense must be MIN or MAX"),
    (" E  R4", " Q  R4", 11, 2, "`Q` is not a row kind"),
    (" E  R4", " E  R 4", 11, 2, "a row needs a kind (N, E, L or G) and a name without spaces"),
    (" E  R4", " E  R3", 11, 5, "row `R3` is declared twice"),
    ("R2          -1e1", "RX          -1e1", 14, 34, "row `RX` is not declared"),
    ("R2          -1e1", "R2          -1_0", 14, 46, "`-1_0` is not a number"),
    ("R2          -1e1", "R2           nan", 14, 47, "`nan` is not a number"),
    ("R2          -1e1", "R2         1e999", 14, 45, "`1e999` is infinite where a finite number must stand"),
    ("R2          -1e1", "R2          ", 14, 5, "a column line needs a column and one or two pairs of row and value"),
    ("OTHER        9.0", "COST         9.0", 14, 15, "`X` stands twice in the objective"),
    ("X         OTHER        9.0   R2", "X         OTHER        9.0   R1", 14, 5, "`X` stands twice in row `R1`"),
    ("    W         R4", "    X         R4", 20, 5, "column `X` continues after another column"),
    ("'INTEND'", "'INTORG'", 18, 40, "marker INTORG does not match the one before"),
    ("'INTORG'", "'SOSORG'", 15, 40, "marker `SOSORG` is not supported"),
    ("    M2        'MARKER'                 'INTEND'\n", "", 20, 1, "marker INTORG without INTEND"),
    ("RHS       R3           2.0", "RHS       R9           2.0", 24, 15, "row `R9` is not declared"),
    ("RHS       R3           2.0", "RHS       R1           2.0", 24, 15, "row `R1` gets two right-hand sides"),
    ("R2          -3.0", "R2         1e+30", 26, 5, "row `R2` has a range but an infinite right-hand side"),
    ("RNG       R3 ", "RNG       COST ", 27, 15, "row `COST` cannot have this range"),
    ("R1           8.0", "R1         1e+30", 26, 5, "row `R1` has a range but an infinite right-hand side"),
    (" FR BND       W", " SC BND       W  1", 34, 2, "bound kind `SC` is not supported"),
    (" FR BND       W", " UP BND       V  1", 34, 15, "column `V` is not declared"),
    (" FR BND       W", " UP W", 34, 2, "a bound of kind UP has too few or too many fields"),
    (" FR BND       W", " UP BND       X  1", 34, 2, "`X` gets the same bound twice"),
    (" FR BND       W", " LO BND       W  inf", 34, 2, "`W` has a bound that is infinite on the wrong side"),
    (" MI BND       Z\n", "", 32, 2, "`Z` has a negative upper bound and no lower bound"),
    (" LI BND       Y             -7\n UI BND       Y              3\n", "", 16, 5, "integer column `Y` has no bounds"),
    ("R4            4.", "R4            0.", 11, 5, "row `R4` has no entries and can never hold"),
]


@pytest.mark.parametrize(("old", "new", "line", "column", "message"), MPS_ERRORS)
def test_a_malformed_mps_file(old: str, new: str | None, line: int, column: int, message: str, tmp_path: Path) -> None:
    assert old in MPS
    path = tmp_path / "bad.mps"
    path.write_text("" if new is None else MPS.replace(old, new, 1))
    _expect(path, line, column, message)


LP_ERRORS = [
    ("Maximize\n", "", 2, 3, "expected Minimize or Maximize, not `profit`"),
    ("\\ a comment", "a comment", 1, 1, "expected Minimize or Maximize, not `a`"),
    ("End\n", "", 20, 4, "the file has no End"),
    ("End\n", "End\nmore\n", 22, 1, "expected nothing after End, not `more`"),
    ("Binary\n", "Semi-Continuous\n", 19, 1, "section `Semi-Continuous` is not supported"),
    ("Binary\n", "General Constraints\n", 19, 1, "section `General Constraints` is not supported"),
    ("Binary\n", "Bounds\n", 19, 1, "section `Bounds` stands twice or too late"),
    ("2.5y", "[ y * y ]", 3, 17, "expected a number or a name, not `[`"),
    ("2.5y", "2.5y^2", 3, 21, "expected terms or numbers, not `^`"),
    ("2.5y", "2.5 y y", 3, 23, "expected `+`, `-` or a relation, not `y`"),
    ("2.5y", "2.5x", 3, 20, "`x` stands twice in the objective"),
    ("4 - 1e-1", "inf", 3, 3, "the objective has an infinite constant"),
    (
        "x + y <= 10",
        "x + y + 1 <= 10",
        5,
        17,
        "expected terms on one side of a relation and a number on the other, not `<=`",
    ),
    ("x + y <= 10", "x + y < = 10", 5, 15, "expected a number, not `=`"),
    ("x + y <= 10", "x + y <= y", 5, 16, "expected a number, not `y`"),
    ("x + y <= 10", "x + x <= 10", 5, 11, "`x` stands twice in row `c1`"),
    ("x + y <= 10", "x + y", 6, 3, "expected <=, >= or =, not `c2`"),
    ("x + y <= 10", "x + y >= inf", 5, 3, "row `c1` is infinite on the wrong side"),
    ("c2:", "c1:", 6, 3, "row `c1` stands twice"),
    ("c2: -5 <= x - 2 z <= 5", "c2: -5 <= x - 2 z <= 5 <= 6", 6, 26, "expected the next row, not `<=`"),
    ("c2: -5 <= x - 2 z <= 5", "c2: -5 <= x - 2 z = 5", 6, 21, "expected <= or >= in a row with two sides, not `=`"),
    ("  x <= 4\n", "  x <= -4\n", 12, 3, "`x` has a negative upper bound and no lower bound"),
    ("  x <= 4\n", "  x <= 4\n  x <= 5\n", 13, 3, "`x` gets the same bound twice"),
    ("  x <= 4\n", "  x >= inf\n", 12, 3, "`x` has a bound that is infinite on the wrong side"),
    ("  x <= 4\n", "  x 4\n", 12, 5, "expected <=, >= or =, not `4`"),
    ("  k x\n", "  3\n", 18, 3, "expected the name of a column, not `3`"),
    ("  k x\n", "  k x <= 3\n", 18, 7, "expected the name of a column, not `<=`"),
]


@pytest.mark.parametrize(("old", "new", "line", "column", "message"), LP_ERRORS)
def test_a_malformed_lp_file(old: str, new: str, line: int, column: int, message: str, tmp_path: Path) -> None:
    assert old in LP
    path = tmp_path / "bad.lp"
    path.write_text(LP.replace(old, new, 1))
    _expect(path, line, column, message)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("bad.mps", b"NAME \xff\xfe", "`bad.mps` is not text in UTF-8"),
        ("bad.lp.gz", b"Minimize", "`bad.lp.gz` is not a complete gzip file"),
        ("cut.mps.gz", gzip.compress(MPS.encode())[:-20], "`cut.mps.gz` is not a complete gzip file"),
        ("missing.lp", None, "`missing.lp` cannot be read"),
    ],
)
def test_a_file_that_is_no_text(name: str, content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    _expect(path, 1, 1, message)


def _expect(path: Path, line: int, column: int, message: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        read_model(path)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "NNM0614"
    assert diagnostic.message == message
    assert (diagnostic.span.line, diagnostic.span.column) == (line, column)
    assert diagnostic.span.file.path == str(path)


def test_the_way_out_is_told(tmp_path: Path) -> None:
    path = tmp_path / "bad.mps"
    path.write_text(MPS.replace(" MI BND       Z\n", ""))
    with pytest.raises(DiagnosticError) as caught:
        read_mps(path)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.help == "state the lower bound too"
    assert diagnostic.note == "some readers then take 0 for the lower bound, others minus infinity"


@pytest.mark.parametrize("name", ["m.lp", "m.mps"])
def test_a_large_model_file_needs_permission(name: str, tmp_path: Path) -> None:
    text = "Minimize\n obj: x\nEnd\n" if name == "m.lp" else "NAME m\nROWS\n N obj\nCOLUMNS\n x obj 1\nRHS\nENDATA\n"
    path = tmp_path / name
    path.write_text(text)
    assert read_model(path, Allowance(MODEL_TEXT * len(text))).num_columns == 1
    with pytest.raises(DiagnosticError) as caught:
        read_model(path, Allowance(MODEL_TEXT * len(text) - 1))
    assert [d.code for d in caught.value.diagnostics] == ["NNM0310"]
