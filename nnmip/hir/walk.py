"""Everything that a program says, as nodes."""

from __future__ import annotations

from collections.abc import Iterator

from nnmip.hir.core import LayerOutput, Node, Program, children


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
