"""`nnmip compile`: exact LP and MPS files."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnmip.cli.common import (
    ExitCode,
    define_option,
    open_model,
    print_diagnostics,
    size_option,
    stage_options,
    unwritable,
)
from nnmip.cli.paths import MODEL, OUTPUT

if TYPE_CHECKING:
    from nnmip.formats.files import WrittenModel

FORMULATIONS = ("direct", "columns", "composite")


def _differences(written: WrittenModel) -> Iterator[str]:
    """Why a file has more rows and columns than `show` and reports say of the model."""
    if count := written.split_rows:
        yield f"{count} {'rows' if count > 1 else 'row'} of the model with two sides: two rows each in the file"
    if written.has_repeated:
        yield "the row `repeated`, which is a bound once more: some solvers read no file without rows"
    if written.constant:
        yield f"the column `{written.constant}`, fixed at 1, is for the constant of the goal"


@click.command("compile")
@click.argument("file", type=MODEL)
@click.option(
    "-o",
    "--output",
    "outputs",
    metavar="PATH",
    type=OUTPUT,
    multiple=True,
    required=True,
    help="A .lp or .mps file, or either with .gz.",
)
@stage_options
@click.option(
    "--formulation",
    type=click.Choice(FORMULATIONS),
    default="direct",
    show_default=True,
    help="What is counted: each weight, or the units that a hidden layer of finite weights can have.",
)
@size_option
@define_option
def command(
    file: str,
    outputs: tuple[str, ...],
    stage: int,
    fix: dict[int, float],
    formulation: str,
    define: dict[str, str],
    allow_size: str | None,
) -> int:
    """Write a model as an exact, deterministic LP or MPS file.

    A goal with stages (`minimize A then B`) has a file for each of them.

    Files in all formulations have the same optimum. `columns` has no big-M in the hidden layer: proofs end sooner.
    `composite` also leaves out units that are proved to be in no better network than one that is known.

    Next to it comes NAME.names.json, which maps every column and row to its source; `nnmip import-solution` needs it to
    bring an answer back.
    """
    from nnmip.formats.files import split_suffix

    for path in outputs:
        try:
            split_suffix(Path(path))
        except ValueError as error:
            raise click.UsageError(str(error)) from None
    model = open_model(file, define, allow_size)
    try:
        lowered = model.lowered_for(stage, fix, formulation)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    print_diagnostics(model.diagnostics, sys.stderr)
    for path in outputs:
        try:
            written = model.write(path, stage, fix, formulation)
        except OSError as error:
            raise unwritable(path, error) from None
        click.echo(f"{written.model}: {written.rows} rows, {written.columns} columns, {written.nonzeros} nonzeros")
        click.echo(f"{written.names}: names of columns and rows")
    for line in _differences(written):
        click.echo(line)
    for loss, gap in lowered.gaps.items():
        click.echo(f"the file is a relaxation: {loss} is held by tangents, at most {gap:.2g} below its value")
    if model.among:
        click.echo(f"the file asks for {model.among}")
    stages = len(model.program.stages)
    if stages > 1:
        click.echo(f"this is stage {stage} of {stages}")
    return ExitCode.YES
