"""Reads a CSV file into a table of text cells."""

from __future__ import annotations

import csv
from array import array
from codecs import getincrementaldecoder
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, TextIO

import numpy as np

from nnmip.data.files import FROM_MODEL, KEEP_LESS, check_file, reason, unreadable
from nnmip.data.table import RawTable, separator_hint, shortened
from nnmip.diagnostics import Diagnostic, DiagnosticError
from nnmip.sizes import CELL, UNASKED, Allowance, counted
from nnmip.source import Span

MAX_LINE_LENGTH = 16 * 2**20
CHUNK_CELLS = 2**16
_SAMPLE = 2**16
_COLUMN_CELLS = 4
"""How many cells a column counts without any rows."""


def read_csv(
    path: Path,
    span: Span,
    separator: str = ",",
    base: str = FROM_MODEL,
    allowance: Allowance = UNASKED,
    header_only: bool = False,
) -> RawTable:
    """Read the CSV file at `path`; `span` is the place in the model that asks for it, `base` says where paths start.

    The file is UTF-8 text with or without a byte order mark; its first row is the header; cells may stand in double
    quotes; blank lines are skipped. With `header_only` no more than the header is read. Raises DiagnosticError at
    `span`: NNM0204 for a separator that is not one character, NNM0310 for more cells than are allowed, NNM0501 for a
    file that cannot be read or does not have this form, NNM0505 for one without rows.
    """
    _check_separator(separator, span)
    size = check_file(path, span, "CSV", base)
    _check_estimate(path, size, separator, span, allowance)
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            return _read_table(handle, path, span, separator, allowance, header_only)
    except UnicodeDecodeError:
        raise _not_utf8(path, span) from None
    except OSError as error:
        raise unreadable(f"`{path}` cannot be read", span, reason(error)) from None


