"""`monotone` by its sufficient condition: Booleans that say in which direction every entry of a network can change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field

import numpy as np

from nnmip.hir.core import Apply, Layer
from nnmip.lowering.base import Lowering, Polarity
from nnmip.lowering.piecewise import scattered
from nnmip.lowering.ranges import bounds_of
from nnmip.lowering.signs import beyond_zero
from nnmip.milp.affine import Affine, concatenate
from nnmip.milp.builder import Choice
from nnmip.milp.model import BoolArray, FloatArray, IntArray
from nnmip.ops.base import Connections
from nnmip.ops.slopes import Mixing, through
from nnmip.records import dataclass
from nnmip.source import Origin

Terms = list[tuple[IntArray, Affine]]
"""0/1 values, or 1 and more, of which some entries need every one: (position of the entry, value)."""


@dataclass(slots=True, eq=False)
class _Held:
    """For every feature and entry, shape [features, entries], a 0/1 tensor for "the entry does not fall" (1) and for
    "it does not rise" (-1), where the feature rises. Each is made when it is first asked for."""

    make: Callable[[int], Affine]
    _made: dict[int, Affine] = field(default_factory=dict)

    def __getitem__(self, sign: int) -> Affine:
        if sign not in self._made:
            self._made[sign] = self.make(sign)
        return self._made[sign]


def lower(low: Lowering, node: Apply, polarity: Polarity, path: str) -> Affine:
    """y = 1 only where every output keeps the direction that is asked for. An entry o = sum of w_k x_k + b has

        up_o <= 1 - [w_k > 0] + up_k        up_o <= 1 - [w_k < 0] + down_k        (down_o likewise)

    for each term whose x_k may change. Layers without weights need all of what an entry is made from. The Booleans may
    be continuous in [0, 1]: they are bounded by 0/1 values only, and only from above. Exact for the condition of
    `ops`, on the side that is asked for (a property of this name stands in no other place).
    """
    assert node.network is not None and polarity is Polarity.LOWER
    network, features = low.program.network(node.network), np.array(node.option("features"))
    size = int(np.prod(network.input_shape, dtype=np.int64))
    ends = {1: np.ones((len(features), size)), -1: (np.arange(size) != features[:, None]).astype(np.float64)}
    start = _Held(lambda sign: Affine.constant(ends[sign]))
    found = through(network, start, _Directions(low, path, len(features), node.origin))
    wanted = found[{"increasing": 1, "decreasing": -1}[node.option("direction")]]
    places = np.arange(wanted.size).reshape(wanted.shape)[:, network.result_index.reshape(-1)].reshape(-1)
    return _all(low, path, (), [(np.zeros_like(places), wanted.gather(places))], node.origin)


@dataclass(frozen=True, slots=True, eq=False)
class _Directions:
    """What layers make of directions; `count` is the number of features."""

    low: Lowering
    path: str
    count: int
    origin: Origin

    def weighted(self, layer: Layer, source: _Held, connections: Connections) -> _Held:
        weights = layer.decision("weights")
        assert weights is not None
        width = connections.source.shape[1]
        flat = connections.unit[:, None] * width + np.arange(width)
        encoding, domain = self.low.encodings[weights.path], weights.domain

        def make(sign: int) -> Affine:
            terms: Terms = []
            for side, name in ((1, "positive"), (-1, "negative")):
                read = source[sign * side]
                size = read.shape[1]
                can_be = domain.hi > 0 if side > 0 else domain.lo < 0
                feature, output, k = np.nonzero(
                    can_be & ~_surely(read)[:, connections.source] & (connections.source >= 0)
                )
                if not len(feature):
                    continue
                path = f"{self._named(layer, sign)}.{name}"
                beyond = beyond_zero(self.low, encoding, path, side, flat[output, k])
                value = read.gather(feature * size + connections.source[output, k])
                terms.append((feature * len(flat) + output, value - beyond + 1.0))
            return self._all(layer, sign, (self.count, len(flat)), terms)

        return _Held(make)

    def mixed(self, mixing: Mixing, sources: tuple[_Held, ...]) -> _Held:
        entries, there, count = mixing.entries, mixing.entries >= 0, self.count

        def make(sign: int) -> Affine:
            terms: Terms = []
            for turn in (1, -1):
                needed = there & (mixing.switches[entries] | (turn in mixing.directions))
                if not needed.any():
                    continue
                read = [source[sign * turn] for source in sources]
                where, joined = _places(count, [part.shape[1] for part in read]), concatenate(read)
                feature, output, k = np.nonzero(np.broadcast_to(needed, (count, *needed.shape)))
                terms.append((feature * len(entries) + output, joined.gather(where[feature, entries[output, k]])))
            return self._all(mixing.layer, sign, (count, len(entries)), terms)

        return _Held(make)

    def chosen(self, layer: Layer, there: _Held, instead: _Held) -> _Held:
        """held <= there + 1 - kept, held <= instead + kept."""
        kept = self.low.kept[layer.path]

        def make(sign: int) -> Affine:
            first, second = there[sign], instead[sign]
            places = np.arange(first.size)
            terms = [(first - kept + 1.0).reshape((-1,)), (second + kept).reshape((-1,))]
            return self._all(layer, sign, first.shape, [(places, term) for term in terms], ".chosen")

        return _Held(make)

    def _named(self, layer: Layer, sign: int) -> str:
        return f"{self.path}.{layer.name}.{'rises' if sign > 0 else 'falls'}"

    def _all(self, layer: Layer, sign: int, shape: tuple[int, ...], terms: Terms, step: str = "") -> Affine:
        return _all(self.low, f"{self._named(layer, sign)}{step}", shape, terms, self.origin)


def _surely(held: Affine) -> BoolArray:
    """The entries that are 1 whatever the weights are."""
    has_columns = np.bincount(held.entry, minlength=held.size).reshape(held.shape) > 0
    return np.asarray(~has_columns & (held.const >= 1.0))


def _places(count: int, sizes: list[int]) -> IntArray:
    """Where entry e of all inputs together is for each feature, [count, entries], in tensors [count, size] one after
    another."""
    starts = count * np.cumsum([0, *sizes])
    blocks = [start + np.arange(count * size).reshape(count, size) for start, size in zip(starts, sizes, strict=False)]
    return np.concatenate(blocks, axis=1)


def _all(low: Lowering, path: str, shape: tuple[int, ...], terms: Terms, origin: Origin) -> Affine:
    """y <= t for every value t that an entry of y needs, and 1 where it needs none that can be below 1.

    An entry that needs a single 0/1 value is that value.
    """
    place = np.concatenate([np.zeros(0, dtype=np.int64), *(place for place, _ in terms)])
    value = concatenate([Affine.constant(np.zeros(0)), *(value for _, value in terms)])
    open_ = np.flatnonzero(~_surely(value))
    place, value = place[open_], value.gather(open_)
    entries, rank, counts = np.unique(place, return_inverse=True, return_counts=True)
    is_alone = (counts[rank] == 1) & (bounds_of(low.builder, value).hi <= 1.0)
    alone, joint = np.flatnonzero(is_alone), np.flatnonzero(~is_alone)
    rest = np.setdiff1d(np.arange(int(np.prod(shape, dtype=np.int64))), entries)
    parts = [(rest, Affine.constant(np.ones(len(rest)))), (place[alone], value.gather(alone))]
    if len(joint):
        parts.append(_columns(low, path, shape, place[joint], value.gather(joint), origin))
    return scattered(parts, shape)


def _columns(
    low: Lowering, path: str, shape: tuple[int, ...], place: IntArray, value: Affine, origin: Origin
) -> tuple[IntArray, Affine]:
    """Columns for the entries that occur in `place`, each at most all of its values."""
    entries, rank = np.unique(place, return_inverse=True)

    def fill(x: FloatArray, choice: Choice) -> FloatArray:
        least = np.ones(len(entries))
        np.minimum.at(least, rank, np.round(value.value(x)))
        return np.clip(least, 0.0, 1.0)

    y = low.builder.columns(path, shape, 0.0, 1.0, origin, fill, picked=entries)
    low.builder.rows(f"{path}.each", y.gather(rank) - value, origin, ub=0.0)
    return entries, y
