"""What the commands over tables share: the table of answers, who answers what is open, and how far that is."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nnmip.cli.common import unreadable, unwritable
from nnmip.cli.ways import values_named
from nnmip.records import dataclass

if TYPE_CHECKING:
    from nnmip.batches.answers import Answers
    from nnmip.batches.executors import Executor, Work

Cells = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """A table of questions, the file of its answers, and what carries them out."""

    table: Path
    results: str | None
    executor: str
    jobs: int | None

    @property
    def target(self) -> Path:
        return Path(self.results) if self.results else self.table.parent / f"{self.table.stem}.answers.csv"

    def carrier(self) -> Executor:
        """What `--executor` names; a usage error for another text, and where Dask is missing."""
        from nnmip.batches.executors import executor_of

        try:
            return executor_of(self.executor, self.jobs)
        except (ValueError, ImportError) as error:
            raise click.UsageError(str(error)) from None


@contextmanager
def reading(table: Path) -> Iterator[None]:
    """What is wrong with a table, or with the table of its answers, as a usage error."""
    try:
        with values_named():
            try:
                yield
            except UnicodeDecodeError:
                raise ValueError(f"{table} is not a text in UTF-8") from None
    except OSError as error:
        raise unreadable(error.filename or str(table), error) from None


def carry_out(
    batch: Batch,
    answers: Answers,
    work: Work,
    common: Any,
    pieces: Sequence[Any],
    take: Callable[[Any, Any], Sequence[Cells]],
) -> bool:
    """Add the answers to all pieces as they come, as the rows that `take` makes of a piece and its result.

    Returns whether the user stopped it; what is known is written then, too.
    """
    carrier = batch.carrier()
    with _stopping() as stop:
        try:
            for number, made in _results(batch, carrier.run(work, common, pieces, stop)):
                rows = take(pieces[number], made)
                with _writing(answers):
                    for row in rows:
                        answers.add(row)
        finally:
            with _writing(answers):
                answers.save()
    return stop.is_set()


def _results(batch: Batch, found: Iterator[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
    try:
        yield from found
    except OSError as error:
        raise click.UsageError(f"{batch.executor}: {error}") from None


@contextmanager
def _writing(answers: Answers) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise unwritable(str(answers.path), error) from None


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """What Ctrl-C and SIGTERM set, so that the run ends after what is known is written; the second time they end it."""
    stop = threading.Event()

    def ask(*_: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def progress_bar(done: int, total: int) -> Iterator[Callable[[], None]]:
    """How far the rows are, on a terminal; the function that is called is one row more."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("rows"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("rows", total=total, completed=done)
        yield lambda: progress.advance(task)
