"""All that one hidden unit can show the data: every choice of its weights, the cheapest kept of those that agree."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import combinations, islice, product
from math import comb, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Node, Reference
from nnmip.hir.walk import walk
from nnmip.ops.registry import LAYERS
from nnmip.ops.scores import ROUNDING
from nnmip.records import dataclass
from nnmip.search.distinct import Distinct
from nnmip.search.idle import of_parts, parts_serve, zeros_serve
from nnmip.search.parts import Batch
from nnmip.search.pool import Heads, Pool
from nnmip.search.traits import Classes, traits_of
from nnmip.search.view import Refusal, View, fan_in_limit
from nnmip.sizes import Allowance, Estimate

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

CELLS = 2_000_000
"""How many numbers one chunk of candidates has over all rows."""

AT_ONCE = 100_000
"""How many of them are worked on together: what stays in the cache is much faster."""

ROUNDS = 10
"""How often all columns are priced for every number of units, about."""

NUMBER = 8
"""Bytes of a number."""


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """The pool and the heads of a view, and the cost of a unit that does nothing, None where every unit does something.

    constant: what the goal says of a network whose weights are all 0. idle_weights [d + 1]: weights and bias of a unit
    that does nothing. merges: whether columns that differ by a constant are one. most_shift: the largest magnitude of
    what was taken off a column, those included for which others stand.
    others: from there on the pool has units that do nothing either, where conditions on several units can ask for one
    that is not the cheapest; their output weights are 0, whatever the head. removed: which of them is removed.
    """

    pool: Pool
    heads: Heads
    idle: float | None
    idle_weights: FloatArray
    constant: float
    merges: bool
    most_shift: float
    others: int
    removed: int | None


@dataclass(frozen=True, slots=True, eq=False)
class _Choices:
    """What the weights of a unit can be: `least` to `most` nonzero ones of `width`, and a bias."""

    width: int
    nonzero: tuple[float, ...]
    least: int
    most: int
    biases: FloatArray

    @staticmethod
    def of(view: View) -> _Choices:
        weights, bias = view.hidden.decision("weights"), view.hidden.decision("bias")
        assert weights is not None
        width = weights.size // view.parts.units
        biases = np.array(bias.domain.values) if bias is not None else np.zeros(1)
        nonzero = tuple(value for value in weights.domain.values if value != 0)
        least, most = 0 if weights.domain.has_zero else width, fan_in_limit(view) if nonzero else 0
        return _Choices(width, nonzero, least, most, biases)

    def told_apart(self, prices: Prices) -> _Kinds:
        """The biases by what `prices` say of them: where no expression reads them, only whether one is 0."""
        if prices.tells_biases_apart:
            return _Kinds(self.biases, np.arange(len(self.biases)), np.arange(len(self.biases)))
        is_zero = self.biases == 0
        _, first, kind = np.unique(is_zero != is_zero[0], return_index=True, return_inverse=True)
        return _Kinds(self.biases, first, kind)

    @property
    def count(self) -> int:
        sizes = range(self.least, self.most + 1)
        return sum(comb(self.width, size) * int(len(self.nonzero) ** size) for size in sizes) * len(self.biases)


@dataclass(frozen=True, slots=True, eq=False)
class _Kinds:
    """Biases [B], of which goals and conditions tell only kinds apart: the first bias of each, and the kinds [B]."""

    biases: FloatArray
    first: IntArray
    kind: IntArray

    def candidates(self, weights: FloatArray) -> FloatArray:
        """Weights [k, d] with the first bias of every kind: [k * kinds, d + 1]."""
        some = self.biases[self.first]
        return np.concatenate([np.repeat(weights, len(some), axis=0), np.tile(some, len(weights))[:, None]], axis=1)

    def of_all(self, said: NDArray[Any]) -> NDArray[Any]:
        """What was said of these candidates, for the weights with every bias: [k, B]."""
        return said.reshape(-1, len(self.first))[:, self.kind]


def check_columns(view: View, allowance: Allowance) -> int:
    """How many choices of weights a unit has; Refusal where their columns would be larger than is allowed."""
    count = _Choices.of(view).count
    numbers = max(len(view.rows) * view.positions, len(view.heads))
    if count * numbers * NUMBER > allowance.size:
        raise Refusal(f"a unit has {count} choices of weights, whose columns are larger than is allowed")
    return count


def estimate_search(view: View, allowance: Allowance) -> Estimate:
    """What the search would be: every choice of weights is shown every row, and priced with every head some times."""
    count = check_columns(view, allowance)
    numbers = count * len(view.rows) * view.positions
    return Estimate(count, numbers, float(ROUNDS * view.parts.units * numbers * (len(view.heads) + 1)))


def columns_of(view: View, allowance: Allowance, *, merges: bool = True, leads: bool = False) -> Columns:
    """Enumerate the columns of a view. `merges` may be false to keep apart what differs by a constant; with `leads`,
    output weights that differ by the same number for every score are one even then, where only leads count.

    Raises Refusal where they would be larger than is allowed.
    """
    check_columns(view, allowance)
    out, choices = view.out.decision("weights"), _Choices.of(view)
    assert out is not None
    prices = Prices(view)
    kinds = choices.told_apart(prices)
    merges = merges and prices.traits is not None and view.bias.is_interval
    kept, idle = _Kept(view, merges, leads, kinds), _Idle(view, prices)
    entries = len(view.rows) * prod(view.hidden.shape[1:]) * len(choices.biases)
    for chunk in _weight_chunks(choices, max(1, CELLS // entries)):
        both = kinds.candidates(chunk)
        if prices.has_heads:
            said = [kinds.of_all(each) for each in prices.own(both)]
            step = max(1, AT_ONCE // entries)
            for first in range(0, len(chunk), step):
                some = slice(first, first + step)
                kept.add(chunk[some], *(each[some] for each in said))
        if out.domain.has_zero:
            idle.add(both)
    if view.removes:
        idle.add_removed()
    return kept.finished(prices, idle)


def _weight_chunks(choices: _Choices, size: int) -> Iterator[FloatArray]:
    """Every weight vector of a unit, in chunks of about `size`, each [k, width]."""
    width, nonzero = choices.width, choices.nonzero
    for entries in range(choices.least, choices.most + 1):
        values = np.array(list(product(nonzero, repeat=entries))).reshape(len(nonzero) ** entries, entries)
        supports = combinations(range(width), entries)
        while some := list(islice(supports, max(1, size // len(values)))):
            places = np.array(some, dtype=np.int64).reshape(len(some), entries)
            for start in range(0, len(values), size):
                part = values[start : start + size]
                found = np.zeros((len(places), len(part), width))
                rows = np.arange(len(places))[:, None, None]
                found[rows, np.arange(len(part))[None, :, None], places[:, None, :]] = part[None]
                yield found.reshape(-1, width)


class Prices:
    """What goal and conditions say of one unit, for many candidates at once."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.parts, self.of_parts = view.parts, of_parts(view)
        self.heads = self._allowed(view.heads)
        self.has_heads = bool(len(self.heads))
        if not self.has_heads:
            self.heads = view.heads[:1]  # of no unit, then
        self.first = self.heads[0]
        self.constant = self._cost(np.zeros((1, self.width + 1)), np.zeros_like(self.heads[:1]))[0]
        self.traits = traits_of(view.parts, view.tying)
        self._classes = Classes()

    @cached_property
    def tells_biases_apart(self) -> bool:
        """Whether anything reads the hidden biases but `used`, which asks whether one is 0."""
        view, bias = self.view, self.view.hidden.decision("bias")
        nodes = (*(term.value for term in view.terms), *view.own, *view.outer, *view.coupling, *view.tying)
        reads = (isinstance(at, Reference) and at.decision is bias for node in nodes for at in walk(node))
        return self.traits is None or any(reads)

    @property
    def width(self) -> int:
        """How many weights come into a unit."""
        weights = self.view.hidden.decision("weights")
        assert weights is not None
        return weights.size // self.parts.units

    def own(self, both: FloatArray) -> tuple[BoolArray, FloatArray, IntArray]:
        """Which weights and biases [k, d + 1] the conditions allow, the cost of each, and its class by what ties units,
        for the first head."""
        batch = self.batch(both, np.broadcast_to(self.first, (len(both), *self.first.shape)))
        allowed = self._hold(batch, self.view.own) & self._alone(both)
        return allowed, self._cost_of(batch) - self.constant, self._class_of(batch)

    def _class_of(self, batch: Batch) -> IntArray:
        """Numbers that differ where units do in what ties them; where that is more than some traits, always."""
        if self.traits is None:
            return self._classes.apart(batch.count)
        return self._classes.of(self.traits.of(batch))

    def class_of_heads(self) -> IntArray:
        """The same for the heads of a unit."""
        one = np.zeros((len(self.heads), self.width + 1))
        one[:, 0] = 1.0
        return self._class_of(self.batch(one, self.heads))

    def of_heads(self) -> Heads:
        """What the heads cost, beyond what is counted with the unit for the first of them."""
        one = np.zeros((len(self.heads), self.width + 1))
        one[:, 0] = 1.0
        cost = self._cost(one, self.heads)
        return Heads(self.heads, cost - cost[0])

    def idle(self, both: FloatArray) -> tuple[BoolArray, FloatArray, IntArray]:
        """The same for a unit with output weights of 0."""
        batch = self.batch(both, np.zeros((len(both), *self.first.shape)))
        allowed = self._hold(batch, (*self.view.own, *self.view.outer)) & self._alone(both)
        return allowed, self._cost_of(batch) - self.constant, self._class_of(batch)

    def _alone(self, both: FloatArray) -> BoolArray:
        """Which weights and biases no condition on several units forbids by themselves."""
        held = np.ones(len(both), dtype=bool)
        if not self.of_parts:
            return held
        batch = self.batch(both, np.zeros((len(both), *self.first.shape)))
        for node in self.of_parts:
            held &= (batch.value(node) > 0.5).reshape(len(batch.value(node)), -1).all(axis=1)
        return held

    def _allowed(self, heads: FloatArray) -> FloatArray:
        if not self.view.outer:
            return heads
        one = np.zeros((len(heads), self.width + 1))
        return heads[self._hold(self.batch(one, heads), self.view.outer)]

    def _hold(self, batch: Batch, conditions: tuple[object, ...]) -> BoolArray:
        """Which candidates satisfy what the conditions say of the first unit."""
        held = np.ones(batch.count, dtype=bool)
        for node in conditions:
            about = self.parts.of(node) // 2 <= 0  # type: ignore[arg-type]
            value = batch.value(node) > 0.5  # type: ignore[arg-type]
            held &= np.broadcast_to(value, (batch.count, *about.shape))[:, about].reshape(batch.count, -1).all(axis=1)
        return held

    def _cost(self, both: FloatArray, heads: FloatArray) -> FloatArray:
        return self._cost_of(self.batch(both, heads))

    def _cost_of(self, batch: Batch) -> FloatArray:
        total = np.zeros(batch.count)
        for term in self.view.terms:
            total = total + self.view.sign * term.coefficient * batch.value(term.value)
        return np.asarray(np.broadcast_to(total, (batch.count,)))

    def batch(self, both: FloatArray, heads: FloatArray) -> Batch:
        """Networks in which all units but the first are 0."""
        view, values = self.view, {}
        for decision in view.network.decisions:
            values[decision.path] = np.zeros((len(both), *decision.shape))
        weights, bias, out = (layer.decision(role) for layer, role in self._decisions)
        assert weights is not None and out is not None
        values[weights.path].reshape(len(both), view.parts.units, -1)[:, 0] = both[:, :-1]
        if bias is not None:
            values[bias.path][:, 0] = both[:, -1]
        values[out.path][:, view.output[:, None], view.parts.places[0]] = heads.transpose(0, 2, 1)
        return Batch(view.parts, values, ROUNDING)

    @property
    def _decisions(self) -> tuple[tuple, ...]:  # type: ignore[type-arg]
        view = self.view
        return (view.hidden, "weights"), (view.hidden, "bias"), (view.out, "weights")


