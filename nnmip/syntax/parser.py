"""From text to syntax tree."""

from __future__ import annotations

from pathlib import Path

from nnmip.diagnostics import Diagnostic
from nnmip.records import dataclass
from nnmip.sizes import TOKEN, UNASKED, Allowance, counted
from nnmip.source import SourceFile, Span
from nnmip.syntax import nodes
from nnmip.syntax.collector import collector_paused
from nnmip.syntax.grammar import Grammar, Stuck, TooDeep, load_grammar
from nnmip.syntax.header import check_header
from nnmip.syntax.limits import check_depth
from nnmip.syntax.recovered import Recovered, declared_name
from nnmip.syntax.tokens import Token

_TOKEN_LENGTH = 3
"""Characters of a token with the blanks around it, to say how large a text is that was not read to its end."""

_OPENING = tuple(Token(kind, text, 0, 0, 1) for kind, text in (("LET", "let"), ("NAME", "x"), ("EQ", "=")))
"""What makes a declaration of an expression."""


@dataclass(frozen=True, slots=True, repr=False)
class ParseResult:
    """The declarations that could be read, and what is wrong with the text, in its order.

    `broken` has the names of the declarations that could not be read: they are declared, but nothing is known of them.
    `tokens` counts the tokens of the text; where it is larger than is allowed (`is_too_large`) nothing of it was read.
    """

    file: nodes.File
    diagnostics: tuple[Diagnostic, ...]
    broken: frozenset[str] = frozenset()
    tokens: int = 0
    is_too_large: bool = False

    def __repr__(self) -> str:
        return f"ParseResult({self.file!r}, {len(self.diagnostics)} diagnostics)"

    def _repr_html_(self) -> str:
        """For notebooks: what is wrong with the text, and the tree to unfold."""
        from nnmip.syntax.walk import dump_html

        return "".join(diagnostic._repr_html_() for diagnostic in self.diagnostics) + dump_html(self.file)


def parse(source: SourceFile, allowance: Allowance = UNASKED, before: int = 0, each: int = TOKEN) -> ParseResult:
    """The syntax tree of `source`. Never raises on what the user wrote: every defect is a diagnostic with its span.

    A text with more tokens than is allowed (NNM0310) is not read: `each` is what one counts in bytes, and `before` have
    been read in other files of the model.
    """
    with collector_paused():
        grammar = load_grammar()
        with grammar.lock:
            return _parse(grammar, source, allowance, before, each)


def parse_expression(source: SourceFile) -> nodes.Expr | None:
    """The expression that is the whole text of `source`, such as the value of an option; None where it is none."""
    grammar = load_grammar()
    with grammar.lock:
        grammar.builder.start(source)
        tokens = grammar.lex(source.text)
        try:
            declarations = grammar.feed([*_OPENING, *tokens], "items")
        except (Stuck, TooDeep):
            return None
        match declarations:
            case (nodes.Let(value=value) as let,) if not grammar.builder.diagnostics and check_depth(let) is None:
                return value
    return None


def _parse(grammar: Grammar, source: SourceFile, allowance: Allowance, before: int, each: int) -> ParseResult:
    builder = grammar.builder
    builder.start(source)
    most = max(0, allowance.most(each) - before)
    lines = source.text.count("\n")
    tokens = grammar.lex(source.text, most + 1) if lines <= most else []
    if lines > most or len(tokens) > most:
        return _too_large(source, allowance, before + max(lines, len(tokens)), each)
    read = _read(grammar, tokens)
    found = [*builder.diagnostics, *read.diagnostics]
    if not any(diagnostic.code == "NNM0102" for diagnostic in found):
        start = builder.span_of(tokens[0]) if tokens else Span(source, 0, 0)
        found.extend(check_header(read.header, start))
    kept: list[nodes.Declaration] = []
    broken = set(read.broken)
    for declaration in read.declarations:
        if (excess := check_depth(declaration)) is None:
            kept.append(declaration)
        else:
            found.append(excess)
            broken.update(declared_name(declaration))
    found.sort(key=lambda diagnostic: diagnostic.span.start)
    file = nodes.File(source, read.header, tuple(kept), tuple(builder.comments))
    return ParseResult(file, tuple(found), frozenset(broken), len(tokens))


def _too_large(source: SourceFile, allowance: Allowance, tokens: int, each: int) -> ParseResult:
    """What is known of a text of at least so many tokens, which was not read."""
    needed = max(tokens, len(source.text) // _TOKEN_LENGTH) * each
    name = Path(source.path).name
    span = Span(source, 0, min(1, len(source.text)))
    help = "keep numbers in data files (csv, npy, npz), and say it once with `forall` or of whole tensors"
    what = f"the text of `{name}`, {counted(len(source.text), 'character')},"
    refusal = allowance.refusal(needed, what, span, help=help)
    return ParseResult(nodes.File(source, None, (), ()), (refusal,), is_too_large=True)


def _read(grammar: Grammar, tokens: list[Token]) -> Recovered:
    try:
        header, declarations = grammar.feed(tokens, "file")
    except (Stuck, TooDeep):
        from nnmip.syntax.recovery import recover  # a good text needs none of it

        grammar.builder.diagnostics.clear()
        return recover(grammar, tokens)
    return Recovered(header, declarations, (), frozenset())
