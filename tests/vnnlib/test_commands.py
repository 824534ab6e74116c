"""`nnmip verify --vnnlib` and `--instances` as they are typed."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from tests.networks.nets import Net
from tests.vnnlib.nets import outputs, perceptron, save
from tests.workbench import nnmip, start_nnmip

FLAT = "\n".join(f"(declare-const {name} Real)" for name in ("X_0", "X_1", "Y_0", "Y_1"))
BOX = "".join(f"(assert (>= X_{k} -1))(assert (<= X_{k} 1))" for k in range(2))
NAMED = """(vnnlib-version <2.0>)
(declare-network f (declare-input X float32 [1, 2]) (declare-output Y float32 [1, 2]))
(assert (== X[0,0] 0.5)) (assert (== X[0,1] 0.25))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(perceptron(2), tmp_path / "f.onnx")
    (tmp_path / "safe.vnnlib").write_text(FLAT + BOX + "(assert (>= Y_0 100))")
    (tmp_path / "unsafe.vnnlib").write_text(FLAT + BOX + "(assert (>= Y_0 -100))")
    (tmp_path / "named.vnnlib").write_text(NAMED)
    return tmp_path


def test_no_answer_exists(folder: Path) -> None:
    found = nnmip(folder, "verify", "--vnnlib", "f.onnx", "safe.vnnlib", "--time-limit", "60")
    assert (found.returncode, found.stdout, found.stderr) == (0, "unsat\n", "")


def test_an_answer_in_the_form_of_the_competition(folder: Path) -> None:
    found = nnmip(folder, "verify", "--vnnlib", "f.onnx", "unsafe.vnnlib", "--witness", "witness.txt")
    lines = found.stdout.splitlines()
    assert found.returncode == 1 and lines[0] == "sat" and (folder / "witness.txt").read_text() == found.stdout
    assert [line[1:].lstrip("(").split()[0] for line in lines[1:]] == ["X_0", "X_1", "Y_0", "Y_1"]
    assert lines[1].startswith("((X_0 ") and lines[-1].endswith("))")
    values = [float(line.split()[-1].rstrip(")")) for line in lines[1:]]
    np.testing.assert_allclose(outputs(perceptron(2), np.array([values[:2]]))[0], values[2:], rtol=1e-5, atol=1e-5)


def test_an_answer_in_the_form_of_the_standard(folder: Path) -> None:
    found = nnmip(folder, "verify", "--vnnlib", "--network", "f=f.onnx", "named.vnnlib")
    lines = found.stdout.splitlines()
    assert found.returncode == 1
    assert lines[:5] == ["sat", "X float32 [1,2]", "0.5", "0.25", "Y float32 [1,2]"] and len(lines) == 7


def test_no_time_is_said_as_each_version_wants_it(folder: Path) -> None:
    (folder / "named.vnnlib").write_text(NAMED + "(assert (>= Y[0,0] 100))")
    for query, word in (("safe.vnnlib", "timeout"), ("named.vnnlib", "timed-out")):
        found = nnmip(folder, "verify", "--vnnlib", "f.onnx", query, "--time-limit", "0")
        assert (found.returncode, found.stdout) == (3, f"{word}\n")
        assert found.stderr == "open: 1 of 1 cases are open\n"


def test_what_is_wrong_with_the_files(folder: Path) -> None:
    for arguments, code, said in (
        (("f.onnx", "no.vnnlib"), 2, "cannot read `no.vnnlib`"),
        (("no.onnx", "safe.vnnlib"), 1, "`no.onnx` cannot be read: no such file or directory"),
        (("safe.vnnlib",), 2, "name the network, too"),
        ((), 2, "name the network and the query"),
        (("f.onnx", "f.onnx", "safe.vnnlib"), 2, "2 network files; give each by its name"),
        (("--network", "f", "safe.vnnlib"), 2, "expected NAME=FILE.onnx"),
        (("safe.vnnlib", "f.onnx"), 1, "NNM0631"),
    ):
        found = nnmip(folder, "verify", "--vnnlib", *arguments)
        assert (found.returncode, found.stdout) == (code, "") and said in found.stderr, arguments


def test_a_place_in_a_query(folder: Path) -> None:
    (folder / "safe.vnnlib").write_text(FLAT + "\n(assert (<= X_0 Z_0))\n")
    found = nnmip(folder, "verify", "--vnnlib", "f.onnx", "safe.vnnlib")
    assert found.stderr == (
        "error[NNM0631]: `Z_0` is neither a number nor declared before\n"
        "  --> safe.vnnlib:5:17\n   |\n 5 | (assert (<= X_0 Z_0))\n   |                 ^^^\n"
    )


def test_a_table_is_answered_and_resumed(folder: Path) -> None:
    (folder / "t.csv").write_text("f.onnx,safe.vnnlib,60\n\nf.onnx, unsafe.vnnlib ,60\nf.onnx,no.vnnlib,60\n")
    first = nnmip(folder, "verify", "--instances", "t.csv")
    rows = [line.split(",") for line in (folder / "t.answers.csv").read_text().splitlines()]
    assert rows[0] == ["network", "query", "time_limit", "answer", "seconds", "proof", "note"]
    assert [(row[1], row[3], row[5]) for row in rows[1:]] == [
        ("safe.vnnlib", "unsat", "certified"),
        ("unsafe.vnnlib", "sat", "replayed"),
        ("no.vnnlib", "error", ""),
    ]
    assert first.returncode == 1
    assert first.stdout.splitlines()[-1] == "3 of 3 answered: 1 error, 1 sat, 1 unsat; t.answers.csv"
    kept = [",".join(rows[0]), "f.onnx,safe.vnnlib,60,unsat,123.000,certified,"]
    (folder / "t.answers.csv").write_text("\n".join(kept) + "\n")
    again = nnmip(folder, "verify", "--instances", "t.csv")
    assert again.stdout.splitlines()[0] == "unsat      123.00 s  f.onnx  safe.vnnlib"
    assert (folder / "t.answers.csv").read_text().splitlines()[:2] == kept
    assert len((folder / "t.answers.csv").read_text().splitlines()) == 4