class _Idle:
    """The units that do nothing, the cheapest of each class that conditions can ask for."""

    def __init__(self, view: View, prices: Prices) -> None:
        self.view, self.prices = view, prices
        self.zeros_serve = zeros_serve(view)
        self.cost: list[FloatArray] = []
        self.both: list[FloatArray] = []
        self.classes: set[int] = set()
        self.removed: int | None = None

    def add(self, both: FloatArray) -> None:
        allowed, cost, classes = self.prices.idle(both)
        chosen = np.flatnonzero(allowed)
        chosen = chosen[np.lexsort(((both[chosen] != 0).any(axis=1), cost[chosen], classes[chosen]))]
        chosen = chosen[np.unique(classes[chosen], return_index=True)[1]]
        if len(chosen):
            self.classes.update(classes[chosen].tolist())
            self.cost.append(cost[chosen])
            self.both.append(both[chosen])

    def add_removed(self) -> None:
        before = sum(len(cost) for cost in self.cost)
        self.add(np.zeros((1, self.prices.width + 1)))
        self.removed = before if sum(len(cost) for cost in self.cost) > before else None

    @cached_property
    def best(self) -> tuple[float, FloatArray] | None:
        """The cheapest, and its weights and bias: zeros if they are."""
        if not self.cost:
            return None
        cost, both = np.concatenate(self.cost), np.concatenate(self.both)
        order = np.lexsort(((both != 0).any(axis=1), cost))
        return float(cost[order[0]]), both[order[0]]

    def others(self, heads: Heads) -> Pool:
        """Those that conditions can ask for, as columns of 0 that cost what they do with the cheapest head."""
        best = self.best
        if best is None or len(self.classes) == 1 or (self.zeros_serve and not best[1].any()):
            return Pool.empty(self.view.positions, len(self.view.rows), self.prices.width)
        cost, both = np.concatenate(self.cost) - heads.cost.min(), np.concatenate(self.both)
        nothing = np.zeros((len(cost), self.view.positions, len(self.view.rows)))
        return Pool(nothing, nothing[:, :, 0], cost, both[:, :-1], both[:, -1])


