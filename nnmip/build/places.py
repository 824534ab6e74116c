"""Places in the Python code that builds a program, so that messages point there as they point into a model file."""

from __future__ import annotations

import linecache
import os
import sys
from functools import lru_cache
from itertools import islice
from pathlib import Path
from types import FrameType

from nnmip.source import SourceFile, Span

_PACKAGE = __package__
NOWHERE = "<python>"
"""The name of code without a file, such as lines that are typed in."""


def here(text: str) -> Span:
    """The expression outside of this package that is being evaluated; `text` says what it does where no source is
    known, as for lines that are typed in."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _is_inside(frame):
        frame = frame.f_back
    if frame is None:
        return _nowhere(text)
    lines = linecache.getlines(frame.f_code.co_filename, frame.f_globals)
    first, last, start, end = next(islice(frame.f_code.co_positions(), frame.f_lasti // 2, None), (None,) * 4)
    if not lines or first is None or last is None or last > len(lines):
        return _nowhere(text)
    file = _file(frame.f_code.co_filename, "".join(lines))
    begin = _offset(lines, first, start)
    stop = _offset(lines, last, end) if end is not None else _offset(lines, last, None) + len(lines[last - 1].strip())
    return Span(file, begin, max(begin, stop))


def _is_inside(frame: FrameType) -> bool:
    name = frame.f_globals.get("__name__", "")
    return bool(name == _PACKAGE or name.startswith(f"{_PACKAGE}."))


def _nowhere(text: str) -> Span:
    return Span(SourceFile(NOWHERE, text, is_model=False), 0, len(text))


def _offset(lines: list[str], line: int, column: int | None) -> int:
    """The character offset of a line and a column in bytes; the first character that is no space without a column."""
    text = lines[line - 1]
    within = len(text) - len(text.lstrip()) if column is None else len(text.encode()[:column].decode(errors="ignore"))
    return sum(map(len, lines[: line - 1])) + within


@lru_cache(maxsize=64)
def _file(path: str, text: str) -> SourceFile:
    """The source of Python code, named from the working directory where it lies below it."""
    if not Path(path).exists():
        return SourceFile(NOWHERE, text, is_model=False)
    near = os.path.relpath(path)
    return SourceFile(path if near.startswith("..") else near, text, is_model=False)
