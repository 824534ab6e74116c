"""`nnmip verify --instances`: a table of queries in VNN-LIB files."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import click

from nnmip.cli.batches import Batch, Cells, carry_out, reading
from nnmip.cli.common import ExitCode, print_diagnostics
from nnmip.cli.ways import Effort
from nnmip.records import dataclass


@dataclass(frozen=True, slots=True)
class Instances(Effort):
    """The table, and what answers it; one after another if nothing is said, as each row has its seconds."""

    instances: str
    results: str | None
    executor: str | None
    jobs: int | None

    def answer(self) -> int:
        """Answer the queries that have no answer yet, a line for each, and count the answers."""
        from nnmip.batches.answers import Answers
        from nnmip.vnnlib.ask import Asked
        from nnmip.vnnlib.instances import HEADER, KEYS, Table, read_instances

        batch = Batch(Path(self.instances), self.results, self.executor or "in-process", self.jobs)
        answers = Answers(batch.target, HEADER, KEYS, every=0.0)
        with reading(batch.table):
            instances = read_instances(batch.table)
            answers.read()
        for row in answers.rows.values():
            _tell(row)
        asked = Asked(self.time_limit, self.solver, self.seed, self.allow_size)
        open_ = [each for each in instances if each.key not in answers.rows]
        is_stopped = carry_out(batch, answers, _decided, Table(batch.table.parent, asked), open_, _taken)
        counts = Counter(row[KEYS] for row in answers.rows.values())
        shown = ", ".join(f"{count} {answer}" for answer, count in sorted(counts.items()))
        click.echo(f"{counts.total()} of {len(instances)} answered: {shown or 'none'}; {answers.path}")
        if is_stopped:
            return ExitCode.INTERRUPTED
        if "error" in counts:
            return ExitCode.NO
        return ExitCode.NO_ANSWER if counts.keys() & {"unknown", "timeout"} else ExitCode.YES


def _decided(table: Any, instance: Any, stop: threading.Event) -> Any:
    from nnmip.vnnlib.instances import decide_instance

    return decide_instance(table, instance, stop)


def _taken(instance: Any, made: Any) -> list[Cells]:
    from nnmip.batches.executors import Failure
    from nnmip.vnnlib.instances import Answered

    if isinstance(made, Failure):
        made = Answered(instance, "error", 0.0, note=made.why)
    print_diagnostics(made.errors, sys.stderr)
    _tell(made.cells)
    return [made.cells]


def _tell(row: Cells) -> None:
    network, query, _, answer, seconds, _, note = row
    noted = f"  ({note})" if note else ""
    click.echo(f"{answer:<8} {float(seconds):8.2f} s  {network}  {query}{noted}")
