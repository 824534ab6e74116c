"""Every command's exit codes, streams and messages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nnmip.cli import main as cli
from nnmip.cli.main import COMMANDS, run
from nnmip.pipeline import Model
from tests.workbench import BROKEN, SATISFIED, XOR, environment, hard, nnmip, standard_json, write_model


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path, XOR)
    return tmp_path


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for name in COMMANDS:
        assert f"  {name} " in out
        assert run([name, "--help"]) == 0
        assert "Usage: " in capsys.readouterr().out
    assert sorted(COMMANDS) == list(COMMANDS)


def test_help_and_check_start_without_solvers() -> None:
    code = (
        "import sys; from nnmip.cli.main import run; a = run(['--help']); b = run(['check', 'xor.nnm']);"
        "print(a, b, sorted({'mip', 'highspy', 'gurobipy', 'onnx', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.endswith(" was read: `--data` checks the rows, too\n0 0 []\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["slove", "xor.nnm"], "there is no command `slove`; did you mean `solve`?"),
        (["frobnicate"], "there is no command `frobnicate`; the commands are check, "),
        (["solve", "xor.nnm", "--time-limits", "3"], "Did you mean '--time-limit'?"),
        (["solve"], "Missing argument 'FILE'."),
        (["check"], "Missing argument 'FILE...'."),
        (["compile", "xor.nnm"], "Missing option '-o' / '--output'."),
        (["solve", "xr.nnm"], "cannot read `xr.nnm`: no such file or directory; did you mean `xor.nnm`?"),
        (["check", "folder/xor.nnm"], "cannot read `folder/xor.nnm`: no such file or directory\n"),
        (["show", "."], "cannot read `.`: is a directory\n"),
        (["solve", "xor.nnm", "-D", "most"], "`most` is not NAME=VALUE"),
        (["solve", "xor.nnm", "-D", "=3"], "`=3` is not NAME=VALUE"),
        (["solve", "xor.nnm", "--solver", "cplex"], "'cplex' is not one of 'auto', 'highs', 'cbc', 'gurobi'"),
        (["solve", "xor.nnm", "--time-limit", "nan"], "`nan` is not a finite number"),
        (["solve", "xor.nnm", "--gap", "inf"], "`inf` is not a finite number"),
        (["solve", "xor.nnm", "--gap", "-1"], "is not in the range x>=0"),
        (["solve", "xor.nnm", "--threads", "0"], "is not in the range x>=1"),
        (["solve", "xor.nnm", "--json", "--json-stream"], "--json prints one object and --json-stream many"),
        (["solve", "xor.nnm", "--save", "points.csv"], "cannot write `points.csv`: file exists"),
        (["solve", "xor.nnm", "--save", "/proc/run"], "cannot write `/proc/run`: no such file or directory"),
        (["compile", "xor.nnm", "-o", "out.txt"], "`out.txt` is not a model file name: it must end in .lp, .lp.gz"),
        (["compile", "xor.nnm", "-o", "no/out.lp"], "cannot write `no/out.lp`: no such file or directory"),
        (["predict", "run", "nothing.csv"], "cannot read `nothing.csv`: no such file or directory"),
        (["predict", "run", "point.csv"], "did you mean `points.csv`?"),
        (["import-solution", "xor.nnm", "x.sol", "--bound", "nan"], "`nan` is not a finite number"),
    ],
)
def test_wrong_command_lines(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert "Traceback" not in err


def test_no_command_is_a_wrong_command_line(folder: Path) -> None:
    done = nnmip(folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Commands:" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-D", "mots=3"], "error[NNM0201]: no parameter is called `mots`"),
        (["-D", "most=many"], "error[NNM0206]: `many` is not a value for `most`"),
        (["-D", "most=0.5"], "error[NNM0206]"),
    ],
)
def test_definitions_that_do_not_fit(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["solve", "xor.nnm", *arguments]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(message)


def test_check_reports_every_error_on_stdout(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_model(folder, BROKEN, "broken.nnm")
    assert run(["check", "xor.nnm", "broken.nnm"]) == 1
    out, err = capsys.readouterr()
    assert err == ""
    assert "pionts" in out and "did you mean `points`?" in out
    assert "`most` is a number and cannot be called" in out
    assert out.endswith("\nxor.nnm, broken.nnm: 2 errors\n")


def test_check_prints_the_first_of_many_errors(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "many.nnm").write_text("nnm 0.1\n" + "param =\n" * 300)
    assert run(["check", "many.nnm"]) == 1
    out = capsys.readouterr().out
    assert out.count("error[NNM0101]") == 200
    assert out.endswith("\n\n... and 100 more\n\nmany.nnm: 300 errors\n")


def test_check_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_model(folder, BROKEN, "broken.nnm")
    assert run(["check", "--format", "json", "broken.nnm"]) == 1
    found = standard_json(capsys.readouterr().out)
    assert [entry["severity"] for entry in found] == ["error", "error"]
    assert {"code", "message", "file", "line", "column", "end_line", "end_column", "help", "note"} <= set(found[0])
    assert run(["check", "--format", "json", "xor.nnm"]) == 0
    assert standard_json(capsys.readouterr().out) == []


def test_check_as_sarif(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_model(folder, XOR.replace("points)", "pionts)"), "my model.nnm")
    assert run(["check", "--format", "sarif", "my model.nnm"]) == 1
    found = standard_json(capsys.readouterr().out)
    assert found["version"] == "2.1.0"
    (done,) = found["runs"]
    assert done["tool"]["driver"]["name"] == "nnmip"
    assert done["tool"]["driver"]["rules"] == [{"id": "NNM0201", "shortDescription": {"text": "unknown name"}}]
    assert done["columnKind"] == "unicodeCodePoints"
    (result,) = done["results"]
    assert (result["ruleId"], result["ruleIndex"], result["level"]) == ("NNM0201", 0, "error")
    assert result["message"]["text"] == "nothing is called `pionts`\nhelp: did you mean `points`?"
    (location,) = result["locations"]
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": "my%20model.nnm"},
        "region": {"startLine": 20, "startColumn": 21, "endLine": 20, "endColumn": 27},
    }
    assert run(["check", "--format", "sarif", "xor.nnm"]) == 0
    assert standard_json(capsys.readouterr().out)["runs"][0]["results"] == []


@pytest.mark.parametrize("command", ["solve", "show", "compile", "import-solution"])
def test_errors_of_a_model_go_to_stderr(command: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_model(folder, BROKEN, "broken.nnm")
    extra = {"compile": ["-o", "out.lp"], "import-solution": ["out.sol"]}.get(command, [])
    assert run([command, "broken.nnm", *extra]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "error[NNM0201]" in err and "error[NNM0205]" in err
    assert not (folder / "out.lp").exists()


@pytest.mark.parametrize("command", ["solve", "show", "import-solution"])
def test_errors_of_a_model_as_json(command: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_model(folder, BROKEN, "broken.nnm")
    extra = ["out.sol"] if command == "import-solution" else []
    assert run([command, "broken.nnm", *extra, "--json"]) == 1
    found = standard_json(capsys.readouterr().out)
    assert found["model"] == "broken.nnm"
    assert {entry["code"] for entry in found["errors"]} == {"NNM0201", "NNM0205"}


def test_a_file_that_is_not_text(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "binary.nnm").write_bytes(b"\xff\xfe\x00nnm")
    assert run(["solve", "binary.nnm"]) == 1
    assert capsys.readouterr().err.startswith("error[NNM0103]")
    assert run(["solve", "binary.nnm", "--json"]) == 1
    assert standard_json(capsys.readouterr().out)["errors"][0]["code"] == "NNM0103"


def test_errors_of_a_model_leave_no_folder(folder: Path) -> None:
    write_model(folder, BROKEN, "broken.nnm")
    assert run(["solve", "broken.nnm", "--save", "run"]) == 1
    assert not (folder / "run").exists()


def test_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", "xor.nnm", "-D", "most=5"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert lines[0] == "xor.nnm"
    assert "  param most = 5" in lines
    assert "  data points: 4 rows (4 distinct) of points.csv, features x0, x1 (scale none), label parity" in lines
    head = next(line for line in lines if line.lstrip().startswith("layer"))
    assert " ".join(head.split()) == "layer op shape decisions bounds stable active stable inactive unstable"
    relu = next(line for line in lines if line.startswith("    a "))
    assert relu.split()[:5] == ["a", "relu", "[2]", "prune", "units"]
    assert "  constraint few: weight budget" in lines
    estimates = lines[lines.index("  estimates, at most:") :]
    assert lines[-len(estimates) - 2].startswith("  total ")
    assert estimates[1].split() == ["formulation", "integers", "coefficients", "operations"]
    assert estimates[2].split() == ["search", "27", "108", "10^4"]
    assert lines[-1] == "  solved by exact search: 27 choices of weights for a hidden unit, and no MILP"


def test_show_counts_each_case_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", "xor.nnm", "--json"]) == 0
    facts = standard_json(capsys.readouterr().out)
    layers = {layer["name"]: layer for layer in facts["networks"]["net"]}
    relu = layers["a"]
    assert relu["stable_active"] + relu["stable_inactive"] + relu["unstable"] == 4 * 2
    assert (layers["h"]["lower"], layers["h"]["upper"]) == pytest.approx((-3.0, 3.0))
    assert facts["sizes"]["rows"] >= sum(layer["rows"] for layer in layers.values())
    assert len(facts["fingerprint"]) == 64


def test_an_activation_of_the_input(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = XOR.replace("layer h = dense(x, units: 2, weights in -1..1, bias in -1..1)", "layer h = relu(x)")
    write_model(folder, text.replace("relu(h, prune: units)", "relu(h)"), "input.nnm")
    assert run(["show", "input.nnm", "--json"]) == 0
    facts = standard_json(capsys.readouterr().out)
    relu = facts["networks"]["net"][0]
    assert (relu["stable_active"], relu["stable_inactive"], relu["unstable"]) == (4, 4, 0)
    assert run(["solve", "input.nnm"]) == 0
    assert "a[0] = max(0, max(0, x0))" in capsys.readouterr().out


def test_nothing_is_coloured_in_a_pipe(folder: Path) -> None:
    write_model(folder, BROKEN, "broken.nnm")
    for done in (nnmip(folder, "check", "broken.nnm"), nnmip(folder, "solve", "broken.nnm")):
        assert done.returncode == 1
        assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colour_on_a_terminal_unless_unwanted(folder: Path, variables: dict[str, str], coloured: bool) -> None:
    write_model(folder, BROKEN, "broken.nnm")
    ours, theirs = os.openpty()
    clean = {k: v for k, v in environment().items() if k != "NO_COLOR"}
    child = subprocess.Popen(
        [sys.executable, "-m", "nnmip", "check", "broken.nnm"],
        env={**clean, "TERM": "xterm", **variables},
        stdout=theirs,
        stderr=theirs,
        stdin=subprocess.DEVNULL,
    )
    os.close(theirs)
    shown = b""
    while chunk := _read(ours):
        shown += chunk
    os.close(ours)
    assert child.wait(timeout=60) == 1
    assert (b"\x1b[1;31merror[" in shown) is coloured
    assert b"error[NNM0201]" in shown


def test_live_progress_leaves_stdout_alone(folder: Path) -> None:
    """On a terminal stderr shows a line that is rewritten; stdout stays one JSON object."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "nnmip", "solve", str(hard(folder)), "--time-limit", "3", "--json"]
    child = subprocess.Popen(
        command, env=environment(TERM="xterm"), stdout=subprocess.PIPE, stderr=theirs, stdin=subprocess.DEVNULL
    )
    os.close(theirs)
    shown = b""
    while chunk := _read(ours):
        shown += chunk
    os.close(ours)
    out, _ = child.communicate(timeout=60)
    assert child.returncode == 3
    assert b"incumbent " in shown and b"\x1b[" in shown
    assert standard_json(out.decode())["termination"] == "time_limit"


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # how a terminal says that its other end has gone
        return b""


