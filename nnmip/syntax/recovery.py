"""Several errors in one run: the text is cut into declarations, and each is read on its own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from nnmip.diagnostics import Diagnostic
from nnmip.diagnostics.model import MOST_MISTAKES, too_many
from nnmip.syntax import nodes
from nnmip.syntax.explain import explain
from nnmip.syntax.grammar import Grammar, Stuck, TooDeep
from nnmip.syntax.header import unreadable_header
from nnmip.syntax.limits import too_deep
from nnmip.syntax.recovered import Recovered, declared_name
from nnmip.syntax.tokens import STARTERS, Brackets, Token, match_brackets, opens_line


def recover(grammar: Grammar, tokens: list[Token]) -> Recovered:
    """The declarations of `tokens` that can be read, and one diagnostic for each piece of text that cannot."""
    header, rest, diagnostics = _split_header(grammar, tokens)
    declarations: list[nodes.Declaration] = []
    broken: set[str] = set()
    for piece in _pieces(rest):
        if len(diagnostics) >= MOST_MISTAKES:
            diagnostics.append(too_many(grammar.builder.span_of(piece[0])))
            broken.update(_declared_names(rest[rest.index(piece[0]) :]))
            break
        found = len(grammar.builder.diagnostics)
        try:
            declarations.extend(grammar.feed(piece, "items"))
        except TooDeep as deep:
            del grammar.builder.diagnostics[found:]
            diagnostics.append(too_deep(deep.opened, grammar.builder.source))
            broken.update(_declared_names(piece))
        except Stuck as stuck:
            # What the builder saw before the parser stopped may only be a consequence of the mistake.
            del grammar.builder.diagnostics[found:]
            diagnostics.append(explain(grammar, piece, stuck))
            good = _before_wrong_line(grammar, piece, stuck.index)
            declarations.extend(good)
            broken.update(set(_declared_names(piece)) - {name for each in good for name in declared_name(each)})
    return Recovered(header, tuple(declarations), tuple(diagnostics), frozenset(broken))


def _before_wrong_line(grammar: Grammar, piece: list[Token], wrong: int) -> tuple[nodes.Declaration, ...]:
    """The declarations in front of token `wrong` where it opens a line that has nothing to do with them."""
    if not 0 < wrong < len(piece) or not opens_line(piece, wrong):
        return ()
    found = len(grammar.builder.diagnostics)
    try:
        declarations: tuple[nodes.Declaration, ...] = grammar.feed(piece[:wrong], "items")
    except Stuck:
        del grammar.builder.diagnostics[found:]
        return ()
    return declarations


def _split_header(grammar: Grammar, tokens: list[Token]) -> tuple[nodes.Header | None, list[Token], list[Diagnostic]]:
    """The version line, the tokens after it, and a diagnostic where it is there but cannot be read."""
    kinds = [token.type for token in tokens[:2]]
    if kinds == ["NNM", "FLOAT"]:
        return grammar.builder.header(tokens[:2]), tokens[2:], []
    if kinds[:1] == ["NNM"] or kinds == ["NAME", "FLOAT"]:
        end = _line_end(tokens)
        span = grammar.builder.span_of(tokens[0]).to(grammar.builder.span_of(tokens[end - 1]))
        return None, tokens[end:], [unreadable_header(span)]
    return None, tokens, []


def _line_end(tokens: list[Token]) -> int:
    """How many tokens stand on the first line, up to its first declaration."""
    for index in range(1, len(tokens)):
        if opens_line(tokens, index) or tokens[index].type in STARTERS:
            return index
    return len(tokens)


def _pieces(tokens: list[Token]) -> Iterator[list[Token]]:
    """`tokens`, cut before each declaration that opens a line outside closed braces; its annotations go with it."""
    brackets = match_brackets(tokens)
    start = index = 0
    while index < len(tokens):
        keyword = _after_annotations(tokens, index, brackets)
        if _is_start(tokens, index, keyword):
            if start < index:
                yield tokens[start:index]
            start = index
            index = keyword + 1
        elif tokens[index].type == "LBRACE" and index in brackets.closed:
            index = brackets.closed[index]
        else:
            index = max(keyword, index + 1)
    if start < len(tokens):
        yield tokens[start:]


def _is_start(tokens: list[Token], index: int, keyword: int) -> bool:
    if keyword >= len(tokens) or tokens[keyword].type not in STARTERS:
        return False
    return opens_line(tokens, index) or opens_line(tokens, keyword)


def _after_annotations(tokens: list[Token], index: int, brackets: Brackets) -> int:
    """The index of the first token from `index` on that belongs to no annotation `@name(...)`."""
    while index + 1 < len(tokens) and tokens[index].type == "AT" and tokens[index + 1].type == "NAME":
        index += 2
        if index < len(tokens) and tokens[index].type == "LPAR" and index in brackets.closed:
            index = brackets.closed[index] + 1
    return index


def _declared_names(piece: list[Token]) -> Iterator[str]:
    for keyword, name in pairwise(piece):
        if keyword.type in STARTERS and name.type == "NAME":
            yield name.value
    yield from _names_after_misspelt_words(piece)


def _names_after_misspelt_words(piece: list[Token]) -> Iterator[str]:
    """`net` of `netwrok net(`: the second of two names that open a line outside closed brackets."""
    closed = match_brackets(piece).closed
    index = 0
    while index + 1 < len(piece):
        word, name = piece[index : index + 2]
        if word.type == name.type == "NAME" and opens_line(piece, index) and not opens_line(piece, index + 1):
            yield name.value
        index = closed.get(index, index) + 1
