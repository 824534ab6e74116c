"""`nnmip check`: what is wrong with models."""

from __future__ import annotations

import sys

import click

from nnmip import __version__
from nnmip.cli.common import (
    ExitCode,
    define_option,
    diagnostics_json,
    open_model,
    print_diagnostics,
    print_json,
    size_option,
)
from nnmip.cli.paths import MODEL
from nnmip.diagnostics import Diagnostic, DiagnosticError, Severity


@click.command("check")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=MODEL)
@click.option(
    "--format", "style", type=click.Choice(["full", "json", "sarif"]), default="full", help="How to print messages."
)
@click.option("--data", is_flag=True, help="Read the rows of data files, too, and check what depends on them.")
@size_option
@define_option
def command(files: tuple[str, ...], style: str, data: bool, define: dict[str, str], allow_size: str | None) -> int:
    """Read models, and print every error and warning: syntax, names, types, shapes, exactness.

    Of data files only the headers are read, unless --data asks for the rows, or the model does not list the classes or
    categories that it needs.

    Exit code 0 without errors, 1 with errors.
    """
    found: list[Diagnostic] = []
    remarks: list[str] = []
    for path in files:
        try:
            model = open_model(path, define, allow_size)
            found.extend(model.check(data=data))
            remarks.extend(model.remarks)
        except DiagnosticError as error:
            found.extend(error.diagnostics)
    errors = sum(d.severity is Severity.ERROR for d in found)
    if style == "json":
        print_json(diagnostics_json(found))
    elif style == "sarif":
        from nnmip.diagnostics.sarif import to_sarif

        print_json(to_sarif(found, __version__))
    else:
        print_diagnostics(found, sys.stdout)
        warnings = len(found) - errors
        counts = [f"{n} {word}{'s' if n != 1 else ''}" for n, word in ((errors, "error"), (warnings, "warning")) if n]
        click.echo(f"{', '.join(files)}: {' and '.join(counts) or 'no errors'}")
    for remark in dict.fromkeys(remarks if not errors else ()):
        click.echo(remark, err=style != "full")
    return ExitCode.NO if errors else ExitCode.YES
