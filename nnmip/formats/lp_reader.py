"""Reader of LP files (CPLEX dialect): linear objective and rows, bounds, general and binary columns."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import field
from typing import NamedTuple, NoReturn

import numpy as np

from nnmip.formats.reading import MODEL_CODE, Column, ModelParts, Row, Side, Text, load_text, shorten
from nnmip.milp.model import Milp
from nnmip.records import dataclass
from nnmip.sizes import MODEL_TEXT, UNASKED, Allowance

_HEADINGS = {
    "objective": r"minimi[sz]e|minimum|min|maximi[sz]e|maximum|max",
    "rows": r"subject[ \t]+to|such[ \t]+that|s\.t\.|st\.?",
    "bounds": r"bounds?",
    "general": r"generals?|gen|integers?|int",
    "binary": r"binary|binaries|bin",
    "end": r"end",
    "unsupported": r"semi-continuous|semis?|sos[12]?|lazy[ \t]+constraints|user[ \t]+cuts|general[ \t]+constraints"
    r"|gencons?|pwlobj|scenario|multi-objectives",
}
# The unsupported ones come first because `general constraints` starts like `general`.
_HEADING = re.compile(
    r"^[ \t]*(?:"
    + "|".join(f"(?P<{kind}>{words})" for kind, words in sorted(_HEADINGS.items(), reverse=True))
    + r")(?=\s|\\|\Z)(?![ \t]*:)",
    re.IGNORECASE | re.MULTILINE,
)
_TOKEN = re.compile(
    r"(?P<blank>\s+|\\[^\n]*)"
    r"|(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<relation><=|=<|>=|=>|<|>|=)"
    r"|(?P<sign>[+-])"
    r"|(?P<colon>:)"
    r"|(?P<name>[^\s0-9.+\-*/^<>=:\\\[\]][^\s+\-*^<>=:\\]*)"
    r"|(?P<other>.)"
)
_INFINITE = re.compile(r"inf(inity)?\Z", re.IGNORECASE)


def read_lp(path: str | os.PathLike[str], allowance: Allowance = UNASKED) -> Milp:
    """Read an LP file (`.gz` is unpacked) into a minimisation; a maximisation has its costs negated.

    Blocks are single columns and rows with the file's names; a row without a name is called `R` and its number. Raises
    DiagnosticError (NNM0614) for anything malformed, unsupported or read in different ways by different solvers,
    and NNM0310 for a file that is larger than is allowed.
    """
    text = load_text(path, MODEL_CODE, allowance, MODEL_TEXT)
    parts = ModelParts(text)
    _read_sections(text, parts)
    return parts.build()


def _read_sections(text: Text, parts: ModelParts) -> None:
    headings = list(_HEADING.finditer(text.file.text))
    first = headings[0].start() if headings else len(text.file.text)
    before = _Tokens.scan(text, 0, first)
    if not headings or headings[0].lastgroup != "objective" or before.kind:
        before.refuse("expected Minimize or Maximize")
    if headings[-1].lastgroup != "end":
        text.refuse("the file has no End", max(len(text.file.text) - 1, 0), help="the file may be cut off")
    seen: set[str] = set()
    stops = [heading.start() for heading in headings[1:]] + [len(text.file.text)]
    for heading, stop in zip(headings, stops, strict=True):
        kind = str(heading.lastgroup)
        start, length = heading.start(kind), len(heading[kind])
        if kind == "unsupported":
            text.refuse(f"section `{heading[kind]}` is not supported", start, length)
        if kind in seen or (kind in ("objective", "rows") and seen - {"objective"}):
            text.refuse(f"section `{heading[kind]}` stands twice or too late", start, length)
        seen.add(kind)
        if kind == "objective":
            parts.maximise = heading[kind].lower().startswith("max")
        _LpReader(_Tokens.scan(text, heading.end(), stop), parts).read(kind)


class _Token(NamedTuple):
    """A word of the file; `kind` is empty past the end of a section."""

    kind: str
    word: str
    start: int


@dataclass(slots=True)
class _Tokens:
    """The tokens of a section, read as they are needed, with one token of lookahead."""

    text: Text
    source: Iterator[_Token]
    current: _Token
    ahead: _Token

    @staticmethod
    def scan(text: Text, start: int, stop: int) -> _Tokens:
        source = _scan(text.file.text, start, stop)
        return _Tokens(text, source, next(source), next(source))

    @property
    def kind(self) -> str:
        return self.current.kind

    @property
    def word(self) -> str:
        return self.current.word

    @property
    def start(self) -> int:
        return self.current.start

    def take(self) -> str:
        """The current word; moves on to the next."""
        word = self.current.word
        self.current, self.ahead = self.ahead, next(self.source)
        return word

    def refuse(self, message: str) -> NoReturn:
        """Refuse the current token; `message` says what should stand there instead."""
        found = f"`{shorten(self.word)}`" if self.kind else "the end of the section"
        self.text.refuse(f"{message}, not {found}", self.start, max(len(self.word), 1))


def _scan(content: str, start: int, stop: int) -> Iterator[_Token]:
    """The tokens of `content[start:stop]`, then empty ones for ever."""
    for match in _TOKEN.finditer(content, start, stop):
        if match.lastgroup != "blank":
            yield _Token(str(match.lastgroup), match[0], match.start())
    while True:
        yield _Token("", "", stop)


@dataclass(slots=True)
class _Sum:
    """`sum of terms + constant`; a term is (name, coefficient, offset in the text)."""

    terms: list[tuple[str, float, int]] = field(default_factory=list)
    constant: float = 0.0
    has_constant: bool = False


@dataclass(slots=True)
class _LpReader:
    tokens: _Tokens
    parts: ModelParts
    index: dict[str, int] = field(default_factory=dict)

    def read(self, kind: str) -> None:
        self.index = {name: i for i, name in enumerate(self.parts.columns)}
        readers: dict[str, Callable[[], None]] = {
            "objective": self._objective,
            "rows": self._row,
            "bounds": self._bound,
            "general": self._general,
            "binary": self._binary,
            "end": lambda: self.tokens.refuse("expected nothing after End"),
        }
        while self.tokens.kind:
            readers[kind]()

    def _objective(self) -> None:
        place = self.tokens.start
        self._label()
        total = self._sum()
        if self.tokens.kind:
            self.tokens.refuse("expected terms or numbers")
        stated: set[str] = set()
        for name, coefficient, at in total.terms:
            if name in stated:
                self.parts.text.refuse(f"`{shorten(name)}` stands twice in the objective", at, len(name))
            stated.add(name)
            self._column(name, at).cost = coefficient
        if not np.isfinite(total.constant):
            self.parts.text.refuse("the objective has an infinite constant", place)
        self.parts.offset = total.constant

    def _row(self) -> None:
        at = self.tokens.start
        label = self._label()
        name = label or f"R{len(self.parts.rows) + 1}"
        if name in self.parts.rows:
            self.parts.text.refuse(f"row `{shorten(name)}` stands twice", at, len(name))
        row = Row(name, at, -np.inf, np.inf)
        total = self._sum()
        has_left_side = not total.terms
        if has_left_side:
            self._restrict(row, self._relation(), total.constant, is_left=True)
            total = self._sum()
        if not total.terms or total.has_constant:
            self.tokens.refuse("expected terms on one side of a relation and a number on the other")
        if has_left_side and self.tokens.word == "=":
            self.tokens.refuse("expected <= or >= in a row with two sides")
        if not has_left_side or self.tokens.kind == "relation":
            self._restrict(row, self._relation(), self._value(), is_left=False)
        if self.tokens.kind == "relation":
            self.tokens.refuse("expected the next row")
        index = len(self.parts.rows)
        self.parts.rows[name] = row
        for term, coefficient, place in total.terms:
            self._column(term, place)
            self.parts.add_entry(index, self.index[term], coefficient, place)

    def _restrict(self, row: Row, relation: str, value: float, *, is_left: bool) -> None:
        """Apply `value relation row` or `row relation value`."""
        if relation == "=" or (relation == ">=") != is_left:
            row.lower = max(row.lower, value)
        if relation == "=" or (relation == "<=") != is_left:
            row.upper = min(row.upper, value)

    def _bound(self) -> None:
        if self.tokens.kind == "name" and not (self._is_infinite() and self.tokens.ahead.kind == "relation"):
            column, at = self._named_column()
            if self.tokens.kind == "name" and self.tokens.word.lower() == "free":
                self.tokens.take()
                self._set(column, -np.inf, np.inf, at)
                return
            self._bound_by(column, self._relation(), self._value(), at)
            return
        value, relation = self._value(), self._relation()
        column, at = self._named_column()
        self._bound_by(column, {"<=": ">=", ">=": "<=", "=": "="}[relation], value, at)
        if self.tokens.kind == "relation":
            self._bound_by(column, self._relation(), self._value(), at)

    def _bound_by(self, column: Column, relation: str, value: float, at: int) -> None:
        self._set(column, value if relation != "<=" else None, value if relation != ">=" else None, at)

    def _set(self, column: Column, lower: float | None, upper: float | None, at: int) -> None:
        if lower is not None:
            self.parts.set_bound(column.lower, lower, at, column.name)
        if upper is not None:
            self.parts.set_bound(column.upper, upper, at, column.name)

    def _general(self) -> None:
        self._named_column()[0].integer = True

    def _binary(self) -> None:
        """Bounds that were stated before stay where they are inside [0, 1]."""
        column, at = self._named_column()
        column.integer = True
        column.lower = Side(max(column.lower.value, 0.0), at)
        column.upper = Side(min(column.upper.value, 1.0), at)

    def _named_column(self) -> tuple[Column, int]:
        if self.tokens.kind != "name":
            self.tokens.refuse("expected the name of a column")
        at = self.tokens.start
        return self._column(self.tokens.take(), at), at

    def _column(self, name: str, at: int) -> Column:
        """The column called `name`, made at its first mention."""
        if name not in self.index:
            self.index[name] = len(self.index)
            self.parts.columns[name] = Column(name, at)
        return self.parts.columns[name]

    def _label(self) -> str:
        """The name before a colon, empty if there is none."""
        if self.tokens.kind != "name" or self.tokens.ahead.kind != "colon":
            return ""
        name = self.tokens.take()
        self.tokens.take()
        return name

    def _sum(self) -> _Sum:
        """Signed terms and numbers up to a relation, a label or the end."""
        tokens, total = self.tokens, _Sum()
        while tokens.kind in ("sign", "number", "name") and tokens.ahead.kind != "colon":
            first = not total.terms and not total.has_constant
            if not first and tokens.kind != "sign":
                tokens.refuse("expected `+`, `-` or a relation")
            sign = self._sign()
            if self._is_infinite():
                total.constant, total.has_constant = sign * np.inf, True
                tokens.take()
                continue
            coefficient, has_number = 1.0, tokens.kind == "number"
            if has_number:
                start = tokens.start
                coefficient = tokens.text.number(tokens.take(), start)
            if tokens.kind == "name" and tokens.ahead.kind != "colon":
                at = tokens.start
                total.terms.append((tokens.take(), sign * coefficient, at))
            elif has_number:
                total.constant += sign * coefficient
                total.has_constant = True
            else:
                tokens.refuse("expected a number or a name")
        return total

    def _sign(self) -> float:
        sign = 1.0
        while self.tokens.kind == "sign":
            sign = -sign if self.tokens.take() == "-" else sign
        return sign

    def _is_infinite(self) -> bool:
        return self.tokens.kind == "name" and _INFINITE.match(self.tokens.word) is not None

    def _relation(self) -> str:
        if self.tokens.kind != "relation":
            self.tokens.refuse("expected <=, >= or =")
        word = self.tokens.take()
        return "<=" if "<" in word else ">=" if ">" in word else "="

    def _value(self) -> float:
        """A signed number, infinite where it is at least 1e20."""
        sign = self._sign()
        if self.tokens.kind != "number" and not self._is_infinite():
            self.tokens.refuse("expected a number")
        start = self.tokens.start
        return sign * self.tokens.text.number(self.tokens.take(), start, infinite=True)
