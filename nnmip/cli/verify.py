"""`nnmip verify`: prove properties, or find what breaks them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import click
from click.core import ParameterSource

from nnmip.cli.common import FiniteRange, define_option, size_option
from nnmip.cli.instances import Instances
from nnmip.cli.names import Names, check_ways
from nnmip.cli.paths import FOLDER, MODEL, ROWS, TABLE, TEXT
from nnmip.cli.properties import Properties
from nnmip.cli.queries import QueryFiles, Written
from nnmip.cli.rows import Rows
from nnmip.cli.ways import Way

VERSIONS = ("auto", "1.0", "2.0")
SOLVERS = ("auto", "highs", "cbc", "gurobi")

WAYS: Mapping[str, type[Way]] = {
    "vnnlib": QueryFiles,
    "instances": Instances,
    "over": Rows,
    "write_vnnlib": Written,
}
"""The ways by the option that chooses them; without one the properties of a model are decided."""


@click.command("verify")
@click.argument("files", type=MODEL, nargs=-1)
@click.option("--vnnlib", is_flag=True, help="FILES are a network and a query: net.onnx query.vnnlib.")
@click.option("--network", "networks", multiple=True, metavar="NAME=FILE", help="The file of a network of the query.")
@click.option("--witness", type=TEXT, metavar="FILE", help="Write the answer to a query to this file, too.")
@click.option("--instances", type=TABLE, metavar="FILE", help="Answer a table of networks, queries and seconds.")
@click.option("--over", type=ROWS, metavar="FILE", help="Decide the properties for each row of a table.")
@click.option("--radius", metavar="NAME=LEAST..MOST:STEP", help="With --over: bisect a parameter for each row.")
@click.option("--executor", help="in-process, processes (the default of --over) or dask://HOST:PORT.")
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Processes at once; as many as processors.")
@click.option("--results", type=TABLE, metavar="FILE", help="The table of answers; what is in it is not asked again.")
@click.option("--save", type=FOLDER, metavar="DIR", help="Write what breaks a property to this folder.")
@click.option("--write-vnnlib", type=FOLDER, metavar="DIR", help="Write the properties as queries instead.")
@click.option("--vnnlib-version", "version", type=click.Choice(VERSIONS), default="auto", show_default=True)
@click.option("--property", "names", multiple=True, metavar="NAME", help="Only this property; may be repeated.")
@click.option("--time-limit", type=FiniteRange(min=0), metavar="SECONDS", help="Stop a property after this time.")
@click.option(
    "--solver",
    type=Names(SOLVERS),
    default="auto",
    show_default=True,
    help="For what needs a MILP; several run side by side.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the attack.")
@click.option("--explain", is_flag=True, help="Show what each step did.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@size_option
@define_option
@click.pass_context
def command(context: click.Context, /, **given: Any) -> int:
    """Decide every `verify` of a model: a line for each, with its proof or the input that breaks it.

    With `--vnnlib`, answer the query of a VNN-LIB file over networks in ONNX files: `unsat`, `sat` with an input,
    `unknown` or `timeout`; with `--instances`, a table of such queries.

    Exit codes: 0 all verified (`unsat`), 1 errors or one is violated (`sat`), 3 one is open and none is violated, 130
    interrupted.
    """
    check_ways(given["solver"], "auto")
    typed = [each for each in context.command.params if _is_typed(context, each)]
    chosen = [each for each in typed if each.name in WAYS]
    if len(chosen) > 1:
        raise click.UsageError(f"{_shown(chosen[0])} and {_shown(chosen[1])} ask different things; give one of them")
    way = WAYS[str(chosen[0].name)] if chosen else Properties
    for each in typed:
        if each.name not in (*WAYS, *_options(way)):
            raise click.UsageError(_misplaced(each, chosen, context.command.params))
    return way(**{name: given[name] for name in _options(way)}).answer()


def _is_typed(context: click.Context, each: click.Parameter) -> bool:
    return context.get_parameter_source(str(each.name)) is ParameterSource.COMMANDLINE


def _options(way: Any) -> tuple[str, ...]:
    return tuple(each.name for each in fields(way))


def _shown(each: click.Parameter) -> str:
    return f"`{max(each.opts, key=len)}`"


def _misplaced(each: click.Parameter, chosen: list[click.Parameter], known: list[click.Parameter]) -> str:
    """Why an option, or the files, do not belong to the way that is chosen."""
    if isinstance(each, click.Argument):
        return f"{_shown(chosen[0])} names all files itself"
    takers = [way for way in known if way.name in WAYS and each.name in _options(WAYS[way.name])]
    needed = f"needs {' or '.join(map(_shown, takers))}"
    if not chosen:
        return f"{_shown(each)} {needed}"
    refused = f"{_shown(each)} does not go with {_shown(chosen[0])}"
    return refused if each.name in _options(Properties) else f"{refused}; it {needed}"