@pytest.mark.parametrize("arguments", [["show", "xor.nnm"], ["check", "--format", "json", "broken.nnm"], ["--help"]])
def test_a_reader_that_goes_away_is_no_error(folder: Path, arguments: list[str]) -> None:
    write_model(folder, BROKEN, "broken.nnm")
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run(
        [sys.executable, "-m", "nnmip", *arguments],
        env=environment(PYTHONUNBUFFERED="1"),
        stdout=theirs,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(theirs)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_terminal_that_cannot_show_a_name(folder: Path) -> None:
    text = XOR.replace('csv("points.csv")', 'csv("größe.csv")')
    write_model(folder, text, "größe.nnm")
    done = nnmip(folder, "check", "größe.nnm", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == 1
    assert "gr\\xf6\\xdfe.csv" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_defect_of_nnmip_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(self: Model, data: bool) -> None:
        raise RuntimeError("a wheel came off")

    monkeypatch.setattr(Model, "check", fail)
    assert run(["check", "xor.nnm"]) == 70
    out, err = capsys.readouterr()
    assert out == ""
    assert "RuntimeError: a wheel came off" in err
    assert "internal error[NNM0901]: this is a defect of nnmip" in err
    assert err.endswith("  nnmip check xor.nnm\n")


def test_an_interrupt_before_the_solver_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(self: Model, data: bool) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Model, "check", interrupt)
    assert run(["check", "xor.nnm"]) == 130
    out, err = capsys.readouterr()
    assert (out, err.strip()) == ("", "interrupted")


def test_main_exits_with_the_code(folder: Path) -> None:
    with pytest.raises(SystemExit) as done:
        cli.main(["check", "nothing.nnm"])
    assert done.value.code == 2


def test_solvers(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["solvers", "--json"]) == 0
    found = standard_json(capsys.readouterr().out)
    assert list(found) == ["highs", "cbc", "gurobi"]
    assert all(entry["usable"] for entry in found.values())


def test_solvers_without_any(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from nnmip.backends import registry

    missing = registry.Availability("highs", "", usable=False, reason="it is not installed")
    monkeypatch.setattr(registry, "available", lambda: [missing])
    assert run(["solvers"]) == 4
    assert "highs    -          not usable: it is not installed" in capsys.readouterr().out
    assert run(["solvers", "--json"]) == 4


def test_satisfy_model_shows_no_goal(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_model(folder, SATISFIED, "satisfied.nnm")
    assert run(["show", "satisfied.nnm", "--json"]) == 0
    assert standard_json(capsys.readouterr().out)["goal"] == []
