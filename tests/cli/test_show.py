"""`nnmip show`: the tables, whose counts are those of the compiled file, and the model after any pass."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nnmip
from nnmip.cli.main import run
from nnmip.formats.files import read_model
from nnmip.milp.model import Milp
from nnmip.passes.base import Analysed, Level, Pass, check_order
from nnmip.phases import PASSES
from nnmip.report.model import model_facts
from nnmip.report.passes import print_ir
from tests.workbench import ROOT

EXAMPLES = sorted(path for path in (ROOT / "examples").glob("*.nnm") if path.stem != "sound")
"""All that have something to solve."""
IN_FILES = [path for path in EXAMPLES if path.stem not in ("alarm", "ward")]
"""Those that can be compiled: no file has a rule over a region."""
NESTED = """nnm 0.1
data points = csv("data/xor.csv") {
  features x0, x1
  label    parity as {even: -1, odd: +1}
}
network net(x: real[2] in [-1, 1]) {
  layer a = relu(dense(x, units: 2, weights in {-1, 1}))
  layer o = dense(a, units: 1, weights in {-1, 0, 1}, bias in -2..2)
  return o[0]
}
minimize zero_one(net, points, margin: 0.5)
constraint apart: forall s in points where s.x0 = 1: net(s) <= 1 -> net(s) >= -1
"""


def facts_of(model: nnmip.Model) -> dict[str, Any]:
    return model_facts(model.lowered, model.fingerprint)


def counts_of_mps(text: str) -> dict[str, int]:
    """Rows, columns and nonzeros of the rows, counted in the text of an MPS file (ranges add no row)."""
    section, rows, columns, nonzeros = "", 0, set(), 0
    objective = ""
    for line in text.splitlines():
        if line and not line.startswith((" ", "*")):
            section = line.split()[0]
            continue
        cells = line.split()
        if section == "ROWS":
            rows += cells[0] != "N"
            objective = cells[1] if cells[0] == "N" else objective
        elif section == "COLUMNS" and "'MARKER'" not in cells:
            columns.add(cells[0])
            nonzeros += sum(name != objective for name in cells[1::2])
    return {"rows": rows, "columns": len(columns), "nonzeros": nonzeros}


@pytest.mark.parametrize("path", IN_FILES, ids=lambda path: path.stem)
def test_the_parts_add_up_to_the_compiled_file(path: Path) -> None:
    model = nnmip.load(path)
    facts = facts_of(model)
    parts, sizes = facts["parts"].values(), facts["sizes"]
    for key in ("rows", "columns", "binaries", "integers", "nonzeros"):
        assert sum(part[key] for part in parts) == sizes[key]
    assert max(part["largest_big_m"] for part in parts) == sizes["largest_big_m"]
    written = counts_of_mps(model.compile("mps"))
    tangents = sum(t.count for t in model.lowered_for().tangents) - sum(t.count for t in model.lowered.tangents)
    assert written["rows"] == sizes["rows"] + facts["two_sided_rows"] + tangents
    has_constant = model.lowered.milp.offset != 0  # a column fixed at 1 in files
    assert written["columns"] == sizes["columns"] + has_constant
    assert (written["nonzeros"] == sizes["nonzeros"]) is (facts["two_sided_rows"] + tangents == 0)


@pytest.mark.parametrize("suffix", ["lp", "mps", "lp.gz"])
@pytest.mark.parametrize(("name", "two_sided"), [("xor", 0), ("iris", 40), ("petals", 80)])
def test_compile_prints_what_is_in_the_file(
    name: str, two_sided: int, suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is printed is what the file has when read back; where the model has fewer rows or columns, it says why."""
    source, path = ROOT / f"examples/{name}.nnm", tmp_path / f"model.{suffix}"
    assert run(["compile", str(source), "-o", str(path)]) == 0
    printed = capsys.readouterr().out.splitlines()
    model, read = nnmip.load(source).lowered.milp, read_model(path)
    assert read.num_rows == model.num_rows + two_sided
    assert (read.num_columns, read.offset) == (model.num_columns, model.offset)
    columns = read.num_columns + (name == "petals")
    expected = [
        f"{path}: {read.num_rows} rows, {columns} columns, {read.num_nonzeros} nonzeros",
        f"{tmp_path / 'model.names.json'}: names of columns and rows",
    ]
    if two_sided:
        expected.append(f"{two_sided} rows of the model with two sides: two rows each in the file")
    if name == "petals":
        expected.append("the column `objconst`, fixed at 1, is for the constant of the goal")
    assert printed == expected


