"""Everything that a program says, as nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

from nnmip.hir.core import Applied, Apply, LayerOutput, Node, Program, children
from nnmip.ops.registry import WORDS

T = TypeVar("T")


def walk(node: Node) -> list[Node]:
    """The node and everything below it, each node once."""
    found: dict[int, Node] = {}
    open_ = [node]
    while open_:
        at = open_.pop()
        if id(at) not in found:
            found[id(at)] = at
            open_.extend(reversed(children(at)))
    return list(found.values())


def roots(program: Program) -> Iterator[Node]:
    """The values of all goals, and what all constraints ask for."""
    for stage in program.stages:
        for term in stage.terms:
            yield term.value
    for constraint in program.constraints:
        yield from constraint.parts


def watched_layers(program: Program) -> set[tuple[str, str]]:
    """The layers, as (network, layer), whose outputs a goal or constraint reads."""
    nodes = (node for root in roots(program) for node in walk(root))
    return {(node.network, node.layer) for node in nodes if isinstance(node, LayerOutput)}


def applies_known(program: Program) -> bool:
    """Whether a network with known weights is applied to what is decided."""
    return bool(program.known) and any(isinstance(node, Applied) for root in roots(program) for node in walk(root))


def sufficient_words(nodes: Iterable[Node]) -> list[Apply]:
    """The conditions in some expressions that are only sufficient for the property that they are named after."""
    below = (node for root in nodes for node in walk(root))
    return [node for node in below if isinstance(node, Apply) and WORDS[node.word].is_sufficient]


def strengthened(program: Program) -> dict[str, tuple[str, ...]]:
    """The constraints that ask for more than they say, a condition that is only sufficient: by name the words for which
    it is."""
    found = {c.name: sufficient_words(c.parts) for c in program.constraints}
    return {name: tuple(dict.fromkeys(node.word for node in words)) for name, words in found.items() if words}


def among(strengthened: Iterable[str]) -> str:
    """The networks that a claim speaks of where some constraints ask for sufficient conditions; empty where none do."""
    names = [f"`{name}`" for name in strengthened]
    if not names:
        return ""
    listed = f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
    return f"the networks that satisfy the sufficient condition{'s' if len(names) > 1 else ''} of {listed}"


def once(rule: Callable[[Node, Callable[[Node], T]], T]) -> Callable[[Node], T]:
    """The function of nodes that `rule` says in terms of itself, computed once for each node.

    An expression that is read twice by one that is read twice, and so on, has exponentially many ways down.
    """
    found: dict[int, tuple[Node, T]] = {}

    def value(node: Node) -> T:
        if id(node) not in found:
            found[id(node)] = node, rule(node, value)
        return found[id(node)][1]

    return value


_PARTS = ("base", "parts", "terms", "operand", "operands", "left", "right", "condition", "then", "otherwise")
_SEVERAL = frozenset({"parts", "terms", "operands"})


def mapped(node: Node, inside: Callable[[Node], Node]) -> Node:
    """A node with `inside` of its children in their places; itself where they are the same."""
    before = children(node)
    after = tuple(map(inside, before))
    if all(a is b for a, b in zip(before, after, strict=True)):
        return node
    changed: dict[str, Any] = {}
    rest = list(after)
    for name in _PARTS:
        if not hasattr(node, name):
            continue
        if name in _SEVERAL:
            changed[name], rest = tuple(rest), []
        else:
            changed[name] = rest.pop(0)
    found: Node = replace(node, **changed)
    return found
