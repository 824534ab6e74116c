"""Why the parser stopped, in the user's terms."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from lark import Token

from nnmip.diagnostics import Diagnostic, Label
from nnmip.source import Span
from nnmip.syntax.examples import EXPLANATIONS, Explanation
from nnmip.syntax.grammar import Grammar, Stuck
from nnmip.syntax.slips import DECLARATION_SYNONYMS, Advice, advise_mistake, advise_stray, advise_word
from nnmip.syntax.suggest import closest
from nnmip.syntax.tokens import (
    CLOSING,
    END,
    INNER_STARTERS,
    OPENING_SOFT_WORDS,
    PARTNER,
    RESERVED,
    SLIPS,
    SOFT_WORDS,
    STARTERS,
    match_brackets,
    opens_line,
)

_EXPRESSION_STARTS = frozenset(
    "NAME INT FLOAT STRING TRUE FALSE LPAR LSQB LBRACE MINUS PLUS NOT IF FORALL EXISTS".split()  # noqa: SIM905
)
_VALUE_STARTS = frozenset(["NAME", "INT", "FLOAT", "STRING", "TRUE", "FALSE", "LBRACE"])
_OPERATORS = frozenset(
    "PLUS MINUS STAR SLASH EQ NE LE GE LT GT AND OR XOR NOT IN IMPLIES IFF DOT LPAR LSQB UPTO BELOW".split()  # noqa: SIM905
)
_BEFORE_COLUMNS = frozenset(["COLON", "EQ", "LPAR", "LSQB", "LBRACE"])
_IN_COLUMNS = _BEFORE_COLUMNS | {"NAME", "STRING", "COMMA"}
_INSIDE_DOMAIN = frozenset(["UPTO", "BELOW", "STEP", "VBAR"])
_DOMAIN_OF_TYPE = {"REAL": "[-1, 1]", "INTEGER": "-3..3", "BOOLEAN": "{0, 1}"}
_MOST_ALTERNATIVES = 4
_LONGEST_QUOTE = 40


@dataclass(frozen=True, slots=True)
class _Place:
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


def explain(grammar: Grammar, piece: list[Token], stuck: Stuck) -> Diagnostic:
    """The diagnostic for `piece`, in which the parser got stuck."""
    place = _place(grammar, piece, stuck)
    for look in _LOOKS:
        if (diagnostic := look(place)) is not None:
            return diagnostic
    return _unexpected(place)


def _place(grammar: Grammar, piece: list[Token], stuck: Stuck) -> _Place:
    unclosed = match_brackets(piece[: stuck.index]).unclosed
    token = piece[stuck.index] if stuck.index < len(piece) else None
    opened = piece[unclosed[-1]] if unclosed else None
    return _Place(grammar, piece, stuck.index, stuck, token, opened, len(unclosed) > 1)


def _error(message: str, span: Span, *, label: str = "", help: str = "", other: Label | None = None) -> Diagnostic:
    return Diagnostic("NNM0101", message, span, label, (other,) if other else (), help)


def quote(text: str) -> str:
    """`text` in backquotes, shortened where it is long."""
    return f"`{text}`" if len(text) <= _LONGEST_QUOTE else f"`{text[:_LONGEST_QUOTE]}...`"


# ---- characters, words and brackets --------------------------------------------------------------------------------


def _slip(place: _Place) -> Diagnostic | None:
    """Characters and words of other languages."""
    if place.token is None:
        return None
    span = place.span(place.token)
    if place.kind == "OPEN_STRING":
        message = "this string has no closing quote"
        return _error(message, Span(span.file, span.start, span.start + 1), help='a string ends on its line with `"`')
    advice: Advice | None = None
    if place.kind == "MISTAKE":
        advice = advise_mistake(place.token.value)
    elif place.kind == "STRAY":
        advice = advise_stray(place.token.value)
    elif place.kind == "NAME" and (place.opened is not None or not place.is_first_on_line):
        advice = advise_word(place.token.value)
    return _error(advice.message, span, help=advice.help) if advice else None


def _bracket(place: _Place) -> Diagnostic | None:
    """A bracket without its partner."""
    if place.token is not None and place.kind in CLOSING.values():
        return _closing_bracket(place, place.token)
    if place.opened is None or not place.has_ended:
        return None
    is_block = place.opened.type == "LBRACE" and not place.is_inner
    if is_block and (place.token is not None or _example(place) is not None):
        return None
    last = place.span(place.previous())
    end = Label(Span(last.file, last.end - 1, last.end), f"the text ends here without `{_partner(place.opened)}`")
    return _error(f"`{place.opened.value}` is never closed", place.span(place.opened), other=end)


def _closing_bracket(place: _Place, token: Token) -> Diagnostic | None:
    span = place.span(token)
    if place.opened is None:
        return _error(f"`{token.value}` closes nothing", span, help="delete it, or open it before")
    if CLOSING[place.opened.type] == token.type:
        return None
    opened = Label(place.span(place.opened), f"`{_partner(place.opened)}` is expected for this")
    return _error(f"`{token.value}` does not close `{place.opened.value}`", span, other=opened)


def _partner(token: Token) -> str:
    return PARTNER[token.value]


# ---- mistakes known by example -------------------------------------------------------------------------------------


def _by_example(place: _Place) -> Diagnostic | None:
    found = _example(place)
    if found is None:
        return None
    explanation, token = found
    words = _words(place)
    return _error(_fill(explanation.message, words), place.span(token), help=_fill(explanation.help, words))


def _example(place: _Place) -> tuple[Explanation, Token] | None:
    """The explanation of this state and token, and the token it talks about.

    Where a bracket closes or a line ends, the explanation of a text that ends here too early holds as well.
    """
    if place.token is not None and (exact := _lookup(place, place.kind)) is not None:
        return exact, place.token
    if place.has_ended or place.kind in CLOSING.values():
        early = _lookup(place, END)
        return None if early is None else (early, place.previous())
    return None


def _lookup(place: _Place, kind: str) -> Explanation | None:
    table = learn_explanations(place.grammar)
    found = table.get((place.stuck.state, kind, True)) if place.opened is not None else None
    return found or table.get((place.stuck.state, kind, False))


@cache
def learn_explanations(grammar: Grammar) -> dict[tuple[int, str, bool], Explanation]:
    """The explanation for each (parser state, kind of wrong token, holds only inside brackets)."""
    table: dict[tuple[int, str, bool], Explanation] = {}
    seen_before = len(grammar.builder.diagnostics)
    for explanation in EXPLANATIONS:
        for example in explanation.examples:
            state, kind = _stop(grammar, example)
            known = table.setdefault((state, kind, explanation.in_brackets), explanation)
            assert known.message == explanation.message, f"two explanations for: {example}"
    del grammar.builder.diagnostics[seen_before:]
    return table


def _stop(grammar: Grammar, example: str) -> tuple[int, str]:
    """The parser's state and the kind of token where it cannot go on with `example`."""
    tokens = grammar.lex(example)
    try:
        grammar.feed(tokens, "items")
    except Stuck as stuck:
        assert stuck.index >= len(tokens) - 1, f"the example goes wrong before its end: {example}"
        return stuck.state, tokens[stuck.index].type if stuck.index < len(tokens) else END
    raise AssertionError(f"the example is not wrong: {example}")


