"""All networks of a tuple of groups: listed, bounded by tangents of the loss, and the few that are left evaluated.

The multipliers that prove the loss of one network are a tangent of the loss there, which bounds every other network as
well (`Bounds`). The mean of some such multipliers is worse at each of them and better between: it bounds a
neighborhood. What counts is how near the scores of networks are, whichever columns they are made of, so a few tangents
do for very many networks, where a relaxation does for one tuple only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnmip.records import dataclass
from nnmip.search.bound import Bound, Bounds
from nnmip.search.choices import Choices
from nnmip.search.ending_one import OneScore
from nnmip.search.group_master import Reduced, Some
from nnmip.search.loss import Shortfalls
from nnmip.search.peel import Partial
from nnmip.search.problem import Problem
from nnmip.search.record import Record

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
MOST_NETWORKS = 4000
"""So many networks may be left to be evaluated."""
FEW = 500
"""So few are not worth another tangent."""
SAMPLE, LIKE, TOGETHER = 64, 8, 4
"""Tangents come from so many of the networks, each the mean of so many; so many are chosen from one sample."""
LEAST_SHARE = 0.2
"""Where the tangents of a sample exclude less, further ones are not tried."""
BINS = 64


@dataclass(frozen=True, slots=True, eq=False)
class Slots:
    """One group for each member, the smallest first, by increasing reduced cost: places in the choices and costs.
    again: whether a group is that of the member before."""

    places: Some
    costs: Reduced
    again: tuple[bool, ...]

    @staticmethod
    def of(groups: Some, reduced: Reduced, times: IntArray) -> Slots:
        smallest = np.argsort([len(group) for group in groups], kind="stable")
        slots = np.repeat(smallest, times[smallest]).tolist()
        order = [np.argsort(costs, kind="stable") for costs in reduced]
        places = tuple(groups[group][order[group]] for group in slots)
        costs = tuple(reduced[group][order[group]] for group in slots)
        return Slots(places, costs, tuple(one == before for one, before in zip(slots, [-1, *slots[:-1]], strict=True)))

    def networks(self, room: float, most: int) -> Some | None:
        """The networks that cost less than that, for each slot their places in it [m]; None where they are more than
        `most`. No multiset comes twice."""
        after = np.cumsum([0.0, *(costs[0] for costs in reversed(self.costs))])[::-1]
        chosen: list[IntArray] = []
        cost, last = np.zeros(1), np.zeros(1, dtype=np.int64)
        for slot, (costs, again) in enumerate(zip(self.costs, self.again, strict=True)):
            first = last if again else np.zeros(len(cost), dtype=np.int64)
            some = np.maximum(np.searchsorted(costs, room - after[slot + 1] - cost) - first, 0)
            total = int(some.sum())
            if total > most:
                return None
            one = np.repeat(np.arange(len(cost)), some)
            last = first[one] + np.arange(total) - np.repeat(np.cumsum(some) - some, some)
            chosen = [*(places[one] for places in chosen), last]
            cost = cost[one] + costs[last]
        return tuple(chosen)


def about(reduced: Reduced, times: IntArray, room: float) -> float:
    """About how many networks cost less than that, multisets more than once."""
    least = [float(costs.min()) for costs in reduced]
    room -= sum(several * one for several, one in zip(times.tolist(), least, strict=True))
    if room <= 0:
        return 0.0
    found = np.ones(1)
    for costs, one, several in zip(reduced, least, times.tolist(), strict=True):
        bins = ((costs[costs < one + room] - one) * (BINS / room)).astype(np.int64)
        for _ in range(several):
            found = np.convolve(found, np.bincount(bins))[:BINS]
    return float(found.sum())


class Leaves:
    """Looks at all networks of tuples that are small enough."""

    def __init__(self, problem: Problem, record: Record, ending: OneScore, bounds: Bounds, choices: Choices) -> None:
        assert choices.signed is not None and isinstance(problem.loss, Shortfalls)
        self._loss, self._record, self._ending, self._bounds = problem.loss, record, ending, bounds
        self._choices, self._signed = choices, choices.signed

    def close(self, partial: Partial, groups: Some, reduced: Reduced, times: IntArray, base: float, most: int) -> bool:
        """Look at all networks of a tuple, unless more than `most` may be better ones, or tangents leave too many;
        `base` and the reduced costs bound them."""
        room = self._record.goal - base
        if about(reduced, times, room) > 2 * most:
            return False
        slots = Slots.of(groups, reduced, times)
        found = slots.networks(room, most)
        if found is None:
            return False
        some = self._excluded(partial, slots, found)
        if len(some[0]) > MOST_NETWORKS:
            return False
        if len(some[0]):
            self.offer(partial, _places(slots, some))
        return True

    def offer(self, partial: Partial, networks: IntArray) -> FloatArray:
        """Evaluate networks [m, count], places in the choices; their values."""
        paid = self._choices.cost[networks].sum(axis=1) + partial.cost
        values = paid + self._ending.losses(self._scores(networks), partial.scores[:, 0])
        self._record.offer(values, lambda place: self._choices.members(*networks[place].tolist()))
        return np.asarray(values)

    def _scores(self, networks: IntArray) -> FloatArray:
        scores = self._signed[networks[:, 0]]
        for column in networks.T[1:]:
            scores += self._signed[column]
        return scores

    def _excluded(self, partial: Partial, slots: Slots, some: Some) -> Some:
        """The networks that tangents leave, for each slot their places in it."""
        before = np.inf
        while FEW < len(some[0]) < (1.0 - LEAST_SHARE) * before:
            self._record.check()
            before = len(some[0])
            step = -(-before // SAMPLE)
            for bound in self._tangents(partial, _places(slots, tuple(places[::step] for places in some))):
                slopes, least = bound.slopes[:, 0], bound.base
                costs = [self._choices.cost[places] - self._signed[places] @ slopes for places in slots.places]
                total = sum((cost[one] for cost, one in zip(costs, some, strict=True)), np.full(len(some[0]), least))
                left = np.flatnonzero(total < self._record.goal)
                some = tuple(places[left] for places in some)
        return some

    def _tangents(self, partial: Partial, networks: IntArray) -> list[Bound]:
        """Bounds that exclude many of these networks: of their own tangents, and means of tangents that are good at
        each, one after the other the one that excludes most."""
        loss = self._loss
        scores = self._scores(networks) + partial.scores[:, 0]
        own = self._ending.multipliers(scores)
        if own is None:
            return []
        short = loss.target - loss.slope[:, 0] * scores[:, loss.row]
        paid = self._choices.cost[networks].sum(axis=1) + partial.cost
        at = own @ short.T
        near = np.argpartition(-at, min(LIKE, len(at)) - 1, axis=0)[:LIKE]
        several = np.concatenate([own[near].mean(axis=0), own])
        excludes = several @ short.T + paid >= self._record.goal
        chosen = []
        for _ in range(TOGETHER):
            most = int(excludes.sum(axis=1).argmax())
            if not excludes[most].any():
                break
            chosen.append(self._bounds.of(several[most], partial.scores, partial.cost, networks.shape[1]))
            excludes &= ~excludes[most]
        return chosen


def _places(slots: Slots, networks: Some) -> IntArray:
    """The same networks as places in the choices, [m, count]."""
    return np.column_stack([places[one] for places, one in zip(slots.places, networks, strict=True)])
