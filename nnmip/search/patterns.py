"""Networks with several scores, one multiset of output weights at a time: most of them are closed by one relaxation."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nnmip.search.choices import Choices
from nnmip.search.master import Master, Relaxed
from nnmip.search.peel import Partial, Peel
from nnmip.search.record import Record

IntArray = NDArray[np.int64]
MOST_PATTERNS = 3000
MANY_CHOICES = 10_000


def pays(choices: Choices, count: int) -> bool:
    """A pattern's relaxation costs as much as a node: worth it where the common one leaves very many choices."""
    patterns = math.comb(len(choices.heads.cost) + count - 1, count)
    return count > 1 and len(choices) >= MANY_CHOICES and patterns <= MOST_PATTERNS


class Proofs:
    """Relaxations solved so far, as what each proves for all choices."""

    def __init__(self, choices: Choices) -> None:
        self.choices = choices
        self._nodes: list[Relaxed] = []

    def add(self, node: Relaxed) -> None:
        reduced = self.choices.priced(node.bound.slopes)
        self._nodes.append(replace(node, reduced=reduced, least=self.choices.least(reduced, True)))

    def best(self, wanted: IntArray) -> Relaxed:
        """The one with the best bound of a pattern."""
        return max(self._nodes, key=lambda node: node.value(wanted))

    def of_pattern(self, wanted: IntArray, goal: float) -> Choices:
        """The choices of a pattern that its best proof leaves."""
        node = self.best(wanted)
        return self.choices.take(node.reduced + node.others(wanted, self.choices.head) < goal)


class Patterns:
    def __init__(self, master: Master, record: Record, peel: Peel) -> None:
        self._master, self._record, self._peel = master, record, peel

    def search(
        self, start: Partial, choices: Choices, root: Relaxed, count: int, floor: Callable[[float], None]
    ) -> None:
        """Find every better network of that many choices; the root is their common relaxation."""
        proofs = Proofs(choices)
        proofs.add(root)
        still_open = self._open(start, proofs, count)
        still_open.sort(key=lambda pattern: pattern[0])
        following = [*(bound for bound, _ in still_open[1:]), math.inf]
        for (bound, wanted), after in zip(still_open, following, strict=False):
            floor(bound)
            if proofs.best(wanted).value(wanted) < self._record.goal:
                some = proofs.of_pattern(wanted, self._record.goal)
                self._peel.search(start, some, wanted, _at_most(floor, after))

    def _open(self, start: Partial, proofs: Proofs, count: int) -> list[tuple[float, IntArray]]:
        """The patterns that can be better than the best network, with their bounds."""
        heads = len(proofs.choices.heads.cost)
        found = []
        for pattern in itertools.combinations_with_replacement(range(heads), count):
            self._record.check()
            wanted = np.bincount(pattern, minlength=heads)
            bound = proofs.best(wanted).value(wanted)
            if bound < self._record.goal:
                bound = max(bound, self._relax(start, proofs, wanted))
            if bound < self._record.goal:
                found.append((bound, wanted))
        return found

    def _relax(self, start: Partial, proofs: Proofs, wanted: IntArray) -> float:
        some = proofs.of_pattern(wanted, self._record.goal)
        if not len(some):
            return math.inf
        record = self._record
        node = self._master.solve(some, start.scores, start.cost, wanted, lambda: record.goal, record.check)
        proofs.add(node)
        return node.value(wanted)


def _at_most(floor: Callable[[float], None], most: float) -> Callable[[float], None]:
    return lambda bound: floor(min(bound, most))