def _check_estimate(path: Path, size: int, separator: str, span: Span, allowance: Allowance) -> None:
    """NNM0310 where a file of `size` bytes, read like its first lines, has more cells than are allowed."""
    try:
        with path.open("rb") as stream:
            sample = stream.read(_SAMPLE)
    except OSError as error:
        raise unreadable(f"`{path}` cannot be read", span, reason(error)) from None
    cells = size * (sample.count(separator.encode()) + sample.count(b"\n")) // max(1, len(sample))
    _check_cells(max(cells, size // CELL), path, span, allowance)


def _read_table(
    handle: TextIO, path: Path, span: Span, separator: str, allowance: Allowance, header_only: bool
) -> RawTable:
    lines = _text_lines(handle, path, span)
    reader = csv.reader(lines, delimiter=separator, strict=True, skipinitialspace=separator != " ")
    start = 1
    columns: tuple[str, ...] = ()
    cells: list[list[str]] = []
    chunk: list[list[str]] = []
    line_numbers = array("q")
    try:
        for row in reader:
            line, start = start, reader.line_num + 1
            if not columns:
                columns = () if _is_blank(row, 0) else _header(row, path, span)
                _check_cells(_COLUMN_CELLS * len(columns), path, span, allowance)
                cells = [[] for _ in columns]
                if header_only and columns:
                    no_rows = np.zeros(0, np.int64)
                    return RawTable(columns, tuple(() for _ in columns), no_rows, path.name, is_read=False)
            elif not _is_blank(row, len(columns)):
                _check_width(row, line, columns, path, span)
                chunk.append(row)
                line_numbers.append(line)
                if len(chunk) * len(columns) >= CHUNK_CELLS:
                    _move_rows(chunk, cells)
                    _check_cells(len(line_numbers) * len(columns), path, span, allowance)
    except csv.Error as error:
        raise _malformed(str(error), start, path, span) from None
    _move_rows(chunk, cells)
    _check_cells(len(line_numbers) * len(columns), path, span, allowance)
    if not line_numbers:
        raise _without_rows(path, span, bool(columns))
    return RawTable(columns, tuple(map(tuple, cells)), np.array(line_numbers, np.int64), path.name)


def _move_rows(chunk: list[list[str]], cells: list[list[str]]) -> None:
    """Empty `chunk` into the columns: a list for each row of a long table would take more memory than its cells."""
    if not chunk:
        return
    for column, added in zip(cells, zip(*chunk, strict=True), strict=True):
        column.extend(map(str.strip, added))
    chunk.clear()


def _text_lines(handle: TextIO, path: Path, span: Span) -> Iterator[str]:
    number = 0
    while line := handle.readline(MAX_LINE_LENGTH + 1):
        number += 1
        if len(line) > MAX_LINE_LENGTH:
            raise unreadable(f"line {number} of `{path.name}` has more than {MAX_LINE_LENGTH} characters", span)
        if "\0" in line:
            message = f"line {number} of `{path.name}` contains a NUL character"
            raise unreadable(message, span, note="a CSV file is plain text")
        yield line


def _is_blank(row: list[str], width: int) -> bool:
    # In a table of one column a blank cell is a missing value; in a wider one it is a blank line.
    return not row or (width != 1 and len(row) == 1 and not row[0].strip())


def _header(row: list[str], path: Path, span: Span) -> tuple[str, ...]:
    columns = tuple(map(str.strip, row))
    first: dict[str, int] = {}
    for position, column in enumerate(columns, start=1):
        if column and column in first:
            message = f"columns {first[column]} and {position} of `{path.name}` are both called `{shortened(column)}`"
            raise unreadable(message, span, help="give every column its own name")
        first[column] = position
    return columns


def _check_width(row: list[str], line: int, columns: tuple[str, ...], path: Path, span: Span) -> None:
    if len(row) == len(columns):
        return
    cells = "1 cell" if len(row) == 1 else f"{len(row)} cells"
    message = f"the row on line {line} of `{path.name}` has {cells}, the header has {len(columns)}"
    help = separator_hint(columns) or "give the row one cell for each column; quote a cell that contains the separator"
    raise unreadable(message, span, help=help)


def _check_cells(count: int, path: Path, span: Span, allowance: Allowance) -> None:
    allowance.check(count, CELL, f"`{path.name}`, a table of {counted(count, 'cell')},", span, help=KEEP_LESS)


def _check_separator(separator: str, span: Span) -> None:
    if len(separator) == 1 and separator not in '"\r\n\0':
        return
    message = f"`separator` must be one character, not `{separator}`"
    help = 'for example `separator: ";"`'
    raise DiagnosticError([Diagnostic("NNM0204", message, span, "not a separator", help=help)])


def _not_utf8(path: Path, span: Span) -> DiagnosticError:
    with path.open("rb") as handle:
        is_utf16 = handle.read(2) in (b"\xff\xfe", b"\xfe\xff")
        handle.seek(0)
        number = _first_line_not_utf8(handle)
    note = "it starts like UTF-16" if is_utf16 else ""
    return unreadable(
        f"line {number} of `{path.name}` is not UTF-8 text", span, help="save the file as UTF-8", note=note
    )


def _first_line_not_utf8(handle: BinaryIO) -> int:
    """The number of the line (from 1) with the first byte that cannot stand in UTF-8 text."""
    decoder = getincrementaldecoder("utf-8")()
    number = 1
    while chunk := handle.read(_SAMPLE):
        try:
            decoder.decode(chunk)
        except UnicodeDecodeError as error:
            return number + error.object[: error.start].count(b"\n")
        number += chunk.count(b"\n")
    return number


def _malformed(reason: str, line: int, path: Path, span: Span) -> DiagnosticError:
    place = f"the row that starts on line {line} of `{path.name}`"
    if "unexpected end" in reason:
        return unreadable(f'{place} opens a `"` that is never closed', span)
    if "field limit" in reason:
        return unreadable(f"{place} has a cell of more than {csv.field_size_limit()} characters", span)
    if "expected after" in reason:
        help = 'close the quotes at the end of the cell; a `"` inside quotes is written twice'
        return unreadable(f'{place} has text after a closing `"`', span, help=help)
    return unreadable(f"{place} cannot be split into cells", span)


def _without_rows(path: Path, span: Span, has_header: bool) -> DiagnosticError:
    message = f"`{path.name}` has a header but no rows" if has_header else f"`{path.name}` is empty"
    return DiagnosticError([Diagnostic("NNM0505", message, span, "no data")])
