"""The grammar file: strict, cached, and in step with the builder."""

from __future__ import annotations

import gc
import json
import pickle
import random
import sys
from pathlib import Path

import lark
import platformdirs
import pytest

from nnmip.source import SourceFile
from nnmip.syntax import compile_grammar as compile_module
from nnmip.syntax import grammar as grammar_module
from nnmip.syntax.builder import Builder
from nnmip.syntax.explain import learn_explanations
from nnmip.syntax.grammar import Stuck, grammar_path, load_grammar
from nnmip.syntax.parser import parse
from nnmip.syntax.tables import STARTS, UNREAD, load_tables
from nnmip.syntax.tokens import INNER_STARTERS, RESERVED, SLIPS, SOFT_WORDS, STARTERS, Token
from tests.syntax.derive import derive

_RESERVED_WORDS = (
    "nnm include param data network var let constraint minimize maximize satisfy verify layer return assume prove "
    "where forall exists if then else in and or not xor real int bool true false"
)
WORDS = _RESERVED_WORDS.split()


TABLES = load_grammar().tables
LARK_BUILDER = Builder()
HERE = Path(__file__).parent
TEXTS = [
    *(path.read_bytes().decode(errors="replace") for path in sorted(HERE.glob("*/*.nnm"))),
    *(derive(random.Random(seed)) for seed in range(100)),
]


@pytest.fixture(scope="module")
def strict() -> lark.Lark:
    """The grammar built without a cache, in Lark's strict mode, which finds colliding terminals and conflicts."""
    text = grammar_path().read_text(encoding="utf-8")
    return lark.Lark(text, parser="lalr", lexer="basic", start=list(STARTS), strict=True)


def test_grammar_is_clean_in_strict_mode(strict: lark.Lark) -> None:
    assert {rule.origin.name for rule in strict.rules} >= {"file", "items", "domain", "expr"}


def test_builder_has_a_method_for_every_rule_that_keeps_its_node(strict: lark.Lark) -> None:
    callbacks = {
        rule.alias or rule.origin.name
        for rule in strict.rules
        if not rule.origin.name.startswith("_") and not (rule.options.expand1 and rule.alias is None)
    }
    missing = {name for name in callbacks if not hasattr(Builder, name)}
    assert missing == {UNREAD}


def test_builder_shadows_no_inlined_rule(strict: lark.Lark) -> None:
    inlined = {rule.origin.name for rule in strict.rules if rule.origin.name.startswith("_")}
    assert {name for name in inlined if hasattr(Builder, name)} == set()


def test_token_kinds_exist(strict: lark.Lark) -> None:
    kinds = {terminal.name for terminal in strict.terminals}
    assert kinds >= RESERVED | STARTERS | INNER_STARTERS | SOFT_WORDS | SLIPS


def test_reserved_words_are_all_words_of_the_grammar(strict: lark.Lark) -> None:
    spelled = {t.name: t.pattern.value for t in strict.terminals if t.pattern.value.isalpha()}
    assert sorted(spelled[kind] for kind in RESERVED) == sorted(WORDS)
    assert set(spelled) == RESERVED | SOFT_WORDS


@pytest.mark.parametrize("word", WORDS)
def test_reserved_word_is_rejected_as_a_name(word: str) -> None:
    (diagnostic,) = parse(SourceFile("a.nnm", f"nnm 0.1\nparam {word} : int = 3\n")).diagnostics
    assert diagnostic.message == f"`{word}` is a reserved word"
    assert diagnostic.help == f"choose another name, such as `{word}_1`"
    assert (diagnostic.span.line, diagnostic.span.column, diagnostic.span.text) == (2, 7, word)


@pytest.mark.parametrize("word", sorted(word.lower() for word in SOFT_WORDS))
def test_soft_word_is_a_name(word: str) -> None:
    result = parse(SourceFile("a.nnm", f"nnm 0.1\nparam {word} : int = 3\nlet a_{word} = {word} + f({word}: {word})\n"))
    assert result.diagnostics == ()
    assert result.file.declarations[0].name.text == word


def test_every_comparison_compares() -> None:
    for sign in ("=", "!=", "<=", ">=", "<", ">"):
        (declaration,) = parse(SourceFile("a.nnm", f"nnm 0.1\nconstraint c: a {sign} b\n")).file.declarations
        assert declaration.body.ops == (sign,)


