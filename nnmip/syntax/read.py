"""From a file on disk to its text."""

from __future__ import annotations

import os
from pathlib import Path

from nnmip.diagnostics import Diagnostic, DiagnosticError
from nnmip.sizes import TEXT, UNASKED, Allowance, counted
from nnmip.source import SourceFile, Span

_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")


def check_text(text: object) -> None:
    """Raise TypeError for anything but a `str`."""
    if not isinstance(text, str):
        help = "; decode it first: `text.decode()`" if isinstance(text, bytes) else ""
        raise TypeError(f"the text of a model is a str, not {type(text).__name__}{help}")


def read_source(path: str | Path, allowance: Allowance = UNASKED) -> SourceFile:
    """The text of `path`, which must be UTF-8; a byte order mark at its start is left out.

    Raises OSError where the file cannot be opened, and DiagnosticError: NNM0103 where it is not text, NNM0310 where it
    is larger than is allowed.
    """
    with Path(path).open("rb") as stream:
        _check_size(str(path), os.fstat(stream.fileno()).st_size, allowance)
        content = stream.read(allowance.most(TEXT) + 1)
    return decode_source(str(path), content, allowance)


def decode_source(path: str, content: bytes, allowance: Allowance = UNASKED) -> SourceFile:
    """The text of `content`, which was read from `path`. Raises DiagnosticError as `read_source`."""
    _check_size(path, len(content), allowance)
    if content.startswith(_UTF16_BOMS):
        source = SourceFile(path, content.decode("utf-16", errors="replace"))
        end = min(1, len(source.text))
        raise _unreadable(source, 0, end, "the file is UTF-16 text, not UTF-8", "save the file in the encoding UTF-8")
    content = content.removeprefix(_BOM)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _not_utf8(path, content, error) from None
    return _without_nul(SourceFile(path, text))


def _check_size(path: str, size: int, allowance: Allowance) -> None:
    place = Span(SourceFile(path, ""), 0, 0)
    help = "keep numbers in data files (csv, npy, npz) and name these in the text"
    allowance.check(size, TEXT, f"`{Path(path).name}`, a text of {counted(size, 'byte')},", place, help=help)


def _not_utf8(path: str, content: bytes, error: UnicodeDecodeError) -> DiagnosticError:
    source = SourceFile(path, content.decode("utf-8", errors="replace"))
    # All bytes before the wrong one are good, so they decode to the characters before it.
    start = len(content[: error.start].decode("utf-8"))
    return _unreadable(
        source,
        start,
        start + 1,
        f"the file is not UTF-8 text: byte 0x{content[error.start]:02x} cannot stand here",
        "save the file in the encoding UTF-8",
    )


def _without_nul(source: SourceFile) -> SourceFile:
    nul = source.text.find("\0")
    if nul < 0:
        return source
    raise _unreadable(
        source, nul, nul + 1, "the file is not text: it contains a NUL character", "save it in the encoding UTF-8"
    )


def _unreadable(source: SourceFile, start: int, end: int, message: str, help: str) -> DiagnosticError:
    return DiagnosticError([Diagnostic("NNM0103", message, Span(source, start, end), help=help)])
