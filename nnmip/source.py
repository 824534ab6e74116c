"""Source text, spans and origins: the place in the user's file that everything else points back to."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import field
from functools import cached_property
from pathlib import Path

from nnmip.records import dataclass

GOAL = "goal"
"""The readable path of the goal, which has no name."""


@dataclass(frozen=True)
class SourceFile:
    """A text with a display name. Offsets count characters; lines and columns count from 1.

    `is_model` where it is in the language, and not the Python code that builds a program.
    """

    path: str
    text: str = field(repr=False)
    is_model: bool = field(default=True, repr=False)

    @cached_property
    def _line_starts(self) -> tuple[int, ...]:
        starts = [0]
        for offset, char in enumerate(self.text):
            if char == "\n":
                starts.append(offset + 1)
        return tuple(starts)

    @property
    def directory(self) -> Path:
        """The folder that relative paths in the text start from."""
        return Path(self.path).parent

    def position(self, offset: int) -> tuple[int, int]:
        """(line, column) of a character offset, both counted from 1."""
        line = bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of line `number` (from 1) without its line end; empty past the last line."""
        if number > len(self._line_starts):
            return ""
        start = self._line_starts[number - 1]
        end = self.text.find("\n", start)
        return self.text[start : len(self.text) if end < 0 else end].rstrip("\r")


@dataclass(frozen=True, slots=True)
class Span:
    """The half-open character range `start:end` of a source file."""

    file: SourceFile
    start: int
    end: int

    def __repr__(self) -> str:
        return f"Span({self.file.path!r}, {self.line}:{self.column}-{self.end_line}:{self.end_column})"

    @property
    def line(self) -> int:
        return self.file.position(self.start)[0]

    @property
    def column(self) -> int:
        return self.file.position(self.start)[1]

    @property
    def end_line(self) -> int:
        return self.file.position(max(self.start, self.end - 1))[0]

    @property
    def end_column(self) -> int:
        """Column just past the last character."""
        return self.file.position(max(self.start, self.end - 1))[1] + (self.end > self.start)

    @property
    def text(self) -> str:
        return self.file.text[self.start : self.end]

    def to(self, other: Span) -> Span:
        """The span from the start of this one to the end of `other`."""
        return Span(self.file, self.start, other.end)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a node, column or row came from: a source span and a readable path such as `clf.a`."""

    span: Span
    path: str
