"""Solution files: every layout is recognised and read, and a malformed one is refused at its line."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from nnmip.diagnostics import DiagnosticError
from nnmip.formats.solutions import SolutionFile, read_solution
from nnmip.sizes import Allowance

INF = np.inf

CBC = """\
Optimal - objective value 3.75000000
      0 x                     -3                       1
      2 clf.h.0          1.5e-07                      -1
**    4 objconst               1                    7.25
"""
CBC_ALL = """\
Stopped on time - objective value -12.5
      0 clf.h.0                1                     0.5
**    1 clf.h.1              -15                       0
      0 clf.h.0               -3                       1
      1 clf.h.1                8                       0
"""
CBC_LP = "Infeasible - objective value 1e+20\n"
PYTHON_MIP = "Feasible solution - objective 0.0\n0 x -3.0 1.5\n1 y 8.0 0.25\n"
HIGHS = """\
Model status
Optimal

# Primal solution values
Feasible
Objective 3.75
# Columns 3
x -3
y 1e+20
z 1
# Rows 1
x 17

# Dual solution values
None

# Basis
HiGHS_basis_file v2
None
"""
HIGHS_NONE = "Model status\nPrimal infeasible or unbounded\n\n# Primal solution values\nNone\n\n# Basis\nNone\n"
HIGHS_TABLE = """\
Columns
    Index Status        Lower        Upper       Primal         Dual  Type        Name
        0                -inf            3           -3               Continuous  x
        1     BS           -2          inf            8            0  Continuous  y
Rows
    Index Status        Lower        Upper       Primal         Dual  Name
        0                   1          inf            1               x

Model status: Time limit reached

Objective value: 3.75
"""
GUROBI = """\
# Solution for model nnmip
# Objective value = 3.75
x -3
y 8
z 0
"""
SCIP = """\
solution status: optimal solution found
objective value:                                 3.75
x                                                  -3 \t(obj:1.5)
clf.h.0                                             8 \t(obj:0)
huge                                        +infinity \t(obj:1)
"""
CPLEX = """\
<?xml version = "1.0" encoding="UTF-8" standalone="yes"?>
<CPLEXSolution version="1.2">
 <header
   problemName="out.lp"
   objectiveValue="3.75"
   solutionTypeValue="3"
   solutionStatusString="integer optimal solution"/>
 <quality epInt="1e-05"/>
 <linearConstraints>
  <constraint name="c.1" index="0" slack="0"/>
 </linearConstraints>
 <variables>
  <variable name="x" index="0" value="-3"/>
  <variable name="y &lt; z" index="1" value="8.0000000000000002e+00"/>
 </variables>
