"""From a file on disk to its text."""

from __future__ import annotations

from pathlib import Path

from nnmip.diagnostics import Diagnostic, DiagnosticError
from nnmip.source import SourceFile, Span

MAX_BYTES = 16 * 2**20
"""Largest file read as text; numbers in bulk belong into data files."""

_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")


def read_source(path: str | Path) -> SourceFile:
    """The text of `path`, which must be UTF-8; a byte order mark at its start is left out.

    Raises OSError where the file cannot be opened, and DiagnosticError (NNM0103) where it is not text or larger
    than `MAX_BYTES`.
    """
    with Path(path).open("rb") as stream:
        content = stream.read(MAX_BYTES + 1)
    return decode_source(str(path), content)


def decode_source(path: str, content: bytes) -> SourceFile:
    """The text of `content`, which was read from `path`. Raises DiagnosticError (NNM0103) where it is none."""
    if len(content) > MAX_BYTES:
        raise _unreadable(
            SourceFile(path, ""),
            0,
            0,
            f"`{Path(path).name}` is larger than {MAX_BYTES // 2**20} MiB",
            "keep numbers in data files (csv, npy, npz, onnx) and name these in the text",
        )
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