def _words(place: _Place) -> dict[str, str]:
    """What stands for the braces in an explanation."""
    starts = [i for i in range(place.index) if place.piece[i].type in STARTERS]
    keyword = starts[-1] if starts else 0
    name = place.piece[keyword + 1] if keyword + 1 < len(place.piece) else place.piece[keyword]
    return {
        "{keyword}": place.piece[keyword].value,
        "{name}": name.value,
        "{found}": "" if place.token is None else place.token.value,
        "{previous}": place.previous().value,
    }


def _fill(text: str, words: dict[str, str]) -> str:
    for hole, word in words.items():
        text = text.replace(hole, word if len(word) <= _LONGEST_QUOTE else f"{word[:_LONGEST_QUOTE]}...")
    return text


def _missing_between(place: _Place) -> Diagnostic | None:
    """Two values side by side; too many pairs of kinds of token to give an example for each."""
    if place.token is None or place.kind not in _VALUE_STARTS or place.index == 0:
        return None
    before, span = place.previous(), place.span(place.token)
    if before.type in ("INT", "FLOAT") and before.end_pos == place.token.start_pos:
        return _error(
            "an operator is missing after a number", span, help=f"write `{before.value} * {place.token.value}`"
        )
    if place.opened is not None and "COMMA" in place.stuck.accepts:
        return _error("a comma is missing", span, label="before this")
    if before.type in ("INT", "FLOAT") and place.kind == "NAME" and not place.is_first_on_line and _may_go_on(place):
        help = f"write `{before.value} * {place.token.value}`"
        return _error("a `*` is missing after a number", span, label="before this", help=help)
    return None


