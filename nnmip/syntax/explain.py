"""Why the parser stopped, in the user's terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType

from nnmip.diagnostics import Diagnostic, Edit, Label
from nnmip.diagnostics.edit import delete, insert_after, insert_before, substitute
from nnmip.source import Span
from nnmip.syntax.examples import EXPLANATIONS, Explanation
from nnmip.syntax.foreign import FOREIGN
from nnmip.syntax.grammar import Grammar, Stuck
from nnmip.syntax.place import LONGEST_QUOTE, Place, error, place_of, quote
from nnmip.syntax.slips import DECLARATION_SYNONYMS
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
    Token,
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
_DEFINING = frozenset(["LET", "DATA", "NETWORK", "LAYER"])
_INSIDE_DOMAIN = frozenset(["UPTO", "BELOW", "STEP", "VBAR"])
_DOMAIN_OF_TYPE = {"REAL": "[-1, 1]", "INTEGER": "-3..3", "BOOLEAN": "{0, 1}"}
_MOST_ALTERNATIVES = 4


def explain(grammar: Grammar, piece: list[Token], stuck: Stuck) -> Diagnostic:
    """The diagnostic for `piece`, in which the parser got stuck."""
    place = place_of(grammar, piece, stuck)
    for look in _LOOKS:
        if (diagnostic := look(place)) is not None:
            return diagnostic
    return _unexpected(place)


# ---- characters, words and brackets --------------------------------------------------------------------------------


def _bracket(place: Place) -> Diagnostic | None:
    """A bracket without its partner."""
    if place.token is not None and place.kind in CLOSING.values():
        return _closing_bracket(place, place.token)
    if place.opened is None or not place.has_ended:
        return None
    is_block = place.opened.type == "LBRACE" and not place.is_inner
    if is_block and (place.token is not None or _example(place) is not None):
        return None
    last = place.span(place.previous())
    partner = _partner(place.opened)
    end = Label(Span(last.file, last.end - 1, last.end), f"the text ends here without `{partner}`")
    help = f"close it with `{partner}` after {quote(place.previous().value)}"
    fix = insert_after(last, f"\n{partner}" if is_block else partner)
    return error(f"`{place.opened.value}` is never closed", place.span(place.opened), other=end, help=help, fix=fix)


def _closing_bracket(place: Place, token: Token) -> Diagnostic | None:
    span = place.span(token)
    if place.opened is None:
        return error(f"`{token.value}` closes nothing", span, help="delete it, or open it before", fix=delete(span))
    if CLOSING[place.opened.type] == token.type:
        return None
    partner = _partner(place.opened)
    opened = Label(place.span(place.opened), f"`{partner}` is expected for this")
    waiting = match_brackets(place.piece[: place.index]).unclosed
    if any(CLOSING[place.piece[index].type] == token.type for index in waiting):
        help, fix = f"write `{partner}` before it", insert_before(span, partner)
    else:
        help, fix = "delete it: it closes nothing", delete(span)
    return error(f"`{token.value}` does not close `{place.opened.value}`", span, other=opened, help=help, fix=fix)


def _partner(token: Token) -> str:
    return PARTNER[token.value]


# ---- mistakes known by example -------------------------------------------------------------------------------------


def _by_example(place: Place) -> Diagnostic | None:
    found = _example(place)
    if found is None:
        return None
    explanation, token = found
    words = _words(place)
    fix = _FIXES[explanation.fix](place) if explanation.fix else ()
    message, help = _fill(explanation.message, words), _fill(explanation.help, words)
    return error(message, place.span(token), help=help, fix=fix)


def _example(place: Place) -> tuple[Explanation, Token] | None:
    """The explanation of this state and token, and the token it talks about.

    Where a bracket closes or a line ends, the explanation of a text that ends here too early holds as well.
    """
    if place.token is not None and (exact := _lookup(place, place.kind)) is not None:
        return exact, place.token
    if place.has_ended or place.kind in CLOSING.values():
        early = _lookup(place, END)
        return None if early is None else (early, place.previous())
    return None


def _lookup(place: Place, kind: str) -> Explanation | None:
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


def _words(place: Place) -> dict[str, str]:
    """What stands for the braces in an explanation."""
    starts = [i for i in range(place.index) if place.piece[i].type in STARTERS]
    keyword = starts[-1] if starts else 0
    name = place.piece[keyword + 1] if keyword + 1 < len(place.piece) else place.piece[keyword]
    last = [i for i in range(place.index) if place.piece[i].type == "LAYER"]
    return {
        "{type}": _type_of_value(place),
        "{layer}": place.piece[last[-1] + 1].value if last else name.value,
        "{keyword}": place.piece[keyword].value,
        "{name}": name.value,
        "{found}": "" if place.token is None else place.token.value,
        "{previous}": place.previous().value,
    }


def _fill(text: str, words: dict[str, str]) -> str:
    for hole, word in words.items():
        text = text.replace(hole, word if len(word) <= LONGEST_QUOTE else f"{word[:LONGEST_QUOTE]}...")
    return text


def _type_of_value(place: Place) -> str:
    """The type of the value behind an `=` that follows a name, as far as its first sign tells."""
    value = place.piece[place.index + 1].type if place.kind == "EQ" and place.index + 1 < len(place.piece) else ""
    return {"INT": "int", "TRUE": "bool", "FALSE": "bool"}.get(value, "real")


def _insert_type(place: Place) -> tuple[Edit, ...]:
    if place.token is None or place.kind not in ("EQ", "IN"):
        return ()
    return insert_before(place.span(place.token), f": {_type_of_value(place)} ")


def _insert_name(place: Place) -> tuple[Edit, ...]:
    """A name behind the keyword `constraint`; its colon too, unless a sentence or a colon stands there."""
    keyword = max(i for i in range(place.index) if place.piece[i].type == "CONSTRAINT")
    after = place.piece[keyword + 1].type
    colon = "" if after in ("STRING", "COLON") else ":"
    return insert_after(place.span(place.piece[keyword]), f" some_name{colon}")


def _imply(place: Place) -> tuple[Edit, ...]:
    """`if a then b` as `a -> b`."""
    words = [i for i in range(place.index) if place.piece[i].type in ("IF", "THEN")]
    if [place.piece[i].type for i in words[-2:]] != ["IF", "THEN"]:
        return ()
    condition, arrow = (place.piece[i] for i in words[-2:])
    after = place.piece[words[-2] + 1]
    start = place.span(condition)
    return (Edit(Span(start.file, start.start, place.span(after).start), ""), *substitute(place.span(arrow), "->"))


def _return_last(place: Place) -> tuple[Edit, ...]:
    """`return o[0]` on a line before the closing brace."""
    if place.token is None:
        return ()
    return insert_before(place.span(place.token), _fill("  return {layer}[0]\n", _words(place)))


def _quote_file(place: Place) -> tuple[Edit, ...]:
    """`include file` with its quotes, and the suffix if it has none."""
    if place.token is None:
        return ()
    span = place.span(place.token)
    line = span.file.line(span.line)[span.column - 1 :].split()[0]
    name = line if "." in line else f"{line}.nnm"
    return substitute(Span(span.file, span.start, span.start + len(line)), f'"{name}"')


_FIXES: Mapping[str, Callable[[Place], tuple[Edit, ...]]] = MappingProxyType(
    {
        "name": _insert_name,
        "type": _insert_type,
        "implication": _imply,
        "return": _return_last,
        "quotes": _quote_file,
    }
)
"""The edits of explanations by the word in their table."""


def _missing_between(place: Place) -> Diagnostic | None:
    """Two values side by side; too many pairs of kinds of token to give an example for each."""
    if place.token is None or place.kind not in _VALUE_STARTS or place.index == 0:
        return None
    before, span = place.previous(), place.span(place.token)
    product = f"{before.value} * {place.token.value}"
    fix = substitute(place.span(before).to(span), product)
    if before.type in ("INT", "FLOAT") and before.end_pos == place.token.start_pos:
        return error("an operator is missing after a number", span, help=f"write `{product}`", fix=fix)
    if place.opened is not None and "COMMA" in place.stuck.accepts:
        fix = insert_after(place.span(before), ",")
        help = f"write `{before.value}, {place.token.value}`"
        return error("a comma is missing", span, label="before this", help=help, fix=fix)
    if before.type in ("INT", "FLOAT") and place.kind == "NAME" and not place.is_first_on_line and _may_go_on(place):
        help = f"write `{product}`"
        return error("a `*` is missing after a number", span, label="before this", help=help, fix=fix)
    return None


def _missing_sign(place: Place) -> Diagnostic | None:
    """A value where `:` or `=` must come first."""
    if place.token is None or place.kind not in _EXPRESSION_STARTS or place.index == 0:
        return None
    kinds = place.stuck.accepts - SLIPS
    before = place.previous()
    is_certain = kinds <= {"STRING", "COLON", "EQ"}
    is_defined = place.index > 1 and place.piece[place.index - 2].type in _DEFINING
    if is_defined and "EQ" in kinds:
        sign, where = "=", insert_after(place.span(before), " =")
    elif "COLON" in kinds and (is_certain or place.opened is None):
        sign, where = ":", insert_after(place.span(before), ":")
    else:
        return None
    help = f"write `{sign}` after {quote(before.value)}"
    return error(f"a `{sign}` is missing", place.span(place.token), label="before this", help=help, fix=where)


def _missing_range(place: Place) -> Diagnostic | None:
    """`forall j: p(j)`, read so far as a name with its type."""
    if place.token is None or place.index < 3 or not place.stuck.accepts >= {"REAL", "INTEGER", "BOOLEAN"}:
        return None
    quantifier, name, colon = place.piece[place.index - 3 : place.index]
    if quantifier.type not in ("FORALL", "EXISTS") or colon.type != "COLON":
        return None
    domain = _range_of(place, name.value)
    help = f"write `{quantifier.value} {name.value} in {domain}: ...`"
    return error(
        f"`{name.value}` has no range", place.span(name), help=help, fix=insert_after(place.span(name), f" in {domain}")
    )


def _range_of(place: Place, name: str) -> str:
    """What an index most likely runs over: what it first stands in as `path[name]`."""
    piece = place.piece
    for index in range(place.index, len(piece) - 2):
        if piece[index].type == "LSQB" and piece[index + 1].value == name and piece[index + 2].type == "RSQB":
            start = index - 1
            while start > place.index and (piece[start].type == "DOT" or piece[start - 1].type == "DOT"):
                start -= 1
            path = "".join(token.value for token in piece[start:index])
            return f"units({path})" if piece[start - 2].value in ("used", "active", "fan_in") else f"indices({path})"
    return "0..3"


def _may_go_on(place: Place) -> bool:
    """Whether arithmetic may go on here, and no `:` is missing instead."""
    return "STAR" in place.stuck.accepts and "COLON" not in place.stuck.accepts


def _column_list(place: Place) -> Diagnostic | None:
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
    fix = _without_brackets(place)
    return error(message, place.span(place.token), help=help, fix=fix)


def _without_brackets(place: Place) -> tuple[Edit, ...]:
    """The sign in front of columns deleted, and its partner if it is a bracket."""
    ends = [place.index, match_brackets(place.piece).closed.get(place.index, place.index)]
    return tuple(substitute(place.span(place.piece[end]), "")[0] for end in dict.fromkeys(ends))


def _domain_without_in(place: Place) -> Diagnostic | None:
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
    start, end = place.span(name), place.span(sign)
    fix = substitute(Span(start.file, start.end, end.end), " in")
    return error("a domain follows `in`", end, help=help, fix=fix)


# ---- words in the wrong place --------------------------------------------------------------------------------------


def _reserved(place: Place) -> Diagnostic | None:
    """A word of the language where a name is expected."""
    if place.token is None or place.kind not in RESERVED or "NAME" not in place.stuck.accepts:
        return None
    if place.has_ended:
        return None
    word = place.token.value
    if place.previous().type == "IN" and place.kind in _DOMAIN_OF_TYPE:
        message = f"`{word}` is a type, and a domain is expected here"
        domain = _DOMAIN_OF_TYPE[place.kind]
        span = place.span(place.token)
        return error(message, span, help=f"for example `{domain}`", fix=substitute(span, domain))
    span, other = place.span(place.token), f"{word}_1"
    help = f"choose another name, such as `{other}`"
    return error(f"`{word}` is a reserved word", span, help=help, fix=substitute(span, other))


def _misplaced(place: Place) -> Diagnostic | None:
    """A keyword that opens a line, in or outside a block where it cannot stand."""
    if place.token is None:
        return None
    word, span = place.token.value, place.span(place.token)
    if place.kind == "NNM":
        return error("the version line stands at the top of the file, once", span)
    if place.kind in STARTERS and place.is_first_on_line and place.stuck.accepts & {"LAYER", "RETURN"}:
        return error(f"`{word}` cannot stand inside a network", span, help="move it out, after the `}` of the network")
    if place.kind in ("LAYER", "RETURN") and place.opened is None:
        return error(f"`{word}` stands inside `network ... {{ }}`", span, help="is there a `}` too many before it?")
    if place.kind in ("ASSUME", "PROVE") and place.index == 0:
        return error(f"`{word}` stands inside `verify name: ...`", span)
    return None


def _unknown_keyword(place: Place) -> Diagnostic | None:
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
    return error(f"{quote(word)} does not start {what}", place.span(place.token), help=help)


def _unexpected(place: Place) -> Diagnostic:
    """What is always true: this token cannot stand here, those could."""
    expected = _expected(place.grammar, place.stuck.accepts)
    if place.token is None or place.has_ended:
        previous = place.previous()
        label = f"expected {_either(expected)} after this" if expected else ""
        return error(f"incomplete after {quote(previous.value)}", place.span(previous), label=label)
    label = f"expected {_either(expected)}" if expected else ""
    still_open = None
    if place.opened is not None and CLOSING[place.opened.type] in place.stuck.accepts:
        still_open = Label(place.span(place.opened), "this is still open")
    return error(f"unexpected {quote(place.token.value)}", place.span(place.token), label=label, other=still_open)


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
    *FOREIGN,
    _bracket,
    _by_example,
    _column_list,
    _domain_without_in,
    _missing_range,
    _missing_between,
    _missing_sign,
    _reserved,
    _misplaced,
    _unknown_keyword,
)
"""The explanations in the order in which they are tried; each gives None where it does not hold."""
