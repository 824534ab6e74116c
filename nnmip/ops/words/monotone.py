"""`monotone` by a condition that is enough for it: every weight passes directions on that agree."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Apply, BoolArray, Layer
from nnmip.ops.base import Connections, Kind, Meaning, Role, Word, scalar
from nnmip.ops.slopes import Mixing, through
from nnmip.records import dataclass

FloatArray = NDArray[np.float64]
Held = dict[int, BoolArray]
"""For every feature and entry [features, entries] whether it is known that the entry does not fall (1), and does not
rise (-1), where the feature rises."""


@dataclass(frozen=True, slots=True)
class _Directions:
    """What layers with known weights make of directions."""

    meaning: Meaning

    def weighted(self, layer: Layer, source: Held, connections: Connections) -> Held:
        """An output keeps a direction if all that it adds up does: what a negative weight multiplies, the other one."""
        weights = self.meaning.values(f"{layer.path}.weights").reshape(connections.units, -1)[connections.unit]
        weights = np.where(connections.source >= 0, weights, 0.0)
        positive = np.asarray(weights > self.meaning.tolerance, dtype=bool)
        negative = np.asarray(weights < -self.meaning.tolerance, dtype=bool)
        read = {sign: source[sign][:, connections.source] for sign in (1, -1)}
        kept = {sign: (~positive | read[sign]) & (~negative | read[-sign]) for sign in (1, -1)}
        return {sign: np.asarray(held.all(axis=-1)) for sign, held in kept.items()}

    def mixed(self, mixing: Mixing, sources: tuple[Held, ...]) -> Held:
        """An output keeps a direction if all that it is made from does; what switches it must not change at all."""
        joined = {sign: np.concatenate([source[sign] for source in sources], axis=1) for sign in (1, -1)}
        still = joined[1] & joined[-1]
        found = {}
        for sign in (1, -1):
            holds = np.logical_and.reduce([joined[sign * turn] for turn in mixing.directions])
            holds = np.where(mixing.switches, still, holds)
            found[sign] = (holds[:, mixing.entries] | (mixing.entries < 0)).all(axis=-1)
        return found

    def chosen(self, layer: Layer, there: Held, instead: Held) -> Held:
        return there if self.meaning.kept(layer.path) else instead


def evaluate(node: Apply, operands: tuple[FloatArray, ...], meaning: Meaning) -> FloatArray:
    """1.0 where, for each of the features alone, every output keeps the direction that is asked for."""
    assert node.network is not None
    network, features = meaning.network(node.network), np.array(node.option("features"))
    size = int(np.prod(network.input_shape, dtype=np.int64))
    still = np.ones((len(features), size), dtype=bool)
    start = {1: still, -1: np.arange(size) != features[:, None]}
    found = through(network, start, _Directions(meaning))
    wanted = {"increasing": 1, "decreasing": -1}[node.option("direction")]
    return np.asarray(float(found[wanted][:, network.result_index.reshape(-1)].all()))


WORD = Word(
    name="monotone",
    signature="monotone(net, feature, increasing)",
    summary="whether no output falls where a feature rises, by a condition that is enough",
    parameters=(Kind.NETWORK,),
    options=(),
    boolean=True,
    role=Role.OTHER,
    shape=scalar,
    evaluate=evaluate,
    is_sufficient=True,
)
