"""`nnmip predict`: a saved network on new rows."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from nnmip.cli.common import ExitCode, size_option, unreadable, unwritable
from nnmip.cli.paths import FOLDER, TABLE


@click.command("predict")
@click.argument("run", metavar="DIR", type=FOLDER)
@click.argument("table", metavar="FILE.csv", type=TABLE)
@click.option("--network", metavar="NAME", help="Which network, if the run has several.")
@click.option("--separator", metavar="CHARACTER", default=",", help="What separates cells (default: a comma).")
@click.option("-o", "--output", metavar="PATH", help="Write the rows to a file instead of standard output.")
@size_option
def command(
    run: str, table: str, network: str | None, separator: str, output: str | None, allow_size: str | None
) -> int:
    """Apply the network that `solve --save DIR` wrote to the rows of a CSV file.

    Every row comes back with its score and its predicted label, or with the predicted values of a regression; scaling
    and label codes are those of the training.
    """
    from nnmip.formats.atomic import atomic_file
    from nnmip.report.numbers import number
    from nnmip.sizes import Allowance
    from nnmip.solution.prediction import as_csv, predict_table
    from nnmip.solution.store import RunFolder

    _check_input(table)
    allowance = Allowance.of(allow_size)
    networks = {trained.name: trained for trained in RunFolder(Path(run), allowance).load_networks()}
    if network is None and len(networks) > 1:
        raise click.UsageError(f"the run has several networks; choose one of {', '.join(networks)} with --network")
    name = network if network is not None else next(iter(networks))
    if name not in networks:
        raise click.UsageError(f"the run has no network `{name}`; it has {', '.join(networks)}")
    if len(separator) != 1 or separator in '"\r\n\0':
        raise click.UsageError(f"--separator must be one character, not `{separator}`")
    prediction = predict_table(networks[name], Path(table), separator, allowance)
    text = as_csv(prediction)
    if output is None:
        sys.stdout.write(text)
    else:
        try:
            with atomic_file(Path(output)) as stream:
                stream.write(text.encode())
        except OSError as error:
            raise unwritable(output, error) from None
    if prediction.labelled:
        click.echo(f"{prediction.right} of {prediction.labelled} rows with a known label are right", err=True)
    for target in prediction.errors:
        figures = f"{number(target.mean_absolute)}, largest {number(target.largest)}"
        click.echo(f"{target.target}: mean absolute error {figures}", err=True)
    if prediction.outside:
        rows = "row lies" if prediction.outside == 1 else "rows lie"
        click.echo(f"{prediction.outside} {rows} outside the input domain that the network was trained for", err=True)
    return ExitCode.YES


def _check_input(table: str) -> None:
    try:
        with Path(table).open("rb"):
            pass
    except OSError as error:
        raise unreadable(table, error) from None
