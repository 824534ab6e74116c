"""Good networks where a unit has too many columns to list: simulated annealing of many networks at once.

Kirkpatrick, Gelatt, Vecchi, "Optimization by simulated annealing" (1983); Hukushima, Iba, "Population annealing and its
application to a spin glass" (2003), for the copies of good networks. It proves nothing.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Assignment, Program
from nnmip.records import dataclass
from nnmip.search.biases import Biases
from nnmip.search.enumerate import Columns, Prices, check_columns
from nnmip.search.mistakes import FewestMistakes, Mistakes
from nnmip.search.networks import assignment_of
from nnmip.search.one_score import BestBias, best_bias
from nnmip.search.pool import Heads, Pool
from nnmip.search.unit_tables import UnitTables
from nnmip.search.view import Refusal, View, view_of
from nnmip.sizes import Allowance

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

MOST_STEPS, EACH_ROW = 50_000, 750
"""Steps at most, and for each row: few rows leave less to find, and the MILP that follows may end soon."""
TRIES = 40
"""Steps that tell the first temperature of slopes."""
HEADS, BIASES, SECOND = 0.02, 0.15, 0.25
"""How often a step on plateaus changes the head or the bias of a unit, and how often two of its weights, not one."""
SURELY = 1e-12
"""By how much a network is better than another one."""
NEAR = 1e-9
"""How far a value may be from one that is enough."""
LOOKS = 64
"""After so many steps the time is asked for, networks are copied, and their scores are added up anew."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How many networks there are side by side, and how many products of weights and rows are formed in all at most.

    The last temperature is a share `cold` of the first one, which is a share `hot` of the median of what steps at
    random make worse (slopes), or of what a row weighs (plateaus). copies: whether good networks take the place of bad
    ones while it cools. share: of the time limit, what may go into it.
    """

    chains: int
    steps: int
    numbers: int
    hot: float
    cold: float
    copies: bool
    share: float


SLOPES = Schedule(chains=32, steps=15_000, numbers=10**9, hot=0.5, cold=0.04, copies=False, share=0.2)
PLATEAUS = Schedule(chains=256, steps=MOST_STEPS, numbers=18 * 10**9, hot=0.4, cold=0.2, copies=True, share=0.8)
"""A share of wrong rows changes by whole rows: what most steps change is what weights cost, which does not tell how
warm it has to be for a row to be given up for others. Proofs of such models end least, so that it has most of the time.
"""


def unlisted(program: Program, allowance: Allowance) -> View | None:
    """The view of a program whose columns are larger than is allowed; None for other programs."""
    try:
        view = view_of(program)
    except Refusal:
        return None
    try:
        check_columns(view, allowance)
    except Refusal:
        return view
    return None


def annealed(
    view: View, spent: Callable[[], float], interrupted: Callable[[], None], seed: int = 0, enough: float = -math.inf
) -> Assignment | None:
    """The best network that is met; None where the model has several scores, rules that tie units, an earlier goal, or
    units that cannot be idle.

    spent: asked now and then for the share of the time that is gone; from 1 on it ends. It cools by the time where that
    is gone sooner than the steps; else the seed alone decides what is found. Ctrl-C, which `interrupted` is told of,
    ends it with the best network so far, as does one that is worth `enough`, in the sense of a minimum.
    """
    if view.coupling or view.program.held or len(view.output) > 1:
        return None
    best = _best_bias(view)
    prices = Prices(view)
    nothing = _nearest_to_zero(view)
    allowed, cost, _ = prices.idle(nothing[None])
    out = view.out.decision("weights")
    assert out is not None
    if best is None or not allowed[0] or not prices.has_heads or not out.domain.has_zero:
        return None
    annealing = _kind(view)(view, best, prices, nothing, float(cost[0]), seed)
    try:
        annealing.run(spent, enough - float(prices.constant))
    except KeyboardInterrupt:
        interrupted()
    return annealing.best


def share_of(view: View) -> float:
    """The share of a time limit that may go into annealing."""
    return _kind(view).schedule.share


def _kind(view: View) -> type[_Annealing]:
    return _Plateaus if isinstance(view.loss, Mistakes) else _Slopes


def _nearest_to_zero(view: View) -> FloatArray:
    """Weights and bias of a unit, [d + 1]."""
    weights, bias = view.hidden.decision("weights"), view.hidden.decision("bias")
    assert weights is not None
    least = weights.domain.project(np.zeros(weights.size // view.parts.units))
    return np.append(least, bias.domain.project(np.zeros(1)) if bias is not None else 0.0)


def _best_bias(view: View) -> BestBias | None:
    if view.bias.is_finite:
        values = np.array(view.bias.values)
        biases = Biases.among((values,), (np.zeros(len(values)),))
    else:
        biases = Biases.box(np.array([view.bias.lo]), np.array([view.bias.hi]))
    if isinstance(view.loss, Mistakes):
        return FewestMistakes(view.loss, biases)
    return best_bias(view.loss, biases)


class _Annealing(ABC):
    """Networks side by side: weights and bias of every unit [chains, units, d + 1], its head, -1 for an idle unit, what
    it adds to the scores [chains, units, n], and what it costs."""

    schedule: ClassVar[Schedule]

    def __init__(self, view: View, best: BestBias, prices: Prices, nothing: FloatArray, idle: float, seed: int) -> None:
        """nothing, idle: weights and bias of an idle unit, and what it costs."""
        self._view, self._best, self._nothing, self._idle = view, best, nothing, idle
        self._heads: Heads = prices.of_heads()
        weights, bias = view.hidden.decision("weights"), view.hidden.decision("bias")
        assert weights is not None
        self._values = np.sort(np.array(weights.domain.values))
        self._biases = np.sort(np.array(bias.domain.values)) if bias is not None else np.zeros(1)
        self._tables = UnitTables(view, prices, self._values, self._biases, nothing)
        self._chance = np.random.default_rng(seed)
        chains, units, rows = self.schedule.chains, view.parts.units, len(view.rows)
        self._both = np.tile(nothing, (chains, units, 1))
        self._head = np.full((chains, units), -1)
        self._adds = np.zeros((chains, units, rows))
        self._cost = np.full((chains, units), idle)
        self._start()
        self._add_up()
        self._least, self._known = math.inf, (self._both[0], self._head[0])
        self._remember()

    @abstractmethod
    def _start(self) -> None:
        """Change the networks, all idle so far, to those that are started from."""

    @abstractmethod
    def _changed(self, both: FloatArray, head: IntArray) -> tuple[FloatArray, IntArray]:
        """What a step makes of one unit of each network."""

    @abstractmethod
    def _hot(self) -> float:
        """The first temperature."""

    def run(self, spent: Callable[[], float], enough: float) -> None:
        schedule, (chains, _, rows) = self.schedule, self._adds.shape
        least = min(MOST_STEPS, EACH_ROW * rows)
        steps = min(least, schedule.steps, schedule.numbers // (chains * rows * self._both.shape[2]))
        hot, gone = self._hot(), 0.0
        before = hot
        for step in range(steps):
            if step % LOOKS == 0:
                gone = spent()
                self._drop()
            if gone >= 1 or self._least <= enough + NEAR:
                break
            temperature = hot * schedule.cold ** max(step / steps, gone)
            if step % LOOKS == 0:
                self._look(before, temperature)
                before = temperature
            self._step(temperature)
        self._drop()

    def _drop(self) -> None:
        """Take from the best network one weight or unit after the other, where that makes it better: while it is warm,
        networks keep what does no more than it costs."""
        both, head = self._known
        width = both.shape[1] - 1
        while True:
            adds, cost, _ = self._of_units(both, head)
            # Of every unit one weight less or, at last, none at all.
            unit, place = np.nonzero(np.column_stack([both[:, :-1] != self._nothing[:-1], head >= 0]))
            if not len(unit):
                return
            some, heads = both[unit], np.where(place < width, head[unit], -1)
            weights = np.flatnonzero(place < width)
            some[weights, place[weights]] = self._nothing[place[weights]]
            less, paid, allowed = self._of_units(some, heads)
            value = self._values_of(adds.sum(axis=0) - adds[unit] + less) + (cost.sum() - cost[unit] + paid)
            value = np.where(allowed, value, np.inf)
            if value.min() >= self._least - SURELY:
                return
            best = int(value.argmin())
            both, head = both.copy(), head.copy()
            both[unit[best]], head[unit[best]] = some[best], heads[best]
            self._least, self._known = float(value[best]), (both, head)

    def _look(self, before: float, temperature: float) -> None:
        """Copy networks, each as often on average as it is likelier at a temperature than at the one before."""
        if self.schedule.copies and 0 < temperature < before:
            likely = np.exp((1 / before - 1 / temperature) * (self._value - self._value.min()))
            room = np.cumsum(likely) * (len(likely) / likely.sum())
            chosen = np.searchsorted(room, np.arange(len(likely)) + self._chance.random())
            chosen = np.minimum(chosen, len(likely) - 1)
            self._both, self._head = self._both[chosen], self._head[chosen]
            self._adds, self._cost = self._adds[chosen], self._cost[chosen]
        self._add_up()

    def _step(self, temperature: float) -> FloatArray:
        """Change one unit of each network, and keep the change by chance; how much each would change its value."""
        chains, units = self._head.shape
        every, unit = np.arange(chains), self._chance.integers(0, units, chains)
        both, head = self._changed(self._both[every, unit], self._head[every, unit])
        adds, cost, allowed = self._of_units(both, head)
        scores = self._scores - self._adds.reshape(chains * units, -1).take(every * units + unit, axis=0) + adds
        paid = self._paid - self._cost[every, unit] + cost
        value = self._values_of(scores) + paid
        worse = np.maximum(value - self._value, 0.0)
        odds = np.exp(-worse / temperature) if temperature > 0 else (worse == 0).astype(float)
        kept = np.flatnonzero(allowed & (self._chance.random(chains) < odds))
        at = kept, unit[kept]
        self._both[at], self._head[at] = both[kept], head[kept]
        self._adds[at], self._cost[at] = adds[kept], cost[kept]
        self._scores[kept], self._paid[kept], self._value[kept] = scores[kept], paid[kept], value[kept]
        self._remember()
        return np.where(allowed, worse, 0.0)

    def _add_up(self) -> None:
        self._scores, self._paid = self._adds.sum(axis=1), self._cost.sum(axis=1)
        self._value = self._values_of(self._scores) + self._paid

    def _of_units(self, both: FloatArray, head: IntArray) -> tuple[FloatArray, FloatArray, BoolArray]:
        """What units add to the scores, what they cost, and whether the conditions allow them."""
        adds = self._added(both, head)
        allowed, cost = self._tables.own(both)
        is_idle = head < 0
        adds[is_idle] = 0.0
        return adds, np.where(is_idle, self._idle, cost + self._heads.cost[head]), allowed | is_idle

    def _added(self, both: FloatArray, head: IntArray) -> FloatArray:
        given, vectors = self._tables.shown(both), self._heads.vectors[head, :, 0]
        return given[:, 0] * vectors if given.shape[1] == 1 else np.einsum("kpn,kp->kn", given, vectors)

    def _values_of(self, scores: FloatArray) -> FloatArray:
        return self._best.values(np.zeros(scores.shape[1]), scores)

    def _remember(self) -> None:
        place = int(self._value.argmin())
        if self._value[place] < self._least - SURELY:
            self._least = float(self._value[place])
            self._known = self._both[place].copy(), self._head[place].copy()

    @property
    def best(self) -> Assignment:
        both, head = self._known
        busy = np.flatnonzero(head >= 0)
        given = self._tables.shown(both[busy])
        scores = np.einsum("kpn,kp->n", given, self._heads.vectors[head[busy], :, 0])
        pool = Pool(given, np.zeros(given.shape[:2]), np.zeros(len(busy)), both[busy, :-1], both[busy, -1])
        columns = Columns(pool, self._heads, self._idle, self._nothing, 0.0, False, 0.0, len(busy), None)
        members = tuple((place, int(head[unit])) for place, unit in enumerate(busy))
        return assignment_of(self._view, columns, members, np.array([self._best.bias(scores)]))


class _Slopes(_Annealing):
    """For a convex loss: the networks start idle."""

    schedule = SLOPES

    def _start(self) -> None:
        pass

    def _hot(self) -> float:
        moved = np.concatenate([self._step(np.inf) for _ in range(TRIES)])
        moved = moved[moved > 0]
        return self.schedule.hot * float(np.median(moved)) if len(moved) else 0.0

    def _changed(self, both: FloatArray, head: IntArray) -> tuple[FloatArray, IntArray]:
        """One weight at random, now and then another one, the bias or the head; any of them may be what it was."""
        chance, chains, width = self._chance, len(both), both.shape[1] - 1
        every = np.arange(chains)
        both = both.copy()
        kind = chance.random((3, chains))
        for which in (kind[0] < 0.8, kind[0] < 0.3):
            at = chance.integers(0, width, chains)
            both[every[which], at[which]] = chance.choice(self._values, chains)[which]
        both[:, -1] = np.where(kind[1] < 0.3, chance.choice(self._biases, chains), both[:, -1])
        other = chance.integers(-1, len(self._heads.cost), chains)
        # A change of an idle unit alone is none.
        other = np.where((head < 0) & (other < 0), 0, other)
        return both, np.where((kind[2] < 0.1) | (head < 0), other, head)


class _Plateaus(_Annealing):
    """For a share of wrong rows: the networks start with busy units, and every step is a change."""

    schedule = PLATEAUS

    def _hot(self) -> float:
        assert isinstance(self._view.loss, Mistakes)
        return self.schedule.hot * float(self._view.loss.weight.mean())

    def _start(self) -> None:
        """Units at random; those that the conditions do not allow are idle."""
        chance, (chains, units) = self._chance, self._head.shape
        weights = chance.choice(self._values, (chains, units, len(self._nothing) - 1))
        both = np.concatenate([weights, chance.choice(self._biases, (chains, units, 1))], axis=2)
        head = chance.integers(0, len(self._heads.cost), (chains, units))
        adds, cost, allowed = self._of_units(both.reshape(chains * units, -1), head.reshape(-1))
        busy = allowed.reshape(chains, units)
        self._both[busy], self._head[busy] = both[busy], head[busy]
        self._adds[busy], self._cost[busy] = adds[allowed], cost[allowed]

    def _changed(self, both: FloatArray, head: IntArray) -> tuple[FloatArray, IntArray]:
        """Another head, the next bias, or another value of one or two weights; an idle unit becomes busy."""
        every, width = np.arange(len(both)), both.shape[1] - 1
        kind, first, second, one, two, way = self._chance.random((6, len(both)))
        heads = (head < 0) | (kind < HEADS)
        biases = ~heads & (kind < HEADS + BIASES) & (len(self._biases) > 1)
        weights = ~heads & ~biases & (len(self._values) > 1)
        if biases.any():
            both[biases, -1] = self._next_bias(both[biases, -1], way[biases])
        for which, at, turn in (
            (every[weights], first, one),
            (every[weights & (kind > 1 - SECOND)], second, two),
        ):
            column = (at[which] * width).astype(np.int64)
            place = np.searchsorted(self._values, both[which, column])
            place += 1 + (turn[which] * (len(self._values) - 1)).astype(np.int64)
            both[which, column] = self._values[place % len(self._values)]
        count = len(self._heads.cost) + 1
        other = (head + 2 + (way * (count - 1)).astype(np.int64)) % count - 1
        return both, np.where(heads, other, head)

    def _next_bias(self, bias: FloatArray, way: FloatArray) -> FloatArray:
        last = len(self._biases) - 1
        place = np.searchsorted(self._biases, bias) + np.where(way < 0.5, -1, 1)
        return np.asarray(self._biases[np.where(place < 0, 1, np.where(place > last, last - 1, place))])
