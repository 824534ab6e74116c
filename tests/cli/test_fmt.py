"""`nnmip fmt`: what it writes, prints and answers."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from nnmip.cli.main import run
from tests.workbench import environment

UGLY = "nnm 0.1\nparam a:int=1 # one\n"
CLEAN = "nnm 0.1\nparam a : int = 1  # one\n"
BROKEN = "nnm 0.1\nparam a : int = = 1\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("ugly.nnm").write_text(UGLY)
    Path("clean.nnm").write_text(CLEAN)
    return tmp_path


def test_rewrites_in_place_and_keeps_permissions(capsys: pytest.CaptureFixture[str]) -> None:
    Path("ugly.nnm").chmod(0o640)
    before = Path("clean.nnm").stat().st_mtime_ns
    assert run(["fmt", "ugly.nnm", "clean.nnm"]) == 0
    assert Path("ugly.nnm").read_text() == CLEAN
    assert stat.S_IMODE(Path("ugly.nnm").stat().st_mode) == 0o640
    assert Path("clean.nnm").stat().st_mtime_ns == before
    assert sorted(path.name for path in Path().iterdir()) == ["clean.nnm", "ugly.nnm"]
    out, err = capsys.readouterr()
    assert (out, err) == ("", "1 file formatted, 1 file left as they are\n")


def test_a_link_stays_a_link() -> None:
    Path("link.nnm").symlink_to("ugly.nnm")
    assert run(["fmt", "link.nnm"]) == 0
    assert Path("link.nnm").is_symlink()
    assert Path("ugly.nnm").read_text() == CLEAN


def test_check_names_what_would_change(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fmt", "--check", "ugly.nnm", "clean.nnm"]) == 1
    assert capsys.readouterr().out == "ugly.nnm\n"
    assert Path("ugly.nnm").read_text() == UGLY
    assert run(["fmt", "--check", "clean.nnm"]) == 0
    assert capsys.readouterr().out == ""


def test_diff_shows_what_would_change(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fmt", "--diff", "ugly.nnm", "clean.nnm"]) == 1
    assert capsys.readouterr().out == (
        "--- ugly.nnm\n+++ ugly.nnm\n@@ -1,2 +1,2 @@\n nnm 0.1\n-param a:int=1 # one\n+param a : int = 1  # one\n"
    )
    assert Path("ugly.nnm").read_text() == UGLY


def test_a_folder_stands_for_its_models(capsys: pytest.CaptureFixture[str]) -> None:
    Path("more").mkdir()
    Path("more/deep.nnm").write_text(UGLY)
    assert run(["fmt", "--check", "."]) == 1
    assert capsys.readouterr().out == "more/deep.nnm\nugly.nnm\n"


def test_broken_files_are_left_and_the_others_formatted(capsys: pytest.CaptureFixture[str]) -> None:
    Path("broken.nnm").write_text(BROKEN)
    assert run(["fmt", "broken.nnm", "ugly.nnm"]) == 1
    assert Path("broken.nnm").read_text() == BROKEN
    assert Path("ugly.nnm").read_text() == CLEAN
    assert "error[NNM0101]: " in capsys.readouterr().err


def test_a_missing_file_is_a_wrong_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fmt", "ugli.nnm"]) == 2
    assert "did you mean `ugly.nnm`?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "options", "out", "code"),
    [
        (UGLY, [], CLEAN, 0),
        (CLEAN, ["--check"], "", 0),
        (UGLY, ["--check"], "<stdin>\n", 1),
        (BROKEN, [], "", 1),
    ],
)
def test_standard_input(text: str, options: list[str], out: str, code: int) -> None:
    command = [sys.executable, "-m", "nnmip", "fmt", *options, "-"]
    done = subprocess.run(command, input=text, env=environment(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (code, out)
    assert ("<stdin>:2:17" in done.stderr) == (text == BROKEN)
