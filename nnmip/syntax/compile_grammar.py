"""From the grammar to the tables of its lexer and its LALR(1) parser, by Lark."""

from __future__ import annotations

import re
from typing import Any

from lark import Lark
from lark.lexer import PatternStr

from nnmip.syntax.tables import END, STARTS, UNREAD, Rule, Tables


def compile_grammar(text: str) -> Tables:
    """The tables of a grammar. What Lark does while it parses, such as inlining, is part of the rules here."""
    lark = Lark(text, parser="lalr", lexer="basic", start=list(STARTS), keep_all_tokens=True, maybe_placeholders=True)
    table = lark.parser.parser._parse_table
    actions, rules = _actions(table)
    fixed = {each.name: each.pattern.value for each in lark.terminals if isinstance(each.pattern, PatternStr)}
    words = {spelling: kind for kind, spelling in fixed.items() if spelling.isidentifier()}
    ignored = [each for each in lark.ignore_tokens if not _is_blank(lark.get_terminal(each))]
    return Tables(
        pattern=_pattern(lark, set(words.values())),
        words=words,
        ignored=tuple(ignored),
        spellings=fixed,
        actions=actions,
        rules=rules,
        starts={start: _states(table)[table.start_states[start]] for start in STARTS},
    )


def _pattern(lark: Any, words: set[str]) -> str:
    """All kinds of token but keywords and blanks, in the order in which Lark tries them.

    Line ends have no group of their own: the lexer counts them.
    """
    kinds = [each for each in lark.terminals if each.name not in words and not _is_blank(each)]
    kinds.sort(key=lambda each: (-each.priority, -each.pattern.max_width, -len(each.pattern.value), each.name))
    return "|".join((r"\n", *(f"(?P<{each.name}>{each.pattern.to_regexp()})" for each in kinds)))


def _is_blank(terminal: Any) -> bool:
    return re.fullmatch(terminal.pattern.to_regexp(), " \n") is not None


def _actions(table: Any) -> tuple[tuple[dict[str, int], ...], tuple[Rule, ...]]:
    """The rules, and the actions of each state that refer to them. State 0 is a start, to which nothing leads."""
    from lark.parsers.lalr_analysis import Shift

    numbers: dict[Any, int] = {}
    states = _states(table)
    actions = tuple(
        {
            str(kind): states[to] if what is Shift else ~numbers.setdefault(to, len(numbers))
            for kind, (what, to) in table.states[state].items()
        }
        for state in states
    )
    for end in table.end_states.values():
        actions[states[end]][END] = states[end]
    return actions, tuple(map(_rule, numbers))


def _states(table: Any) -> dict[Any, int]:
    """Our number of each state, in their order."""
    first = list(table.start_states.values())
    return {state: number for number, state in enumerate(dict.fromkeys((*first, *table.states)))}


def _rule(rule: Any) -> Rule:
    """A rule of Lark with what Lark's builder of trees would do to its children."""
    origin, size = str(rule.origin.name), len(rule.expansion)
    absent = "".join(str(int(is_absent)) for is_absent in rule.options.empty_indices) or "0" * size
    shape: list[int | None] = []
    for number, gap in enumerate(absent.split("0")):
        shape += [None] * len(gap)
        if number < size:
            symbol = rule.expansion[number]
            is_inlined = not symbol.is_term and symbol.name.startswith("_")
            shape.append(~number if is_inlined else number)
    stands_for_child = rule.options.expand1 and len(shape) == 1
    has_own_node = rule.alias is not None or not (origin.startswith("_") or stands_for_child or origin == UNREAD)
    plain = shape == list(range(size))
    return Rule(origin, size, str(rule.alias or origin) if has_own_node else "", () if plain else tuple(shape))
