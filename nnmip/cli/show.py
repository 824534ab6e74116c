"""`nnmip show`: what a model becomes."""

from __future__ import annotations

import sys

import click

from nnmip.cli.common import ExitCode, define_option, errors_as_json, open_model, print_diagnostics, print_json
from nnmip.cli.paths import MODEL


@click.command("show")
@click.argument("file", type=MODEL)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@define_option
def command(file: str, as_json: bool, define: dict[str, str]) -> int:
    """Show a model layer by layer: shapes, domains, bounds, stable and open ReLU cases, rows, columns, binaries.

    `on` and `off` count cases (distinct row, unit) that bounds decide; `open` cases need a binary.
    """
    from nnmip.report.model import model_facts, render_model

    with errors_as_json(file, as_json):
        model = open_model(file, define)
        facts = model_facts(model.lowered, model.fingerprint)
    print_diagnostics(model.diagnostics, sys.stderr)
    if as_json:
        print_json(facts)
    else:
        click.echo(render_model(facts), nl=False)
    return ExitCode.YES
