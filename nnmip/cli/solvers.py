"""`nnmip solvers`: what is installed and works."""

from __future__ import annotations

from dataclasses import asdict

import click

from nnmip.cli.common import ExitCode, print_json


@click.command("solvers")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(as_json: bool) -> int:
    """Try every solver on a small model and list the result.

    Exit code 0 if one works, 4 if none does.
    """
    from nnmip.backends.registry import available

    found = available()
    if as_json:
        print_json({a.name: asdict(a) for a in found})
    for a in found if not as_json else ():
        state = "works" if a.usable else f"not usable: {a.reason}"
        licence = f" ({a.licence})" if a.licence else ""
        default = "  default" if a.name == found[0].name else ""
        click.echo(f"{a.name:<8} {a.version or '-':<10} {state}{licence}{default}")
    return ExitCode.YES if any(a.usable for a in found) else ExitCode.BACKEND
