"""The lexer and the LALR(1) parser of the language, driven by the tables of its grammar."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import field
from functools import cache, cached_property
from pathlib import Path
from threading import RLock
from typing import Any

from nnmip.records import dataclass
from nnmip.syntax.builder import Builder
from nnmip.syntax.limits import MAX_OPEN
from nnmip.syntax.tables import Rule, Tables, load_tables
from nnmip.syntax.tokens import END, Token


class Stuck(Exception):
    """The parser cannot take token number `index`, which is one past the last where the text ends too early."""

    def __init__(self, index: int, tables: Tables, states: list[int]) -> None:
        super().__init__()
        self.index = index
        self._tables = tables
        self._states = states

    @property
    def state(self) -> int:
        """The parser's state in front of the wrong token."""
        return self._states[-1]

    @cached_property
    def accepts(self) -> frozenset[str]:
        """The kinds of token that could stand here; `$END` is the end of the text."""
        return frozenset(kind for kind in self._tables.actions[self.state] if self._takes(kind))

    def _takes(self, kind: str) -> bool:
        """Whether the parser takes a token of this kind, after completing the rules that end in front of it."""
        actions, states = self._tables.actions, self._states.copy()
        while (action := actions[states[-1]].get(kind)) is not None:
            if action >= 0:
                return kind.isupper()
            rule = self._tables.rules[~action]
            del states[len(states) - rule.size :]
            states.append(actions[states[-1]][rule.origin])
        return False


class TooDeep(Exception):
    """More constructs are open than may be; `opened` has the tokens that wait for their end, outermost first."""

    def __init__(self, opened: tuple[Token, ...]) -> None:
        super().__init__()
        self.opened = opened


@dataclass(frozen=True, slots=True, eq=False)
class Grammar:
    """The tables, and the builder that the parser's reductions call.

    One builder serves all texts, one at a time under `lock`.
    """

    tables: Tables
    builder: Builder
    lock: RLock = field(default_factory=RLock)
    _tokens: re.Pattern[str] = field(init=False, repr=False)
    _makers: tuple[Callable[[list[Any]], Any] | None, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_tokens", re.compile(self.tables.pattern))
        object.__setattr__(self, "_makers", tuple(_maker(rule, self.builder) for rule in self.tables.rules))

    def lex(self, text: str, most: int | None = None) -> list[Token]:
        """The first `most` tokens of `text`, all without it; comments go to the builder.

        Every text has tokens: slips are tokens of their own.
        """
        words, ignored = self.tables.words, self.tables.ignored
        found: list[Token] = []
        line = 1
        for match in self._tokens.finditer(text):
            kind = match.lastgroup
            if kind is None:
                line += 1
                continue
            value, (start, end) = match[0], match.span()
            if kind == "NAME":
                kind = words.get(value, kind)
            token = Token(kind, value, start, end, line)
            if kind in ignored:
                self.builder.comment(token)
                continue
            found.append(token)
            if len(found) == most:
                break
        return found

    def spelling(self, kind: str) -> str:
        """The text of a keyword or sign, by its kind of token."""
        return self.tables.spellings[kind]

    def feed(self, tokens: list[Token], start: str) -> Any:
        """What the builder makes of `tokens`, read as the rule `start`.

        Raises Stuck at the first wrong token, and TooDeep where more than MAX_OPEN symbols wait for their end.
        """
        actions, rules, makers = self.tables.actions, self.tables.rules, self._makers
        states = [self.tables.starts[start]]
        values: list[Any] = []
        for index, token in enumerate((*tokens, _THE_END)):
            kind = token.type
            while (action := actions[states[-1]].get(kind, 0)) < 0:
                rule, make = rules[~action], makers[~action]
                if make is None:
                    states.pop()
                else:
                    first = len(states) - rule.size
                    del states[first:]
                    values[first - 1 :] = (make(values[first - 1 :]),)
                states.append(actions[states[-1]][rule.origin])
            if not action:
                raise Stuck(index, self.tables, states)
            states.append(action)
            values.append(token)
            if len(states) > MAX_OPEN:
                raise TooDeep(_waiting_tokens(values))
        return values[0]


_THE_END = Token(END, "", 0, 0, 0)


def _waiting_tokens(values: list[Any]) -> tuple[Token, ...]:
    """The tokens that no complete rule has taken, those in lists included, where `_rule` has."""
    parts = (part for value in values for part in (value if isinstance(value, list) else (value,)))
    return tuple(part for part in parts if isinstance(part, Token))


def _maker(rule: Rule, builder: Builder) -> Callable[[list[Any]], Any] | None:
    """What becomes of the symbols of a complete rule; None where a single one just stands for it."""
    if rule.is_inlined:
        build: Callable[[list[Any]], Any] = _children
    elif rule.method:
        build = getattr(builder, rule.method)
    else:
        return None
    return _arranged(build, rule.shape) if rule.shape else build


def _children(children: list[Any]) -> list[Any]:
    return children


def _arranged(build: Callable[[list[Any]], Any], shape: tuple[int | None, ...]) -> Callable[[list[Any]], Any]:
    """`build` with the children of a rule in the places that the rule has for them."""

    def make(symbols: list[Any]) -> Any:
        children: list[Any] = []
        for place in shape:
            if place is None:
                children.append(None)
            elif place >= 0:
                children.append(symbols[place])
            elif children:
                children += symbols[~place]
            else:
                children = symbols[~place]  # a list grows with each of its items: copying it would take too long
        return build(children)

    return make


def grammar_path() -> Path:
    """`nnm.lark`: beside the modules in an installed package, beside the package in a checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "_grammar" / "nnm.lark"
    return installed if installed.exists() else package.parent / "grammar" / "nnm.lark"


@cache
def load_grammar() -> Grammar:
    """The one grammar of the process."""
    return Grammar(load_tables(grammar_path().read_text(encoding="utf-8")), Builder())
