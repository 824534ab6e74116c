"""`nnmip compile`: exact LP and MPS files."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from nnmip.cli.common import ExitCode, define_option, open_model, print_diagnostics, unwritable


@click.command("compile")
@click.argument("file")
@click.option(
    "-o",
    "--output",
    "outputs",
    metavar="PATH",
    multiple=True,
    required=True,
    help="A .lp or .mps file, or either with .gz.",
)
@define_option
def command(file: str, outputs: tuple[str, ...], define: dict[str, str]) -> int:
    """Write a model as an exact, deterministic LP or MPS file.

    Next to it comes NAME.names.json, which maps every column and row to its source; `nnmip import-solution` needs it to
    bring an answer back.
    """
    from nnmip.formats import split_suffix

    for path in outputs:
        try:
            split_suffix(Path(path))
        except ValueError as error:
            raise click.UsageError(str(error)) from None
    model = open_model(file, define)
    milp = model.lowered.milp
    print_diagnostics(model.diagnostics, sys.stderr)
    for path in outputs:
        try:
            written = model.write(path)
        except OSError as error:
            raise unwritable(path, error) from None
        click.echo(f"{written.model}: {milp.num_rows} rows, {milp.num_columns} columns, {milp.num_nonzeros} nonzeros")
        click.echo(f"{written.names}: names of columns and rows")
    return ExitCode.YES
