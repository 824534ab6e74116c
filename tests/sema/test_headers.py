"""`check` without data: what the headers of files tell is found, nothing else is claimed, and no row is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import nnmip
from nnmip.cli.main import run
from nnmip.diagnostics import Diagnostic
from nnmip.pipeline import Model
from nnmip.source import SourceFile
from tests.sema.test_bad import BAD, FOLDER

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.nnm"))

FOUND_IN_ROWS = {
    *("NNM0206", "NNM0402", "NNM0403", "NNM0404", "NNM0502", "NNM0503", "NNM0504", "NNM0505", "NNM0506", "NNM0507"),
    "NNM0508",
    "NNM0509",
}

MODEL = """nnm 0.1
data d = csv("t.csv") {
  features a, b scale minmax
  label y as {no: -1, yes: 1}
}
network net(x: real[2] in [0, 1]) {
  layer h = dense(x, units: 2, weights in [-1, 1])
  layer r = relu(h)
  layer o = dense(r, units: 1, weights in {-1, 0, 1})
  return o[0]
}
minimize zero_one(net, d) then l0(net.weights)
"""


def place(d: Diagnostic) -> tuple[str, int, str, str]:
    return d.span.file.path, d.span.start, d.code, d.message


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_what_is_found_without_rows_is_found_with_them(path: Path) -> None:
    source = SourceFile("model.nnm", path.read_text(encoding="utf-8"))
    full = {place(d) for d in Model(source, FOLDER).check()}
    found = {place(d) for d in Model(source, FOLDER).check(data=False)}
    assert {code for _, _, code, _ in full - found} <= FOUND_IN_ROWS
    if path.stem != "label_not_listed":  # what is wrong with the listed classes is found behind what is wrong in rows
        assert found <= full


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_have_no_errors(path: Path) -> None:
    model = nnmip.load(path)
    assert model.check(data=False) == ()
    assert bool(model.remarks) == (" = onnx(" not in path.read_text(encoding="utf-8"))
    assert all("only the header of" in remark for remark in model.remarks)


def write(folder: Path, text: str = MODEL, rows: str = "a,b,y\n1,2,no\n3,4,yes\n") -> Path:
    (folder / "t.csv").write_text(rows)
    path = folder / "m.nnm"
    path.write_text(text)
    return path


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, rows="a,b,y\n1,x,no\n")
    assert run(["check", str(path)]) == 0
    out = capsys.readouterr().out
    assert out == f"{path}: no errors\nonly the header of `t.csv` was read: `--data` checks the rows, too\n"
    assert run(["check", "--data", str(path)]) == 1
    out = capsys.readouterr().out
    assert "`x` in column `b` on line 2 of `t.csv` is not a number" in out
    assert "only the header" not in out
    assert run(["check", "--format", "json", str(path)]) == 0
    assert capsys.readouterr().out == "[]\n"


@pytest.mark.parametrize(
    ("old", "new", "remark"),
    [
        (
            "label y as {no: -1, yes: 1}",
            "label y",
            "the rows were read of `t.csv`: the model does not list the classes",
        ),
        (
            "features a, b",
            "features a, b as onehot",
            "the rows were read of `t.csv`: the model does not list the categ",
        ),
    ],
)
def test_rows_are_read_where_the_model_does_not_say_what_they_tell(
    tmp_path: Path, old: str, new: str, remark: str
) -> None:
    model = nnmip.load(write(tmp_path, MODEL.replace(old, new), "a,b,y\n1,2,no\n3,4,\n"))
    assert [d.code for d in model.check(data=False)] == ["NNM0503"]
    assert len(model.remarks) == 1
    assert model.remarks[0].startswith(remark)


@pytest.mark.parametrize(
    "rule",
    [
        "forall s in d where s.a > 1: 1 / (s.a - 3) * net.h.weights[0, 0] <= 1",
        "forall s in d: net.h.weights[s.a - 1, 0] <= s.b",
        "sum(s in d: s.b) <= 1",
    ],
)
def test_nothing_is_said_of_numbers_that_were_not_read(tmp_path: Path, rule: str) -> None:
    path = write(tmp_path, f"{MODEL}constraint c: {rule}\nlet total = sum(s in d: s.a)\n")
    assert nnmip.load(path).check(data=False) == ()


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("features a, b", "features a, c", "NNM0502"),
        ("minimize", "constraint c: forall s in d where s.y = 1: net(s) >= nothing\nminimize", "NNM0201"),
        ("minimize", "constraint c: l0(2 * net.h.weights) <= 2\nminimize", "NNM0313"),
        ("real[2]", "real[3]", "NNM0301"),
        ("{no: -1, yes: 1}", "{no: 0, yes: 1}", "NNM0503"),
        ("l0(net.weights)", "l0(2 * net.weights)", "NNM0313"),
    ],
)
def test_what_does_not_depend_on_rows_is_found(tmp_path: Path, old: str, new: str, code: str) -> None:
    (found,) = nnmip.load(write(tmp_path, MODEL.replace(old, new))).check(data=False)
    assert found.code == code


def test_the_header_of_an_array_says_its_shape(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", X=np.zeros((5, 3)), y=np.ones(5))
    text = MODEL.replace('csv("t.csv")', 'npz("t.npz")').replace("features a, b", "features X")
    text = text.replace("{no: -1, yes: 1}", '{"0": -1, "1": 1}')
    (found,) = nnmip.load(write(tmp_path, text)).check(data=False)
    assert (found.code, found.message) == ("NNM0301", "`d` has 3 features, but `net` reads shape [2]")
    np.save(tmp_path / "t.npy", np.zeros((5, 3)))
    text = f'{MODEL}data t : real[5, 2] = npy("t.npy")\n'
    (found,) = nnmip.load(write(tmp_path, text)).check(data=False)
    assert found.message == "`t` is declared with shape [5, 2], but the array has [5, 3]"


def test_a_large_table_is_not_read(tmp_path: Path) -> None:
    counters = Path("/proc/self/io")
    if not counters.exists():
        pytest.skip("only Linux counts what a process reads")
    path = write(tmp_path)
    with (tmp_path / "t.csv").open("r+b") as stream:
        stream.truncate(10**9)
    nnmip.load(path).check(data=False)

    def read() -> int:
        return int(counters.read_text().split()[1])

    before = read()
    assert nnmip.load(path, allow_size="2GB").check(data=False) == ()
    assert read() - before < 10**6
    assert [d.code for d in nnmip.load(path).check(data=False)] == ["NNM0310"]
