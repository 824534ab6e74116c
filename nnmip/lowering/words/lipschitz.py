"""`lipschitz` by its sufficient condition: for every entry of a network a bound on how much it can change."""

from __future__ import annotations

import numpy as np

from nnmip.bounds.interval import Interval, summed, times
from nnmip.hir.core import Apply, Layer
from nnmip.lowering.base import Lowering, Polarity, Signal
from nnmip.lowering.piecewise import scattered
from nnmip.lowering.products import activation_product, data_product
from nnmip.lowering.signs import of_sizes
from nnmip.milp.affine import Affine, concatenate
from nnmip.milp.builder import Choice
from nnmip.milp.model import FloatArray, IntArray
from nnmip.ops.base import Blend, Connections
from nnmip.ops.slopes import Mixing, through
from nnmip.ops.words.lipschitz import moves
from nnmip.records import dataclass
from nnmip.source import Origin


def lower(low: Lowering, node: Apply, polarity: Polarity, path: str) -> Affine:
    """y = 1 only where the slope s of every output is at most the limit, s in [0, S]:

        s <= limit + (S - limit) (1 - y)        s_o = sum of |w_k| s_k   for what is weighted

    The slopes are as in `ops`, up to larger ones where only a lower bound of them is written; |w| has finitely many
    values where s_k depends on weights, so that the products are exact (`lowering.products`). Exact for the condition
    on the side that is asked for (a property of this name stands in no other place).
    """
    assert node.network is not None and polarity is Polarity.LOWER
    network, most = low.program.network(node.network), float(node.option("most"))
    start = moves(int(np.prod(network.input_shape, dtype=np.int64)), node.option("norm"))
    steps = _Slopes(low, path, node.origin)
    found = through(network, Signal(Affine.constant(start), Interval(start, start)), steps)
    places = np.arange(found.value.size).reshape(found.value.shape)[:, network.result_index.reshape(-1)].reshape(-1)
    slopes, largest = found.value.gather(places), found.bounds.hi.reshape(-1)[places]
    open_ = np.flatnonzero(largest > most + TIGHT)
    if not len(open_):
        return Affine.constant(np.ones(()))

    def fill(x: FloatArray, choice: Choice) -> FloatArray:
        return np.asarray(float((slopes.value(x) <= most + TIGHT).all()))

    y = low.builder.binaries(path, (), node.origin, fill)
    reach = largest[open_] - most
    wide = y.gather(np.zeros(len(open_), dtype=np.int64))
    low.builder.rows(f"{path}.limit", slopes.gather(open_) + wide * reach, node.origin, ub=most + reach, big_m=reach)
    return y


TIGHT = 1e-9
"""A slope that is larger than its limit by no more is at it: bounds are rounded outwards, and sums are rounded."""


