"""What random models predict: labels of two classes, of several, or targets; with the losses that compare them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

T = TypeVar("T")


class Chooser(Protocol):
    """A source of choices."""

    def integer(self, low: int, high: int) -> int:
        """An integer from low to high, both included."""


def pick(choose: Chooser, items: Sequence[T]) -> T:
    return items[choose.integer(0, len(items) - 1)]


def chance(choose: Chooser, percent: int) -> bool:
    return choose.integer(0, 99) >= 100 - percent


@dataclass(frozen=True)
class Task:
    """The truth columns of a table (`names`, with the `cells` each may have), the lines that declare them, the number
    of outputs and the `result` that is returned of layer `{}`; `losses` that compare both."""

    names: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    fields: tuple[str, ...]
    outputs: int
    result: str
    losses: tuple[str, ...]

    def row(self, choose: Chooser, is_first: bool) -> list[str]:
        """The truth of one row; a weight of the first row is not 0."""
        row = [pick(choose, options) for options in self.cells]
        return [cell if cell != "0w" else "1" if is_first else "0" for cell in row]

    def loss(self, choose: Chooser, data: str) -> str:
        """A call of one of the losses."""
        return LOSSES[pick(choose, self.losses)](choose, data)


def random_task(choose: Chooser) -> Task:
    """Mostly two classes; with sample weights now and then."""
    task = pick(choose, (BINARY, BINARY, BINARY, *CLASSES, *VALUES))
    if not chance(choose, 25):
        return task
    weights = pick(choose, (("1", "2"), ("0.5", "1", "3"), ("0w", "1", "2")))
    return Task(
        (*task.names, "w"), (*task.cells, weights), (*task.fields, "weight w"), task.outputs, task.result, task.losses
    )


def _reduce(choose: Chooser) -> str:
    return pick(choose, ("", "", "", ", reduce: sum", ", reduce: mean"))


def hinge(choose: Chooser, data: str) -> str:
    margin = pick(choose, ("", ", margin: 0.5", ", margin: 2", ", margin: 0"))
    return f"hinge(net, {data}{margin}{_reduce(choose)})"


def zero_one(choose: Chooser, data: str) -> str:
    return f"zero_one(net, {data}{pick(choose, ('', '', ', margin: 0.5', ', margin: 1'))}{_reduce(choose)})"


def quantile(choose: Chooser, data: str) -> str:
    return f"quantile(net, {data}, level: {pick(choose, ('0.1', '0.5', '0.75', '1'))}{_reduce(choose)})"


def eps_insensitive(choose: Chooser, data: str) -> str:
    return f"eps_insensitive(net, {data}, eps: {pick(choose, ('0', '0.5', '1', '0.3'))}{_reduce(choose)})"


def sat_margin(choose: Chooser, data: str) -> str:
    margin = pick(choose, ("", ", margin: 0.25", ", margin: 1", ", margin: 0.1"))
    return f"sat_margin(net, {data}{margin}{_reduce(choose)})"


ONE_SIDED = ("squared", "logistic")
"""Losses that random models have only where they are to be small: scores often have too many values for the rest."""

LOSSES = {
    "hinge": hinge,
    "zero_one": zero_one,
    "quantile": quantile,
    "eps_insensitive": eps_insensitive,
    "sat_margin": sat_margin,
    "squared": lambda choose, data: f"squared(net, {data}{_reduce(choose)})",
    "logistic": lambda choose, data: f"logistic(net, {data}{_reduce(choose)})",
    "margin": lambda choose, data: f"margin(net, {data})",
    "absolute": lambda choose, data: f"absolute(net, {data}{_reduce(choose)})",
    "max_error": lambda choose, data: f"max_error(net, {data})",
}

_OF_CLASSES = ("hinge", "hinge", "zero_one", "zero_one", "margin", "sat_margin", "logistic")
_OF_VALUES = ("absolute", "absolute", "max_error", "quantile", "eps_insensitive", "squared")

BINARY = Task(("label",), (("neg", "pos"),), ("label label as {neg: -1, pos: +1}",), 1, "{}[0]", _OF_CLASSES)
CLASSES = (
    Task(("label",), (("a", "b"),), ("label label as {b, a}",), 2, "{}", _OF_CLASSES),
    Task(("label",), (("a", "b", "c"),), ("label label as {a, b, c}",), 3, "{}", _OF_CLASSES),
    Task(("label",), (("a", "b", "c"),), ("label label as {a: 1, b: 0, c: 1}",), 2, "{}[0:2]", _OF_CLASSES),
)
VALUES = (
    Task(("t",), (("0", "1", "2.5", "-1"),), ("target t",), 1, "{}[0]", _OF_VALUES),
    Task(("t",), (("0", "-0.5"),), ("target t as wanted",), 1, "{}", _OF_VALUES),
    Task(("t", "u"), (("0", "1", "-2"), ("0", "1.5")), ("target t, u",), 2, "{}", _OF_VALUES),
)
