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

import numpy as np
from numpy.typing import NDArray

from nnmip.arrays import union
from nnmip.search.choices import Choices
from nnmip.search.climb import Climb
from nnmip.search.ending_one import OneScore
from nnmip.search.group_master import GroupMaster, Hulls, Reduced, Some, Tuples
from nnmip.search.master import Relaxed
from nnmip.search.peel import Partial
from nnmip.search.problem import Problem
from nnmip.search.record import Record

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
MANY_CHOICES = 3000
MOST_NETWORKS = 4000
"""So many networks of a tuple are evaluated at once and not cut further."""
MOST_HELD = 20_000_000
"""With more places in the tuples that wait, the last tuples come first and not those of the least bound."""
NEAR = 2000
"""Local search looks at so many columns of least reduced cost."""
MOST_TRIED = 64
"""How many networks of the columns that a relaxation takes are evaluated."""


def worth_groups(choices: Choices, count: int) -> bool:
    """Where fewer are left, columns are taken one by one."""
    return count > 1 and len(choices) >= MANY_CHOICES


class Groups:
    """Finds every better network of so many choices."""

    def __init__(
        self, problem: Problem, record: Record, ending: OneScore, master: GroupMaster, choices: Choices
    ) -> None:
        assert choices.signed is not None
        self._problem, self._record, self._ending = problem, record, ending
        self._master, self._choices, self._signed = master, choices, choices.signed
        self.nodes = 0

    def search(self, partial: Partial, count: int, root: Relaxed, floor: Callable[[float], None]) -> None:
        """`partial` has no members; root: the relaxation of all choices. floor: told what no network is better than
        that is still to be looked at."""
        self._partial, self._near = partial, np.argsort(root.reduced, kind="stable")[:NEAR]
        taken = np.flatnonzero(np.isin(self._choices.key, root.key))
        everything = Tuples((np.arange(len(self._choices)),), np.array([count]), -np.inf, taken)
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
        value = max(hulls.value(tuples.times), tuples.bound)
        left = self._left(tuples.groups, hulls.reduced, hulls.least, value)
        if left is None or self._evaluate(*left, tuples.times, hulls):
            return []
        return self._cut(*left, tuples.times, hulls, value)

    def _left(self, groups: Some, reduced: Reduced, least: FloatArray, bound: float) -> tuple[Some, Reduced] | None:
        """The columns of each group, and what they cost, that are in better networks; None without such networks."""
        keep = [costs + (bound - some) < self._record.goal for costs, some in zip(reduced, least, strict=True)]
        if bound >= self._record.goal or not all(mask.any() for mask in keep):
            return None
        return (
            tuple(group[mask] for group, mask in zip(groups, keep, strict=True)),
            tuple(costs[mask] for costs, mask in zip(reduced, keep, strict=True)),
        )

    # ---- networks ------------------------------------------------------------------------------------------------

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
        best, known = networks[self._offer(networks).argmin()], self._record.value
        if self.nodes & (self.nodes - 1) == 0 or self._record.value < known:
            near = union(self._near, best)
            climb = Climb(self._problem, self._record, self._choices.take(near), self._ending.losses)
            climb.from_start(np.searchsorted(near, best).tolist(), len(best))

    def _offer(self, networks: IntArray) -> FloatArray:
        """Evaluate networks [m, count]; their values."""
        scores = self._signed[networks[:, 0]]
        for column in networks.T[1:]:
            scores += self._signed[column]
        paid = self._choices.cost[networks].sum(axis=1) + self._partial.cost
        values = paid + self._ending.losses(scores, self._partial.scores[:, 0])
        self._record.offer(values, lambda place: self._choices.members(*networks[place].tolist()))
        return np.asarray(values)

    def _evaluate(self, groups: Some, reduced: Reduced, times: IntArray, hulls: Hulls) -> bool:
        """Evaluate all networks, unless they are too many.

        Member by member, the smallest groups first; within a group by reduced cost, so that no multiset comes twice.
        """
        room = self._record.goal - hulls.bound.base
        slots = [
            group for group in sorted(range(len(groups)), key=lambda g: len(groups[g])) for _ in range(times[group])
        ]
        after = np.cumsum([0.0, *(reduced[group].min() for group in reversed(slots))])[::-1]
        chosen, cost, last, before = np.zeros((1, 0), dtype=np.int64), np.zeros(1), np.zeros(1, dtype=np.int64), -1
        for slot, group in enumerate(slots):
            order = np.argsort(reduced[group], kind="stable")
            costs = reduced[group][order]
            first = last if group == before else np.zeros(len(cost), dtype=np.int64)
            some = np.maximum(np.searchsorted(costs, room - after[slot + 1] - cost) - first, 0)
            total = int(some.sum())
            if total > MOST_NETWORKS:
                return False
            one = np.repeat(np.arange(len(cost)), some)
            last = first[one] + np.arange(total) - np.repeat(np.cumsum(some) - some, some)
            chosen = np.column_stack([chosen[one], groups[group][order[last]]])
            cost, before = cost[one] + costs[last], group
        if len(chosen):
            self._offer(chosen)
        return True

    # ---- cuts ----------------------------------------------------------------------------------------------------

    def _cut(self, groups: Some, reduced: Reduced, times: IntArray, hulls: Hulls, bound: float) -> list[Tuples]:
        """The tuples with one group cut in two: so many of the one part, the rest of the other."""
        place, below = self._halves(groups, times, hulls)
        parts = [(groups[place][mask], reduced[place][mask]) for mask in (below, ~below)]
        found = []
        for one in range(times[place] + 1):
            some = [(groups[g], reduced[g], int(times[g])) for g in range(len(groups)) if g != place]
            some += [(*part, n) for part, n in zip(parts, (one, int(times[place]) - one), strict=True) if n]
            several = np.array([n for _, _, n in some])
            least = np.array([costs.min() for _, costs, _ in some])
            proved = max(bound, hulls.bound.base + float(several @ least))
            left = self._left(tuple(group for group, _, _ in some), tuple(costs for _, costs, _ in some), least, proved)
            if left is not None:
                found.append(Tuples(left[0], several, proved, np.sort(hulls.taken)))
        return found

    def _halves(self, groups: Some, times: IntArray, hulls: Hulls) -> tuple[int, BoolArray]:
        """The group of which the relaxation takes the most different columns, and which of it lie on one side of what
        it takes on the whole. Columns that differ by a constant are alike: that is the output bias."""
        widest, place, axis, middle = 0.0, -1, np.zeros(0), 0.0
        for group in range(len(groups)):
            mine = hulls.group == group
            if mine.sum() < 2:
                continue
            share = hulls.amount[mine] / hulls.amount[mine].sum()
            shown = self._signed[hulls.taken[mine]]
            apart = (shown - share @ shown) * np.sqrt(share)[:, None]
            apart -= apart.mean(axis=1, keepdims=True)
            width = float((apart**2).sum()) * float(times[group])
            if width > widest:
                direction = np.linalg.svd(apart, full_matrices=False)[2][0]
                widest, place, axis, middle = width, group, direction, float(share @ (shown @ direction))
        if place >= 0:
            below = self._signed[groups[place]] @ axis < middle
            if below.any() and not below.all():
                return place, below
        place = max(range(len(groups)), key=lambda group: len(groups[group]))
        return place, np.arange(len(groups[place])) < len(groups[place]) // 2
