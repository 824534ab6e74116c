"""Signs and words of other languages, and what stands for them here."""

from __future__ import annotations

import re
from decimal import Decimal

from nnmip.diagnostics import Diagnostic, Edit
from nnmip.diagnostics.edit import insert_after, substitute
from nnmip.source import Span
from nnmip.syntax.place import Place, error, quote
from nnmip.syntax.slips import Advice, advise_mistake, advise_stray, advise_word
from nnmip.syntax.tokens import Token, match_brackets

_WORD = re.compile(r"[^\s(){}\[\],:;]*")
_CURLY = "\u201c\u201d\u201e"
_TYPES = {
    **dict.fromkeys(("float", "double", "number", "numeric", "continuous"), "real"),
    **dict.fromkeys(("integer", "whole", "nat", "long"), "int"),
    **dict.fromkeys(("binary", "boolean", "logical"), "bool"),
}
"""Types of other languages, in lower case."""


def _slip(place: Place) -> Diagnostic | None:
    """Characters and words of other languages."""
    if place.token is None:
        return None
    span = place.span(place.token)
    advice: Advice | None = None
    if place.kind == "MISTAKE":
        advice = advise_mistake(place.token.value)
    elif place.kind == "STRAY":
        advice = advise_stray(place.token.value)
    elif place.kind == "NAME" and (place.opened is not None or not place.is_first_on_line):
        advice = advise_word(place.token.value)
    if advice is None:
        return None
    return error(advice.message, span, help=advice.help, fix=() if advice.fix is None else substitute(span, advice.fix))


def _decimal_comma(place: Place) -> Diagnostic | None:
    """`0,5` where a comma cannot stand."""
    if place.token is None or place.kind != "COMMA" or place.index + 1 >= len(place.piece):
        return None
    before, after = place.previous(), place.piece[place.index + 1]
    is_number = (before.type, after.type) == ("INT", "INT")
    if not is_number or before.end_pos != place.token.start_pos or place.token.end_pos != after.start_pos:
        return None
    help = f"write `{before.value}.{after.value}`"
    fix = substitute(_between(place, before, after), f"{before.value}.{after.value}")
    return error("a number has a point before its decimals, not a comma", place.span(place.token), help=help, fix=fix)


def _open_string(place: Place) -> Diagnostic | None:
    """A text without its closing quote; its end is taken to be that of its first word."""
    if place.token is None or place.kind != "OPEN_STRING":
        return None
    span = place.span(place.token)
    word = _WORD.match(place.token.value, 1)
    assert word is not None
    text = Span(span.file, span.start, span.start + word.end())
    help = f"write {quote(text.text + chr(34))}" if word[0] else 'a string ends on its line with `"`'
    return error(
        "this string has no closing quote",
        Span(span.file, span.start, span.start + 1),
        help=help,
        fix=insert_after(text, '"'),
    )


def _curly_quotes(place: Place) -> Diagnostic | None:
    """The quotes of a text processor: all that stand on the line."""
    if place.token is None or place.token.value not in _CURLY:
        return None
    span = place.span(place.token)
    ends = [place.span(token) for token in place.piece if token.value in _CURLY and token.line == place.token.line]
    fix = tuple(Edit(end, '"') for end in ends)
    return error(f"`{place.token.value}` is not part of the language", span, help='write `"`', fix=fix)


def _power(place: Place) -> Diagnostic | None:
    """`x ** 2` and `x^2`."""
    if place.token is None or place.token.value not in ("**", "^") or place.index + 1 >= len(place.piece):
        return None
    base, power = place.previous(), place.piece[place.index + 1]
    if base.type not in ("NAME", "INT", "FLOAT") or power.value != "2":
        return None
    what = "an operator" if place.kind == "MISTAKE" else "part of the language"
    whole = place.span(base).to(place.span(power))
    square = f"{base.value} * {base.value}"
    message = f"`{place.token.value}` is not {what}"
    return error(message, place.span(place.token), help=f"write `{square}`", fix=substitute(whole, square))


def _slashes(place: Place) -> Diagnostic | None:
    """`// a comment`: on a line of its own, or in front of two words side by side."""
    if place.token is None or place.token.value != "//":
        return None
    after = [t for t in place.piece[place.index + 1 : place.index + 3] if t.line == place.token.line]
    is_prose = len(after) < 1 or (len(after) == 2 and all(t.value.isalnum() for t in after))
    if not is_prose and not place.is_first_on_line:
        return None
    return error("a comment starts with `#`, not with `//`", place.span(place.token), help="write `#`")