def _may_go_on(place: _Place) -> bool:
    """Whether arithmetic may go on here, and no `:` is missing instead."""
    return "STAR" in place.stuck.accepts and "COLON" not in place.stuck.accepts


def _decimal_comma(place: _Place) -> Diagnostic | None:
    """`0,5` where a comma cannot stand."""
    if place.token is None or place.kind != "COMMA" or place.index + 1 >= len(place.piece):
        return None
    before, after = place.previous(), place.piece[place.index + 1]
    is_number = (before.type, after.type) == ("INT", "INT")
    if not is_number or before.end_pos != place.token.start_pos or place.token.end_pos != after.start_pos:
        return None
    help = f"write `{before.value}.{after.value}`"
    return _error("a number has a point before its decimals, not a comma", place.span(place.token), help=help)


def _column_list(place: _Place) -> Diagnostic | None:
    """`features: a, b` or `label [a]`: a sign between the word and its columns."""
    word = place.previous()
    if place.token is None or word.type not in ("FEATURES", "LABEL") or place.kind not in _BEFORE_COLUMNS:
        return None
    if not place.stuck.accepts >= {"NAME", "STRING"} or "INT" in place.stuck.accepts:
        return None
    names: list[str] = []
    for index in range(place.index, len(place.piece)):
        token = place.piece[index]
        if opens_line(place.piece, index) or token.type not in _IN_COLUMNS:
            break
        if token.type in ("NAME", "STRING"):
            names.append(token.value)
    columns = ", ".join(names or ["column", "column"]) if word.type == "FEATURES" else (names or ["column"])[0]
    what = "columns follow" if word.type == "FEATURES" else "a column follows"
    message = f"{what} `{word.value}` without `{place.token.value}`"
    help = f"write {quote(f'{word.value} {columns}')}"
    return _error(message, place.span(place.token), help=help)


def _domain_without_in(place: _Place) -> Diagnostic | None:
    """`weights = -3..3` or `weights: [0, 1] step 1/4` as an argument."""
    if place.opened is None or place.opened.type != "LPAR" or place.kind not in _INSIDE_DOMAIN:
        return None
    closed = {end: start for start, end in match_brackets(place.piece[: place.index]).closed.items()}
    index = place.index - 1
    while index > 1 and place.piece[index].type not in ("EQ", "COLON", "COMMA", "LPAR"):
        index = closed.get(index, index) - 1
    name, sign = place.piece[index - 1], place.piece[index]
    if name.type != "NAME" or sign.type not in ("EQ", "COLON") or place.piece[index - 2].type not in ("COMMA", "LPAR"):
        return None
    help = f"write `{name.value} in ...` with the domain as it stands"
    return _error("a domain follows `in`", place.span(sign), help=help)


# ---- words in the wrong place --------------------------------------------------------------------------------------


def _reserved(place: _Place) -> Diagnostic | None:
    """A word of the language where a name is expected."""
    if place.token is None or place.kind not in RESERVED or "NAME" not in place.stuck.accepts:
        return None
    if place.has_ended:
        return None
    word = place.token.value
    if place.previous().type == "IN" and place.kind in _DOMAIN_OF_TYPE:
        message = f"`{word}` is a type, and a domain is expected here"
        return _error(message, place.span(place.token), help=f"for example `{_DOMAIN_OF_TYPE[place.kind]}`")
    return _error(
        f"`{word}` is a reserved word", place.span(place.token), help=f"choose another name, such as `{word}_1`"
    )


