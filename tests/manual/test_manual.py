"""Every code block of the manual and of README.md is run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import nnmip
from nnmip.diagnostics import Severity
from nnmip.diagnostics.codes import TITLES
from nnmip.diagnostics.render import render_text
from nnmip.ops.registry import FUTURE_LAYERS, FUTURE_WORDS
from nnmip.syntax.tokens import RESERVED, SOFT_WORDS
from tests.manual.blocks import (
    HOLE,
    KEYS,
    LANGUAGES,
    Block,
    commands,
    output_pattern,
    preludes,
    read_blocks,
    whole_model,
)

ROOT = Path(__file__).parents[2]
MANUAL = ROOT / "grammar" / "reference.md"
README = ROOT / "README.md"
BLOCKS = [*read_blocks(MANUAL), *read_blocks(README)]
PRELUDES = preludes(BLOCKS)
PROGRESS = re.compile(r"^\S.*  incumbent \S+  bound .* s\n", re.MULTILINE)


def _of(language: str) -> list[Any]:
    chosen = [b for b in BLOCKS if b.language == language and b.is_run and "prelude" not in b.options]
    return [pytest.param(b, id=b.id) for b in chosen]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the examples and the files of the manual, with `nnmip` and `python` on the path."""
    copy = tmp_path / "examples"
    shutil.copytree(ROOT / "examples", copy)
    for block in BLOCKS:
        if "file" in block.options:
            (copy / block.options["file"]).write_text(block.text, encoding="utf-8")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, arguments in (("nnmip", " -m nnmip"), ("python", "")):
        script = programs / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}"{arguments} "$@"\n')
        script.chmod(0o755)
    return copy


def _start(block: Block, examples: Path) -> Path:
    """Where a reader of the file stands: in the examples for the manual, in the project for README.md."""
    return examples if block.path == MANUAL else examples.parent


def _environment(folder: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
    path = os.pathsep.join([str(folder.parent / "bin"), kept.get("PATH", "")])
    return {**kept, "PATH": path, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "LC_ALL": "C.UTF-8"}


def test_blocks_say_what_they_are() -> None:
    for block in BLOCKS:
        assert block.language in LANGUAGES or block.path == README, block.id
        assert set(block.options) <= KEYS, block.id
        assert block.options.get("fragment", next(iter(PRELUDES))) in PRELUDES, block.id
    assert all(text.split("\n").count(HOLE) == 1 for text in PRELUDES.values())
    assert all(block.is_run for block in BLOCKS if block.path == MANUAL), "the manual has no block that is not run"


@pytest.mark.parametrize("block", _of("nnm"))
def test_model(block: Block) -> None:
    model = nnmip.loads(whole_model(block, PRELUDES), directory=ROOT / "examples")
    found = model.check()
    shown = render_text(found)
    errors = {d.code for d in found if d.severity is Severity.ERROR}
    warnings = {d.code for d in found if d.severity is Severity.WARNING}
    assert errors == set(filter(None, [block.options.get("error")])), shown
    if not errors:
        assert warnings == set(filter(None, [block.options.get("warning")])), shown
    if "optimum" in block.options:
        result, within = model.solve(), float(block.options.get("within", 0.0))
        assert result.is_certified if within else result.solution == "optimal"
        assert result.objective == pytest.approx(float(block.options["optimum"]), abs=max(within, 1e-7))


@pytest.mark.parametrize("block", _of("console"))
def test_console(block: Block, folder: Path) -> None:
    steps = commands(block)
    for step in steps:
        done = subprocess.run(
            ["bash", "-c", step.line],
            cwd=_start(block, folder),
            env=_environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        printed = PROGRESS.sub("", done.stdout)
        assert output_pattern(step.output).fullmatch(printed), f"$ {step.line}\n{printed}"
        wanted = int(block.options.get("exit", 0)) if step is steps[-1] else 0
        assert done.returncode == wanted, f"$ {step.line}\n{printed}"


@pytest.mark.parametrize("block", _of("python"))
def test_python(block: Block, folder: Path) -> None:
    script = folder.parent / "script.py"
    script.write_text(block.text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=_start(block, folder),
        env=_environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


# ---- lists of the manual that repeat tables of the code --------------------------------------------------------------


def _listed(heading: str) -> set[str]:
    """The words in backquotes in the paragraph that starts with `**heading**`."""
    text = MANUAL.read_text(encoding="utf-8")
    (paragraph,) = [part for part in text.split("\n\n") if part.startswith(f"**{heading}**")]
    return set(re.findall(r"`([^`]+)`", paragraph))


def test_the_manual_lists_the_reserved_and_soft_words() -> None:
    spelled = {"INTEGER": "int", "BOOLEAN": "bool"}
    assert _listed("Reserved words.") == {spelled.get(word, word.lower()) for word in RESERVED}
    assert _listed("Soft words.") == {word.lower() for word in SOFT_WORDS}


def test_the_manual_lists_the_words_that_are_not_there_yet() -> None:
    assert _listed("Layers to come.") == set(FUTURE_LAYERS)
    assert _listed("Words to come.") == set(FUTURE_WORDS)


def test_the_manual_lists_the_codes() -> None:
    rows = re.findall(r"^\| (NNM\d+) \| (.+) \|$", MANUAL.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == list(TITLES.items())


# ---- the reader of blocks --------------------------------------------------------------------------------------------


def test_output_patterns() -> None:
    pattern = output_pattern("a ... c\n...\nlast (1.0)\n")
    assert pattern.fullmatch("a b c\nlast (1.0)\n")
    assert pattern.fullmatch("a  c\nx\ny\nlast (1.0)\n")
    assert not pattern.fullmatch("a b d\nlast (1.0)\n")
    assert not pattern.fullmatch("a b c\nlast (1x0)\n")
    assert not pattern.fullmatch("a b c\nlast (1.0)\nmore\n")
    assert output_pattern("").fullmatch("")
    assert not output_pattern("").fullmatch("text\n")


def test_blocks_are_read_with_their_lines_and_options(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("text\n```nnm error=NNM0101\na\n\nb\n```\n```console norun exit=3\n$ x\n1\n$ y\n```\n")
    first, second = read_blocks(path)
    assert (first.id, first.text, first.options) == ("page.md:2-nnm", "a\n\nb\n", {"error": "NNM0101"})
    assert not second.is_run
    assert second.options == {"exit": "3"}
    assert [(c.line, c.output) for c in commands(second)] == [("x", "1\n"), ("y", "")]


def test_a_fragment_stands_in_the_hole_of_its_prelude(tmp_path: Path) -> None:
    block = Block(tmp_path / "page.md", 1, "nnm", "b\n", {"fragment": "p"})
    assert whole_model(block, {"p": "a\n...\nc\n"}) == "a\nb\nc\n"
