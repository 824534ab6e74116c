"""`nnmip import-solution`: bring an answer back."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import click

from nnmip.cli.common import (
    ExitCode,
    FiniteRange,
    define_option,
    errors_as_json,
    open_model,
    print_diagnostics,
    print_json,
    size_option,
    unreadable,
    unwritable,
)
from nnmip.cli.paths import FOLDER, MODEL, NAMES, SOLUTION


@click.command("import-solution")
@click.argument("model", type=MODEL)
@click.argument("solution", type=SOLUTION)
@click.option("--names", metavar="PATH", type=NAMES, help="The names file written with the compiled model.")
@click.option("--bound", type=FiniteRange(), metavar="NUMBER", help="A dual bound of the goal, for the gap.")
@click.option("--save", metavar="DIR", type=FOLDER, help="Save the network.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@size_option
@define_option
def command(
    model: str,
    solution: str,
    names: str | None,
    bound: float | None,
    save: str | None,
    as_json: bool,
    define: dict[str, str],
    allow_size: str | None,
) -> int:
    """Read the solution file that CBC, HiGHS, Gurobi, SCIP or CPLEX wrote for a compiled MODEL.

    The answer is checked against the meaning of the source and reported; it is never called optimal, because nnmip
    did not see the proof. Exit code 0 if the check passes, 1 if the file cannot be used, 3 if the check fails.
    """
    from nnmip.report.text import describe_networks, render_result
    from nnmip.solution.keeper import Keeper

    with errors_as_json(model, as_json):
        opened = open_model(model, define, allow_size)
        _ = opened.lowered
        print_diagnostics(opened.diagnostics, sys.stderr)
        try:
            result = opened.import_solution(solution, names, bound)
        except OSError as error:
            raise unreadable(solution, error) from None
    saved = save is not None and result.has_answer
    if save is not None and saved:
        try:
            remark = Keeper(Path(save), opened.program, opened.fingerprint, None).finish(
                result, describe_networks(result)
            )
        except OSError as error:
            raise unwritable(save, error) from None
        if remark:
            saved, result = False, replace(result, notes=(*result.notes, remark))
    if as_json:
        print_json(result.to_json())
    else:
        click.echo(render_result(result), nl=False)
        if saved:
            click.echo(f"  saved     {save}")
    return ExitCode.YES if result.has_answer else ExitCode.NO_ANSWER
