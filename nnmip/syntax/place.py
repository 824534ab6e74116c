"""Where the parser stopped, and what may be said of it."""

from __future__ import annotations

from nnmip.diagnostics import Diagnostic, Edit, Label
from nnmip.records import dataclass
from nnmip.source import Span
from nnmip.syntax.grammar import Grammar, Stuck
from nnmip.syntax.tokens import END, INNER_STARTERS, STARTERS, Token, match_brackets, opens_line

LONGEST_QUOTE = 40


@dataclass(frozen=True, slots=True)
class Place:
    """Where the parser stopped: `token` is None at the end of the piece; `opened` is the innermost open bracket."""

    grammar: Grammar
    piece: list[Token]
    index: int
    stuck: Stuck
    token: Token | None
    opened: Token | None
    is_inner: bool
    """Whether `opened` itself stands inside another bracket."""

    @property
    def kind(self) -> str:
        return END if self.token is None else self.token.type

    @property
    def is_first_on_line(self) -> bool:
        return self.token is not None and opens_line(self.piece, self.index)

    @property
    def has_ended(self) -> bool:
        """Whether the text in front is over: at the end, or where a keyword opens the next line."""
        return self.token is None or (self.kind in STARTERS | INNER_STARTERS and self.is_first_on_line)

    def span(self, token: Token) -> Span:
        return self.grammar.builder.span_of(token)

    def previous(self) -> Token:
        return self.piece[max(self.index - 1, 0)]


def place_of(grammar: Grammar, piece: list[Token], stuck: Stuck) -> Place:
    unclosed = match_brackets(piece[: stuck.index]).unclosed
    token = piece[stuck.index] if stuck.index < len(piece) else None
    opened = piece[unclosed[-1]] if unclosed else None
    return Place(grammar, piece, stuck.index, stuck, token, opened, len(unclosed) > 1)


def error(
    message: str,
    span: Span,
    *,
    label: str = "",
    help: str = "",
    other: Label | None = None,
    fix: tuple[Edit, ...] = (),
) -> Diagnostic:
    return Diagnostic("NNM0101", message, span, label, (other,) if other else (), help, fix=fix)


def quote(text: str) -> str:
    """`text` in backquotes, shortened where it is long."""
    return f"`{text}`" if len(text) <= LONGEST_QUOTE else f"`{text[:LONGEST_QUOTE]}...`"