@dataclass(frozen=True, slots=True, eq=False)
class _Slopes:
    """What layers make of slopes, [directions, entries], each with its bounds."""

    low: Lowering
    path: str
    origin: Origin

    def weighted(self, layer: Layer, source: Signal, connections: Connections) -> Signal:
        weights = layer.decision("weights")
        assert weights is not None
        count, domain, encoding = len(source.value.const), weights.domain, self.low.encodings[weights.path]
        largest = np.full((connections.units, connections.source.shape[1]), max(domain.hi, -domain.lo))
        read = np.where(connections.source >= 0, source.bounds.hi[:, connections.source], 0.0)
        hi = summed(times(Interval(read, read), largest[connections.unit]), read.shape[-1]).hi
        if source.is_data:
            absolute = encoding.absolute(self.low, Polarity.UPPER)
            return self._named(layer, data_product(source.value.const, absolute, connections), hi)
        sizes = of_sizes(self.low, encoding, self.origin)
        path = f"{self.path}.{layer.name}.product"
        total = activation_product(self.low, path, sizes, source, connections, layer.shape, self.origin)
        return self._named(layer, total.reshape((count, -1)), hi)

    def mixed(self, mixing: Mixing, sources: tuple[Signal, ...]) -> Signal:
        joined, hi = _side_by_side(sources)
        slope, there = max(mixing.most, -mixing.least), mixing.entries >= 0
        feature, output, k = np.nonzero(np.broadcast_to(there, (len(hi), *there.shape)))
        width = hi.shape[1]
        value = joined.gather(feature * width + mixing.entries[output, k])
        place, shape = feature * len(there) + output, (len(hi), len(there))
        read = np.where(there, hi[:, mixing.entries], 0.0)
        if mixing.blend is Blend.LARGEST:
            return self._at_least(mixing.layer, place, value * slope, read.max(axis=-1) * slope)
        share = slope / np.maximum(there.sum(axis=-1), 1) if mixing.blend is Blend.MEAN else np.full(len(there), slope)
        total = _added(value, place, shape) * share
        return _signal(total, times(summed(Interval(read, read), read.shape[-1]), share).hi)

    def chosen(self, layer: Layer, there: Signal, instead: Signal) -> Signal:
        """s >= there - T (1 - kept), s >= instead - I kept, with T and I their largest values."""
        kept = self.low.kept[layer.path]
        first = there.value - (kept * -1.0 + 1.0) * there.bounds.hi
        second = instead.value - kept * instead.bounds.hi
        places = np.arange(first.size)
        both = concatenate([first, second])
        hi = np.maximum(there.bounds.hi, instead.bounds.hi)
        return self._at_least(layer, np.concatenate([places, places]), both, hi)

    def _named(self, layer: Layer, value: Affine, hi: FloatArray) -> Signal:
        """Columns for slopes that are sums, so that they are written once."""
        return self._at_least(layer, np.arange(value.size), value.reshape((-1,)), hi)

    def _at_least(self, layer: Layer, place: IntArray, value: Affine, hi: FloatArray) -> Signal:
        """Slopes s in [0, hi] with s >= every value at their place; those that are known numbers stay numbers."""
        shape, last = hi.shape, "chosen" if layer.skip is not None else "slope"
        if value.is_constant:
            least = np.zeros(hi.size)
            np.maximum.at(least, place, value.const)
            return _signal(Affine.constant(least.reshape(shape)), hi)
        path = self.low.label(f"{self.path}.{layer.name}.{last}")

        def fill(x: FloatArray, choice: Choice) -> FloatArray:
            least = np.zeros(hi.size)
            np.maximum.at(least, place, value.value(x))
            return least.reshape(shape)

        s = self.low.builder.columns(path, shape, 0.0, hi, self.origin, fill)
        self.low.builder.rows(f"{path}.least", value - s.gather(place), self.origin, ub=0.0)
        return _signal(s, hi)


def _signal(value: Affine, hi: FloatArray) -> Signal:
    """Slopes from 0 to `hi`; known numbers have themselves as bounds."""
    if value.is_constant:
        return Signal(value, Interval(value.const, value.const))
    return Signal(value, Interval(np.zeros(value.shape), hi))


def _side_by_side(sources: tuple[Signal, ...]) -> tuple[Affine, FloatArray]:
    """Slopes of several inputs as those of one, and their largest values."""
    hi = np.concatenate([source.bounds.hi for source in sources], axis=1)
    places = np.arange(hi.size).reshape(hi.shape)
    starts = np.cumsum([0, *(source.value.shape[1] for source in sources)])
    blocks = [
        (places[:, start : start + source.value.shape[1]].reshape(-1), source.value.reshape((-1,)))
        for start, source in zip(starts, sources, strict=False)
    ]
    return scattered(blocks, hi.shape), hi


def _added(value: Affine, place: IntArray, shape: tuple[int, ...]) -> Affine:
    """A vector added up by place."""
    size = int(np.prod(shape, dtype=np.int64))
    const = np.bincount(place, weights=value.const, minlength=size).astype(np.float64)
    return Affine(const.reshape(shape), place[value.entry], value.column, value.coef)
