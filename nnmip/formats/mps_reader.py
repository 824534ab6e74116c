"""Reader of MPS files: free ones, and fixed ones whose names have no spaces."""

from __future__ import annotations

import os
import re
from dataclasses import field

import numpy as np

from nnmip.formats.reading import MODEL_CODE, Column, ModelParts, Row, Text, load_text, shorten
from nnmip.milp.model import Milp
from nnmip.records import dataclass
from nnmip.sizes import MODEL_TEXT, UNASKED, Allowance

_WORD = re.compile(r"\S+")
# Sections of a lower rank come first.
_RANKS = {"NAME": 0, "OBJSENSE": 0, "ROWS": 1, "COLUMNS": 2, "RHS": 3, "RANGES": 3, "BOUNDS": 3, "ENDATA": 4}
_SENSES = {"MIN": False, "MINIMIZE": False, "MINIMISE": False, "MAX": True, "MAXIMIZE": True, "MAXIMISE": True}
_WITHOUT_VALUE = ("FR", "MI", "PL", "BV")


def read_mps(path: str | os.PathLike[str], allowance: Allowance = UNASKED) -> Milp:
    """Read an MPS file (`.gz` is unpacked) into a minimisation; a maximisation has its costs negated.

    Blocks are single columns and rows with the file's names. Ranges become two-sided rows, free rows other than the
    objective are left out. Raises DiagnosticError (NNM0614) for anything malformed, unsupported or read in different
    ways by different solvers, and NNM0310 for a file that is larger than is allowed.
    """
    text = load_text(path, MODEL_CODE, allowance, MODEL_TEXT)
    reader = _MpsReader(ModelParts(text), text)
    reader.read()
    return reader.finish()


