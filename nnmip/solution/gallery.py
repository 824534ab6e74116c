"""A front on disk: a folder for the network of every point, and an index of them as JSON and as a table."""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnmip.formats.atomic import atomic_file
from nnmip.hir.front import Tradeoff
from nnmip.records import dataclass
from nnmip.sizes import UNASKED, Allowance
from nnmip.solution.front import Front
from nnmip.solution.store import FRONT, RESULT, TEXT, RunFolder

FORMAT, VERSION = "nnmip-front", 1
MOST = 10**6
"""No front has so many points; a number in an index that is larger is no number of a folder."""

INDEX, TABLE = FRONT, "front.csv"


@dataclass(frozen=True, slots=True)
class Gallery:
    """The folder of a front. It belongs to one model, one term and one step, told by `fingerprint`.

    `front.json` and `front.csv` list the points; `point-1`, `point-2`, ... are folders as `solve --save` writes them.
    They are written as the points are proved, the index after each.
    """

    path: Path
    fingerprint: str
    allowance: Allowance = UNASKED

    def create(self) -> None:
        """Make the folder. OSError where that fails, FileExistsError where it holds a run or another front."""
        RunFolder(self.path).create()
        if RunFolder(self.path).fingerprint() is not None:
            raise self._taken("it holds the run of a model; name another folder")
        if (self.path / INDEX).exists() and self._old().get("fingerprint") != self.fingerprint:
            raise self._taken("it holds the front of another model or term; name another folder")

    def _taken(self, why: str) -> FileExistsError:
        return FileExistsError(errno.EEXIST, why, str(self.path))

    def folder(self, number: int) -> Path:
        """Where the network of a point stands."""
        return self.path / f"point-{number}"

    def discard(self, number: int) -> None:
        """Remove what a search for a point that is not there has left, but no network."""
        folder = self.folder(number)
        if not folder.exists() or RunFolder(folder).has_networks():
            return
        for name in (RESULT, TEXT):
            (folder / name).unlink(missing_ok=True)
        if not any(folder.iterdir()):
            folder.rmdir()

    def write(self, front: Front) -> None:
        """Write the index. Points that an earlier run has proved beyond those of this one stay in it, as `earlier`."""
        points = len(front) + (front.undecided is not None)
        earlier = [] if front.is_complete else self._earlier(points)
        index = {"format": FORMAT, "version": VERSION, "fingerprint": self.fingerprint, **front.to_json(networks=False)}
        content = json.dumps({**index, "earlier": earlier}, indent=1, allow_nan=False) + "\n"
        self._write(INDEX, content)
        self._write(TABLE, _table(front))

    def _earlier(self, points: int) -> list[Mapping[str, Any]]:
        old = self._old()
        listed = [old.get("points"), old.get("earlier")]
        entries = [entry for each in listed if isinstance(each, list) for entry in each if isinstance(entry, dict)]
        known = {entry.get("number"): entry for entry in entries}
        numbers = sorted(n for n in known if isinstance(n, int) and points < n < MOST and self.folder(n).exists())
        return [known[number] for number in numbers]

    def _old(self) -> dict[str, Any]:
        """The index of an earlier run; empty where it cannot be read."""
        path = self.path / INDEX
        try:
            if path.stat().st_size > self.allowance.size:
                return {}
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def _write(self, name: str, content: str) -> None:
        with atomic_file(self.path / name) as stream:
            stream.write(content.encode(errors="backslashreplace"))


def front_fingerprint(model: str, tradeoff: Tradeoff, step: float | None) -> str:
    """A text that tells a front from any other: its model, its two goals and the step that was asked for."""
    return hashlib.sha256(repr((model, tradeoff.labels, tradeoff.term_is_limited, step)).encode()).hexdigest()


def _table(front: Front) -> str:
    """The points as CSV."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    columns = front.columns
    writer.writerow(["point", *columns, "proof", "folder"])
    for point, values in zip(front.points, zip(*columns.values(), strict=True), strict=True):
        writer.writerow([point.number, *map(repr, values), point.proof.value, point.folder or ""])
    return stream.getvalue()