def test_compile_says_which_row_is_for_readers_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.nnm").write_text("nnm 0.1\nvar x : real in [-3, -2]\nmaximize x\n")
    assert run(["compile", str(tmp_path / "m.nnm"), "-o", str(tmp_path / "m.lp")]) == 0
    assert capsys.readouterr().out.splitlines()[2:] == [
        "the row `repeated`, which is a bound once more: some solvers read no file without rows"
    ]


def test_layers_inside_layers_are_counted_once() -> None:
    facts = facts_of(nnmip.loads(NESTED, directory=ROOT / "examples"))
    assert list(facts["parts"]) == [
        "net.a.dense",
        "net.a",
        "net.o",
        "goal zero_one(net, points, margin: 0.5)",
        "constraint apart",
    ]
    assert sum(part["rows"] for part in facts["parts"].values()) == facts["sizes"]["rows"]
    assert facts["parts"]["constraint apart"]["rows"] > 0


def test_the_numbers_of_xor_by_hand() -> None:
    """Four rows, two hidden units: 8 cases, z = w x + b in [-5, 5], and the goal's two terms over six weights."""
    facts = facts_of(nnmip.load(ROOT / "examples/xor.nnm"))
    h, a, o = facts["networks"]["net"]
    assert h["decisions"]["weights"] == {"shape": [2, 2], "domain": "{-2, -1, 0, 1, 2}", "kind": "integer"}
    assert (a["stable_active"], a["stable_inactive"], a["unstable"]) == (0, 0, 8)
    assert (a["lower"], a["upper"], a["largest_big_m"]) == pytest.approx((0.0, 5.0, 5.0))
    # Per case: a >= z, a <= 5 s, a <= z + 5 (1 - s), s <= kept: 4 rows; z itself is defined once: 1 row; and 2 for the
    # order of the two units. A column each for z and a, a binary for s; and a `kept` binary for each unit.
    assert (a["rows"], a["columns"], a["binaries"]) == (8 * 5 + 2, 8 * 3 + 2, 8 + 2)
    # Five values of a weight are an index in 0..4, and k <= 4 kept: the largest constant there.
    assert (h["largest_big_m"], o["largest_big_m"]) == pytest.approx((4.0, 5.0))
    # One hinge column and one row for each of the four points.
    loss = facts["parts"]["goal hinge(net, points)"]
    assert (loss["rows"], loss["columns"], loss["largest_big_m"]) == (4, 4, 0.0)


def test_the_numbers_of_iris_by_hand() -> None:
    """22 distinct widths, two units: 44 cases; w, b in [-8, 8] over inputs in [0, 1] give z in [-16, 16]."""
    facts = facts_of(nnmip.load(ROOT / "examples/iris.nnm"))
    h, a, _ = facts["networks"]["clf"]
    assert (h["rows"], h["columns"], h["binaries"], h["largest_big_m"]) == (8 + 12, 4 + 4, 4, 8.0)
    assert (a["unstable"], a["binaries"], a["largest_big_m"]) == pytest.approx((44, 44 + 2, 16.0))
    # 4 rows a case; 20 widths lie between two others: a cut on a and one on s, for each unit; 2 for the order.
    assert a["rows"] == 44 * 4 + 20 * 2 * 2 + 2
    assert facts["parts"]["constraint sparse"] == {
        **{"rows": 1, "columns": 0, "binaries": 0, "integers": 0, "nonzeros": 6, "largest_big_m": 0.0}
    }


@pytest.mark.parametrize("name", ["xor", "iris"])
def test_the_largest_m_of_an_activation_is_a_coefficient_of_its_phases(name: str) -> None:
    model = nnmip.load(ROOT / f"examples/{name}.nnm")
    milp = model.lowered.milp
    (network,) = model.program.networks
    path = network.layer("a").path
    phases = next(block for block in milp.columns if block.path == f"{path}.phase")
    rows = [block for block in milp.rows if block.path in (f"{path}.on", f"{path}.off")]
    found = [_largest_on(milp, phases.start, phases.stop, block.start, block.stop) for block in rows]
    assert found == [block.big_m for block in rows]
    assert max(found) == facts_of(model)["networks"][network.name][1]["largest_big_m"]