def _percent(place: Place) -> Diagnostic | None:
    """`5%`."""
    if place.token is None or place.token.value != "%" or place.index == 0:
        return None
    number = place.previous()
    if number.type not in ("INT", "FLOAT") or number.end_pos != place.token.start_pos:
        return None
    fraction = f"{Decimal(number.value.replace('_', '')) / 100:f}"
    fix = substitute(place.span(number).to(place.span(place.token)), fraction)
    return error("there are no percentages", place.span(place.token), help=f"write `{fraction}`", fix=fix)


def _comprehension(place: Place) -> Diagnostic | None:
    """`sum(x[i] for i in D)`, with the index behind what it runs over."""
    if place.token is None or place.token.value != "for" or place.opened is None:
        return None
    opened = next(i for i, token in enumerate(place.piece) if token is place.opened)
    closing = match_brackets(place.piece).closed.get(opened)
    inside = place.piece[place.index + 1 : closing]
    if closing is None or len(inside) < 3 or inside[0].type != "NAME" or inside[1].type != "IN":
        return None
    body = _between(place, place.piece[opened + 1], place.previous())
    domain = _between(place, inside[2], inside[-1])
    text = f"{inside[0].value} in {domain.text}: {body.text}"
    fix = substitute(body.to(domain), text)
    help = f"write the range first: {quote(f'{place.piece[opened - 1].value}({text})')}"
    return error("there is no `for` after an expression", place.span(place.token), help=help, fix=fix)


def _between(place: Place, first: Token, last: Token) -> Span:
    return place.span(first).to(place.span(last))


def _for_all(place: Place) -> Diagnostic | None:
    """`for all i in D:` and `for i in D:`."""
    if place.token is None or place.index == 0 or place.previous().value.lower() not in ("for", "foreach", "each"):
        return None
    if place.kind != "NAME":
        return None
    span = place.span(place.previous())
    if place.token.value.lower() in ("all", "each", "every"):
        span = span.to(place.span(place.token))
    return error(f"`{span.text}` is not a word of the language", span, help="write `forall`")


def _type_word(place: Place) -> Diagnostic | None:
    """`float`, `integer` and `binary` where a type stands."""
    if place.token is None or not place.stuck.accepts >= {"REAL", "INTEGER", "BOOLEAN"}:
        return None
    known = _TYPES.get(place.token.value.lower()) or (place.token.value.lower() if place.kind == "NAME" else "")
    if known not in ("real", "int", "bool"):
        return None
    message = f"`{place.token.value}` is not a type"
    help = f"write `{known}`; the types are `real`, `int` and `bool`"
    return error(message, place.span(place.token), help=help)


def _equals_for_colon(place: Place) -> Diagnostic | None:
    """`{a = -1, b = +1}` for codes: all that stand in the braces."""
    if place.token is None or place.kind != "EQ" or "COLON" not in place.stuck.accepts or place.opened is None:
        return None
    if place.opened.type != "LBRACE":
        return None
    opened = next(i for i, token in enumerate(place.piece) if token is place.opened)
    closing = match_brackets(place.piece).closed.get(opened, len(place.piece))
    signs = [i for i in range(place.index, closing) if place.piece[i].type == "EQ"]
    fix = tuple(Edit(_up_to(place, place.piece[i - 1], place.piece[i]), ":") for i in signs)
    after = place.piece[place.index + 1 : place.index + 3]
    value = "".join(token.value for token in after if token.type in ("PLUS", "MINUS", "INT"))
    help = f"write `{place.previous().value}: {value}`"
    return error("a code follows `:`", place.span(place.token), help=help, fix=fix)


def _up_to(place: Place, before: Token, token: Token) -> Span:
    """From the end of one token to the end of another."""
    end = place.span(token)
    return Span(end.file, place.span(before).end, end.end)


FOREIGN = (
    _open_string,
    _curly_quotes,
    _power,
    _slashes,
    _percent,
    _comprehension,
    _for_all,
    _type_word,
    _equals_for_colon,
    _slip,
    _decimal_comma,
)
"""These in the order in which they are tried; each gives None where it does not hold."""
