"""`nnmip init`: a starter project."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from nnmip.cli.common import ExitCode, unwritable
from nnmip.cli.paths import FOLDER


@click.command("init")
@click.argument("folder", metavar="[DIR]", default=".", type=FOLDER)
@click.option("--force", is_flag=True, help="Overwrite files of the same names.")
def command(folder: str, force: bool) -> int:
    """Write a small project that solves in about a second: a commented model, its table, and rows to predict.

    DIR is made if it is not there; without it, the files are written here. No file is overwritten without --force.
    """
    from nnmip.starter import starter_files

    files = starter_files()
    there = [str(Path(folder, name)) for name in files if Path(folder, name).exists()]
    if there and not force:
        verb = "is" if len(there) == 1 else "are"
        listed = ", ".join(f"`{name}`" for name in there)
        raise click.UsageError(f"{listed} {verb} already there; name another folder, or overwrite with --force")
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            Path(folder, name).write_bytes(content)
    except OSError as error:
        raise unwritable(str(error.filename or folder), error) from None
    for name in files:
        click.echo(f"wrote {Path(folder, name)}")
    enter = f"cd {shlex.quote(folder)} && " if Path(folder) != Path() else ""
    click.echo(f"next: {enter}nnmip solve model.nnm")
    return ExitCode.YES
