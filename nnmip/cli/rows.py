"""`nnmip verify --over`: the properties of a model for each row of a table."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import click

from nnmip.cli.batches import Batch, Cells, carry_out, progress_bar, reading
from nnmip.cli.common import ExitCode, open_model
from nnmip.cli.ways import Effort, one_model
from nnmip.records import dataclass
from nnmip.syntax import nodes

if TYPE_CHECKING:
    from nnmip.batches.rows import Radius
    from nnmip.pipeline import Model

_RADIUS = re.compile(r"(\w+)=([-+.\deE]+)\.\.([-+.\deE]+):([.\deE+-]+)")


@dataclass(frozen=True, slots=True)
class Rows(Effort):
    """The model, the table, and what decides its rows; as many at once as there are processors if nothing is said."""

    files: tuple[str, ...]
    define: Mapping[str, str]
    names: tuple[str, ...]
    over: str
    radius: str | None
    results: str | None
    executor: str | None
    jobs: int | None

    def answer(self) -> int:
        """Decide what has no answer yet, show how far that is, and count the answers."""
        from nnmip.batches.answers import Answers
        from nnmip.batches.rows import HEADER, KEYS, Asked, read_rows

        file, radius = one_model(self.files), read_radius(self.radius)
        model = open_model(file, dict(self.define), self.allow_size)
        names = _chosen(model, self.names)
        batch = Batch(Path(self.over), self.results, self.executor or "processes", self.jobs)
        answers = Answers(batch.target, HEADER, KEYS)
        with reading(batch.table):
            rows, unused = read_rows(batch.table, model)
            answers.read()
        if unused:
            click.echo(f"note: columns that name nothing in the model: {', '.join(unused)}", err=True)
        asked = Asked(file, self.define, names, self.time_limit, self.solver, self.seed, self.allow_size, radius)
        own = asked.fingerprint()
        keys = {row.number: [(own, str(row.number), name) for name in names] for row in rows}
        open_ = [row for row in rows if any(key not in answers.rows for key in keys[row.number])]
        with progress_bar(len(rows) - len(open_), len(rows)) as step:

            def take(row: Any, made: Any) -> list[Cells]:
                step()
                return [(own, *cells) for cells in _cells(row, names, made)]

            is_stopped = carry_out(batch, answers, _decided, asked, open_, take)
        found = [answers.rows[key] for each in keys.values() for key in each if key in answers.rows]
        for name in names:
            _summary(name, [row for row in found if row[2] == name], len(rows))
        click.echo(str(answers.path))
        if is_stopped:
            return ExitCode.INTERRUPTED
        verdicts = {row[3] for row in found}
        if verdicts & {"violated", "error"}:
            return ExitCode.NO
        return ExitCode.NO_ANSWER if "unknown" in verdicts else ExitCode.YES


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


def _chosen(model: Model, names: Sequence[str]) -> tuple[str, ...]:
    """The properties that are asked for, in the order of the model, which need not be complete without a row."""
    declared = [each.name.text for each in model.parsed.file.declarations if isinstance(each, nodes.Verify)]
    unknown = [name for name in names if name not in declared]
    if unknown or not declared:
        raise click.UsageError(f"the model has no property `{unknown[0]}`" if unknown else "the model has no `verify`")
    return tuple(name for name in declared if not names or name in names)


def _decided(asked: Any, row: Any, stop: threading.Event) -> Any:
    from nnmip.batches.rows import decide_row

    return decide_row(asked, row, stop)


def _cells(row: Any, names: Sequence[str], made: Any) -> list[Cells]:
    from nnmip.batches.executors import Failure
    from nnmip.batches.rows import failed

    found: list[Cells] = failed(row, names, made.why) if isinstance(made, Failure) else made
    return found


def _summary(name: str, rows: Sequence[Cells], total: int) -> None:
    """How many rows have which verdict, the radius in the middle, and below it the first error."""
    from nnmip.report.verdicts import tally

    line = f"{name}: {tally(Counter(row[3] for row in rows), total, ' rows')}"
    held = [float(row[8]) for row in rows if row[8]]
    if held:
        line += f"; holds up to {min(held):.6g} ... {max(held):.6g}, median {median(held):.6g}"
    click.echo(line)
    failed = [(row[1], row[-1]) for row in rows if row[3] == "error"]
    if failed:
        number, text = failed[0]
        same = sum(other == text for _, other in failed) - 1
        click.echo(f"  row {number}: {text}" + (f" (and {same} more with this error)" if same else ""))
