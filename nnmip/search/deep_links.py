"""How the second hidden layer can read the first, and what goes out of it: tables of link weights up to the order of
units."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations_with_replacement, permutations, product

import numpy as np
from numpy.typing import NDArray

from nnmip.records import dataclass
from nnmip.search.deep_view import Deep

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Kind:
    """Units of the second layer whose output weights have one size and, with the signs of these taken over to what
    comes in, the same choices of links. heads: the output weights; links: those choices."""

    size: float
    links: tuple[float, ...]
    heads: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Links:
    """links [h2, h1]: what each unit of the second layer reads of each of the first, times the sign of its output
    weight; kinds: of these units. cost: the least that links, biases, output weights and idle units cost."""

    links: FloatArray
    kinds: tuple[Kind, ...]
    cost: float

    @property
    def sizes(self) -> FloatArray:
        return np.array([kind.size for kind in self.kinds])


def kinds_of(deep: Deep) -> tuple[Kind, ...]:
    found: dict[tuple[float, tuple[float, ...]], list[float]] = {}
    for head in deep.heads[deep.heads != 0]:
        key = abs(float(head)), tuple(sorted((np.sign(head) * deep.second.values + 0.0).tolist()))
        found.setdefault(key, []).append(float(head))
    return tuple(Kind(*key, tuple(heads)) for key, heads in found.items())


def head_cost(deep: Deep, head: float) -> float:
    return float(deep.head_price[np.flatnonzero(deep.heads == head)[0]])


def link_cost(deep: Deep, links: FloatArray) -> FloatArray:
    """What each of the link weights costs, as they are."""
    return np.asarray(deep.second.weight_price[0][np.searchsorted(deep.second.values, links)])


def idle_cost(deep: Deep, h1: int, h2: int) -> float:
    """What the other units cost, and what every network does."""
    idle = (deep.second.units - h2) * (deep.second.idle_price + (head_cost(deep, 0.0) if h2 < deep.second.units else 0))
    return deep.constant + (deep.first.units - h1) * deep.first.idle_price + idle


def unit_cost(deep: Deep, kind: Kind, links: FloatArray) -> float:
    """The least that a unit of the second layer costs with these links, whose output weight has either sign."""
    second = deep.second
    choices = []
    for head in kind.heads:
        own = np.sign(head) * links + 0.0
        paid = second.bias_price + second.used_price * (own.any() | (second.biases != 0))
        choices.append(float(link_cost(deep, own).sum() + paid.min() + head_cost(deep, head)))
    return min(choices)


def all_links(deep: Deep, *, constants: bool) -> Iterator[Links]:
    """Every way to read h1 units of the first layer by h2 > 0 units of the second, without those that differ by the
    order of units. Units of the first layer that no link reads are idle, and not counted in h1. constants: whether
    units of the second layer count that read nothing."""
    first, second = deep.first.units, deep.second.units
    least = 0 if (deep.heads == 0).any() else second
    for h2 in range(max(1, least), second + 1):
        for kinds in combinations_with_replacement(kinds_of(deep), h2):
            columns = [column for column in product(*(kind.links for kind in kinds)) if any(column) or not deep.skips]
            for h1 in range(0 if deep.skips else first, first + 1):
                yield from (
                    some for some in _tables(deep, kinds, columns, h1) if constants or some.links.any(axis=1).all()
                )


def _tables(deep: Deep, kinds: tuple[Kind, ...], columns: list[tuple[float, ...]], h1: int) -> Iterator[Links]:
    swaps = [swap for swap in permutations(range(len(kinds))) if all(kinds[i] is kinds[j] for i, j in enumerate(swap))]
    for chosen in combinations_with_replacement(columns, h1):
        if any(sorted(tuple(column[i] for i in swap) for column in chosen) < list(chosen) for swap in swaps):
            continue
        links = np.array(chosen).reshape(h1, len(kinds)).T
        paid = sum(unit_cost(deep, kind, links[j]) for j, kind in enumerate(kinds))
        yield Links(links, kinds, paid + idle_cost(deep, h1, len(kinds)))
