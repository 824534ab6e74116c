"""Branch and bound over tuples of groups of like columns: what is left between a group and one column is cut in two.

Where very many columns look nearly the same to the data, taking one and banning it says little about the others. A
tuple stands for every network with one column of each of its groups. Its relaxation, with the convex hull of every
group in the place of the group, becomes exact as the groups become small; and a cut through what it takes of a group
makes it better on both sides.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count as numbers
from itertools import product
from random import Random

import numpy as np
from numpy.typing import NDArray

from nnmip.arrays import union
from nnmip.search.choices import Choices
from nnmip.search.climb import Climb
from nnmip.search.ending_one import OneScore
from nnmip.search.group_master import EACH_ROUND, GroupMaster, Hulls, Reduced, Some, Tuples, cheapest
from nnmip.search.leaves import Leaves
from nnmip.search.loss import Shortfalls
from nnmip.search.master import Relaxed
from nnmip.search.peel import Partial
from nnmip.search.problem import Problem
from nnmip.search.record import Record

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
MANY_CHOICES = 3000
MOST_LISTED, AT_ONCE = 200_000, 50_000
"""With more networks, a tuple is cut further; with few enough, its own relaxation is not asked for."""
MOST_HELD = 20_000_000
"""With more places in the tuples that wait, the last tuples come first and not those of the least bound."""
EACH_START, CLIMBS = 5000, 48
"""Local search begins at a network by chance for every so many columns, then at a rounded one of so many tuples."""
NEAR = 3000
"""Local search looks at so many columns of least reduced cost."""
TINY = 1e-12
MOST_TRIED = 64
"""How many networks of the columns that a relaxation takes are evaluated."""


def worth_groups(choices: Choices, count: int) -> bool:
    """Where fewer are left, columns are taken one by one."""
    return count > 1 and len(choices) >= MANY_CHOICES


class Groups:
    """Finds every better network of so many choices."""

    def __init__(
        self,
        problem: Problem,
        record: Record,
        ending: OneScore,
        master: GroupMaster,
        leaves: Leaves,
        choices: Choices,
    ) -> None:
        assert choices.signed is not None
        self._problem, self._record, self._ending = problem, record, ending
        self._master, self._leaves = master, leaves
        self._choices, self._signed = choices, choices.signed
        self.nodes = 0

    def search(self, partial: Partial, count: int, root: Relaxed, floor: Callable[[float], None]) -> None:
        """`partial` has no members; root: the relaxation of all choices. floor: told what no network is better than
        that is still to be looked at."""
        self._partial, self._near = partial, np.argsort(root.reduced, kind="stable")[:NEAR]
        self._restart(count)
        left = root.bound.base + root.reduced + (count - 1) * float(root.least[0]) < self._record.goal
        if not left.any():
            return
        taken = np.flatnonzero(np.isin(self._choices.key, root.key))
        everything = Tuples((np.flatnonzero(left),), np.array([count]), -np.inf, taken)
        order, held = numbers(), 0
        waiting = [(everything.bound, next(order), everything)]
        deep: list[Tuples] = []
        while waiting or deep:
            if deep:
                tuples = deep.pop()
            else:
                bound, _, tuples = heapq.heappop(waiting)
                held -= tuples.size
                if bound >= self._record.goal:
                    return
                floor(bound)
            for part in self._parts(tuples):
                if held > MOST_HELD:
                    deep.append(part)
                else:
                    held += part.size
                    heapq.heappush(waiting, (part.bound, next(order), part))

    def _parts(self, tuples: Tuples) -> list[Tuples]:
        """What remains to be looked at of tuples."""
        if tuples.bound >= self._record.goal:
            return []
        self.nodes += 1
        hulls = self._master.solve(self._partial, tuples)
        self._round(tuples.times, hulls)
        proved = hulls.value(tuples.times)
        value = max(proved, tuples.bound)
        left = self._left(tuples.groups, hulls.reduced, hulls.least, proved) if value < self._record.goal else None
        if left is None or self._leaves.close(self._partial, *left, tuples.times, hulls.bound.base, MOST_LISTED):
            return []
        return self._cut(*left, tuples.times, hulls, value)

    def _left(self, groups: Some, reduced: Reduced, least: FloatArray, proved: float) -> tuple[Some, Reduced] | None:
        """The columns of each group, and what they cost, that are in better networks; None without such networks.

        proved: by the reduced costs. A better bound from other ones says nothing of one column.
        """
        keep = [costs + (proved - some) < self._record.goal for costs, some in zip(reduced, least, strict=True)]
        if not all(mask.any() for mask in keep):
            return None
        return (
            tuple(group[mask] for group, mask in zip(groups, keep, strict=True)),
            tuple(costs[mask] for costs, mask in zip(reduced, keep, strict=True)),
        )

    # ---- networks ------------------------------------------------------------------------------------------------

    def _restart(self, count: int) -> None:
        """Local search from networks by chance: the better the best one, the fewer columns are left."""
        chance = Random(0)
        climb = Climb(self._problem, self._record, self._choices.take(np.sort(self._near)), self._ending.losses)
        for _ in range(len(self._choices) // EACH_START):
            climb.from_start(chance.sample(range(len(self._near)), count), count)

    def _round(self, times: IntArray, hulls: Hulls) -> None:
        """Some networks of the columns that the relaxation takes; local search from the best one now and then."""
        most = int(MOST_TRIED ** (1 / times.sum()) + 1e-9)
        options = []
        for group, several in enumerate(times):
            mine = hulls.group == group
            some = hulls.taken[mine][np.argsort(-hulls.amount[mine], kind="stable")][:most]
            options += [some] * int(several)
        if not all(len(some) for some in options):
            return
        networks = np.array(list(product(*options)))
        best, known = networks[self._leaves.offer(self._partial, networks).argmin()], self._record.value
        if self.nodes % CLIMBS == 0 or self._record.value < known:
            near = union(self._near, best)
            climb = Climb(self._problem, self._record, self._choices.take(near), self._ending.losses)
            climb.from_start(np.searchsorted(near, best).tolist(), len(best))

    # ---- cuts ----------------------------------------------------------------------------------------------------

    def _cut(self, groups: Some, reduced: Reduced, times: IntArray, hulls: Hulls, bound: float) -> list[Tuples]:
        """The tuples with one group cut in two: so many of the one part, the rest of the other."""
        place, below = self._halves(groups, times, hulls)
        parts = [(groups[place][mask], reduced[place][mask]) for mask in (below, ~below)]
        base, found = hulls.bound.base, []
        for one in range(times[place] + 1):
            some = [(groups[g], reduced[g], int(times[g])) for g in range(len(groups)) if g != place]
            some += [(*part, n) for part, n in zip(parts, (one, int(times[place]) - one), strict=True) if n]
            several = np.array([n for _, _, n in some])
            least = np.array([costs.min() for _, costs, _ in some])
            proved = base + float(several @ least)
            left = self._left(tuple(group for group, _, _ in some), tuple(costs for _, costs, _ in some), least, proved)
            if left is None or self._leaves.close(self._partial, *left, several, base, AT_ONCE):
                continue
            near = union(hulls.taken, np.concatenate(cheapest(*left, EACH_ROUND)))
            found.append(Tuples(left[0], several, max(bound, proved), near))
        return found

    def _halves(self, groups: Some, times: IntArray, hulls: Hulls) -> tuple[int, BoolArray]:
        """The group that leaves most between the relaxation and its columns, and which of it lie on one side of what
        the relaxation takes on the whole."""
        shown = self._signed[hulls.taken]
        scores = self._partial.scores[:, 0] + hulls.amount @ shown
        scores += self._ending.bias(scores)
        most, place, axis, middle = 0.0, -1, np.zeros(0), 0.0
        for group in range(len(groups)):
            mine = hulls.group == group
            if mine.sum() < 2:
                continue
            share = hulls.amount[mine] / hulls.amount[mine].sum()
            left, direction = self._bend(scores, shown[mine], share)
            if left * times[group] > most:
                most, place, axis, middle = left * times[group], group, direction, share @ (shown[mine] @ direction)
        if place >= 0:
            below = self._signed[groups[place]] @ axis < middle
            if below.any() and not below.all():
                return place, below
        place = max(range(len(groups)), key=lambda group: len(groups[group]))
        return place, np.arange(len(groups[place])) < len(groups[place]) // 2

    def _bend(self, scores: FloatArray, columns: FloatArray, share: FloatArray) -> tuple[float, FloatArray]:
        """By how much the mean loss with one of these columns in the place of their mean is above the loss, and the
        direction along which the columns differ most where that comes from: rows on both sides of their kinks. Columns
        that differ by a constant are alike: that is the output bias."""
        loss = self._problem.loss
        assert isinstance(loss, Shortfalls)
        apart = (columns - share @ columns)[:, loss.row] * loss.slope[:, 0]
        short = loss.target - loss.slope[:, 0] * scores[loss.row]
        above = loss.limit * (share @ np.maximum(short - apart, 0.0) - np.maximum(short, 0.0))
        spread = share @ apart**2
        weight = np.divide(np.maximum(above, 0.0), spread, out=np.zeros(len(spread)), where=spread > TINY)
        if not weight.any():
            return 0.0, np.zeros(len(scores))
        one = loss.slope[:, 0]
        apart -= np.outer(apart @ (weight * one), one) / float(weight @ one**2)
        root = np.sqrt(weight)
        axis = root * np.linalg.svd(apart * root * np.sqrt(share)[:, None], full_matrices=False)[2][0]
        direction = np.bincount(loss.row, weights=axis * one, minlength=len(scores))
        return float(above.sum()), np.asarray(direction, dtype=np.float64)