def _cheapest_leads(heads: Heads, most: float, classes: IntArray) -> Heads:
    """Of the vectors of a class that differ, at each position, by the same number for every score the cheapest, for a
    loss that sees only how far scores are apart; those that have the same number for every score only below a cost of
    `most`. At least one."""
    order = np.argsort(heads.cost, kind="stable")
    leads = (heads.vectors - heads.vectors[:, :, :1]).reshape(len(order), -1)
    _, first = np.unique(np.column_stack([leads, classes])[order], axis=0, return_index=True)
    kept = np.sort(order[first])
    does = leads[kept].any(axis=1) | (heads.cost[kept] < most)
    kept = kept[does] if does.any() else order[:1]
    return Heads(heads.vectors[kept], heads.cost[kept])


def classes_in_pool(view: View, columns: Columns, nodes: tuple[Node, ...]) -> tuple[IntArray, IntArray] | None:
    """Numbers for the columns of a pool and for its heads that differ where units do in what some expressions over
    several of them read; None where that is more than some traits."""
    traits = traits_of(view.parts, nodes)
    if traits is None:
        return None
    prices, classes, pool = Prices(view), Classes(), columns.pool
    both = np.concatenate([pool.weights, pool.bias[:, None]], axis=1)
    heads = np.broadcast_to(columns.heads.vectors[0], (pool.size, *columns.heads.vectors.shape[1:]))
    heads = np.where((np.arange(pool.size) < columns.others)[:, None, None], heads, 0.0)
    found = [classes.of(traits.of(batch)) for batch in batches_of_units(view, both, heads)]
    units = np.concatenate([*found, np.zeros(0, dtype=np.int64)])
    units = 2 * units + (np.arange(pool.size) >= columns.others)
    one = np.zeros((len(columns.heads.cost), both.shape[1]))
    one[:, 0] = 1.0
    return units, classes.of(traits.of(prices.batch(one, columns.heads.vectors)))


