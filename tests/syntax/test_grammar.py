"""The grammar file: strict, cached, and in step with the builder."""

from __future__ import annotations

import gc
from pathlib import Path

import lark
import platformdirs
import pytest

from nnmip.source import SourceFile
from nnmip.syntax import grammar as grammar_module
from nnmip.syntax.builder import Builder
from nnmip.syntax.explain import learn_explanations
from nnmip.syntax.grammar import STARTS, grammar_path, load_grammar
from nnmip.syntax.parser import parse
from nnmip.syntax.tokens import INNER_STARTERS, RESERVED, SLIPS, SOFT_WORDS, STARTERS

_RESERVED_WORDS = (
    "nnm include param data network var let constraint minimize maximize satisfy verify layer return assume prove "
    "where forall exists if then else in and or not xor real int bool true false"
)
WORDS = _RESERVED_WORDS.split()


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
    assert missing == {"mistakes"}


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


def test_grammar_loads_without_a_usable_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("not a folder")
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name: blocker / name)
    fresh = grammar_module.load_grammar.__wrapped__()
    assert fresh.feed(fresh.lex("nnm 0.1"), "file")[0].version == "0.1"


def test_grammar_is_cached_and_a_broken_cache_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name: tmp_path / name)
    grammar_module.load_grammar.__wrapped__()
    (cached,) = (tmp_path / "nnmip").iterdir()
    assert lark.__version__ in cached.name
    cached.write_bytes(cached.read_bytes()[:1000])
    for _ in range(2):
        fresh = grammar_module.load_grammar.__wrapped__()
        assert fresh.feed(fresh.lex("nnm 0.1 satisfy"), "file")[0].version == "0.1"
    assert cached.stat().st_size > 1000


@pytest.mark.parametrize("enabled", [True, False])
def test_collector_is_left_as_found(enabled: bool) -> None:
    (gc.enable if enabled else gc.disable)()
    try:
        parse(SourceFile("a.nnm", "nnm 0.1\nlet = \n"))
        assert gc.isenabled() is enabled
    finally:
        gc.enable()