def test_byte_order_marks_and_names_with_signs(folder: Path) -> None:
    """Tables of spreadsheets begin with a mark; `=` is a part of a file's name where there is such a file."""
    (folder / "f.onnx").rename(folder / "f eps=1.onnx")
    (folder / "safe.vnnlib").write_text("\ufeff" + (folder / "safe.vnnlib").read_text())
    (folder / "t.csv").write_text("\ufefff eps=1.onnx,safe.vnnlib,60\n")
    found = nnmip(folder, "verify", "--instances", "t.csv")
    assert (found.returncode, found.stdout.splitlines()[-1]) == (0, "1 of 1 answered: 1 unsat; t.answers.csv")


def test_a_table_is_answered_by_processes(folder: Path) -> None:
    (folder / "t.csv").write_text("f.onnx,safe.vnnlib\nno.onnx,unsafe.vnnlib\nf.onnx,unsafe.vnnlib,60\n")
    found = nnmip(folder, "verify", "--instances", "t.csv", "--executor", "processes", "--jobs", "2")
    rows = [line.split(",") for line in (folder / "t.answers.csv").read_text().splitlines()]
    said = "`no.onnx` cannot be read: no such file or directory"
    assert sorted((row[1], row[3], row[5], row[6]) for row in rows[1:]) == [
        ("safe.vnnlib", "unsat", "certified", ""),
        ("unsafe.vnnlib", "error", "", said),
        ("unsafe.vnnlib", "sat", "replayed", ""),
    ]
    assert found.stderr.startswith(f"error[NNM0632]: {said}\n  --> unsafe.vnnlib:1:1\n")


def test_what_is_no_table(folder: Path) -> None:
    (folder / "t.csv").write_bytes(b"f.onnx,\xff.vnnlib,60\n")
    for name, said in (("t.csv", "t.csv is not a text in UTF-8"), (".", "cannot read `.`: is a directory")):
        found = nnmip(folder, "verify", "--instances", name)
        assert (found.returncode, found.stdout) == (2, "") and said in found.stderr, found.stderr


def test_a_table_of_another_form(folder: Path) -> None:
    for text, said in (
        ("f.onnx\n", "row 1: a network"),
        ("f.onnx,q,soon\n", "row 1: `soon` is not a number of seconds"),
    ):
        (folder / "t.csv").write_text(text)
        found = nnmip(folder, "verify", "--instances", "t.csv")
        assert found.returncode == 2 and said in found.stderr
    (folder / "t.csv").write_text("f.onnx,safe.vnnlib\n")
    (folder / "own.csv").write_text("my,own,table\n")
    found = nnmip(folder, "verify", "--instances", "t.csv", "--results", "own.csv")
    assert found.returncode == 2 and "holds something else than answers" in found.stderr
    assert (folder / "own.csv").read_text() == "my,own,table\n"
    assert nnmip(folder, "verify", "--instances", "no.csv").returncode == 2


def test_ctrl_c_keeps_what_was_answered(folder: Path) -> None:
    random = np.random.default_rng(0)
    stored, nodes, last = {}, [], "x"
    for k, (before, after) in enumerate(zip((40, 60, 60, 60, 2), (60, 60, 60, 2), strict=False)):
        stored[f"w{k}"] = random.normal(size=(before, after)) / np.sqrt(before)
        nodes.append(("MatMul", f"{last} w{k}", "y" if after == 2 else f"z{k}"))
        if after != 2:
            nodes.append(("Relu", f"z{k}", f"h{k}"))
        last = f"h{k}"
    save(Net(("N", 40), nodes, stored, type=TensorProto.DOUBLE), folder / "g.onnx")
    entries = [f"(declare-const X_{k} Real)(assert (>= X_{k} -1))(assert (<= X_{k} 1))" for k in range(40)]
    wide = "\n".join([*entries, "(declare-const Y_0 Real)(declare-const Y_1 Real)", "(assert (>= Y_0 6))"])
    (folder / "hard.vnnlib").write_text(wide)
    (folder / "t.csv").write_text("f.onnx,safe.vnnlib,60\ng.onnx,hard.vnnlib,60\nf.onnx,unsafe.vnnlib,60\n")
    running = start_nnmip(folder, "verify", "--instances", "t.csv")
    assert running.stdout is not None
    assert running.stdout.readline().startswith("unsat")
    time.sleep(4.0)
    running.send_signal(signal.SIGINT)
    rest, _ = running.communicate(timeout=60)
    assert running.returncode == 130
    assert rest.splitlines() == ["1 of 3 answered: 1 unsat; t.answers.csv"]
    assert len((folder / "t.answers.csv").read_text().splitlines()) == 2