@dataclass(slots=True)
class _MpsReader:
    parts: ModelParts
    text: Text
    section: str = ""
    line_start: int = 0
    line: str = ""
    objective: str | None = None
    senses: dict[str, str] = field(default_factory=dict)
    row_index: dict[str, int] = field(default_factory=dict)
    column_index: dict[str, int] = field(default_factory=dict)
    rhs_seen: set[str] = field(default_factory=set)
    ranges: dict[str, tuple[float, int]] = field(default_factory=dict)
    opened: set[str] = field(default_factory=set)
    in_integers: bool = False
    current: str = ""
    cost_seen: bool = False

    def read(self) -> None:
        start, content = 0, self.text.file.text
        handlers = {
            "OBJSENSE": self._objsense,
            "ROWS": self._row,
            "COLUMNS": self._column,
            "RHS": self._rhs,
            "RANGES": self._range,
            "BOUNDS": self._bound,
        }
        for raw in content.split("\n"):
            self.line_start, self.line = start, raw
            start += len(raw) + 1
            words = raw.split()
            if not words or raw[0] == "*":
                continue
            if self.section == "ENDATA":
                self._refuse("text after ENDATA", 0)
            if not raw[0].isspace():
                self._open_section(words)
            elif self.section in handlers:
                handlers[self.section](words)
            else:
                self._refuse("line outside of a section", 0)
        if self.section != "ENDATA":
            self.text.refuse("the file ends before ENDATA", max(len(content) - 1, 0), help="the file may be cut off")

    def finish(self) -> Milp:
        for name, (value, at) in self.ranges.items():
            self._apply_range(name, value, at)
        for c in self.parts.columns.values():
            if c.integer and c.lower.at < 0 and c.upper.at < 0:
                self.text.refuse(
                    f"integer column `{shorten(c.name)}` has no bounds",
                    c.at,
                    len(c.name),
                    help="state its bounds",
                    note="some readers then take [0, 1], others [0, inf)",
                )
        return self.parts.build()

    def _refuse(self, message: str, word: int, *, help: str = "", note: str = "") -> None:
        """Refuse the file at word `word` (from 0) of the line."""
        places = list(_WORD.finditer(self.line))
        place = places[min(word, len(places) - 1)]
        self.text.refuse(message, self.line_start + place.start(), len(place[0]), help=help, note=note)

    @property
    def here(self) -> int:
        """The offset of the line's first word."""
        return self.line_start + len(self.line) - len(self.line.lstrip())

    def _open_section(self, words: list[str]) -> None:
        name = words[0].upper()
        if name not in _RANKS:
            self._refuse(f"section `{shorten(words[0])}` is not supported", 0)
        if name in self.opened:
            self._refuse(f"section {name} stands twice", 0)
        if self.section and _RANKS[name] < _RANKS[self.section]:
            self._refuse(f"section {name} must stand before {self.section}", 0)
        if self.in_integers:
            self._refuse("marker INTORG without INTEND", 0)
        if _RANKS[name] > 1 and self.objective is None:
            self._refuse("there is no objective row (kind N) in ROWS", 0)
        self.section = name
        self.opened.add(name)
        if name == "OBJSENSE" and len(words) > 1:
            self._objsense(words[1:])

    def _objsense(self, words: list[str]) -> None:
        if len(words) != 1 or words[0].upper() not in _SENSES:
            self._refuse("the sense must be MIN or MAX", 0)
        self.parts.maximise = _SENSES[words[0].upper()]

    def _row(self, words: list[str]) -> None:
        if len(words) != 2:
            self._refuse("a row needs a kind (N, E, L or G) and a name without spaces", 0)
        kind, name = words[0].upper(), words[1]
        if kind not in ("N", "E", "L", "G"):
            self._refuse(f"`{shorten(words[0])}` is not a row kind", 0, help="use N, E, L or G")
        if name in self.senses:
            self._refuse(f"row `{shorten(name)}` is declared twice", 1)
        self.senses[name] = kind
        if kind == "N":
            self.objective = name if self.objective is None else self.objective
            return
        at = self.line_start + self.line.rindex(name)
        self.row_index[name] = len(self.row_index)
        self.parts.rows[name] = Row(name, at, -np.inf if kind == "L" else 0.0, np.inf if kind == "G" else 0.0)

    def _column(self, words: list[str]) -> None:
        if len(words) >= 3 and words[1] == "'MARKER'":
            self._marker(words)
            return
        if len(words) not in (3, 5):
            self._refuse("a column line needs a column and one or two pairs of row and value", 0)
        name = words[0]
        if name != self.current:
            self._open_column(name)
        column = self.parts.columns[name]
        for position in range(1, len(words), 2):
            row = words[position]
            kind = self.senses.get(row)
            if kind is None:
                self._refuse(f"row `{shorten(row)}` is not declared", position)
            value = self._number(words, position + 1)
            if row == self.objective:
                if self.cost_seen:
                    self._refuse(f"`{shorten(name)}` stands twice in the objective", position)
                column.cost, self.cost_seen = value, True
            elif kind != "N":
                self.parts.add_entry(self.row_index[row], self.column_index[name], value, self.here)

    def _open_column(self, name: str) -> None:
        if name in self.column_index:
            self._refuse(f"column `{shorten(name)}` continues after another column", 0)
        self.column_index[name] = len(self.column_index)
        self.parts.columns[name] = Column(name, self.here, integer=self.in_integers)
        self.current, self.cost_seen = name, False

    def _marker(self, words: list[str]) -> None:
        word = words[-1].strip("'")
        if word not in ("INTORG", "INTEND"):
            self._refuse(f"marker `{shorten(word)}` is not supported", len(words) - 1)
        if (word == "INTORG") == self.in_integers:
            self._refuse(f"marker {word} does not match the one before", len(words) - 1)
        self.in_integers = word == "INTORG"

    def _number(self, words: list[str], position: int, *, infinite: bool = False) -> float:
        try:
            value = float(words[position])
        except ValueError:
            value = np.nan
        if not infinite and abs(value) < np.inf and "_" not in words[position]:
            return value
        place = list(_WORD.finditer(self.line))[position]
        return self.text.number(place[0], self.line_start + place.start(), infinite=infinite)

    def _pairs(self, words: list[str]) -> range:
        """Positions of the row names on a line of RHS or RANGES; the name of the set may be missing."""
        if len(words) not in (2, 3, 4, 5):
            self._refuse("the line needs one or two pairs of row and value", 0)
        for position in range(len(words) % 2, len(words), 2):
            if words[position] not in self.senses:
                self._refuse(f"row `{shorten(words[position])}` is not declared", position)
        return range(len(words) % 2, len(words), 2)

    def _rhs(self, words: list[str]) -> None:
        for position in self._pairs(words):
            name = words[position]
            if name in self.rhs_seen:
                self._refuse(f"row `{shorten(name)}` gets two right-hand sides", position)
            self.rhs_seen.add(name)
            if name == self.objective:
                self.parts.offset = -self._number(words, position + 1)
            elif self.senses[name] != "N":
                value = self._number(words, position + 1, infinite=True)
                row = self.parts.rows[name]
                row.lower = row.lower if self.senses[name] == "L" else value
                row.upper = row.upper if self.senses[name] == "G" else value

    def _range(self, words: list[str]) -> None:
        for position in self._pairs(words):
            name = words[position]
            if name in self.ranges or self.senses[name] == "N":
                self._refuse(f"row `{shorten(name)}` cannot have this range", position)
            self.ranges[name] = (self._number(words, position + 1), self.here)

    def _apply_range(self, name: str, value: float, at: int) -> None:
        row, kind = self.parts.rows[name], self.senses[name]
        if not np.isfinite(row.lower if kind != "L" else row.upper):
            self.text.refuse(f"row `{shorten(name)}` has a range but an infinite right-hand side", at)
        if kind == "L" or (kind == "E" and value < 0):
            row.lower = row.upper - abs(value)
        else:
            row.upper = row.lower + abs(value)

    def _bound(self, words: list[str]) -> None:
        kind = words[0].upper()
        position = self._bound_column(kind, words)
        column = self.parts.columns[words[position]]
        at, name = self.here, column.name
        if kind in ("BV", "LI", "UI"):
            column.integer = True
        if kind in ("LO", "LI", "UP", "UI", "FX"):
            value = self._number(words, position + 1, infinite=True)
        else:
            value = {"FR": -np.inf, "MI": -np.inf, "BV": 0.0}.get(kind, np.inf)
        if kind in ("LO", "LI", "FX", "FR", "MI", "BV"):
            self.parts.set_bound(column.lower, value, at, name)
        if kind in ("UP", "UI", "FX", "FR", "PL", "BV"):
            self.parts.set_bound(column.upper, {"FR": np.inf, "BV": 1.0}.get(kind, value), at, name)

    def _bound_column(self, kind: str, words: list[str]) -> int:
        """The position of the column's name; the name of the bound set may be missing."""
        if kind not in ("LO", "UP", "FX", "LI", "UI", *_WITHOUT_VALUE):
            self._refuse(f"bound kind `{shorten(words[0])}` is not supported", 0)
        if kind in _WITHOUT_VALUE:
            position = 1 if len(words) == 2 else 2
            fits = len(words) in (2, 3, 4)
        else:
            position = len(words) - 2
            fits = len(words) in (3, 4)
        if not fits:
            self._refuse(f"a bound of kind {kind} has too few or too many fields", 0)
        if words[position] not in self.parts.columns:
            self._refuse(f"column `{shorten(words[position])}` is not declared", position)
        return position
