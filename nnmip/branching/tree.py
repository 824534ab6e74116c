"""The tree over all patterns: the node with the least bound first, until no bound is below the best network."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from itertools import count

import numpy as np

from nnmip.branching.node import Node, Patterned
from nnmip.branching.starts import Starts
from nnmip.hir.core import Assignment
from nnmip.hir.evaluate import evaluate
from nnmip.lowering.patterns import lower_pattern
from nnmip.records import dataclass
from nnmip.search.split import Split

CLOSED = 1e-8
"""A bound that is nearer to the best network, relative to a goal above 1, leaves nothing to find."""

FEASIBLE = 1e-9


@dataclass(slots=True, eq=False)
class Best:
    """The best network so far, with its value in the sense of a minimum."""

    network: Assignment | None = None
    value: float = math.inf

    @property
    def target(self) -> float:
        """A bound from which on a node is closed."""
        return self.value - CLOSED * (1.0 + abs(self.value)) if math.isfinite(self.value) else math.inf


@dataclass(frozen=True, slots=True, eq=False)
class Grown:
    """What a tree gives. value and bound: in the sense of a minimum. is_complete: whether nothing is left to look
    at."""

    network: Assignment | None
    value: float
    bound: float
    is_complete: bool
    patterns: int
    nodes: int


class Tree:
    """Best first over the patterns of a split. report: takes the value and the bound, after every node; offer: takes
    every better network with its value."""

    def __init__(
        self,
        split: Split,
        known: Sequence[Assignment],
        should_stop: Callable[[], bool],
        report: Callable[[float, float], None],
        offer: Callable[[Assignment, float], None],
    ) -> None:
        self.split, self.known = split, known
        self.should_stop, self.report, self.offer = should_stop, report, offer
        self.best = Best()
        self.nodes = 0
        self._open: list[tuple[float, int, Node]] = []
        self._closed = math.inf
        self._ticket = count()
        self._patterned: dict[int, Patterned] = {}
        self._starts = Starts(split)
        assert split.program.goal is not None
        self._sign = split.program.goal.sign

    def grow(self) -> Grown:
        """Look until the tree is done, or until something says stop; Ctrl-C does, too."""
        is_complete = False
        try:
            self._plant()
            is_complete = self._look_on()
        except KeyboardInterrupt:
            is_complete = False
        return Grown(
            network=self.best.network,
            value=self.best.value,
            bound=self.bound if is_complete or self._open else -math.inf,
            is_complete=is_complete,
            patterns=len(self.split.patterns),
            nodes=self.nodes,
        )

    @property
    def bound(self) -> float:
        """No network is better."""
        settled = (patterned.closed for patterned in self._patterned.values())
        return min([self.best.value, self._closed, *settled, *(entry[0] for entry in self._open[:1])])

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know to read the claim, of every pattern's rows."""
        every = (patterned.lowered.notes for patterned in self._patterned.values())
        return tuple(dict.fromkeys(note for notes in every for note in notes))

    def _plant(self) -> None:
        """A root for every pattern, those with most units that show first: they have the best networks."""
        order = sorted(range(len(self.split.patterns)), key=lambda k: -np.count_nonzero(self.split.patterns[k].values))
        for network in self.known:
            self._try(network)
        for number in order:
            patterned = Patterned(lower_pattern(self.split, self.split.patterns[number]))
            self._patterned[number] = patterned
            self._push(Node(number, patterned.least, {}))

    def _push(self, node: Node) -> None:
        if node.bound >= self.best.target:
            self._closed = min(self._closed, node.bound)
            return
        heapq.heappush(self._open, (node.bound, next(self._ticket), node))

    def _look_on(self) -> bool:
        """Whether the end was reached. A node stays among the open ones until what is below it is there."""
        while self._open:
            if self.should_stop():
                return False
            node = self._open[0][2]
            children = self._children(node) if node.bound < self.best.target else [node]
            heapq.heappop(self._open)
            for child in children:
                self._push(child)
            self.report(self.best.value, self.bound)
        return True

    def _children(self, node: Node) -> list[Node]:
        """What is left of a node: itself where it is closed, else its two halves."""
        patterned = self._patterned[node.number]
        if not node.ranges:
            for network in self._starts.of(self.split.patterns[node.number], patterned):
                self._try(network)
            if node.bound >= self.best.target:
                return [node]
        self.nodes += 1
        looked = patterned.look(node, self.best.target)
        bound = max(looked.bound, node.bound)
        if looked.network is not None and looked.value < self.best.target:
            self._try(looked.network)
        if bound >= self.best.target or math.isinf(bound):
            self._closed = min(self._closed, bound)
            return []
        if not looked.halves:
            raise ArithmeticError("a linear program has a whole point whose network is worse than it says")
        basis, column = patterned.basis, looked.column
        return [Node(node.number, bound, {**node.ranges, column: half}, basis) for half in looked.halves]

    def _try(self, network: Assignment) -> None:
        """Keep a network that is better than the best one and satisfies the model."""
        program = self.split.program
        found = evaluate(program, network)
        value = self._sign * found.objectives[len(program.held)]
        if value < self.best.value and found.max_violation <= FEASIBLE:
            self.best.network, self.best.value = network, value
            self.offer(network, value)