def _largest_on(milp: Milp, first: int, last: int, row: int, stop: int) -> float:
    part = slice(int(milp.indptr[row]), int(milp.indptr[stop]))
    on = (milp.indices[part] >= first) & (milp.indices[part] < last)
    return float(np.abs(milp.data[part][on]).max())


def test_show_prints_the_tables(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert run(["show", "examples/iris.nnm"]) == 0
    out = capsys.readouterr().out
    assert "  network clf, 7 decisions: 5 continuous, 2 integer\n" in out
    assert out.endswith(
        """
  the MILP:
  part                     rows  nonzeros  columns  binary  integer  continuous  largest M
  clf.h                      20        40        8       4        0           4          8
  clf.a                     258       725       90      46        0          44         16
  clf.o                     266       622       93       4        0          89         16
  goal hinge(clf, train)     27       162       27       0        0          27          -
  goal l0(clf.weights)        0         0        0       0        0           0          -
  goal count(used(clf.a))     8        20        6       0        0           6          -
  constraint sparse           1         6        0       0        0           0          -
  total                     580      1575      224      54        0         170         16
  40 rows have two sides; files have two rows for each

  estimates, at most:
  formulation  integers  coefficients  operations
  direct             50          2356        10^8
  sign-split        290          2200        10^9
  solved as this MILP, and not by search over columns: the domain of `clf.h.weights` is not finite
"""
    )


# ---- passes --------------------------------------------------------------------------------------------------------

HIR_OF_IRIS = """\
program examples/iris.nnm
param budget : scalar = 4
data train : [150, 1] in [0, 1], features petal_width, label species {setosa: -1, versicolor: 1, virginica: -1}
network clf(x: [1] in [0, 1])  # 15:9
  h = dense(x, units: 2) : [2] in [-16, 16] over train  # 16:9
    weights : [2, 1] in [-8, 8]  # 16:32
    bias : [2] in [-8, 8]  # 16:52
  a = relu(h, prune: units) : [2] in [0, 16] over train, interchangeable units 0, 1  # 17:9
  o = dense(a, units: 1) : [1] in [-34, 34] over train  # 18:9
    weights : [1, 2] in {-1, 0, 1}  # 18:32
    bias : [1] in [-2, 2]  # 18:55
  return o at 0 : scalar
minimize  # 23:1
  %0 = hinge(clf, train, margin: 1.0, reduce: mean) : scalar  # 23:10
  1 * %0  (loss: hinge(clf, train))
  %1 = decision clf.h.weights : [2, 1]  # 23:40
  %2 = decision clf.o.weights : [1, 2]  # 23:40
  %3 = join(%1, %2) : [4]  # 23:40
  %4 = l0(%3) : scalar  # 23:37
  0.01 * %4  (sparsity: l0(clf.weights))
  %5 = units clf.a at [0, 1] : [2]  # 23:73
  %6 = used(%5) : bool [2]  # 23:68
  %7 = count(%6) : scalar  # 23:62
  0.02 * %7  (compactness: count(used(clf.a)))
constraint sparse "weight budget"  # 25:1
  %8 = decision clf.h.weights : [2, 1]  # 26:6
  %9 = decision clf.o.weights : [1, 2]  # 26:6
  %10 = join(%8, %9) : [4]  # 26:6
  %11 = l0(%10) : scalar  # 26:3
  %12 = constant 4 : scalar  # 8:7
  %13 = %11 <= %12, apart 1 (exact) : bool scalar  # 26:3
  holds %13
"""


def test_the_hir_after_the_last_pass_over_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert run(["show", "examples/iris.nnm", "--after", "symmetry"]) == 0
    assert capsys.readouterr().out == HIR_OF_IRIS
    assert run(["show", "examples/iris.nnm", "--after", "check"]) == 0
    plain = capsys.readouterr().out
    assert "  h = dense(x, units: 2) : [2]  # 16:9\n" in plain and "interchangeable" not in plain


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_prints_after_every_pass(path: Path) -> None:
    model = nnmip.load(path)
    texts = [print_ir(model.after(step.name)) for step in PASSES]
    assert all(text.endswith("\n") and len(text.splitlines()) > 5 for text in texts)
    assert texts == [print_ir(nnmip.load(path).after(step.name)) for step in PASSES]


def test_after_parse_and_after_lower(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert run(["show", "examples/xor.nnm", "--after", "parse"]) == 0
    assert capsys.readouterr().out.startswith("File\n  header: Header '0.1' 1:1-1:8\n  declarations: Data 7:1-10:2\n")
    assert run(["show", "examples/iris.nnm", "--after", "lower"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["MILP: 580 rows, 224 columns, 1575 nonzeros", "minimise"]
    at = lines.index("  clf.a.off: 44 rows  # 17:9")
    assert lines[at + 1 : at + 6] == [
        "    clf.a[0, 0] - 8 clf.a.phase[0, 0] <= 0",
        "    clf.a[0, 1] - 8 clf.a.phase[0, 1] <= 0",
        "    clf.a[1, 0] - 8.33333333 clf.a.phase[1, 0] <= 0",
        "    ... 40 more",
        "    clf.a[21, 1] - 16 clf.a.phase[21, 1] <= 0",
    ]


def test_after_list_and_json(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert run(["show", "examples/iris.nnm", "--after", "list"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == ["parse", "check", "sizes", "bounds", "points", "symmetry", "lower"]
    assert listed[3] == "bounds    HIR -> HIR: " + PASSES[3].does
    assert run(["show", "examples/iris.nnm", "--after", "symmetry", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == {"model": "examples/iris.nnm", "pass": "symmetry", "level": "HIR", "text": HIR_OF_IRIS}


@pytest.mark.parametrize(
    ("name", "help"),
    [
        ("lowr", "did you mean `lower`?"),
        ("obbt", "the passes are parse, check, sizes, bounds, points, symmetry, lower"),
    ],
)
def test_an_unknown_pass_is_a_usage_error(name: str, help: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", str(ROOT / "examples/xor.nnm"), "--after", name]) == 2
    assert capsys.readouterr().err.endswith(f"Error: there is no pass `{name}`; {help}\n")


def test_a_broken_file_still_has_a_tree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "broken.nnm"
    path.write_text("nnm 0.1\nparam a : int = 1\nminimize b\n")
    assert run(["show", str(path), "--after", "parse"]) == 0
    assert "Param" in capsys.readouterr().out
    assert run(["show", str(path), "--after", "check"]) == 1
    assert "NNM0201" in capsys.readouterr().err


def test_model_after_runs_every_pass_once() -> None:
    model = nnmip.load(ROOT / "examples/xor.nnm")
    known = model.after("bounds")
    assert isinstance(known, Analysed) and not known.interchangeable and known.bounds.keys() == {("net", "points")}
    assert list(model.times) == ["parse", "check", "sizes", "bounds"]
    assert model.after("bounds") is known and model.lowered.known is model.after("symmetry")
    with pytest.raises(
        ValueError, match="no pass is called `obbt`; the passes are parse, check, sizes, bounds, points, symmetry"
    ):
        model.after("obbt")


def test_the_order_of_passes_is_checked() -> None:
    parse, check, _, bounds, points, symmetry, lower = PASSES
    check_order(PASSES)
    assert (parse.takes, lower.gives) == (Level.TEXT, Level.MILP)
    wrong: list[tuple[tuple[Pass, ...], str]] = [
        ((parse, bounds), "pass `bounds` takes HIR, and is given syntax tree"),
        ((check, bounds, bounds), "pass `bounds` stands twice"),
        ((check, bounds, lower), "pass `lower` must stand after `points`"),
        ((check, bounds, points, lower), "pass `lower` must stand after `symmetry`"),
    ]
    for passes, message in wrong:
        with pytest.raises(ValueError, match=message):
            check_order(passes)
    assert symmetry == type(symmetry)() and hash(symmetry) == hash(type(symmetry)())


def test_every_pass_says_what_it_does() -> None:
    assert len({step.name for step in PASSES}) == len(PASSES)
    assert all(step.does and step.does[0].islower() and not step.does.endswith(".") for step in PASSES)
