"""`nnmip fmt`: the canonical form of models."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnmip.cli.common import ExitCode, print_diagnostics, size_option, unreadable, unwritable, wants_colour
from nnmip.cli.differences import unified
from nnmip.cli.paths import MODEL
from nnmip.records import dataclass

if TYPE_CHECKING:
    from nnmip.sizes import Allowance
    from nnmip.source import SourceFile

STDIN = "-"
_COLOURS = {"+": "\x1b[32m", "-": "\x1b[31m", "@": "\x1b[36m"}
_RESET = "\x1b[0m"


@dataclass(frozen=True, slots=True)
class _Formatted:
    """A model before and after; `after` is None where it has errors, which are printed."""

    path: str
    before: str
    after: str | None

    @property
    def is_changed(self) -> bool:
        return self.after is not None and self.after != self.before


@click.command("fmt")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=MODEL)
@click.option("--check", is_flag=True, help="Write nothing; name the files that would change, and exit with 1.")
@click.option("--diff", is_flag=True, help="Write nothing; print what would change, and exit with 1.")
@size_option
def command(files: tuple[str, ...], check: bool, diff: bool, allow_size: str | None) -> int:
    """Rewrite models in the one canonical format, in place. `-` reads standard input and writes standard output.

    A folder stands for all .nnm files in it. Every comment is kept. A file with syntax errors is left as it is, and
    its errors are printed.

    Exit code 0 if all is well, 1 with errors, and with --check or --diff also if a file would change.
    """
    done = [_format(path, allow_size) for given in files for path in _paths(given)]
    if diff:
        _print_differences(done)
    for model in done:
        if check and not diff and model.is_changed:
            click.echo(model.path)
        elif not check and not diff:
            _write(model)
    changed = sum(model.is_changed for model in done)
    if not check and not diff and STDIN not in files:
        click.echo(f"{_count(changed)} formatted, {_count(len(done) - changed)} left as they are", err=True)
    is_fine = all(model.after is not None for model in done)
    return ExitCode.YES if is_fine and not ((check or diff) and changed) else ExitCode.NO


def _count(number: int) -> str:
    return f"{number} file{'s' if number != 1 else ''}"


def _paths(given: str) -> Iterator[str]:
    """The file itself, or every model in a folder."""
    if given != STDIN and Path(given).is_dir():
        yield from sorted(str(path) for path in Path(given).rglob("*.nnm"))
    else:
        yield given


def _format(path: str, allow_size: str | None) -> _Formatted:
    from nnmip.diagnostics import DiagnosticError
    from nnmip.sizes import Allowance
    from nnmip.syntax.format import format_source

    allowance = Allowance.of(allow_size)
    try:
        source = _read(path, allowance)
        return _Formatted(source.path, source.text, format_source(source, allowance))
    except DiagnosticError as error:
        print_diagnostics(error.diagnostics, sys.stderr)
        return _Formatted(path, "", None)


def _read(path: str, allowance: Allowance) -> SourceFile:
    from nnmip.sizes import TEXT
    from nnmip.syntax.read import decode_source, read_source

    if path == STDIN:
        return decode_source("<stdin>", sys.stdin.buffer.read(allowance.most(TEXT) + 1), allowance)
    try:
        return read_source(path, allowance)
    except OSError as error:
        raise unreadable(path, error) from None


def _write(model: _Formatted) -> None:
    """Replace the file, if it changes, by one with the same permissions; print what came from standard input."""
    from nnmip.formats.atomic import atomic_file

    if model.path == "<stdin>":
        sys.stdout.write(model.after or "")
    elif model.is_changed and model.after is not None:
        path = Path(model.path)
        try:
            with atomic_file(path) as stream:
                stream.write(model.after.encode())
                if hasattr(os, "fchmod"):
                    os.fchmod(stream.fileno(), path.stat().st_mode & 0o7777)
        except OSError as error:
            raise unwritable(model.path, error) from None


def _print_differences(done: list[_Formatted]) -> None:
    is_coloured = wants_colour(sys.stdout)
    for model in done:
        if model.after is None:
            continue
        before, after = model.before.splitlines(keepends=True), model.after.splitlines(keepends=True)
        for line in unified(before, after, model.path):
            colour = _COLOURS.get(line[:1], "") if is_coloured else ""
            shown = line if line.endswith("\n") else f"{line}\n\\ no line end at the end of the file\n"
            sys.stdout.write(f"{colour}{shown.rstrip(chr(10))}{_RESET if colour else ''}\n")
