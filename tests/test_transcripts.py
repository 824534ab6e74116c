"""What the commands print, in full: of good models, and of every bad one.

`tests/bad/NAME.txt` is the transcript of `nnmip check --data NAME.nnm`. A folder of `tests/good` or `tests/bad` with a
`transcript.txt` is a case of several commands. `pytest tests/test_transcripts.py --update-transcripts` rewrites them.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

import nnmip.phases
from nnmip.cli.main import run
from nnmip.diagnostics import DiagnosticError
from nnmip.diagnostics.codes import TITLES
from nnmip.diagnostics.pages import page
from nnmip.formats.files import read_model
from tests.transcripts import compare

HERE = Path(__file__).parent
BAD = sorted((HERE / "bad").glob("*.nnm"))
CASES = sorted(path.parent for name in ("good", "bad") for path in (HERE / name).glob("*/transcript.txt"))
HEADLINE = re.compile(r"^(?:error|warning)\[(NNM\d{4})\]: ", re.MULTILINE)

WITHOUT_COMMAND = {"NNM0614", "NNM0901"}
"""A model file is read back from Python only; an internal error needs a defect. Both have tests of their own below."""


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_model(path: Path, is_update: bool) -> None:
    compare(path.with_suffix(".txt"), [f"nnmip check --data {path.name}"], path.parent, is_update)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_a_case_with_commands(case: Path, tmp_path: Path, is_update: bool) -> None:
    folder = tmp_path / case.name
    shutil.copytree(case, folder)
    compare(case / "transcript.txt", [], folder, is_update)


def test_cases_are_there() -> None:
    assert len(CASES) >= 12


def _codes(transcript: Path) -> set[str]:
    return set(HEADLINE.findall(transcript.read_text(encoding="utf-8")))


@pytest.mark.parametrize("code", sorted(TITLES))
def test_a_code_has_a_page_and_a_case_that_gives_exactly_it(code: str) -> None:
    assert page(code)
    transcripts = [*(HERE / "bad").glob("*.txt"), *(HERE / "bad").glob("*/transcript.txt")]
    assert code in WITHOUT_COMMAND or any(_codes(path) == {code} for path in transcripts)


def test_a_damaged_model_file() -> None:
    with pytest.raises(DiagnosticError) as caught:
        read_model(HERE / "bad" / "damaged.mps")
    assert {d.code for d in caught.value.diagnostics} == {"NNM0614"}
    assert "damaged.mps:3:" in str(caught.value)


# ---- whatever is not a diagnostic is an internal error ---------------------------------------------------------------


@pytest.mark.parametrize("command", ["check", "show", "solve", "compile -o out.lp", "fmt"])
def test_an_exception_inside_is_an_internal_error(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("seeded")

    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.nnm").write_text("nnm 0.1\nsatisfy\n")
    monkeypatch.setattr(nnmip.phases, "parse", fail)
    monkeypatch.setattr("nnmip.syntax.format.format_source", fail)
    assert run([*command.split(), "model.nnm"]) == 70
    printed = capsys.readouterr()
    assert printed.out == ""
    error = printed.err[printed.err.index("internal error[NNM0901]: this is a defect of nnmip, not of your model") :]
    assert "please report it with these lines" in error
    assert f"nnmip {nnmip.__version__}, Python " in error
    assert error.endswith(f"nnmip {command} model.nnm\n")
    assert printed.err.startswith("Traceback") and "ZeroDivisionError: seeded" in printed.err


def test_no_transcript_has_a_traceback() -> None:
    for path in (*(HERE / "bad").rglob("*.txt"), *(HERE / "good").rglob("*.txt")):
        text = path.read_text(encoding="utf-8")
        assert "Traceback" not in text and "NNM0901" not in text


# ---- every message has its place -----------------------------------------------------------------------------------


def test_every_message_has_a_place() -> None:
    """The line under a headline names the file, and line and column unless the file has no text."""
    for path in (*(HERE / "bad").rglob("*.txt"), *(HERE / "good").rglob("*.txt")):
        lines = path.read_text(encoding="utf-8").splitlines()
        for line, following in zip(lines, [*lines[1:], ""], strict=True):
            if HEADLINE.match(line):
                assert re.match(r" +--> \S.*(:\d+:\d+|\.npz|\.sol)?$", following), f"{path.name}: {line}"


# ---- SARIF ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", BAD[::12], ids=lambda path: path.stem)
def test_sarif_has_what_the_standard_requires(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The required properties and the limits of values in the schema of SARIF 2.1.0."""
    assert run(["check", "--data", "--format", "sarif", str(path)]) == 1
    log = json.loads(capsys.readouterr().out)
    assert log["version"] == "2.1.0" and log["$schema"].endswith("sarif-2.1.0.json")
    for one in log["runs"]:
        driver = one["tool"]["driver"]
        assert driver["name"] == "nnmip"
        assert one["columnKind"] in ("utf16CodeUnits", "unicodeCodePoints")
        ids = [rule["id"] for rule in driver["rules"]]
        assert len(set(ids)) == len(ids)
        assert one["results"]
        for result in one["results"]:
            assert result["message"]["text"] and result["level"] in ("none", "note", "warning", "error")
            assert ids[result["ruleIndex"]] == result["ruleId"]
            for location in (*result["locations"], *result["relatedLocations"]):
                _check_place(location["physicalLocation"]["artifactLocation"], location["physicalLocation"]["region"])
            assert len({location["id"] for location in result["relatedLocations"]}) == len(result["relatedLocations"])
            for fix in result.get("fixes", []):
                assert fix["artifactChanges"]
                for change in fix["artifactChanges"]:
                    assert change["replacements"]
                    for done in change["replacements"]:
                        _check_place(change["artifactLocation"], done["deletedRegion"])
                        assert isinstance(done["insertedContent"]["text"], str)


def _check_place(artifact: dict[str, str], region: dict[str, int]) -> None:
    assert artifact["uri"] and " " not in artifact["uri"]
    assert min(region.values()) >= 1
    start, end = ((region[f"{end}Line"], region[f"{end}Column"]) for end in ("start", "end"))
    assert start <= end