def test_every_example_is_learned() -> None:
    grammar = load_grammar()
    with grammar.lock:
        assert len(learn_explanations(grammar)) > 150


def fresh_version() -> str:
    """The version of a text, read with tables loaded anew."""
    fresh = grammar_module.load_grammar.__wrapped__()
    version: str = fresh.feed(fresh.lex("nnm 0.1 satisfy"), "file")[0].version
    return version


def test_grammar_loads_without_a_usable_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("not a folder")
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name: blocker / name)
    assert fresh_version() == "0.1"


def test_tables_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name: tmp_path / name)
    text = grammar_path().read_text(encoding="utf-8")
    made = load_tables(text)
    (kept,) = (tmp_path / "nnmip").iterdir()
    monkeypatch.setitem(sys.modules, "nnmip.syntax.compile_grammar", None)
    assert load_tables(text) == made
    other = json.loads(kept.read_text())
    other["grammar"] += " "
    kept.write_text(json.dumps(other))
    with pytest.raises(ImportError):
        load_tables(text)


@pytest.mark.parametrize("content", ["", "{}", "[]", "null", '{"grammar": 1}', "[" * 10**5, "\0", pickle.dumps([])])
def test_a_file_that_has_no_tables_is_replaced(
    content: str | bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name: tmp_path / name)
    monkeypatch.setattr(compile_module, "compile_grammar", lambda text: TABLES)
    text = grammar_path().read_text(encoding="utf-8")
    load_tables(text)
    (kept,) = (tmp_path / "nnmip").iterdir()
    good = kept.read_bytes()
    for damaged in (content if isinstance(content, bytes) else content.encode(), good[:1000], tampered(good)):
        kept.write_bytes(damaged)
        assert load_tables(text) == TABLES
        assert kept.read_bytes() == good
        assert list((tmp_path / "nnmip").iterdir()) == [kept]


def tampered(good: bytes) -> bytes:
    """The file with the grammar but other tables."""
    found = json.loads(good)
    del found["tables"]["words"]
    return json.dumps(found).encode()


@pytest.fixture(scope="module")
def lark_parser() -> lark.Lark:
    """Lark's own parser with a builder of ours; `comment` sees the comments."""
    text = grammar_path().read_text(encoding="utf-8")
    options = {"keep_all_tokens": True, "maybe_placeholders": True, "propagate_positions": False}
    return lark.Lark(text, parser="lalr", lexer="basic", start=list(STARTS), transformer=LARK_BUILDER, **options)


def test_the_lexer_agrees_with_lark(lark_parser: lark.Lark) -> None:
    for text in TEXTS:
        ours = [tuple(token) for token in load_grammar().lex(text)]
        assert ours == [(t.type, t.value, t.start_pos, t.end_pos, t.line) for t in lark_parser.lex(text)]


def test_the_parser_agrees_with_lark(lark_parser: lark.Lark) -> None:
    grammar = load_grammar()
    for text in TEXTS:
        source = SourceFile("a.nnm", text)
        LARK_BUILDER.start(source)
        grammar.builder.start(source)
        tokens = [Token(t.type, t.value, t.start_pos, t.end_pos, t.line) for t in lark_parser.lex(text)]
        with grammar.lock:
            try:
                ours = grammar.feed(tokens, "file")
            except Stuck as stuck:
                ours = stuck.index, stuck.accepts
        state = lark_parser.parse_interactive(start="file")
        taken: list[Token] = []
        try:
            for token in tokens:
                state.feed_token(token)
                taken.append(token)
            theirs = state.feed_eof()
        except lark.UnexpectedToken:
            theirs = len(taken), state.accepts()
        assert ours == theirs
        assert grammar.builder.diagnostics == LARK_BUILDER.diagnostics


@pytest.mark.parametrize("enabled", [True, False])
def test_collector_is_left_as_found(enabled: bool) -> None:
    (gc.enable if enabled else gc.disable)()
    try:
        parse(SourceFile("a.nnm", "nnm 0.1\nlet = \n"))
        assert gc.isenabled() is enabled
    finally:
        gc.enable()
