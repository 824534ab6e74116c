"""Options that take one name of several, or some of them with commas."""

from __future__ import annotations

from collections.abc import Sequence

import click
from click.shell_completion import CompletionItem


class Names(click.ParamType[str]):
    """One of `names`, or several with commas between them; the shell completes the last one."""

    name = "names"

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self.one = click.Choice(names)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:
        return self.one.get_metavar(param, ctx)

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return ",".join(str(self.one.convert(part.strip(), param, ctx)) for part in value.split(","))

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        before, comma, last = incomplete.rpartition(",")
        return [CompletionItem(f"{before}{comma}{name}") for name in self.names if name.startswith(last)]


def check_ways(solver: str, formulation: str) -> None:
    """End the command where the names of several solvers and formulations do not go together."""
    if "," in solver + formulation:
        from nnmip.solution.options import ways_of

        try:
            ways_of(solver, formulation)
        except ValueError as error:
            raise click.UsageError(str(error)) from None
