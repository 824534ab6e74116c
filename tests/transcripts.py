"""Transcripts: commands with what they print, as a user sees it, kept in files next to what they are about.

    $ nnmip check model.nnm
    error[...]: ...
    exit 1

A file has any number of commands, each after `$ `: `nnmip` with its arguments, or `cat FILE`; with `| tail -n N` behind
it, only its last lines are shown. Both streams are shown together; a line `exit N` follows where the code is not 0.
What differs from run to run (times, versions, the progress of a search) is masked. `pytest --update-transcripts` runs
the commands again and writes what they print now.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from nnmip import __version__
from nnmip.cli.main import run

_PROGRESS = re.compile(r"^\S.*?  incumbent \S+  bound .* s\n", re.MULTILINE)
_MASKS = (
    (re.compile(r"\b\d+\.\d+ s\b"), "... s"),
    (re.compile(r"\b(highs|cbc|gurobi) \d[\w.]*"), r"\1 ..."),
    (re.compile(r"\bgap (below )?\S+ %"), "gap ... %"),
    (re.compile(r"largest violation \S+"), "largest violation ..."),
    (re.compile(re.escape(f'"{__version__}"')), '"VERSION"'),
)


def commands(transcript: str) -> list[str]:
    """The commands of a transcript."""
    return [line.removeprefix("$ ") for line in transcript.splitlines() if line.startswith("$ ")]


def record(lines: list[str], folder: Path) -> str:
    """The transcript of commands that are run in `folder`, one after the other."""
    return "\n".join(f"$ {line}\n{_printed(line, folder)}" for line in lines)


def compare(path: Path, wanted: list[str], folder: Path, is_update: bool) -> None:
    """Run the commands of the transcript at `path` in `folder` and compare, or write it anew.

    `wanted` are the commands of a transcript that is not there yet.
    """
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    new = record(commands(old) or wanted, folder)
    if is_update and new != old:
        path.write_text(new, encoding="utf-8")
        old = new
    assert old, f"there is no {path.name}: run pytest --update-transcripts and read what it writes"
    assert new.splitlines() == old.splitlines()
    assert new == old


def _printed(line: str, folder: Path) -> str:
    line, _, last = line.partition(" | tail -n ")
    program, *arguments = shlex.split(line)
    if program == "cat":
        return "".join((folder / name).read_text(encoding="utf-8") for name in arguments)
    assert program == "nnmip", f"a transcript runs nnmip and cat, not {program}"
    out = io.StringIO()
    with _inside(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = run(arguments)
    text = _PROGRESS.sub("", out.getvalue())
    for pattern, mask in _MASKS:
        text = pattern.sub(mask, text)
    if last:
        text = "".join(text.splitlines(keepends=True)[-int(last) :])
    return text + (f"exit {int(code)}\n" if code else "")


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