def batches_of_units(view: View, both: FloatArray, heads: FloatArray) -> Iterator[Batch]:
    """Networks in which all units but the first are 0, some at a time: its weights and bias, and its output weights."""
    prices, step = Prices(view), max(1, CELLS // sum(d.size for d in view.network.decisions))
    for start in range(0, len(both), step):
        yield prices.batch(both[start : start + step], heads[start : start + step])


def sums_of(view: View, weights: FloatArray) -> FloatArray:
    """What units with these weights [k, d] give before bias and activations, [k, rows, *hidden positions]."""
    hidden, decision = view.hidden, view.hidden.decision("weights")
    assert decision is not None
    decisions = {"weights": weights.reshape(len(weights), *decision.shape[1:])}
    return LAYERS[hidden.op].forward((view.rows,), decisions, dict(hidden.options)).swapaxes(0, 1)


def activated(view: View, sums: FloatArray) -> FloatArray:
    """What activations and pools make of such sums, [k, positions, rows]."""
    value = sums.reshape(-1, 1, *sums.shape[2:])  # networks of one unit
    for layer in view.chain:
        options = {**dict(layer.options), "tolerance": ROUNDING}
        value = LAYERS[layer.op].forward((value,), {}, options)
    return np.ascontiguousarray(value.reshape(*sums.shape[:2], view.positions).swapaxes(1, 2))


class _Kept:
    """The columns so far, the cheapest of those that agree on all rows."""

    def __init__(self, view: View, merges: bool, leads: bool, kinds: _Kinds) -> None:
        self.view, self.merges, self.leads, self.biases = view, merges, leads, kinds.biases
        self.columns = Distinct(view.grid, view.positions * len(view.rows), merges)
        self.cost: list[FloatArray] = []
        self.weights: list[FloatArray] = []
        self.bias: list[FloatArray] = []

    def add(self, weights: FloatArray, allowed: BoolArray, cost: FloatArray, classes: IntArray) -> None:
        """Weights [k, d] with every bias: which of these [k, B] are allowed, what they cost, and their classes."""
        if not allowed.any():
            return
        sums = sums_of(self.view, weights)
        sums = sums[:, None] + self.biases.reshape(-1, *(1,) * (sums.ndim - 1))
        sums = sums.reshape(-1, *sums.shape[2:]) if allowed.all() else sums[allowed]
        chosen = self.columns.add(activated(self.view, sums), cost[allowed], classes[allowed])
        weight, bias = (place[chosen] for place in np.nonzero(allowed))
        self.cost.append(cost[weight, bias])
        self.weights.append(weights[weight])
        self.bias.append(self.biases[bias])

    def finished(self, prices: Prices, idle: _Idle) -> Columns:
        heads = prices.of_heads()
        pool = Pool.empty(self.view.positions, len(self.view.rows), prices.width)
        if self.cost:
            cost, weights, bias = (np.concatenate(part) for part in (self.cost, self.weights, self.bias))
            heads, zeros = self._needed(heads, cost, idle, prices)
            activations, shift, chosen = self.columns.finished(cost, zeros)
            pool = Pool(activations, shift, cost[chosen], weights[chosen], bias[chosen])
        cost_of_idle, weights = idle.best if idle.best is not None else (None, np.zeros(prices.width + 1))
        return Columns(
            pool=pool.with_more(idle.others(heads)),
            heads=heads,
            idle=cost_of_idle,
            idle_weights=weights,
            constant=float(prices.constant),
            merges=self.merges,
            most_shift=self.columns.most_shift,
            others=pool.size,
            removed=idle.removed + pool.size if idle.removed is not None else None,
        )

    def _needed(
        self, heads: Heads, cost: FloatArray, idle: _Idle, prices: Prices
    ) -> tuple[Heads, NDArray[np.bool_] | None]:
        """The heads, without those that do no more than output biases and an idle unit, and which of the columns that
        show nothing cost less than that; None for all. Only where no condition can ask for the others."""
        leads = self.view.loss.is_of_leads
        if not self.merges:
            if self.leads and leads:
                heads = _cheapest_leads(heads, np.inf, prices.class_of_heads())
            return heads, None
        most = idle.best[0] if idle.best is not None and parts_serve(self.view) else np.inf
        if leads:
            heads = _cheapest_leads(heads, most - cost.min(), prices.class_of_heads())
        return heads, cost + heads.cost.min() < most
