"""`nnmip verify`: prove properties, or find what breaks them."""

from __future__ import annotations

import sys
import threading

import click

from nnmip.cli.common import (
    ExitCode,
    FiniteRange,
    define_option,
    diagnostics_json,
    open_model,
    print_diagnostics,
    print_json,
    size_option,
)
from nnmip.cli.paths import MODEL
from nnmip.diagnostics import DiagnosticError

SOLVERS = ("auto", "highs", "cbc", "gurobi")


@click.command("verify")
@click.argument("file", type=MODEL)
@click.option("--property", "names", multiple=True, metavar="NAME", help="Only this property; may be repeated.")
@click.option("--time-limit", type=FiniteRange(min=0), metavar="SECONDS", help="Stop a property after this time.")
@click.option("--solver", type=click.Choice(SOLVERS), default="auto", show_default=True, help="For what needs a MILP.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the attack.")
@click.option("--explain", is_flag=True, help="Show what each step did.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@size_option
@define_option
def command(
    file: str,
    names: tuple[str, ...],
    time_limit: float | None,
    solver: str,
    seed: int,
    explain: bool,
    as_json: bool,
    define: dict[str, str],
    allow_size: str | None,
) -> int:
    """Decide every `verify` of a model: a line for each, with its proof or the input that breaks it.

    Exit codes: 0 all verified, 1 errors in the model or one is violated, 3 one is open and none is violated, 130
    interrupted.
    """
    from nnmip.report.verdicts import render_verdict
    from nnmip.verification.verdict import Answer

    try:
        model = open_model(file, define, allow_size)
        chosen = model.properties(names)
        print_diagnostics(model.diagnostics, sys.stderr)
        if not chosen:
            click.echo(f"{file}: the model has no `verify`: there is nothing to decide", err=True)
            return ExitCode.NO_ANSWER
        verdicts, stop = [], threading.Event()
        for name in chosen:
            verdict = model.verify(name, time_limit=time_limit, solver=solver, seed=seed, stop=stop)
            verdicts.append(verdict)
            if not as_json:
                click.echo(render_verdict(verdict, explain), nl=False)
            if stop.is_set():
                break
    except DiagnosticError as error:
        if as_json:
            print_json({"model": file, "errors": diagnostics_json(error.diagnostics)})
        else:
            print_diagnostics(error.diagnostics, sys.stderr)
        return ExitCode.NO
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if as_json:
        print_json({"model": file, "properties": [verdict.to_json() for verdict in verdicts]})
    if stop.is_set():
        return ExitCode.INTERRUPTED
    answers = {verdict.answer for verdict in verdicts}
    if Answer.VIOLATED in answers:
        return ExitCode.NO
    return ExitCode.NO_ANSWER if Answer.UNKNOWN in answers else ExitCode.YES
