"""What `check` says without refusing the model, and what it refuses before there is a text."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnmip.cli.main import run
from nnmip.diagnostics import Severity
from nnmip.pipeline import loads
from tests.sema.models import DATA, FOLDER, NETWORK


def test_large_big_m_is_a_warning() -> None:
    text = f"nnm 0.1\n{DATA}{NETWORK.replace('[-2, 2]', '[-20_000, 20_000]')}minimize hinge(clf, train)\n"
    (found,) = loads(text, directory=FOLDER).check()
    assert (found.code, found.severity) == ("NNM0403", Severity.WARNING)
    assert found.span.text.startswith("a = relu")


def test_warnings_alone_answer_yes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "model.nnm"
    layer = "layer o = dense(x, units: 1, weights in {0, 1}) layer p = relu(o)"
    path.write_text(f"nnm 0.1\nnetwork n(x: real[1] in [0, 1]) {{ {layer} return o }}\nsatisfy\n", encoding="utf-8")
    assert run(["check", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "warning[NNM0208]: nothing reads layer `p`" in printed
    assert printed.endswith(f"{path}: 1 warning\n")


def test_file_that_is_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "model.nnm"
    path.write_bytes(b"nnm 0.1\n# \xff\nsatisfy\n")
    assert run(["check", str(path)]) == 1
    printed = capsys.readouterr().out
    assert "error[NNM0103]: the file is not UTF-8 text: byte 0xff cannot stand here" in printed


def test_define_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "model.nnm"
    path.write_text("nnm 0.1\nparam k : int in 0..3 = 1\nsatisfy\n", encoding="utf-8")
    assert run(["check", "-D", "k=2", str(path)]) == 0
    capsys.readouterr()
    assert run(["check", "-D", "k=1 + two", str(path)]) == 1
    printed = capsys.readouterr().out
    assert "error[NNM0201]: nothing is called `two`\n  --> -D k:1:5" in printed
