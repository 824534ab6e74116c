"""`nnmip import-solution`: bring an answer back."""

from __future__ import annotations

from pathlib import Path

import click

from nnmip.cli.common import ExitCode, define_option, open_model, print_json


@click.command("import-solution")
@click.argument("model")
@click.argument("solution")
@click.option("--names", metavar="PATH", help="The names file written with the compiled model.")
@click.option("--bound", type=float, metavar="NUMBER", help="A dual bound of the goal, for the gap.")
@click.option("--save", metavar="DIR", help="Save the network.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@define_option
def command(
    model: str,
    solution: str,
    names: str | None,
    bound: float | None,
    save: str | None,
    as_json: bool,
    define: dict[str, str],
) -> int:
    """Read the solution file that CBC, HiGHS, Gurobi, SCIP or CPLEX wrote for a compiled MODEL.

    The answer is checked against the meaning of the source and reported; it is never called optimal, because nnmip
    did not see the proof. Exit code 0 if the check passes, 1 if the file cannot be used, 3 if the check fails.
    """
    from nnmip.report.text import describe_networks, render_result
    from nnmip.solution.store import RunFolder

    opened = open_model(model, define)
    try:
        result = opened.import_solution(solution, names, bound)
        if save is not None and result.has_answer:
            folder = RunFolder(Path(save))
            folder.create()
            folder.save_answer(opened.program, result, describe_networks(result))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise click.UsageError(f"cannot use `{error.filename or solution}`: {reason}") from None
    if as_json:
        print_json(result.to_json())
    else:
        click.echo(render_result(result), nl=False)
    return ExitCode.YES if result.has_answer else ExitCode.NO_ANSWER
