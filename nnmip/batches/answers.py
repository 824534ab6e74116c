"""A table of answers that grows: each is written as it comes, and what has one is not asked again."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Sequence
from dataclasses import field
from pathlib import Path

from nnmip.formats.atomic import atomic_file
from nnmip.records import dataclass

SECONDS = 1.0
"""Between two times that a table of many quick answers is written."""


@dataclass(slots=True)
class Answers:
    """The rows of a CSV file with a `header`; the first `keys` cells of a row say what it answers.

    every: seconds between two times that the file is written, at least; the last answers are written at the end.
    """

    path: Path
    header: Sequence[str]
    keys: int
    every: float = SECONDS
    rows: dict[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)
    _written: float = 0.0
    _is_saved: bool = True

    def read(self) -> None:
        """Take what is in the file. ValueError for one that holds something else, OSError as it comes."""
        if not self.path.exists():
            return
        rows = list(csv.reader(io.StringIO(self.path.read_text(encoding="utf-8"))))
        if not rows or rows[0] != list(self.header) or any(len(row) != len(self.header) for row in rows):
            help = "name another file with `--results`"
            raise ValueError(f"{self.path} is there, and holds something else than answers; {help}")
        self.rows = {tuple(row[: self.keys]): tuple(row) for row in rows[1:]}

    def add(self, row: Sequence[str]) -> None:
        """Take an answer; the file is written whole, or not at all."""
        self.rows[tuple(row[: self.keys])] = tuple(row)
        self._is_saved = False
        if time.monotonic() - self._written >= self.every:
            self.save()

    def save(self) -> None:
        """Write what is not written yet."""
        if self._is_saved:
            return
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.header)
        writer.writerows(self.rows.values())
        with atomic_file(self.path) as stream:
            stream.write(text.getvalue().encode("utf-8"))
        self._written, self._is_saved = time.monotonic(), True
