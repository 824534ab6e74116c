"""What the readers share: text with exact error places, and the assembly of a model from named parts."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn

import numpy as np

from nnmip.diagnostics import Diagnostic, DiagnosticError
from nnmip.formats.names import OBJECTIVE_CONSTANT
from nnmip.milp.model import Block, BoolArray, FloatArray, IntArray, Milp
from nnmip.records import dataclass
from nnmip.sizes import LINE_TEXT, UNASKED, Allowance, counted
from nnmip.source import Origin, SourceFile, Span

if TYPE_CHECKING:
    from gzip import GzipFile

# Every solver takes a bound of this size for no bound at all.
INFINITY = 1e20

MODEL_CODE = "NNM0614"

_CHUNK = 1 << 20

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\Z")
_INFINITE = re.compile(r"([+-]?)inf(?:inity)?\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Text:
    """A file's text and the diagnostic code for what is wrong with it."""

    file: SourceFile
    code: str

    def span(self, start: int, length: int = 0) -> Span:
        return Span(self.file, start, start + length)

    def refuse(self, message: str, start: int, length: int = 1, *, help: str = "", note: str = "") -> NoReturn:
        """Raise a DiagnosticError for the `length` characters at offset `start`."""
        raise DiagnosticError([Diagnostic(self.code, message, self.span(start, length), help=help, note=note)])

    def number(self, token: str, start: int, *, infinite: bool = False) -> float:
        """The value of a decimal number; `infinite` also allows infinities and makes huge values infinite."""
        if _NUMBER.match(token):
            value = float(token)
        elif match := _INFINITE.match(token):
            value = -np.inf if match[1] == "-" else np.inf
        else:
            self.refuse(f"`{shorten(token)}` is not a number", start, len(token))
        if infinite:
            return value if abs(value) < INFINITY else float(np.copysign(np.inf, value))
        if not np.isfinite(value):
            self.refuse(f"`{shorten(token)}` is infinite where a finite number must stand", start, len(token))
        return value


def load_text(path: str | os.PathLike[str], code: str, allowance: Allowance = UNASKED, each: int = LINE_TEXT) -> Text:
    """The UTF-8 text of a file, unpacked if its name ends in `.gz`; a byte of it counts `each` of the allowance.

    Raises DiagnosticError with `code`, and NNM0310 for more text than is allowed, packed or not.
    """
    import gzip

    place = Path(path)
    nothing = Text(SourceFile(str(path), ""), code)
    try:
        with gzip.open(place) if place.suffix == ".gz" else place.open("rb") as stream:
            content = _read(stream, allowance.most(each) + 1)
        size = max(len(content), place.stat().st_size)
        allowance.check(size, each, f"`{place.name}`, a text of {counted(size, 'byte')},", nothing.span(0))
        return Text(SourceFile(str(path), content.decode("utf-8-sig")), code)
    except UnicodeDecodeError as error:
        nothing.refuse(f"`{place.name}` is not text in UTF-8", 0, 0, note=f"byte {error.start} cannot be decoded")
    except (gzip.BadGzipFile, zlib.error, EOFError):
        nothing.refuse(f"`{place.name}` is not a complete gzip file", 0, 0)
    except OSError as error:
        nothing.refuse(f"`{place.name}` cannot be read", 0, 0, note=(error.strerror or "").lower())


def _read(stream: BinaryIO | GzipFile, most: int) -> bytes:
    """At most `most` bytes; a stream that is asked for them at once would first make room for all of them."""
    chunks: list[bytes] = []
    while most > 0 and (chunk := stream.read(min(most, _CHUNK))):
        chunks.append(chunk)
        most -= len(chunk)
    return b"".join(chunks)


def shorten(token: str) -> str:
    """A token for a message."""
    return token if len(token) <= 60 else f"{token[:57]}..."


@dataclass(slots=True)
class Side:
    """A bound and where the file states it; `at` is -1 while it has its default value."""

    value: float
    at: int = -1


@dataclass(slots=True)
class Column:
    """A column while its file is read."""

    name: str
    at: int
    lower: Side = field(default_factory=lambda: Side(0.0))
    upper: Side = field(default_factory=lambda: Side(np.inf))
    cost: float = 0.0
    integer: bool = False


@dataclass(slots=True)
class Row:
    """A row while its file is read."""

    name: str
    at: int
    lower: float
    upper: float


