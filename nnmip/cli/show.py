"""`nnmip show`: what a model becomes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from difflib import get_close_matches
from typing import TYPE_CHECKING

import click

from nnmip.cli.common import (
    ExitCode,
    at_stage,
    define_option,
    errors_as_json,
    open_model,
    print_diagnostics,
    print_json,
    size_option,
    stage_options,
)
from nnmip.cli.paths import MODEL

if TYPE_CHECKING:
    from nnmip.pipeline import Model

TEXT_PASS = "parse"
"""The pass whose tree has all the stages."""


def _passes(context: click.Context, option: click.Parameter, incomplete: str) -> list[str]:
    """The passes that start so, for the shell."""
    from nnmip.phases import PASSES

    return [name for name in (*(step.name for step in PASSES), "list") if name.startswith(incomplete)]


@click.command("show")
@click.argument("file", type=MODEL)
@click.option(
    "--after",
    metavar="PASS",
    shell_complete=_passes,
    help="Print the model after this pass; `--after list` lists the passes.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@stage_options
@size_option
@define_option
def command(
    file: str,
    after: str | None,
    as_json: bool,
    stage: int,
    fix: dict[int, float],
    define: dict[str, str],
    allow_size: str | None,
) -> int:
    """Show a model layer by layer: shapes, decisions, bounds, stable and unstable cases of activations; and the rows,
    nonzeros, columns and the largest big-M of every layer, loss and constraint.

    A case is a distinct row and a unit; an unstable one needs a binary. `--after PASS` prints the syntax tree, the HIR
    or the MILP instead, as a pass leaves it. Of a goal with stages it shows the first, or that of `--stage`.
    """

    def opened() -> Model:
        model = open_model(file, define, allow_size)
        return model if after == TEXT_PASS else at_stage(model, stage, fix)

    if after is not None:
        return _show_after(file, after, as_json, opened)
    from nnmip.report.model import model_facts, render_model

    with errors_as_json(file, as_json):
        model = opened()
        facts = model_facts(model.lowered, model.fingerprint, model.formulation(), model.offers())
    print_diagnostics(model.diagnostics, sys.stderr)
    if as_json:
        print_json(facts)
    else:
        click.echo(render_model(facts), nl=False)
    return ExitCode.YES


def _show_after(file: str, name: str, as_json: bool, opened: Callable[[], Model]) -> int:
    """Print what the model is after a pass, or the passes."""
    from nnmip.phases import PASSES
    from nnmip.report.passes import print_ir

    known = [step.name for step in PASSES]
    if name == "list":
        width = max(map(len, known))
        click.echo("\n".join(f"{s.name.ljust(width)}  {s.takes} -> {s.gives}: {s.does}" for s in PASSES))
        return ExitCode.YES
    if name not in known:
        near = get_close_matches(name, known, n=1)
        help = f"did you mean `{near[0]}`?" if near else f"the passes are {', '.join(known)}"
        raise click.UsageError(f"there is no pass `{name}`; {help}")
    with errors_as_json(file, as_json):
        model = opened()
        text = print_ir(model.after(name))
    print_diagnostics(model.diagnostics, sys.stderr)
    if as_json:
        done = next(step for step in PASSES if step.name == name)
        print_json({"model": file, "pass": name, "level": done.gives.value, "text": text})
    else:
        click.echo(text, nl=False)
    return ExitCode.YES
