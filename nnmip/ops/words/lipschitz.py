"""`lipschitz` by a condition that is enough for it: the absolute weights along all paths multiply to little."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnmip.hir.core import Apply, Layer
from nnmip.ops.base import Blend, Connections, Kind, Meaning, Role, Word, scalar
from nnmip.ops.slopes import Mixing, through
from nnmip.records import dataclass

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Slopes:
    """What layers with known weights make of slopes: for each direction of the input the most that every entry changes
    where the input moves by 1 in it, [directions, entries]."""

    meaning: Meaning

    def weighted(self, layer: Layer, source: FloatArray, connections: Connections) -> FloatArray:
        """Changes that are weighted add up at most in their sizes."""
        size = np.abs(self.meaning.values(f"{layer.path}.weights")).astype(np.float64)
        size = size.reshape(connections.units, -1)[connections.unit]
        return np.asarray((source[:, connections.source] * np.where(connections.source >= 0, size, 0.0)).sum(axis=-1))

    def mixed(self, mixing: Mixing, sources: tuple[FloatArray, ...]) -> FloatArray:
        """At most the largest slope of the layer times the sum, the mean or the largest of what it is made of."""
        there = mixing.entries >= 0
        read = np.where(there, np.concatenate(sources, axis=1)[:, mixing.entries], 0.0)
        made = read.max(axis=-1) if mixing.blend is Blend.LARGEST else read.sum(axis=-1)
        if mixing.blend is Blend.MEAN:
            made = made / there.sum(axis=-1)
        return np.asarray(made * max(mixing.most, -mixing.least))

    def chosen(self, layer: Layer, there: FloatArray, instead: FloatArray) -> FloatArray:
        return there if self.meaning.kept(layer.path) else instead


def moves(size: int, norm: str) -> FloatArray:
    """What each entry of the input changes by, at most, in the directions that decide: all at once for `norm_inf`, and
    each alone for `norm_1`; shape [directions, size]."""
    return np.ones((1, size)) if norm == "norm_inf" else np.eye(size)


def evaluate(node: Apply, operands: tuple[FloatArray, ...], meaning: Meaning) -> FloatArray:
    """1.0 where no output has a larger slope than is allowed."""
    assert node.network is not None
    network = meaning.network(node.network)
    start = moves(int(np.prod(network.input_shape, dtype=np.int64)), node.option("norm"))
    slopes = through(network, start, _Slopes(meaning))[:, network.result_index.reshape(-1)]
    return np.asarray(float((slopes <= node.option("most") + meaning.tolerance).all()))


WORD = Word(
    name="lipschitz",
    signature="lipschitz(net, number, norm: norm_inf)",
    summary="whether no small change of a row changes an output by much, by a condition that is enough",
    parameters=(Kind.NETWORK,),
    options=(),
    boolean=True,
    role=Role.OTHER,
    shape=scalar,
    evaluate=evaluate,
    is_sufficient=True,
)