@dataclass(slots=True)
class ModelParts:
    """A model while its file is read: columns and rows by name, entries as (row, column, value, offset) lists."""

    text: Text
    columns: dict[str, Column] = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)
    entry_row: list[int] = field(default_factory=list)
    entry_column: list[int] = field(default_factory=list)
    entry_value: list[float] = field(default_factory=list)
    entry_at: list[int] = field(default_factory=list)
    offset: float = 0.0
    maximise: bool = False

    def add_entry(self, row: int, column: int, value: float, at: int) -> None:
        self.entry_row.append(row)
        self.entry_column.append(column)
        self.entry_value.append(value)
        self.entry_at.append(at)

    def set_bound(self, side: Side, value: float, at: int, name: str) -> None:
        """State a bound. Readers differ on which of two statements counts, so the second one is refused."""
        if side.at >= 0:
            self.text.refuse(f"`{shorten(name)}` gets the same bound twice", at, help="keep one of the two")
        side.value, side.at = value, at

    def build(self) -> Milp:
        """The model as a minimisation that `Milp.verify` accepts. Raises DiagnosticError for what has no clear meaning.

        A maximisation has its costs and constant negated. A fixed column `objconst` becomes the constant again.
        """
        self._check_bounds()
        kept_columns = self._restore_constant()
        row, column, value = self._sorted_entries()
        kept_rows = self._rows_with_entries(row)
        columns = [c for c, keep in zip(self.columns.values(), kept_columns, strict=True) if keep]
        rows = [r for r, keep in zip(self.rows.values(), kept_rows, strict=True) if keep]
        sign = -1.0 if self.maximise else 1.0
        column = (np.cumsum(kept_columns) - 1)[column]
        counts = np.bincount(row, minlength=len(kept_rows))[kept_rows]
        return Milp(
            indptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            indices=column.astype(np.int64),
            data=value,
            row_lb=np.array([r.lower for r in rows], dtype=np.float64),
            row_ub=np.array([r.upper for r in rows], dtype=np.float64),
            col_lb=np.array([c.lower.value for c in columns], dtype=np.float64),
            col_ub=np.array([c.upper.value for c in columns], dtype=np.float64),
            integer=np.array([c.integer for c in columns], dtype=np.bool_),
            cost=np.array([sign * c.cost for c in columns], dtype=np.float64),
            offset=sign * self.offset,
            columns=self._blocks(columns),
            rows=self._blocks(rows),
        )

    def _check_bounds(self) -> None:
        for c in self.columns.values():
            if c.upper.value < 0 and c.lower.at < 0:
                self.text.refuse(
                    f"`{shorten(c.name)}` has a negative upper bound and no lower bound",
                    c.upper.at,
                    help="state the lower bound too",
                    note="some readers then take 0 for the lower bound, others minus infinity",
                )
            if c.lower.value == np.inf or c.upper.value == -np.inf:
                at = c.lower.at if c.lower.value == np.inf else c.upper.at
                self.text.refuse(f"`{shorten(c.name)}` has a bound that is infinite on the wrong side", at)
        for r in self.rows.values():
            if r.lower == np.inf or r.upper == -np.inf:
                self.text.refuse(f"row `{shorten(r.name)}` is infinite on the wrong side", r.at, len(r.name))

    def _restore_constant(self) -> list[bool]:
        """Move the cost of a column that only carries the constant into it; says which columns are left."""
        kept = [True] * len(self.columns)
        c = self.columns.get(OBJECTIVE_CONSTANT)
        if c is None or c.integer or (c.lower.value, c.upper.value) != (1.0, 1.0):
            return kept
        index = list(self.columns).index(OBJECTIVE_CONSTANT)
        if index not in self.entry_column:
            kept[index] = False
            self.offset += c.cost
        return kept

    def _sorted_entries(self) -> tuple[IntArray, IntArray, FloatArray]:
        row = np.array(self.entry_row, dtype=np.int64)
        column = np.array(self.entry_column, dtype=np.int64)
        order = np.lexsort((column, row))
        row, column, value = row[order], column[order], np.array(self.entry_value, dtype=np.float64)[order]
        twice = np.flatnonzero((np.diff(row) == 0) & (np.diff(column) == 0))
        if twice.size:
            second = int(twice[0]) + 1
            name = list(self.columns)[int(column[second])]
            where = list(self.rows)[int(row[second])]
            at = self.entry_at[int(order[second])]
            self.text.refuse(f"`{shorten(name)}` stands twice in row `{shorten(where)}`", at, help="add the two up")
        nonzero = value != 0
        return row[nonzero], column[nonzero], value[nonzero]

    def _rows_with_entries(self, entry_row: IntArray) -> BoolArray:
        """Which rows have entries. One without any is left out if it always holds and refused if it never does."""
        kept = np.bincount(entry_row, minlength=len(self.rows)) > 0
        for r, has_entries in zip(self.rows.values(), kept.tolist(), strict=True):
            if not has_entries and not r.lower <= 0 <= r.upper:
                self.text.refuse(f"row `{shorten(r.name)}` has no entries and can never hold", r.at, len(r.name))
        return kept

    def _blocks(self, parts: Sequence[Column | Row]) -> tuple[Block, ...]:
        return tuple(
            Block(part.name, (), index, Origin(self.text.span(part.at, len(part.name)), part.name))
            for index, part in enumerate(parts)
        )
