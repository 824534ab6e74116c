"""Tokens, their kinds, named as in the grammar, and the bracket structure of a token list."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from nnmip.records import dataclass
from nnmip.syntax.tables import END as END


class Token(NamedTuple):
    """A word or sign of the text: its kind, its text, its place in characters, and its line, from 1."""

    type: str
    value: str
    start_pos: int
    end_pos: int
    line: int


STARTERS = frozenset(
    ["INCLUDE", "PARAM", "DATA", "NETWORK", "VAR", "LET", "CONSTRAINT", "MINIMIZE", "MAXIMIZE", "SATISFY", "VERIFY"]
)
"""The first word of a declaration."""

INNER_STARTERS = frozenset(["LAYER", "RETURN", "ASSUME", "PROVE"])
"""The first word of a line inside a declaration; a reserved word that means nothing elsewhere."""

OPENING_SOFT_WORDS = frozenset(["FEATURES", "LABEL", "TARGET", "GROUP", "WEIGHT", "MISSING", "SPLIT"])
"""Soft words that open a line of a data declaration."""

SOFT_WORDS = OPENING_SOFT_WORDS | {"SCALE", "SEED", "AS", "STEP"}
"""Words with a meaning in one place only; a name everywhere else."""

RESERVED = (
    STARTERS
    | INNER_STARTERS
    | frozenset(["NNM", "WHERE", "FORALL", "EXISTS", "IF", "THEN", "ELSE", "IN", "AND", "OR", "NOT", "XOR"])
    | frozenset(["REAL", "INTEGER", "BOOLEAN", "TRUE", "FALSE"])
)

SLIPS = frozenset(["MISTAKE", "OPEN_STRING", "STRAY"])
"""Kinds of token that no sentence has."""

CLOSING = {"LPAR": "RPAR", "LSQB": "RSQB", "LBRACE": "RBRACE"}
_OPENING = {closing: opening for opening, closing in CLOSING.items()}
PARTNER = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True, slots=True)
class Brackets:
    """Opening brackets by index: `closed` maps each to its partner's, `unclosed` lists those without, in order."""

    closed: dict[int, int]
    unclosed: tuple[int, ...]


def match_brackets(tokens: list[Token]) -> Brackets:
    """Pair the brackets. One that is closed over, as `(` in `{ ( }`, stays unclosed."""
    closed: dict[int, int] = {}
    waiting: list[int] = []
    skipped: list[int] = []
    kinds: Counter[str] = Counter()
    for index, token in enumerate(tokens):
        if token.type in CLOSING:
            waiting.append(index)
            kinds[token.type] += 1
        elif token.type in _OPENING and kinds[_OPENING[token.type]]:
            while tokens[opened := waiting.pop()].type != _OPENING[token.type]:
                kinds[tokens[opened].type] -= 1
                skipped.append(opened)
            kinds[tokens[opened].type] -= 1
            closed[opened] = index
    return Brackets(closed, tuple(sorted(skipped + waiting)))


def opens_line(tokens: list[Token], index: int) -> bool:
    """Whether token number `index` is the first on its line."""
    return index == 0 or tokens[index - 1].line < tokens[index].line