def _misplaced(place: _Place) -> Diagnostic | None:
    """A keyword that opens a line, in or outside a block where it cannot stand."""
    if place.token is None:
        return None
    word, span = place.token.value, place.span(place.token)
    if place.kind == "NNM":
        return _error("the version line stands at the top of the file, once", span)
    if place.kind in STARTERS and place.is_first_on_line and place.stuck.accepts & {"LAYER", "RETURN"}:
        return _error(f"`{word}` cannot stand inside a network", span, help="move it out, after the `}` of the network")
    if place.kind in ("LAYER", "RETURN") and place.opened is None:
        return _error(f"`{word}` stands inside `network ... {{ }}`", span, help="is there a `}` too many before it?")
    if place.kind in ("ASSUME", "PROVE") and place.index == 0:
        return _error(f"`{word}` stands inside `verify name: ...`", span)
    return None


def _unknown_keyword(place: _Place) -> Diagnostic | None:
    """A line that starts with a word which is not one of those that open a line here."""
    if place.token is None or not place.is_first_on_line or place.kind not in SOFT_WORDS | {"NAME"}:
        return None
    openers = place.stuck.accepts & (STARTERS | INNER_STARTERS | {"FORALL"} | OPENING_SOFT_WORDS)
    if not place.stuck.accepts & STARTERS:
        openers -= STARTERS
    words = sorted(opener.lower() for opener in openers)
    if not words:
        return None
    word = place.token.value
    guess = closest(word, words) or DECLARATION_SYNONYMS.get(word.lower())
    what = "a declaration" if "param" in words else "a line here"
    if guess in words:
        help = f"did you mean `{guess}`?"
    else:
        help = (
            f"it starts with {_either(words if len(words) <= 5 else ['param', 'var', 'constraint', 'another keyword'])}"
        )
    return _error(f"{quote(word)} does not start {what}", place.span(place.token), help=help)


def _unexpected(place: _Place) -> Diagnostic:
    """What is always true: this token cannot stand here, those could."""
    expected = _expected(place.grammar, place.stuck.accepts)
    if place.token is None or place.has_ended:
        previous = place.previous()
        label = f"expected {_either(expected)} after this" if expected else ""
        return _error(f"incomplete after {quote(previous.value)}", place.span(previous), label=label)
    label = f"expected {_either(expected)}" if expected else ""
    still_open = None
    if place.opened is not None and CLOSING[place.opened.type] in place.stuck.accepts:
        still_open = Label(place.span(place.opened), "this is still open")
    return _error(f"unexpected {quote(place.token.value)}", place.span(place.token), label=label, other=still_open)


def _expected(grammar: Grammar, accepts: frozenset[str]) -> list[str]:
    """What could stand in place of the wrong token; nothing where that would be a long list."""
    kinds = accepts - SLIPS - {END} - (SOFT_WORDS if "NAME" in accepts else frozenset())
    words: list[str] = []
    if {"NAME", "INT", "LPAR"} <= kinds:
        kinds -= _EXPRESSION_STARTS
        words.append("an expression")
    if {"PLUS", "STAR"} <= kinds:
        kinds -= _OPERATORS
        words.append("an operator")
    if kinds >= STARTERS:
        # `then` after a goal is left out: later stages come in a later version.
        kinds -= STARTERS | {"AT", "THEN"}
        words.append("the next declaration")
    words.extend(sorted(_spelling(grammar, kind) for kind in kinds))
    return words if len(words) <= _MOST_ALTERNATIVES else []


def _spelling(grammar: Grammar, kind: str) -> str:
    spellings = {"NAME": "a name", "INT": "a whole number", "FLOAT": "a number", "STRING": "a text in quotes"}
    return spellings.get(kind) or f"`{grammar.spelling(kind)}`"


def _either(words: list[str]) -> str:
    quoted = [word if " " in word or word.startswith("`") else f"`{word}`" for word in words]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"


_LOOKS = (
    _slip,
    _bracket,
    _by_example,
    _column_list,
    _domain_without_in,
    _decimal_comma,
    _missing_between,
    _reserved,
    _misplaced,
    _unknown_keyword,
)
"""The explanations in the order in which they are tried; each gives None where it does not hold."""
