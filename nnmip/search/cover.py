"""What a share of wrong rows and the weights that tell rows apart cost together at least, whatever the weights are.

Rows that are equal wherever a nonzero weight of the first layer looks get the same score. Of a group of such rows, at
least all that want a high score or all that want a low one are wrong (if no score suits both). So a network whose busy
units have nonzero weights at places J of the first layer is worth at least

    sum over groups of rows that J does not tell apart of min(weight of the high, weight of the low)
    + sum over j in J of the least cost of a nonzero weight at j + the least cost of a nonzero output weight,

and one without a busy unit at least the lesser weight of the two kinds. The least of that over all J is a test cover
problem (Moret and Shapiro, "On minimizing a set of tests", 1985) that may leave pairs uncovered at a price. It is
searched best first, so that it bounds from below whenever it ends. The argument uses no more of the network than where
its first layer looks; of the goal, that every other term is a sum over entries of weights, or at least not negative.
"""

from __future__ import annotations

import heapq
import math
from functools import partial
from itertools import count

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Apply, Gather, Join, Node, Reference
from nnmip.hir.goals import Term
from nnmip.records import dataclass
from nnmip.search.enumerate import Prices
from nnmip.search.mistakes import TOLERANCE, Mistakes
from nnmip.search.view import View

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

BY_ENTRY = frozenset({"l0", "norm_1", "norm_2sq"})
"""Words that add up something of every entry that is positive where the entry is not 0."""

NOT_NEGATIVE = BY_ENTRY | {"norm_inf", "count"}

MOST_NODES = 20_000
SURE = 1.0 - 1e-12
"""More than what sums of some thousand positive numbers lose by rounding."""


def covering_bound(view: View) -> float:
    """What no network is better than, in the sense of a minimum; -inf where the argument says nothing."""
    loss = view.loss
    if not isinstance(loss, Mistakes) or view.program.held:
        return -math.inf
    up = loss.sign > 0
    apart = loss.margin[up].min(initial=math.inf) + loss.margin[~up].min(initial=math.inf)
    costs = _costs(view)
    if apart <= 2 * TOLERANCE or costs is None:
        return -math.inf
    weights, output = costs
    cover = _Cover(_codes(view), weights, np.where(up, loss.weight, 0.0), np.where(up, 0.0, loss.weight))
    return min(cover.nothing, cover.least() + output) * SURE


def _costs(view: View) -> tuple[FloatArray, float] | None:
    """The least cost of a nonzero weight at each place of a unit, and of output weights of a unit that are not all 0;
    None where a term may be negative."""
    terms = [term for term in view.terms if _is_by_entry(term.value)]
    if any(view.sign * term.coefficient < 0 or not _is_not_negative(term.value) for term in view.terms):
        return None
    weights, prices = view.hidden.decision("weights"), Prices(view)
    assert weights is not None
    values, width = [value for value in weights.domain.values if value != 0], prices.width
    alone = np.zeros((len(values), width, width + 1))
    alone[:, np.arange(width), np.arange(width)] = np.reshape(values, (-1, 1))
    paid = partial(_paid, view, prices, terms)
    of_weights = paid(alone.reshape(-1, width + 1), np.zeros((alone.size // (width + 1), *view.heads.shape[1:])))
    of_heads = paid(np.zeros((len(view.heads), width + 1)), view.heads)
    return of_weights.reshape(len(values), width).min(axis=0, initial=math.inf), float(of_heads.min())


def _paid(view: View, prices: Prices, terms: list[Term], both: FloatArray, heads: FloatArray) -> FloatArray:
    """What terms say of networks of one unit."""
    batch, total = prices.batch(both, heads), np.zeros(len(both))
    for term in terms:
        total += view.sign * term.coefficient * batch.value(term.value)
    return total


def _is_by_entry(node: Node) -> bool:
    return isinstance(node, Apply) and node.word in BY_ENTRY and node.batch == 0 and _is_choice(node.operands[0])


def _is_not_negative(node: Node) -> bool:
    return isinstance(node, Apply) and node.word in NOT_NEGATIVE


def _is_choice(node: Node) -> bool:
    """Whether every entry is one of a decision."""
    match node:
        case Reference():
            return True
        case Gather(base=base):
            return _is_choice(base)
        case Join(parts=parts):
            return all(_is_choice(part) for part in parts)
    return False


def _codes(view: View) -> IntArray:
    """For each weight of a unit, which rows are equal wherever it looks: [weights, n], equal numbers for equal rows."""
    rows, width = view.rows.reshape(len(view.rows), -1), Prices(view).width
    looks = view.parts.feature_reads[:width] > 0
    return np.array([np.unique(rows[:, at], axis=0, return_inverse=True)[1].reshape(-1) for at in looks])


@dataclass(frozen=True, slots=True, eq=False)
class _Node:
    """The choices for the first `decided` places: groups of rows that those taken do not tell apart, and their cost."""

    decided: int
    groups: IntArray
    paid: float


class _Cover:
    """Best-first search for the places that cost least together with the rows that they do not tell apart."""

    def __init__(self, codes: IntArray, cost: FloatArray, high: FloatArray, low: FloatArray) -> None:
        """codes [places, n]; high, low [n]: the weight of a row that wants a high or a low score, else 0."""
        self._codes, self._cost, self._high, self._low = codes, cost, high, low
        self._cheapest = np.append(np.minimum.accumulate(cost[::-1])[::-1], math.inf)
        self._rest = [np.zeros(codes.shape[1], dtype=np.int64)]
        for code in codes[::-1]:
            self._rest.append(_finer(self._rest[-1], code))
        self._rest.reverse()
        self.nothing = self._wrong(self._rest[-1])

    def least(self) -> float:
        """The least value, or, after so many nodes, a bound of it."""
        number = count()
        first = _Node(0, np.zeros_like(self._rest[0]), 0.0)
        bound, is_leaf = self._bound(first)
        queue = [(bound, next(number), first, is_leaf)]
        while True:
            bound, order, node, is_leaf = heapq.heappop(queue)
            if is_leaf or order > 2 * MOST_NODES:
                return bound
            at = node.decided
            taken = _Node(at + 1, _finer(node.groups, self._codes[at]), node.paid + float(self._cost[at]))
            for child in (taken, _Node(at + 1, node.groups, node.paid)):
                below, ends = self._bound(child)
                # A child is worth no less than its parent, whatever its own bound says.
                heapq.heappush(queue, (max(below, bound), next(number), child, ends))

    def _bound(self, node: _Node) -> tuple[float, bool]:
        """What a node proves, and whether nothing is gained by taking more places."""
        wrong, at_last = self._wrong(node.groups), self._wrong(_finer(node.groups, self._rest[node.decided]))
        gained = wrong - at_last
        if gained <= float(self._cheapest[node.decided]):
            return node.paid + wrong, True
        return node.paid + at_last + float(self._cheapest[node.decided]), False

    def _wrong(self, groups: IntArray) -> float:
        high, low = (np.bincount(groups, weights=weight) for weight in (self._high, self._low))
        return float(np.minimum(high, low).sum())


def _finer(groups: IntArray, codes: IntArray) -> IntArray:
    """Groups of rows that agree in both numberings."""
    both = groups * (int(codes.max(initial=0)) + 1) + codes
    return np.asarray(np.unique(both, return_inverse=True)[1].reshape(-1))
