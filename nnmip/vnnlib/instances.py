"""Many queries: a table of networks, queries and seconds, with a table of answers that grows and can be resumed."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from nnmip.formats.atomic import atomic_file
from nnmip.records import dataclass

HEADER = ("network", "query", "time_limit", "answer", "seconds", "proof", "note")


@dataclass(frozen=True, slots=True)
class Instance:
    """A row of a table: paths as they are written, seconds as a text, empty for no limit."""

    network: str
    query: str
    seconds: str

    @property
    def time_limit(self) -> float | None:
        return float(self.seconds) if self.seconds else None


@dataclass(frozen=True, slots=True)
class Answered:
    """An instance with its answer: `sat`, `unsat`, `unknown`, `timeout` or `error`. note: why there is none."""

    instance: Instance
    answer: str
    seconds: float
    proof: str
    note: str

    @property
    def row(self) -> tuple[str, ...]:
        own = self.instance
        return own.network, own.query, own.seconds, self.answer, f"{self.seconds:.3f}", self.proof, self.note


def read_instances(path: Path) -> list[Instance]:
    """The rows `network, query, seconds` of a table without a header, as competitions have them.

    Raises OSError, and ValueError for a row of another form, with its number.
    """
    found = []
    for number, row in enumerate(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))), start=1):
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if len(cells) not in (2, 3) or not all(cells[:2]):
            raise ValueError(f"{path}, row {number}: a network, a query and the seconds are expected")
        seconds = cells[2] if len(cells) == 3 else ""
        if seconds and not _is_seconds(seconds):
            raise ValueError(f"{path}, row {number}: `{seconds}` is not a number of seconds")
        found.append(Instance(cells[0], cells[1], seconds))
    return found


def _is_seconds(text: str) -> bool:
    try:
        return 0 <= float(text) < float("inf")
    except ValueError:
        return False


def read_answers(path: Path) -> list[Answered]:
    """The answers that are there already; none where the file is missing. ValueError for a file of another form."""
    if not path.exists():
        return []
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
    if not rows or tuple(rows[0]) != HEADER or any(len(row) != len(HEADER) for row in rows):
        raise ValueError(f"{path} is there, and holds something else than answers; name another file with `--results`")
    return [Answered(Instance(*row[:3]), row[3], float(row[4]), row[5], row[6]) for row in rows[1:]]


def run(
    instances: list[Instance],
    results: Path,
    answer: Callable[[Instance], Answered],
    stop: threading.Event,
) -> Iterator[Answered]:
    """Answer what has no answer in `results` yet; the file is written whole after each answer.

    An instance that was interrupted stays open. Yields every answer, those from the file first.
    """
    done = read_answers(results)
    yield from done
    seen = {each.instance for each in done}
    for instance in dict.fromkeys(instances):
        if instance in seen:
            continue
        if stop.is_set():
            return
        found = answer(instance)
        if stop.is_set():
            return
        done.append(found)
        _write(results, done)
        yield found


def _write(path: Path, answers: list[Answered]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows(each.row for each in answers)
    with atomic_file(path) as stream:
        stream.write(text.getvalue().encode("utf-8"))
