"""Every multiset of columns but those whose matched rows prove too many mistakes, in groups of like columns."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from nnmip.records import dataclass
from nnmip.search.choices import Choices
from nnmip.search.ending_one import OneScore
from nnmip.search.mistakes import Matching, Mistakes, matching
from nnmip.search.peel import Partial
from nnmip.search.problem import Members, Problem
from nnmip.search.record import Record
from nnmip.search.tree import Tree, tree_of

FloatArray = NDArray[np.float64]
SingleArray = NDArray[np.float32]
IntArray = NDArray[np.int64]
NodeArray = NDArray[np.int32]

BATCH = 8192
"""How many tuples of groups are looked at together."""
MOST_OPEN = 4_000_000
"""With more tuples waiting, the last ones come first and not the ones of the least bound."""
MOST_MATCHINGS = 4
BEAM = 3000
FEW = 100
"""What so few networks of a beam pass needs no other matching."""
ERROR = 1e-12
"""What sums of weights and costs can be off by."""
EXACT = 2**10
MOST_EXACT = 2**24 // EXACT
"""Multiples of 1 / EXACT below this have exact sums in float32."""


class Pairs:
    """The pairs of a matching, and how far apart the columns of each group move them at most.

    A pair that even the groups of a tuple leave too close is a mistake of every network they have. In float32, rounded
    outward: `count` numbers of at most `far` and their sums are off by less than (count + 2) 2^-24 of (count + 1) far.
    """

    def __init__(self, pairs: Matching, apart: FloatArray, tree: Tree, count: int) -> None:
        self._most = tree.most(apart.astype(np.float32))
        far = float(np.abs(apart).max(initial=0.0) + np.abs(pairs.need).max(initial=0.0))
        self._need = (pairs.need - 2 * (count + 2) ** 2 * 2.0**-24 * far).astype(np.float32)
        self._unit = float(pairs.weight.min(initial=math.inf))
        most = MOST_EXACT / max(1, len(pairs.weight))
        times = np.floor(np.minimum(pairs.weight / self._unit, most) * (EXACT * (1 + 1e-12))) / EXACT
        self._times = times.astype(np.float32)

    def missed(self, tuples: NodeArray) -> FloatArray:
        """What the pairs that are too close weigh at least, for tuples of nodes [B, count]."""
        if not len(self._times):
            return np.zeros(len(tuples))
        apart = self._most.take(tuples[:, 0], axis=0)
        for nodes in tuples.T[1:]:
            apart += self._most.take(nodes, axis=0)
        close = (apart < self._need).astype(np.float32)
        return np.asarray((close @ self._times).astype(np.float64) * self._unit)


@dataclass(frozen=True, slots=True, eq=False)
class Open:
    """Tuples of nodes [B, count] that are still to be looked at, and what no network of each is better than [B]."""

    nodes: NodeArray
    bound: FloatArray

    def __len__(self) -> int:
        return len(self.bound)

    def take(self, chosen: IntArray | NDArray[np.bool_]) -> Open:
        return Open(self.nodes[chosen], self.bound[chosen])

    @staticmethod
    def together(some: list[Open]) -> Open:
        return Open(np.concatenate([part.nodes for part in some]), np.concatenate([part.bound for part in some]))


class Enumeration:
    """Finds every better network of `count` choices: branch and bound over tuples of groups of like columns.

    A tuple of tree nodes stands for all multisets with one column of each. It is done with where its cheapest columns
    and the matched rows that it cannot set right cost too much; else its widest group is cut in two. A group that is
    in it several times is cut for all of them at once, so that no multiset comes twice.
    """

    def __init__(
        self, problem: Problem, record: Record, ending: OneScore, choices: Choices, samples: FloatArray
    ) -> None:
        loss = problem.loss
        assert isinstance(loss, Mistakes) and choices.signed is not None
        self._problem, self._record, self._ending, self._choices, self._loss = problem, record, ending, choices, loss
        self._first = matching(loss, samples)
        apart = self._first.apart(choices.signed)
        self._tree = tree_of(apart, choices.cost)
        apart = apart.astype(np.float32)
        self._wide = (self._tree.most(apart) + self._tree.most(-apart)).sum(axis=1)
        self._wide[self._tree.is_single] = -1.0
        self._cost = -self._tree.most(-choices.cost)
        self.nodes = 0

    def search(self, partial: Partial, count: int) -> None:
        """`partial` has no members: it says what the network costs without any."""
        choices = self._choices
        assert choices.signed is not None and not partial.members
        self._paid = partial.cost + self._problem.biases.least_cost - ERROR
        self._free = partial.cost
        self._pairs = [Pairs(self._first, self._first.apart(choices.signed), self._tree, count)]
        everything = self._bounded(np.zeros((1, count), dtype=np.int32))
        self._learn(everything, count)
        self._exhaust(everything)

    # ---- bounds -------------------------------------------------------------------------------------------------

    def _bounded(self, nodes: NodeArray) -> Open:
        """Those of the tuples that may have a better network."""
        cost = self._cost[nodes].sum(axis=1) + self._paid
        found = Open(nodes, cost)
        for pairs in self._pairs:
            found = found.take(found.bound < self._record.goal)
            cost = self._cost[found.nodes].sum(axis=1) + self._paid
            found = Open(found.nodes, np.maximum(found.bound, cost + pairs.missed(found.nodes)))
        return found.take(found.bound < self._record.goal)

    def _cut(self, nodes: NodeArray) -> NodeArray:
        """The tuples that remain where the widest group of each is cut in two."""
        count = nodes.shape[1]
        widest = nodes[np.arange(len(nodes)), self._wide[nodes].argmax(axis=1)]
        same = nodes == widest[:, None]
        times = same.sum(axis=1)
        found = []
        for several in range(1, count + 1):
            rows = times == several
            if rows.any():
                rest = nodes[rows][~same[rows]].reshape(int(rows.sum()), count - several)
                halves = self._tree.parts[widest[rows]].astype(np.int32)
                for one in range(several + 1):
                    chosen = np.repeat(halves, [one, several - one], axis=1)
                    found.append(np.concatenate([rest, chosen], axis=1))
        return np.concatenate(found)

    def _step(self, tuples: Open) -> Open:
        """Look at tuples: single networks are evaluated, the others cut; what is left."""
        self._record.check()
        self.nodes += len(tuples)
        single = (self._wide[tuples.nodes] < 0).all(axis=1)
        if single.any():
            self._evaluate(tuples.nodes[single])
        if single.all():
            return tuples.take(~single)
        return self._bounded(self._cut(tuples.nodes[~single]))

    # ---- the search ---------------------------------------------------------------------------------------------

    def _exhaust(self, everything: Open) -> None:
        waiting = self._in_order(everything)
        count = everything.nodes.shape[1]
        while waiting:
            self._record.raise_floor(count, min(float(some.bound[0]) for some in waiting))
            tuples = self._next(waiting)
            waiting += self._in_order(self._step(tuples))

    def _next(self, waiting: list[Open]) -> Open:
        """Takes about a batch of those with the least bounds; where very many wait, of the last ones."""
        if sum(map(len, waiting)) < MOST_OPEN:
            waiting.sort(key=lambda some: -float(some.bound[0]))
        taken = [waiting.pop()]
        while waiting and sum(map(len, taken)) + len(waiting[-1]) <= BATCH:
            taken.append(waiting.pop())
        tuples = Open.together(taken)
        return tuples.take(tuples.bound < self._record.goal)

    @staticmethod
    def _in_order(tuples: Open) -> list[Open]:
        """Batches by increasing bound."""
        tuples = tuples.take(np.argsort(tuples.bound, kind="stable"))
        return [tuples.take(np.arange(i, min(i + BATCH, len(tuples)))) for i in range(0, len(tuples), BATCH)]

    def _learn(self, everything: Open, count: int) -> None:
        """Other matchings, of rows that are confused by networks which the ones before do not tell from good ones.

        Such networks are drawn at random: of all tuples of one depth, some are followed further.
        """
        chance = np.random.default_rng(0)
        signed = self._choices.signed
        assert signed is not None
        while len(self._pairs) < MOST_MATCHINGS:
            tuples = everything
            while len(tuples) and not (self._wide[tuples.nodes] < 0).all():
                single = (self._wide[tuples.nodes] < 0).all(axis=1)
                tuples = Open.together([tuples.take(single), self._step(tuples.take(~single))])
                tuples = tuples.take(chance.permutation(len(tuples))[:BEAM])
            if len(tuples) <= FEW:
                return
            scores = self._evaluate(tuples.nodes)
            other = matching(self._loss, scores)
            self._pairs.append(Pairs(other, other.apart(signed), self._tree, count))

    def _evaluate(self, nodes: NodeArray) -> FloatArray:
        """Offer networks, tuples of single columns; their scores."""
        choices, columns = self._choices, self._tree.column[nodes]
        assert choices.signed is not None
        scores = choices.signed[columns[:, 0]].copy()
        for chosen in columns.T[1:]:
            scores += choices.signed[chosen]
        losses = self._ending.losses(scores, np.zeros(scores.shape[1]))
        values = losses + (choices.cost[columns].sum(axis=1) + self._free)

        def members(place: int) -> Members:
            return choices.members(*columns[place].tolist())

        self._record.offer(values, members)
        return scores
