"""Many queries: a table of networks, queries and seconds, as competitions have it, and the answer to each row."""

from __future__ import annotations

import csv
import io
import threading
import time
from dataclasses import replace
from pathlib import Path

from nnmip.diagnostics import Diagnostic, DiagnosticError
from nnmip.records import dataclass
from nnmip.vnnlib.ask import Asked, ask
from nnmip.vnnlib.decide import Found, Outcome

HEADER = ("network", "query", "time_limit", "answer", "seconds", "proof", "note")
KEYS = 3
"""The columns of an answer that say what it answers."""


@dataclass(frozen=True, slots=True)
class Instance:
    """A row of a table: paths as they are written, seconds as a text, empty for no limit."""

    network: str
    query: str
    seconds: str

    @property
    def key(self) -> tuple[str, ...]:
        return self.network, self.query, self.seconds

    @property
    def time_limit(self) -> float | None:
        return float(self.seconds) if self.seconds else None

    def networks(self, folder: Path) -> dict[str, Path]:
        """Its network file, or several: `f=one.onnx;g=two.onnx`."""
        if "=" not in self.network or (folder / self.network).is_file():
            return {"": folder / self.network}
        parts = (part.partition("=") for part in self.network.split(";"))
        return {name: folder / path for name, _, path in parts}


@dataclass(frozen=True, slots=True)
class Table:
    """What the instances of a table share: the folder that their paths start from, and how they are answered."""

    folder: Path
    asked: Asked


@dataclass(frozen=True, slots=True)
class Answered:
    """An instance with its answer: one of the competition's, or `error`. note: why there is none. errors: what is wrong
    with its files."""

    instance: Instance
    answer: str
    seconds: float
    proof: str = ""
    note: str = ""
    errors: tuple[Diagnostic, ...] = ()

    @property
    def cells(self) -> tuple[str, ...]:
        """The row of `HEADER`."""
        return *self.instance.key, self.answer, f"{self.seconds:.3f}", self.proof, self.note


def read_instances(path: Path) -> list[Instance]:
    """The rows `network, query, seconds` of a table without a header, each once.

    Raises OSError, and ValueError for a row of another form, with its number.
    """
    found = []
    for number, row in enumerate(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"))), start=1):
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if len(cells) not in (2, 3) or not all(cells[:2]):
            raise ValueError(f"{path}, row {number}: a network, a query and the seconds are expected")
        seconds = cells[2] if len(cells) == 3 else ""
        if seconds and not _is_seconds(seconds):
            raise ValueError(f"{path}, row {number}: `{seconds}` is not a number of seconds")
        found.append(Instance(cells[0], cells[1], seconds))
    return list(dict.fromkeys(found))


def _is_seconds(text: str) -> bool:
    try:
        return 0 <= float(text) < float("inf")
    except ValueError:
        return False


def decide_instance(table: Table, instance: Instance, stop: threading.Event) -> Answered:
    """The answer to a row; what is wrong with its files is an answer, too."""
    begun = time.perf_counter()
    limits = [limit for limit in (table.asked.time_limit, instance.time_limit) if limit is not None]
    asked = replace(table.asked, time_limit=min(limits, default=None))
    path = table.folder / instance.query
    errors: tuple[Diagnostic, ...] = ()
    try:
        _, outcome = ask(path, instance.networks(table.folder), asked, stop)
    except DiagnosticError as error:
        errors, note = tuple(error.diagnostics), error.diagnostics[0].message
    except OSError as error:
        note = f"cannot read `{path}`: {(error.strerror or str(error)).lower()}"
    else:
        seconds = time.perf_counter() - begun
        return Answered(instance, str(outcome.found), seconds, _proof(outcome), outcome.reason)
    return Answered(instance, "error", time.perf_counter() - begun, "", note, errors)


def _proof(outcome: Outcome) -> str:
    if outcome.found is Found.SAT:
        return "replayed"
    if outcome.found is Found.UNSAT:
        return "certified" if outcome.is_certified else "solver"
    return ""
