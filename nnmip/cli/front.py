"""What `nnmip solve --pareto` prints and draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from nnmip.cli.common import ExitCode, print_json, unwritable

if TYPE_CHECKING:
    from nnmip.solution.front import Front


def check_plot(path: str) -> None:
    """A usage error for a picture that cannot be drawn, before anything is solved."""
    from nnmip.solution.picture import check_picture

    try:
        check_picture(path)
    except (ValueError, ImportError) as error:
        raise click.UsageError(str(error)) from None


def show_front(front: Front, plot: str | None, accept_feasible: bool, as_json: bool, json_stream: bool) -> ExitCode:
    """Print and draw a front; the code that says how it ended."""
    if as_json:
        print_json(front.to_json())
    elif json_stream:
        print_json({"type": "front", **front.to_json()}, indent=None)
    else:
        from nnmip.report.front import render_front

        click.echo(render_front(front), nl=False)
        if front.folder is not None:
            click.echo(f"  saved     {front.folder}")
    if plot is not None and front.points:
        try:
            front.plot(plot)
        except OSError as error:
            raise unwritable(plot, error) from None
        if not (as_json or json_stream):
            click.echo(f"  picture   {plot}")
    return front_code(front, accept_feasible)


def front_code(front: Front, accept_feasible: bool) -> ExitCode:
    """The code that says how the search for a front ended; yes for a part of one only where that is accepted."""
    from nnmip.backends.protocol import Termination

    codes = {
        Termination.OPTIMAL: ExitCode.YES,
        Termination.INFEASIBLE: ExitCode.NO,
        Termination.INTERRUPTED: ExitCode.INTERRUPTED,
        Termination.SOLVER_ERROR: ExitCode.BACKEND,
        Termination.BACKEND_MISSING: ExitCode.BACKEND,
        Termination.LICENCE_ERROR: ExitCode.BACKEND,
    }
    code = codes.get(front.termination, ExitCode.NO_ANSWER)
    return ExitCode.YES if code is ExitCode.NO_ANSWER and accept_feasible and front.points else code
