"""Every wrong model gets exactly the messages that its head announces, and the fix that its head states mends it.

A head line reads `#! LINE:COLUMN CODE headline`, with `FILE:` in front for an included file, or `#! fix: OLD -> NEW`
for the edit that the message proposes.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from nnmip.cli.main import run
from nnmip.diagnostics import Diagnostic
from nnmip.diagnostics.codes import TITLES
from nnmip.diagnostics.edit import apply_edits
from nnmip.diagnostics.render import render_text
from nnmip.pipeline import Model
from nnmip.source import SourceFile

FOLDER = Path(__file__).parent.parent / "bad"
BAD = sorted(FOLDER.glob("*.nnm"))
FIXABLE = [path for path in BAD if "#! fix: " in path.read_text(encoding="utf-8")]

RAISED_ELSEWHERE = {"NNM0103", "NNM0209", "NNM0208", "NNM0403", "NNM0405", "NNM0406", "NNM0508"}
"""What only warns, is no text at all, or is about the command line; `test_warnings.py` has the warnings."""


def check(text: str) -> tuple[Diagnostic, ...]:
    return Model(SourceFile("model.nnm", text), FOLDER).check()


def announced(text: str) -> list[str]:
    """The expected diagnostics; `<folder>` stands for the folder of the corpus."""
    lines = [line.removeprefix("#! ") for line in text.splitlines() if line.startswith("#! ")]
    return [line.replace("<folder>", str(FOLDER)) for line in lines if not line.startswith("fix: ")]


def place(diagnostic: Diagnostic) -> str:
    """Line and column, behind the path in the corpus of an included file."""
    path = Path(diagnostic.span.file.path)
    file = "" if path == Path("model.nnm") else f"{path.relative_to(FOLDER)}:"
    return f"{file}{diagnostic.span.line}:{diagnostic.span.column}"


def fixed(text: str) -> str:
    """The model with the stated edit, without its head."""
    lines = text.splitlines(keepends=True)
    edit = next(line for line in lines if line.startswith("#! fix: "))
    old, new = edit.removeprefix("#! fix: ").rstrip("\n").split(" -> ")
    body = "".join(line for line in lines if not line.startswith("#! "))
    assert old in body
    return body.replace(old, new, 1)


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_bad_model_is_explained(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    found = check(text)
    assert [f"{place(d)} {d.code} {d.message}" for d in found] == announced(text)
    assert found


@pytest.mark.parametrize("path", FIXABLE, ids=lambda path: path.stem)
def test_proposed_fix_mends_the_model(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    edit = next(line for line in text.splitlines() if line.startswith("#! fix: "))
    assert check(fixed(text)) == (), edit


@pytest.mark.parametrize(
    ("stem", "help"),
    [
        ("weights_equal_interval", "write `weights in [-1, 1]`"),
        ("domain_infinite", "write finite ends, such as `[-10, 10]`"),
        ("capital_true", "write `true`"),
        (
            "scale_on_one_line",
            "the features reach from 0 to 4.9: widen the domain, or scale them: `scale minmax`",
        ),
        ("input_without_shape", "give the input its number of features, such as `x: real[2]`"),
        ("l0_of_activation", "write `l0(clf.h.weights)`, or count its units: `count(used(clf.a))`"),
    ],
)
def test_help(stem: str, help: str) -> None:
    (found,) = check((FOLDER / f"{stem}.nnm").read_text(encoding="utf-8"))
    assert found.help == help


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_messages_keep_the_house_style(path: Path) -> None:
    for diagnostic in check(path.read_text(encoding="utf-8")):
        spans = [diagnostic.span, *(label.span for label in diagnostic.secondary)]
        for span in spans:
            assert span.file.path == "model.nnm" or Path(span.file.path).is_relative_to(FOLDER)
            assert 0 <= span.start < span.end <= len(span.file.text)
        texts = [diagnostic.message, diagnostic.label, diagnostic.help, *(label.text for label in diagnostic.secondary)]
        for text in texts:
            assert "\n" not in text
            assert text.count("`") % 2 == 0
            assert not text.endswith(".") or text.endswith("...")
            first = text[:1]
            assert first == first.lower()
        assert len(diagnostic.message) < 160
        assert len(diagnostic.secondary) <= 2


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_check_command_answers_no(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "--data", str(path)]) == 1
    printed = capsys.readouterr()
    assert "Traceback" not in printed.out + printed.err
    assert f"{path}: " in printed.out
    for line in announced(path.read_text(encoding="utf-8")):
        place, code, headline = line.split(" ", 2)
        assert f"error[{code}]: {headline}" in printed.out
        shown = place if place[0].isdigit() else str(FOLDER / place)
        assert (f"{path}:{shown}" if place[0].isdigit() else shown) in printed.out


def test_check_as_a_process() -> None:
    command = [sys.executable, "-m", "nnmip", "check", str(FOLDER / "unknown_data.nnm"), str(FOLDER / "param_bool.nnm")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == ""
    assert "2 errors" in done.stdout


def test_every_code_that_a_check_can_raise_has_a_bad_model() -> None:
    covered = {line.split()[1] for path in BAD for line in announced(path.read_text(encoding="utf-8"))}
    raised_by_check = {code for code in TITLES if code < "NNM06"}
    assert raised_by_check - covered == RAISED_ELSEWHERE


def test_every_bad_model_has_its_transcript() -> None:
    have = {path.stem for path in FOLDER.glob("*.txt")}
    want = {path.stem for path in BAD}
    assert have == want, "run: python -m pytest tests/test_transcripts.py --update-transcripts, and read what it writes"


def test_corpus_is_there() -> None:
    assert len(BAD) >= 200
    assert len(FIXABLE) >= 60


def test_rendered_message_in_full() -> None:
    (found,) = check((FOLDER / "two_free_layers.nnm").read_text(encoding="utf-8"))
    assert render_text([found]) == (
        "error[NNM0312]: `clf.o.weights` multiplies two decisions, and neither takes finitely many values\n"
        "  --> model.nnm:13:32\n"
        "   |\n"
        "11 |   layer h = dense(x, units: 2, weights in [-2, 2], bias in [-1, 1])\n"
        "   |                                ------------------ `a` depends on these\n"
        "13 |   layer o = dense(a, units: 1, weights in [-1, 1], bias in [-1, 1])\n"
        "   |                                ^^^^^^^^^^^^^^^^^^ these weights are free\n"
        "   = help: finitely many values are exact: `weights in {-1, 0, 1}` or `weights in [-1, 1] step 1/4`"
    )


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_the_edits_of_messages_mend_what_they_are_about(path: Path) -> None:
    source = SourceFile("model.nnm", path.read_text(encoding="utf-8"))
    found = Model(source, FOLDER).check()
    edits = [edit for diagnostic in found for edit in diagnostic.edits if edit.span.file.path == source.path]
    if not edits:
        return
    here = [replace(edit, span=replace(edit.span, file=source)) for edit in edits]
    text = apply_edits(source, here)
    mended = {(d.message, d.span.start) for d in found if d.edits}
    assert not mended & {(d.message, d.span.start) for d in check(text)}, text
