"""The Lark parser of the language, loaded once and cached on disk."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from threading import RLock
from typing import Any

import lark
from lark import Lark, Token

from nnmip.syntax.builder import Builder

STARTS = ("file", "item", "mistakes")


@dataclass(frozen=True, slots=True)
class Grammar:
    """The parser, and the builder that its reductions call.

    Lark binds the callbacks when it loads its tables, so one builder serves all texts, one at a time under `lock`.
    """

    lark: Lark
    builder: Builder
    lock: RLock = field(default_factory=RLock)

    def lex(self, text: str) -> list[Token]:
        """The tokens of `text`; comments go to the builder. Every text has tokens: slips are tokens of their own."""
        return list(self.lark.lex(text))

    def feed(self, tokens: list[Token], start: str) -> Any:
        """What the builder makes of `tokens`, read as the rule `start`.

        Raises `lark.UnexpectedToken`, whose `interactive_parser` stands before the wrong token.
        """
        parser = self.lark.parse_interactive(start=start)
        try:
            for token in tokens:
                parser.feed_token(token)
            return parser.feed_eof(tokens[-1] if tokens else None)
        except lark.UnexpectedToken as error:
            error.interactive_parser = parser
            raise


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
