"""`nnmip verify --over`: the properties of a model for each row of a table."""

from __future__ import annotations

import re
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import click

from nnmip.cli.common import ExitCode, open_model, unreadable, unwritable
from nnmip.syntax import nodes

if TYPE_CHECKING:
    from nnmip.batches.answers import Answers
    from nnmip.batches.rows import Asked, Radius

_RADIUS = re.compile(r"(\w+)=([-+.\deE]+)\.\.([-+.\deE]+):([.\deE+-]+)")


def read_radius(text: str | None) -> Radius | None:
    """`eps=0..0.1:0.001`, a parameter with its ends and a step; a usage error for anything else."""
    from nnmip.batches.rows import Radius

    if text is None:
        return None
    found = _RADIUS.fullmatch(text)
    try:
        made = Radius(found[1], float(found[2]), float(found[3]), float(found[4])) if found else None
    except ValueError:
        made = None
    if made is None or not made.least < made.most or not made.step > 0:
        raise click.UsageError(f"`--radius {text}`: expected NAME=LEAST..MOST:STEP, as in `eps=0..0.1:0.001`")
    return made


def answer_rows(table: str, results: str | None, executor: str, jobs: int | None, asked: Asked) -> int:
    """Decide what has no answer yet, show how far that is, and count the answers."""
    from nnmip.batches.answers import Answers
    from nnmip.batches.executors import executor_of
    from nnmip.batches.rows import HEADER, KEYS, read_rows

    model = open_model(asked.path, dict(asked.define), asked.allow_size)
    declared = [each.name.text for each in model.parsed.file.declarations if isinstance(each, nodes.Verify)]
    unknown = [name for name in asked.names if name not in declared]
    if unknown or not declared:
        raise click.UsageError(f"the model has no property `{unknown[0]}`" if unknown else "the model has no `verify`")
    wanted = [name for name in declared if not asked.names or name in asked.names]
    path = Path(table)
    answers = Answers(Path(results) if results else path.with_name(f"{path.stem}.answers.csv"), HEADER, KEYS)
    try:
        rows, unused = read_rows(path, model)
        answers.read()
        carrier = executor_of(executor, jobs)
    except OSError as error:
        raise unreadable(error.filename or table, error) from None
    except (ValueError, ImportError) as error:
        raise click.UsageError(str(error)) from None
    if unused:
        click.echo(f"note: columns that name nothing in the model: {', '.join(unused)}", err=True)
    asked = replace(asked, names=tuple(wanted))
    own = asked.fingerprint()
    open_ = [row for row in rows if any((own, str(row.number), name) not in answers.rows for name in wanted)]
    keys = [(own, str(row.number), name) for row in rows for name in wanted]
    stop = threading.Event()
    try:
        with _stopping(stop), _shown(len(rows) - len(open_), len(rows)) as step:
            for number, made in carrier.run(_decide, asked, open_, stop):
                _take(answers, own, open_[number].number, wanted, made)
                step()
    except OSError as error:
        raise click.UsageError(f"{executor}: {error}") from None
    finally:
        _save(answers)
    _summary(answers, keys, wanted, len(rows))
    if stop.is_set():
        return ExitCode.INTERRUPTED
    found = {answers.rows[key][3] for key in keys if key in answers.rows}
    if found & {"violated", "error"}:
        return ExitCode.NO
    return ExitCode.NO_ANSWER if "unknown" in found else ExitCode.YES


def _decide(asked: Any, row: Any) -> Any:
    from nnmip.batches.rows import decide_row

    return decide_row(asked, row)


def _take(answers: Answers, own: str, row: int, wanted: Sequence[str], made: Any) -> None:
    from nnmip.batches.executors import Failure

    if isinstance(made, Failure):
        made = [(str(row), name, "error", *("",) * 7, made.why) for name in wanted]
    for cells in made:
        answers.add((own, *cells))


def _save(answers: Answers) -> None:
    try:
        answers.save()
    except OSError as error:
        raise unwritable(str(answers.path), error) from None


@contextmanager
def _stopping(stop: threading.Event) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the run after what is known is written."""
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _shown(done: int, total: int) -> Iterator[Any]:
    """How far the rows are, on a terminal."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("rows"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("rows", total=total, completed=done)
        yield lambda: progress.advance(task)


def _summary(answers: Answers, keys: Sequence[tuple[str, ...]], wanted: Sequence[str], total: int) -> None:
    """A line for each property: how many rows have which verdict, and the radius in the middle."""
    from nnmip.report.verdicts import tally

    for name in wanted:
        rows = [answers.rows[key] for key in keys if key[2] == name and key in answers.rows]
        counts = Counter(row[3] for row in rows)
        line = f"{name}: {tally(counts, total, ' rows')}"
        held = [float(row[8]) for row in rows if row[8]]
        if held:
            line += f"; holds up to {min(held):.6g} ... {max(held):.6g}, median {median(held):.6g}"
        click.echo(line)
    click.echo(str(answers.path))
