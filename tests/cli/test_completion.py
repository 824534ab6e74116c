"""What the shell is offered, and the scripts that make it ask."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import CompletionItem, ShellComplete

from nnmip.cli.completion import SHELLS, VARIABLE
from nnmip.cli.main import COMMANDS, cli, run
from nnmip.diagnostics.codes import TITLES
from nnmip.phases import PASSES
from tests.workbench import environment


def offered(*words: str) -> list[CompletionItem]:
    """What completes the last of `words` behind `nnmip`."""
    return ShellComplete(cli, {}, "nnmip", VARIABLE).get_completions(list(words[:-1]), words[-1])


def values(*words: str) -> list[str]:
    return [item.value for item in offered(*words)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("first.nnm", "flat.nnm", "first.csv", "first.sol", "first.names.json"):
        (tmp_path / name).write_text("")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "inner.nnm").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_commands_with_what_they_do() -> None:
    assert {item.value: item.help for item in offered("")} == COMMANDS
    assert values("comp") == ["compile", "completion"]
    assert "--version" in values("--")


def test_options_and_their_choices() -> None:
    assert {"--solver", "--time-limit", "--save"} <= set(values("solve", "--"))
    assert values("solve", "--solver", "") == ["auto", "highs", "cbc", "gurobi"]
    assert values("check", "--format", "s") == ["sarif"]
    assert values("completion", "") == list(SHELLS)
    assert values("show", "--after", "l") == ["lower", "list"]
    assert set(values("show", "--after", "")) == {"list", *(step.name for step in PASSES)}


def test_every_choice_of_a_command_is_offered() -> None:
    import click

    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        for option in command.params:
            if isinstance(option, click.Option) and isinstance(option.type, click.Choice):
                assert values(name, option.opts[-1], "") == [str(choice) for choice in option.type.choices]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("command", ["check", "compile", "fmt", "import-solution", "show", "solve"])
def test_models(command: str) -> None:
    assert values(command, "fi") == ["first.nnm"]
    assert values(command, "") == ["first.nnm", "flat.nnm"]
    assert values(command, "models/") == ["models/inner.nnm"]
    (item,) = offered(command, "mod")
    assert (item.value, item.type) == ("mod", "file")


@pytest.mark.usefixtures("folder")
def test_other_files_and_folders() -> None:
    assert values("predict", "run", "f") == ["first.csv"]
    assert values("import-solution", "first.nnm", "f") == ["first.sol"]
    assert values("import-solution", "--names", "f") == ["first.names.json"]
    for words in (("predict", ""), ("solve", "--save", ""), ("solve", "--resume", ""), ("init", "")):
        assert [item.type for item in offered(*words)] == ["dir"]
    assert [item.type for item in offered("check", "nowhere/")] == ["file"]


def test_words_and_codes_of_explain() -> None:
    assert {"relu", "hinge", "minimize", *TITLES} <= set(values("explain", ""))
    assert values("explain", "nnm031") == [code for code in TITLES if code.startswith("NNM031")]
    assert all(" " not in topic for topic in values("explain", ""))


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_asks_nnmip(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert f"{VARIABLE}={shell}_complete" in script and "nnmip" in script


def test_an_unknown_shell(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", "csh"]) == 2
    assert "'bash', 'zsh', 'fish'" in capsys.readouterr().err


def test_the_command_answers_the_script(folder: Path) -> None:
    asked = {"COMP_WORDS": "nnmip solve fir", "COMP_CWORD": "2", VARIABLE: "bash_complete"}
    done = subprocess.run(
        [sys.executable, "-c", "from nnmip.cli.main import main; main()"],
        cwd=folder,
        env=environment(**asked),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "plain,first.nnm\n", "")


@pytest.mark.skipif(shutil.which("bash") is None or os.name == "nt", reason="needs bash")
def test_bash_completes(folder: Path, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "nnmip"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "from nnmip.cli.main import main; main()" "$@"\n')
    program.chmod(0o755)
    script = (
        'eval "$(nnmip completion bash)"\n'
        "COMP_WORDS=(nnmip solve --solver h) COMP_CWORD=3\n"
        "$(complete -p nnmip | sed 's/.*-F \\([^ ]*\\).*/\\1/') nnmip\n"
        'echo "${COMPREPLY[@]}"\n'
    )
    path = os.pathsep.join([str(program.parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment(PATH=path), capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("highs\n", "")
