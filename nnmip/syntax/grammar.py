"""The Lark parser of the language, loaded once and cached on disk."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import islice
from pathlib import Path
from threading import RLock
from typing import Any

import lark
from lark import Lark, Token

from nnmip.syntax.builder import Builder

STARTS = ("file", "items", "mistakes")


class Stuck(Exception):
    """The parser cannot take token number `index`, which is one past the last where the text ends too early."""

    def __init__(self, index: int, parser: Any) -> None:
        super().__init__()
        self.index = index
        self._parser = parser

    @property
    def state(self) -> int:
        """The parser's state in front of the wrong token."""
        state: int = self._parser.parser_state.position
        return state

    @cached_property
    def accepts(self) -> frozenset[str]:
        """The kinds of token that could stand here; `$END` is the end of the text."""
        return frozenset(self._parser.accepts())


@dataclass(frozen=True, slots=True, eq=False)
class Grammar:
    """The parser, and the builder that its reductions call.

    Lark binds the callbacks when it loads its tables, so one builder serves all texts, one at a time under `lock`.
    """

    lark: Lark
    builder: Builder
    lock: RLock = field(default_factory=RLock)

    def lex(self, text: str, most: int | None = None) -> list[Token]:
        """The first `most` tokens of `text`, all without it; comments go to the builder.

        Every text has tokens: slips are tokens of their own.
        """
        return list(islice(self.lark.lex(text), most))

    def spelling(self, kind: str) -> str:
        """The text of a keyword or sign, by its kind of token."""
        spelling: str = self.lark.get_terminal(kind).pattern.value
        return spelling

    def feed(self, tokens: list[Token], start: str) -> Any:
        """What the builder makes of `tokens`, read as the rule `start`. Raises Stuck at the first wrong token."""
        parser = self.lark.parse_interactive(start=start)
        take = parser.parser_state.feed_token  # that of the parser itself only adds a call for each token
        index = 0
        try:
            for index, token in enumerate(tokens):  # noqa: B007
                take(token)
            index = len(tokens)
            return parser.feed_eof(tokens[-1] if tokens else None)
        except lark.UnexpectedToken:
            raise Stuck(index, parser) from None


def grammar_path() -> Path:
    """`nnm.lark`: beside the modules in an installed package, beside the package in a checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "_grammar" / "nnm.lark"
    return installed if installed.exists() else package.parent / "grammar" / "nnm.lark"


@cache
def load_grammar() -> Grammar:
    """The one grammar of the process."""
    text = grammar_path().read_text(encoding="utf-8")
    builder = Builder()
    parser = Lark(
        text,
        parser="lalr",
        lexer="basic",
        start=list(STARTS),
        keep_all_tokens=True,
        maybe_placeholders=True,
        propagate_positions=False,
        transformer=builder,
        lexer_callbacks={"COMMENT": builder.comment},
        cache=_cache_file(text) or False,
    )
    return Grammar(parser, builder)


def _cache_file(text: str) -> str | None:
    """Where Lark keeps the parse tables of this grammar; None where the user's cache folder cannot be used."""
    from platformdirs import user_cache_path

    try:
        folder = user_cache_path("nnmip")
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return None
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return str(folder / f"grammar-{digest}-lark-{lark.__version__}.pickle")
