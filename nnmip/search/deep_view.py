"""A training model with two hidden layers of finite sets: what one unit of the first can show the data, how units of
the second read it, and what each costs."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import comb

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Decision, Layer, Network, Program
from nnmip.hir.grids import layer_grids
from nnmip.ops.base import Options
from nnmip.ops.registry import LAYERS
from nnmip.ops.scores import ROUNDING
from nnmip.records import dataclass
from nnmip.search.biases import Biases
from nnmip.search.deep_prices import Prices, prices_of
from nnmip.search.distinct import Distinct
from nnmip.search.loss import Shortfalls
from nnmip.search.mistakes import FewestMistakes, Mistakes
from nnmip.search.one_score import BestBias, best_bias
from nnmip.search.view import Refusal, loss_of, notes_of, only_network, reads_data, weighted_layers
from nnmip.sizes import Allowance, Estimate

FloatArray = NDArray[np.float64]

MOST_COLUMNS = 20_000
MOST_ENDINGS = 20_000
"""Most choices of the biases and output weights of the second layer together."""
MOST_LINKS = 20_000
"""Most choices of the weights of the second layer together, one hidden unit of the first exchanged for another
included."""
MOST_WORK = 1e15
"""Most choices of all weights together, in numbers: what was seen to be proved in minutes."""
PRUNED = 3e-4
"""How many operations each of these numbers costs, as was seen."""
NUMBER = 4
"""Bytes of a number in single precision."""


@dataclass(frozen=True, slots=True)
class Entrywise:
    """Activations one after another, none of which falls where its input rises."""

    layers: tuple[Layer, ...]

    def of(self, sums: FloatArray) -> FloatArray:
        for layer in self.layers:
            sums = LAYERS[layer.op].forward((sums,), {}, _options(layer))
        return sums

    @property
    def rises(self) -> tuple[tuple[float, float, float], ...]:
        """For each its least and its largest slope, and how far apart its values can be."""
        found = []
        for layer in self.layers:
            op, options = LAYERS[layer.op], _options(layer)
            with np.errstate(invalid="ignore"):
                span = float(np.diff(op.forward((np.array([-np.inf, np.inf]),), {}, options))[0])
            found.append((*op.slope(options), span if np.isfinite(span) else np.inf))
        return tuple(found)


def _options(layer: Layer) -> Options:
    return {**dict(layer.options), "tolerance": ROUNDING}


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """A hidden layer: units, the values that its weights and biases can have, what each value costs, and what a unit
    costs that is used. weight_price [inputs, values], bias_price [biases]."""

    layer: Layer
    activation: Entrywise
    values: FloatArray
    biases: FloatArray
    weight_price: FloatArray
    bias_price: FloatArray
    used_price: float

    @property
    def units(self) -> int:
        return self.layer.units

    @property
    def idle_price(self) -> float:
        """What a unit costs that nothing reads."""
        return float(self.weight_price.min(axis=1).sum() + self.bias_price.min())

    @property
    def idle(self) -> tuple[FloatArray, float]:
        """Its weights and its bias."""
        return self.values[_cheapest(self.weight_price, self.values)], float(
            self.biases[_cheapest(self.bias_price[None], self.biases)[0]]
        )


def _cheapest(prices: FloatArray, values: FloatArray) -> NDArray[np.int64]:
    """Where in each line the least price is, that of the value nearest to 0 of several."""
    order = np.argsort(np.abs(values), kind="stable")
    return np.asarray(order[prices[:, order].argmin(axis=1)])


@dataclass(frozen=True, slots=True, eq=False)
class Deep:
    """What the search needs to know of a program with two hidden layers: the first and the second one, and the output
    weights with their prices [heads]. rows [n, d]. biases: of the output. grid: a step of which all
    activations of the first layer are multiples. The rest as in `View`."""

    program: Program
    first: Dense
    second: Dense
    out: Layer
    heads: FloatArray
    head_price: FloatArray
    constant: float
    rows: FloatArray
    loss: Shortfalls | Mistakes
    biases: Biases
    grid: Fraction | None
    notes: tuple[str, ...]

    @property
    def network(self) -> Network:
        return self.program.networks[0]

    @property
    def skips(self) -> bool:
        """Whether a unit of the second layer need not read one of the first."""
        return bool((self.second.values == 0).any())

    @property
    def pairs(self) -> tuple[int, int]:
        """How many rows ask for a high score, and how many for a low one."""
        loss = self.loss
        high = loss.sign > 0 if isinstance(loss, Mistakes) else loss.slope[:, 0] > 0
        return int(high.sum()), int((~high).sum())


def deep_view_of(program: Program) -> Deep:
    """The view of a program; Refusal with the reason where it has none."""
    if program.goal is None:
        raise Refusal("there is no goal")
    network = only_network(program)
    if program.constraints:
        raise Refusal("two hidden layers are searched without constraints", program.constraints[0].origin.span)
    if program.held:
        raise Refusal("two hidden layers are searched for one goal")
    first, inner, second, outer, out = _layers(network)
    losses = [term for term in program.stages[0].terms if reads_data(term.value)]
    others = tuple(term for term in program.stages[0].terms if not reads_data(term.value))
    rows, loss, tables = loss_of(program, network, losses, 1)
    chains = {first.name: _names(first, inner), second.name: _names(second, outer)}
    prices = prices_of(network, chains, others, program.stages[0].sign)
    biases = _output_biases(out.decision("bias"))
    best_of(loss, biases)
    weights, links = out.decision("weights"), second.decision("weights")
    assert weights is not None and links is not None
    prices.alike(links)
    grids = layer_grids(network, tables[0]) if len(tables) == 1 else {}
    return Deep(
        program=program,
        first=_dense(first, inner, prices),
        second=_dense(second, outer, prices),
        out=out,
        heads=np.array(weights.domain.values),
        head_price=prices.alike(weights),
        constant=prices.constant,
        rows=rows,
        loss=loss,
        biases=biases,
        grid=grids.get(second.inputs[0]),
        notes=notes_of((*inner, *outer), grids),
    )


def _names(layer: Layer, chain: tuple[Layer, ...]) -> tuple[str, ...]:
    return (layer.name, *(some.name for some in chain))


def _dense(layer: Layer, chain: tuple[Layer, ...], prices: Prices) -> Dense:
    weights, bias = layer.decision("weights"), layer.decision("bias")
    assert weights is not None
    biases = np.array(bias.domain.values) if bias is not None else np.zeros(1)
    bias_price = prices.alike(bias) if bias is not None else np.zeros(1)
    values = np.array(weights.domain.values)
    return Dense(layer, Entrywise(chain), values, biases, prices.of_layer(weights), bias_price, prices.used[layer.name])


def _layers(network: Network) -> tuple[Layer, tuple[Layer, ...], Layer, tuple[Layer, ...], Layer]:
    """The three layers with weights and the activations behind the hidden ones."""
    weighted = weighted_layers(network)
    if len(weighted) != 3:
        raise Refusal(f"{len(weighted)} layers have weights, and not three")
    if any(layer.op != "dense" for layer in weighted):
        raise Refusal("with two hidden layers, all layers with weights must be dense")
    name, at, chains = network.input_name, -1, ([], [], [])  # type: tuple[str, int, tuple[list[Layer], ...]]
    for layer in network.layers:
        if layer.inputs != (name,):
            raise Refusal("the layers are not one chain")
        if layer.skip is not None or layer.removes_units or layer.prune is not None:
            raise Refusal("with two hidden layers, no unit can be removed")
        name = layer.name
        if layer in weighted:
            at += 1
        elif at < 0 or not LAYERS[layer.op].prune or LAYERS[layer.op].slope(_options(layer))[0] < 0:
            raise Refusal("behind the hidden layers stands more than activations that do not fall")
        else:
            chains[at].append(layer)
    first, second, out = weighted
    if network.result_layer != out.name or chains[2] or out.units != 1:
        raise Refusal("with two hidden layers, the result must be one number of the last layer")
    for decision in (*first.decisions, *second.decisions, out.decision("weights")):
        if decision is not None and not decision.domain.is_finite:
            raise Refusal(f"the domain of `{decision.path}` is not finite")
    return first, tuple(chains[0]), second, tuple(chains[1]), out


def best_of(loss: Shortfalls | Mistakes, biases: Biases) -> BestBias:
    """What finds the best output bias; Refusal for a loss without a closed form, or one whose pairs of rows do not add
    up."""
    if isinstance(loss, Mistakes):
        return FewestMistakes(loss, biases)
    best = best_bias(loss, biases)
    if best is None or not loss.is_separate or np.ptp(np.abs(loss.slope)) > 0:
        raise Refusal("with two hidden layers, the loss must be a sum over the rows")
    return best


def _output_biases(bias: Decision | None) -> Biases:
    if bias is None:
        return Biases.box(np.zeros(1), np.zeros(1))
    if bias.domain.is_finite:
        values = np.array(bias.domain.values)
        return Biases.among((values,), (np.zeros(len(values)),))
    if not bias.domain.is_interval:
        raise Refusal(f"the domain of `{bias.path}` is neither an interval nor finite")
    return Biases.box(np.array([bias.domain.lo]), np.array([bias.domain.hi]))


def column_count(deep: Deep) -> int:
    """How many choices of weights a unit of the first layer has."""
    return int(len(deep.first.values) ** deep.rows.shape[1]) * len(deep.first.biases)


def check_deep(deep: Deep, allowance: Allowance) -> int:
    """The same; Refusal where the search would be larger than is allowed, or hopeless."""
    columns, second = column_count(deep), deep.second
    high, low = deep.pairs
    if columns > MOST_COLUMNS or columns * (2 * 2 * high * low + 2 * len(deep.rows)) * NUMBER > allowance.size:
        raise Refusal(f"a unit has {columns} choices of weights, which is too many with two hidden layers")
    endings = (len(second.biases) * len(deep.heads)) ** second.units
    links = len(second.values) ** second.units
    if endings > MOST_ENDINGS or comb(links + deep.first.units, deep.first.units) > MOST_LINKS:
        raise Refusal("the second hidden layer has too many choices of weights")
    if _work(deep) > MOST_WORK:
        raise Refusal("two hidden layers have too many networks to be searched")
    return columns


def _work(deep: Deep) -> float:
    """Multisets of units of the first layer with what the second reads of each, times the pairs of rows."""
    units, high_low = deep.first.units, deep.pairs
    members = column_count(deep) * len(deep.second.values) ** deep.second.units
    return float(comb(members + units, units)) * max(1, high_low[0] * high_low[1])


def estimate_deep(deep: Deep, allowance: Allowance) -> Estimate:
    """What the search would be: most choices of weights are never looked at."""
    columns = check_deep(deep, allowance)
    return Estimate(columns, columns * len(deep.rows), PRUNED * _work(deep))


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """The distinct columns of the first layer: activations [K, n], cost [K], weights [K, d] and bias [K]."""

    activations: FloatArray
    cost: FloatArray
    weights: FloatArray
    bias: FloatArray


def shown_by(deep: Deep) -> Shown:
    """What one unit of the first layer can show the data, the cheapest weights of those that show the same; nothing but
    zeros only where units must be read."""
    first, width = deep.first, deep.rows.shape[1]
    place = np.array(list(product(range(len(first.values)), repeat=width)))
    weights, paid = first.values[place], first.weight_price[np.arange(width), place].sum(axis=1)
    many = len(first.biases)
    sums = (weights @ deep.rows.T)[:, None] + first.biases[:, None]
    given = first.activation.of(sums.reshape(-1, len(deep.rows)))
    weights, bias = np.repeat(weights, many, axis=0), np.tile(first.biases, len(weights))
    busy = (weights != 0).any(axis=1) | (bias != 0)
    does = given.any(axis=1)
    does |= not (deep.skips and does.any())
    cost = np.repeat(paid, many) + np.tile(first.bias_price, len(paid)) + first.used_price * busy
    given, cost, weights, bias = given[does], cost[does], weights[does], bias[does]
    distinct = Distinct(deep.grid, len(deep.rows), merges=False)
    kept = distinct.add(given[:, None], cost, np.zeros(len(cost), dtype=np.int64))
    activations, _, chosen = distinct.finished(cost[kept])
    kept = kept[chosen]
    return Shown(activations[:, 0], cost[kept], weights[kept], bias[kept])