</CPLEXSolution>
"""
CPLEX_POOL = CPLEX.replace("<CPLEXSolution ", "<CPLEXSolutions><CPLEXSolution ") + (
    '<CPLEXSolution><header objectiveValue="9"/><variables><variable name="x" index="0" value="1"/></variables>'
    "</CPLEXSolution></CPLEXSolutions>"
)
PLAIN = "# made by hand\nx -3\n\n  y   8e0\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (CBC, SolutionFile("cbc", "Optimal", 3.75, {"x": -3, "clf.h.0": 1.5e-07, "objconst": 1}, "cbc", True)),
        (CBC_ALL, SolutionFile("cbc", "Stopped on time", -12.5, {"clf.h.0": -3, "clf.h.1": 8}, "cbc", True)),
        (CBC_LP, SolutionFile("cbc", "Infeasible", INF, {}, "cbc", True)),
        (PYTHON_MIP, SolutionFile("cbc", "Feasible solution", None, {"x": -3, "y": 8}, "cbc", True)),
        (HIGHS, SolutionFile("highs", "Optimal", 3.75, {"x": -3, "y": INF, "z": 1}, "highs", False)),
        (HIGHS_NONE, SolutionFile("highs", "Primal infeasible or unbounded", None, {}, "highs", False)),
        (HIGHS_TABLE, SolutionFile("highs", "Time limit reached", 3.75, {"x": -3, "y": 8}, "highs-table", False)),
        (GUROBI, SolutionFile("gurobi", "", 3.75, {"x": -3, "y": 8, "z": 0}, "gurobi", False)),
        (
            SCIP,
            SolutionFile("scip", "optimal solution found", 3.75, {"x": -3, "clf.h.0": 8, "huge": INF}, "scip", True),
        ),
        (
            "solution status: infeasible\nno solution available\n",
            SolutionFile("scip", "infeasible", None, {}, "scip", True),
        ),
        (CPLEX, SolutionFile("cplex", "integer optimal solution", 3.75, {"x": -3, "y < z": 8}, "cplex", False)),
        (CPLEX_POOL, SolutionFile("cplex", "integer optimal solution", 3.75, {"x": -3, "y < z": 8}, "cplex", False)),
        (PLAIN, SolutionFile("", "", None, {"x": -3, "y": 8}, "plain", False)),
    ],
)
def test_each_layout(text: str, expected: SolutionFile, tmp_path: Path) -> None:
    path = tmp_path / "out.sol"
    path.write_bytes(text.encode())
    assert read_solution(path) == expected
    path.write_bytes(text.replace("\n", "\r\n").encode())
    assert read_solution(path) == expected
    packed = tmp_path / "out.sol.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    assert read_solution(packed) == expected


@pytest.mark.parametrize(
    ("text", "old", "new", "line", "column", "message"),
    [
        (CBC, CBC, "", 1, 1, "the file is empty"),
        (CBC, "1.5e-07", "1.5e-O7", 3, 26, "`1.5e-O7` is not a number"),
        (CBC, "1.5e-07", "", 3, 7, "expected index, name, value and reduced cost"),
        (CBC, "      2 clf", "      - clf", 3, 7, "expected index, name, value and reduced cost"),
        (CBC, "objconst", "x", 4, 1, "`x` has two values"),
        (CBC, "3.75000000", "three", 1, 27, "`three` is not a number"),
        (HIGHS, "# Primal", "# Dual", 4, 1, "expected `# Primal solution values` after the model status"),
        (HIGHS, "# Columns 3", "# Columns", 7, 1, "expected `# Columns` and their number"),
        (HIGHS, "# Columns 3", "# Columns 3e9", 7, 1, "expected `# Columns` and their number"),
        (HIGHS, "z 1\n", "", 10, 1, "expected a name and a value"),
        (HIGHS, HIGHS[HIGHS.index("z 1") :], "", 9, 1, "the file ends after 2 of 3 columns"),
        (HIGHS, "y 1e+20", "x 1e+20", 9, 1, "`x` has two values"),
        (HIGHS, "y 1e+20", "y nan", 9, 3, "`nan` is not a number"),
        (HIGHS_TABLE, "Primal", "Value", 2, 5, "expected the heading of HiGHS' table of columns"),
        (HIGHS_TABLE, HIGHS_TABLE[HIGHS_TABLE.index("Rows") :], "", 4, 9, "the file ends before `Rows`"),
        (HIGHS_TABLE, "        1     BS", "        ?     BS", 4, 9, "expected a line of HiGHS' table of columns"),
        (HIGHS_TABLE, "Model status:", "Model", 11, 1, "the file ends before `Model status`"),
        (GUROBI, "y 8", "y 8 9", 4, 1, "expected a name and a value"),
        (GUROBI, "y 8", "y __import__('os')", 4, 3, "`__import__('os')` is not a number"),
        (SCIP, "objective value", "objective", 2, 1, "expected `objective value:` after the solution status"),
        (SCIP, "(obj:0)", "0", 4, 1, "expected a name, a value and `(obj:...)`"),
        (CPLEX, '"-3"', '"minus three"', 13, 3, "`minus three` is not a number"),
        (CPLEX, ' value="-3"', "", 13, 3, "a variable needs a name and a value"),
        (CPLEX, "y &lt; z", "x", 14, 3, "`x` has two values"),
        (CPLEX, "</variables>", "", 16, 3, "the XML is not well formed"),
        (CPLEX, "CPLEXSolution", "html", 2, 1, "`<html>` is not a CPLEX solution"),
        (PLAIN, "x -3", "x = -3", 2, 1, "expected a name and a value"),
        (PLAIN, "x -3", "x " + "9" * 5000 + "x", 2, 3, f"`{'9' * 57}...` is not a number"),
    ],
)
def test_a_malformed_file(text: str, old: str, new: str, line: int, column: int, message: str, tmp_path: Path) -> None:
    assert old in text
    path = tmp_path / "bad.sol"
    path.write_text(text.replace(old, new, 1))
    _expect(path, line, column, message)


@pytest.mark.parametrize(
    "declaration",
    [
        '<!DOCTYPE CPLEXSolution [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>',
        '<!DOCTYPE CPLEXSolution SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE CPLEXSolution [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
    ],
)
def test_xml_declarations_are_refused(declaration: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.sol"
    path.write_text(CPLEX.replace("<CPLEXSolution", f"{declaration}\n<CPLEXSolution").replace('"-3"', '"&a;"'))
    _expect(path, 2, 1, "a document type declaration is not accepted")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "bad.sol"
    _expect(path, 1, 1, "`bad.sol` cannot be read")
    path.write_bytes(b"x \xff\n")
    _expect(path, 1, 1, "`bad.sol` is not text in UTF-8")


def _expect(path: Path, line: int, column: int, message: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        read_solution(path)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "NNM0611"
    assert diagnostic.message == message
    assert (diagnostic.span.line, diagnostic.span.column) == (line, column)
    assert diagnostic.span.file.path == str(path)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_large_allowance_takes_no_memory_in_advance(suffix: str, tmp_path: Path) -> None:
    content = b"# Objective value = 0\nx 1\n"
    path = tmp_path / f"out.sol{suffix}"
    path.write_bytes(gzip.compress(content) if suffix else content)
    assert read_solution(path, Allowance(10**15)).values == {"x": 1.0}
