"""A query as a user asks it: a file, the files of its networks, and what the answer may cost."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path

from nnmip.records import dataclass
from nnmip.sizes import Allowance
from nnmip.source import SourceFile
from nnmip.vnnlib.decide import Outcome, decide
from nnmip.vnnlib.nets import bind
from nnmip.vnnlib.posed import posed
from nnmip.vnnlib.query import Query
from nnmip.vnnlib.read import read_query


@dataclass(frozen=True, slots=True)
class Asked:
    """How queries are to be answered."""

    time_limit: float | None
    solver: str
    seed: int
    allow_size: str | None


def ask(path: Path, networks: Mapping[str, Path], asked: Asked, stop: threading.Event) -> tuple[Query, Outcome]:
    """The query in a file and its answer; the time limit counts reading, too.

    Raises OSError where the query cannot be read, DiagnosticError for what is wrong in it or in its networks.
    """
    begun = time.perf_counter()
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    query, allowance = read_query(SourceFile(str(path), text)), Allowance.of(asked.allow_size)
    question = posed(query, bind(query, networks, allowance))
    left = None if asked.time_limit is None else max(0.0, asked.time_limit - (time.perf_counter() - begun))
    return query, decide(
        question, time_limit=left, solver=asked.solver, seed=asked.seed, stop=stop, allowance=allowance
    )
