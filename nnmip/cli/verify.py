"""`nnmip verify`: prove properties, or find what breaks them."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

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
    unwritable,
)
from nnmip.cli.paths import FOLDER, MODEL, ROWS, TABLE, TEXT
from nnmip.cli.queries import Asked as Query
from nnmip.cli.queries import answer_instances, answer_query, write_queries
from nnmip.cli.rows import answer_rows, read_radius
from nnmip.diagnostics import DiagnosticError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nnmip.verification.verdict import Verdict

VERSIONS = ("auto", "1.0", "2.0")
SOLVERS = ("auto", "highs", "cbc", "gurobi")


@click.command("verify")
@click.argument("files", type=MODEL, nargs=-1)
@click.option("--vnnlib", "is_query", is_flag=True, help="FILES are a network and a query: net.onnx query.vnnlib.")
@click.option("--network", "networks", multiple=True, metavar="NAME=FILE", help="The file of a network of the query.")
@click.option("--witness", type=TEXT, metavar="FILE", help="Write the answer to a query to this file, too.")
@click.option("--instances", type=TABLE, metavar="FILE", help="Answer a table of networks, queries and seconds.")
@click.option("--over", "table", type=ROWS, metavar="FILE", help="Decide the properties for each row of a table.")
@click.option("--radius", metavar="NAME=LEAST..MOST:STEP", help="With --over: bisect a parameter for each row.")
@click.option("--executor", default="processes", show_default=True, help="in-process, processes or dask://HOST:PORT.")
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Processes at once; as many as processors.")
@click.option("--results", type=TABLE, metavar="FILE", help="The table of answers; what is in it is not asked again.")
@click.option("--save", type=FOLDER, metavar="DIR", help="Write what breaks a property to this folder.")
@click.option("--write-vnnlib", "folder", type=FOLDER, metavar="DIR", help="Write the properties as queries instead.")
@click.option("--vnnlib-version", "version", type=click.Choice(VERSIONS), default="auto", show_default=True)
@click.option("--property", "names", multiple=True, metavar="NAME", help="Only this property; may be repeated.")
@click.option("--time-limit", type=FiniteRange(min=0), metavar="SECONDS", help="Stop a property after this time.")
@click.option("--solver", type=click.Choice(SOLVERS), default="auto", show_default=True, help="For what needs a MILP.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the attack.")
@click.option("--explain", is_flag=True, help="Show what each step did.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@size_option
@define_option
def command(
    files: tuple[str, ...],
    is_query: bool,
    networks: tuple[str, ...],
    witness: str | None,
    instances: str | None,
    table: str | None,
    radius: str | None,
    executor: str,
    jobs: int | None,
    results: str | None,
    save: str | None,
    folder: str | None,
    version: str,
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

    With `--vnnlib`, answer the query of a VNN-LIB file over networks in ONNX files: `unsat`, `sat` with an input,
    `unknown` or `timeout`; with `--instances`, a table of such queries.

    Exit codes: 0 all verified (`unsat`), 1 errors or one is violated (`sat`), 3 one is open and none is violated, 130
    interrupted.
    """
    if is_query or instances is not None:
        return _queries(files, networks, witness, instances, results, Query(time_limit, solver, seed, allow_size))
    if len(files) != 1:
        raise click.UsageError(f"one model is expected, not {len(files)}")
    (file,) = files
    if table is not None:
        from nnmip.batches.rows import Asked

        rows = Asked(file, define, names, time_limit, solver, seed, allow_size, read_radius(radius))
        return answer_rows(table, results, executor, jobs, rows)
    from nnmip.report.verdicts import render_verdict
    from nnmip.verification.verdict import Answer

    try:
        model = open_model(file, define, allow_size)
        chosen = model.properties(names)
        print_diagnostics(model.diagnostics, sys.stderr)
        if not chosen:
            click.echo(f"{file}: the model has no `verify`: there is nothing to decide", err=True)
            return ExitCode.NO_ANSWER
        if folder is not None:
            return write_queries(model, chosen, folder, version, time_limit)
        verdicts, stop = [], threading.Event()
        for name in chosen:
            verdict = model.verify(name, time_limit=time_limit, solver=solver, seed=seed, stop=stop)
            verdicts.append(verdict)
            if not as_json:
                click.echo(render_verdict(verdict, explain), nl=False)
            if save is not None and verdict.answer is Answer.VIOLATED:
                _saved(verdict, save, as_json)
            if not as_json:
                _show_members(verdicts, chosen, stop.is_set())
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


def _show_members(verdicts: Sequence[Verdict], chosen: Sequence[str], is_last: bool) -> None:
    """The summary of a property for each member of a set, after the last one that is decided."""
    from nnmip.report.verdicts import render_members

    declared = verdicts[-1].of
    own = [verdict for verdict in verdicts if verdict.of == declared]
    total = sum(name.startswith(f"{declared}[") for name in chosen)
    if declared and (is_last or len(own) == total):
        click.echo(render_members(own, total), nl=False)


def _saved(verdict: Verdict, folder: str, is_quiet: bool) -> None:
    from nnmip.report.counterexamples import save_counterexample

    try:
        files = save_counterexample(verdict, Path(folder))
    except OSError as error:
        raise unwritable(folder, error) from None
    if not is_quiet:
        click.echo(f"  saved: {', '.join(map(str, files))}")


def _queries(
    files: tuple[str, ...],
    networks: tuple[str, ...],
    witness: str | None,
    instances: str | None,
    results: str | None,
    asked: Query,
) -> int:
    try:
        if instances is None:
            return answer_query(files, networks, asked, witness)
        if files or networks:
            raise click.UsageError("`--instances` names all files itself")
        return answer_instances(instances, results, asked)
    except DiagnosticError as error:
        print_diagnostics(error.diagnostics, sys.stderr)
        return ExitCode.NO
