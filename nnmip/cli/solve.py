"""`nnmip solve`: train to a proved optimum."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

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
from nnmip.cli.front import check_plot, show_front
from nnmip.cli.names import Names, check_ways
from nnmip.cli.paths import ARRAYS, FOLDER, MODEL
from nnmip.cli.progress import LiveProgress, stream_progress
from nnmip.diagnostics import DiagnosticError

if TYPE_CHECKING:
    from nnmip.solution.result import Result

SOLVERS = ("auto", "highs", "cbc", "gurobi")
FORMULATIONS = ("auto", "direct", "columns", "composite", "search", "sign-split")


@click.command("solve")
@click.argument("file", type=MODEL)
@click.option(
    "--solver", type=Names(SOLVERS), default="auto", show_default=True, help="auto is highs; several run side by side."
)
@click.option(
    "--formulation",
    type=Names(FORMULATIONS),
    default="auto",
    show_default=True,
    help="One MILP of weights (direct) or of all that a hidden unit can show (columns), or exact search over that; "
    "sign-split: one for each choice of output weights; several run side by side.",
)
@click.option("--time-limit", type=FiniteRange(min=0), metavar="SECONDS", help="Stop after this time.")
@click.option("--gap", type=FiniteRange(min=0), default=0.0, help="Stop at this relative gap (default 0: a proof).")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Threads of the solver.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the solver.")
@click.option("--confirm", is_flag=True, help="Prove the answer again with a second solver.")
@click.option("--save", metavar="DIR", type=FOLDER, help="Save the network, and each better one once it is found.")
@click.option("--resume", metavar="DIR", type=FOLDER, help="Start from the network that an earlier --save wrote.")
@click.option("--start", metavar="FILE", type=ARRAYS, help="Start from the weights in an NPZ file, all or some.")
@click.option("--pareto", metavar="TERM", help="Trace the front between a term of the goal and the rest of it.")
@click.option("--pareto-step", type=FiniteRange(min=1e-5), metavar="STEP", help="Points of the front lie so far apart.")
@click.option("--plot", metavar="FILE", help="Draw the front: a .svg, .png or .pdf file (needs nnmip[plot]).")
@click.option("--accept-feasible", is_flag=True, help="Exit with 0 for a network that is not proved optimal.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--json-stream", is_flag=True, help="Print typed JSON lines while solving.")
@size_option
@define_option
def command(
    file: str,
    gap: float,
    pareto: str | None,
    pareto_step: float | None,
    plot: str | None,
    accept_feasible: bool,
    as_json: bool,
    json_stream: bool,
    define: dict[str, str],
    allow_size: str | None,
    **settings: Any,
) -> int:
    """Find a globally optimal network, prove it, check it, and print it in words.

    Exit codes: 0 proved, 1 errors in the model or no network satisfies it, 3 no proof within the limits, 4 solver
    missing or failed, 130 interrupted.
    """
    solver, formulation, save = settings["solver"], settings["formulation"], settings["save"]
    _check_choice(as_json and json_stream, pareto is not None, pareto_step is not None or plot is not None, bool(gap))
    if plot is not None:
        check_plot(plot)
    check_ways(solver, formulation)
    try:
        model = open_model(file, define, allow_size)
        model.prepare(formulation, solver)
        print_diagnostics(model.diagnostics, sys.stderr)
        with LiveProgress() as live:
            settings["progress"] = stream_progress if json_stream else live.update
            if pareto is not None:
                front = model.pareto(pareto, step=pareto_step, **settings)
            else:
                result = model.solve(gap=gap, **settings)
    except DiagnosticError as error:
        return _report_errors(error, file, as_json, json_stream)
    except OSError as error:
        raise unwritable(save or file, error) from None
    if pareto is not None:
        return show_front(front, plot, accept_feasible, as_json, json_stream)
    _show(result, save, as_json, json_stream)
    return exit_code(result, accept_feasible)


def _check_choice(is_json_twice: bool, is_front: bool, is_of_front: bool, has_gap: bool) -> None:
    if is_json_twice:
        raise click.UsageError("--json prints one object and --json-stream many: choose one of them")
    if is_of_front and not is_front:
        raise click.UsageError("--pareto-step and --plot belong to a front: --pareto TERM")
    if is_front and has_gap:
        raise click.UsageError("every point of a front is proved, so --gap and --pareto exclude each other")


def _show(result: Result, save: str | None, as_json: bool, json_stream: bool) -> None:
    if as_json:
        print_json(result.to_json())
    elif json_stream:
        print_json({"type": "result", **result.to_json()}, indent=None)
    else:
        from nnmip.report.text import render_result

        click.echo(render_result(result), nl=False)
        if save is not None and result.saved:
            click.echo(f"  saved     {save}")


def exit_code(result: Result, accept_feasible: bool) -> ExitCode:
    """The code that says how a solve ended."""
    from nnmip.backends.protocol import Termination
    from nnmip.solution.result import Proof

    termination = result.termination
    if termination is Termination.INTERRUPTED:
        return ExitCode.INTERRUPTED
    if termination in (Termination.SOLVER_ERROR, Termination.BACKEND_MISSING, Termination.LICENCE_ERROR):
        return ExitCode.BACKEND
    if termination is Termination.INFEASIBLE and not result.has_answer:
        return ExitCode.NO
    if result.is_proved or result.proof is Proof.CERTIFIED:
        return ExitCode.YES
    if accept_feasible and result.has_answer:
        return ExitCode.YES
    return ExitCode.NO_ANSWER


def _report_errors(error: DiagnosticError, path: str, as_json: bool, json_stream: bool) -> ExitCode:
    if as_json:
        print_json({"model": path, "errors": diagnostics_json(error.diagnostics)})
    elif json_stream:
        for entry in diagnostics_json(error.diagnostics):
            print_json({"type": "diagnostic", **entry}, indent=None)
    else:
        print_diagnostics(error.diagnostics, sys.stderr)
    return ExitCode.NO
