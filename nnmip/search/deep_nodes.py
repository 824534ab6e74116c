"""Bounds for networks whose first layer is known up to clusters of columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from nnmip.records import dataclass
from nnmip.search.clusters import Clusters
from nnmip.search.conflicts import Matcher
from nnmip.search.deep_links import Links

FloatArray = NDArray[np.float64]
SingleArray = NDArray[np.float32]
IntArray = NDArray[np.int64]
NEAR = 1e-6
"""Sums that rise by less than that below 0 may be equal."""
BATCH = 256
"""So many nodes at once stay in the cache of a processor."""


@dataclass(frozen=True, slots=True, eq=False)
class Nodes:
    """clusters [m, h1]: of which cluster each column is. pairs [m, r]: a matching that proved something for the node
    above. bound [m]: what was proved there."""

    clusters: IntArray
    pairs: IntArray
    bound: FloatArray

    def __len__(self) -> int:
        return len(self.bound)

    def take(self, chosen: IntArray | NDArray[np.bool_] | slice) -> Nodes:
        return Nodes(self.clusters[chosen], self.pairs[chosen], self.bound[chosen])


class Branching:
    """Looks at all choices of columns for one table of links, from clusters of columns down to single ones.

    Of an increase d of what comes into a unit, the output weight's sign included, `rises` tells how much more the unit
    can give at most: so the scores of a pair of rows are no more apart than the sum over the units of |output weight|
    times the rise of  sum over k of link[k] (a_k[i] - a_k[j]).
    """

    def __init__(
        self, clusters: Clusters, matcher: Matcher, links: Links, rises: tuple[tuple[float, float, float], ...]
    ) -> None:
        self._clusters, self._matcher, self._links, self._rises = clusters, matcher, links, rises
        table = links.links
        self._weight = np.abs(table).T @ links.sizes
        self._alike = [(p, q) for q in range(table.shape[1]) for p in range(q) if (table[:, p] == table[:, q]).all()]
        self.seen = 0

    @property
    def _count(self) -> int:
        return int(self._links.links.shape[1])

    def leaves(self, goal: Callable[[], float], tell: Callable[[float], None]) -> Iterator[IntArray]:
        """The choices of columns [m, h1] that are not proved to be no better than the goal.

        tell: told what nothing is below that is still to be looked at, at every step.
        """
        stack = [self._nodes(np.zeros((1, self._count), dtype=np.int64))]
        while stack:
            tell(min(float(nodes.bound.min()) for nodes in stack))
            nodes = stack.pop()
            if len(nodes) > BATCH:
                stack.append(nodes.take(slice(BATCH, None)))
                nodes = nodes.take(slice(BATCH))
            nodes = self._open(nodes, goal())
            is_leaf = np.asarray(self._clusters.is_one(nodes.clusters).all(axis=1))
            if is_leaf.any():
                yield self._clusters.order[self._clusters.first[nodes.clusters[is_leaf]]]
            below = self._split(nodes.take(~is_leaf))
            if len(below):
                stack.append(below)

    def open(self, columns: IntArray, goal: float) -> IntArray:
        """Those of some choices of columns [m, h1] that are not proved to be no better than the goal, where every
        column is a cluster."""
        return self._open(self._nodes(columns), goal).clusters

    def _nodes(self, clusters: IntArray) -> Nodes:
        nothing = np.full((len(clusters), self._matcher.size), self._matcher.nothing)
        return Nodes(clusters, nothing, np.full(len(clusters), -np.inf))

    def _open(self, nodes: Nodes, goal: float) -> Nodes:
        """The nodes that can be better than the goal, with the bounds and the matchings found for them."""
        self.seen += len(nodes)
        paid = self._links.cost + self._clusters.cost[nodes.clusters].sum(axis=1)
        bound = np.maximum(nodes.bound, paid + self._matcher.at(self._gaps_at(nodes), nodes.pairs))
        kept = bound < goal
        nodes, paid = Nodes(nodes.clusters[kept], nodes.pairs[kept], bound[kept]), paid[kept]
        if not len(nodes):
            return nodes
        proved, pairs = self._matcher.best(self._gaps(nodes.clusters), goal - paid)
        bound = np.maximum(nodes.bound, paid + proved)
        pairs = np.where((proved > 0)[:, None], pairs, nodes.pairs)
        return Nodes(nodes.clusters, pairs, bound).take(bound < goal)

    def _gaps(self, clusters: IntArray) -> SingleArray:
        """How far all pairs can be apart at most, [m, F R]."""
        most, least = self._clusters.most[:, :-1], self._clusters.least[:, :-1]
        return self._risen(
            lambda k, link: (most if link > 0 else least)[clusters[:, k]], (len(clusters), most.shape[1])
        )

    def _gaps_at(self, nodes: Nodes) -> SingleArray:
        most, least = self._clusters.most, self._clusters.least
        clusters = nodes.clusters[:, :, None]
        return self._risen(
            lambda k, link: (most if link > 0 else least)[clusters[:, k], nodes.pairs], nodes.pairs.shape
        )

    def _risen(self, part: Callable[[int, float], SingleArray], shape: tuple[int, ...]) -> SingleArray:
        total = np.zeros(shape, dtype=np.float32)
        for links, size in zip(self._links.links, self._links.sizes, strict=True):
            rise = np.zeros(shape, dtype=np.float32)
            for k, link in enumerate(links):
                if link:
                    rise += part(k, link) if link == 1 else np.float32(link) * part(k, link)
            rise = self._rise(rise)
            total += rise if size == 1 else np.float32(size) * rise
        return total

    def _rise(self, rise: SingleArray) -> SingleArray:
        for low, high, span in self._rises:
            if np.isinf(high):
                rise = np.where(rise > -NEAR, np.float32(span), np.float32(0.0))
                continue
            rise = np.maximum(np.float32(low) * rise if low else np.float32(0.0), np.float32(high) * rise)
            if np.isfinite(span):
                rise = np.minimum(rise, np.float32(span))
        return rise

    def _split(self, nodes: Nodes) -> Nodes:
        """The nodes below: of each, the cluster that says least about the scores is divided."""
        if not len(nodes):
            return nodes
        every = np.arange(len(nodes))
        widest = (self._clusters.width[nodes.clusters] * self._weight - self._is_one(nodes.clusters)).argmax(axis=1)
        both = self._clusters.children[nodes.clusters[every, widest]]
        halves = []
        for side in range(2):
            clusters = nodes.clusters.copy()
            clusters[every, widest] = both[:, side]
            halves.append(clusters)
        clusters = np.concatenate(halves)
        found = Nodes(clusters, np.tile(nodes.pairs, (2, 1)), np.tile(nodes.bound, 2))
        return found.take(self._is_in_order(clusters))

    def _is_one(self, clusters: IntArray) -> FloatArray:
        """1 for single columns, which cannot be divided."""
        return self._clusters.is_one(clusters).astype(np.float64)

    def _is_in_order(self, clusters: IntArray) -> NDArray[np.bool_]:
        """Columns that are read alike are chosen in order: not so where all of one cluster come after the next one."""
        kept = np.ones(len(clusters), dtype=bool)
        for p, q in self._alike:
            kept &= self._clusters.first[clusters[:, p]] < self._clusters.last[clusters[:, q]]
        return kept
