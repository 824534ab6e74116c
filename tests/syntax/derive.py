"""Random sentences of the grammar, derived from its rules."""

from __future__ import annotations

import random
from functools import cache

import lark
from lark.grammar import NonTerminal, Rule

from nnmip.syntax.grammar import grammar_path
from nnmip.syntax.tables import STARTS

_WORDS = {
    "NAME": ("x", "clf", "h", "weights", "train", "a_longer_name", "p"),
    "INT": ("0", "1", "12", "1_000"),
    "FLOAT": ("0.5", "1e-3", "2.50"),
    "STRING": ('"a"', '"two words"', '"\\u00e9 \\"\\\\"', '""'),
}
_BETWEEN = (" ", " ", " ", " ", " ", " ", "\n", "\n\n", "  # a comment\n", "\n# on its own\n", "\n## doc\n\n# other\n")
_DEEP = 10**6


@cache
def _rules() -> dict[str, list[Rule]]:
    text = grammar_path().read_text(encoding="utf-8")
    found: dict[str, list[Rule]] = {}
    for rule in lark.Lark(text, parser="lalr", lexer="basic", start=list(STARTS)).rules:
        found.setdefault(rule.origin.name, []).append(rule)
    return found


@cache
def _terminals() -> dict[str, str]:
    text = grammar_path().read_text(encoding="utf-8")
    parser = lark.Lark(text, parser="lalr", lexer="basic", start=list(STARTS))
    return {terminal.name: terminal.pattern.value for terminal in parser.terminals}


@cache
def _depths() -> dict[str, int]:
    """For each rule how deep its least derivation is."""
    depths = dict.fromkeys(_rules(), _DEEP)
    while True:
        old = dict(depths)
        for name, rules in _rules().items():
            depths[name] = min(_depth(rule, depths) for rule in rules)
        if depths == old:
            return depths


def _depth(rule: Rule, depths: dict[str, int]) -> int:
    inner = (depths[symbol.name] for symbol in rule.expansion if isinstance(symbol, NonTerminal))
    return 1 + max(inner, default=0)


def derive(chance: random.Random, depth: int = 19) -> str:
    """A text that the grammar accepts, with the version line and with blanks and comments between its tokens."""
    tokens = ["nnm", "0.1"]
    for _ in range(chance.randint(1, 4)):
        _expand("item", chance, depth, tokens)
    ends_line = chance.random() < 0.5
    parts = [token + (chance.choice(_BETWEEN) if chance.random() < 0.6 else " ") for token in tokens]
    return "".join(parts) + ("\n" if ends_line else "")


def _expand(name: str, chance: random.Random, depth: int, tokens: list[str]) -> None:
    rules = _rules()[name]
    possible = [rule for rule in rules if _depth(rule, _depths()) <= depth]
    if not possible:
        least = min(_depth(rule, _depths()) for rule in rules)
        possible = [rule for rule in rules if _depth(rule, _depths()) == least]
    for symbol in chance.choice(possible).expansion:
        if isinstance(symbol, NonTerminal):
            _expand(symbol.name, chance, depth - 1, tokens)
        else:
            words = _WORDS.get(symbol.name)
            tokens.append(chance.choice(words) if words else _terminals()[symbol.name])
