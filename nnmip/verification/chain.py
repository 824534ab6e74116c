"""Rows over networks of affine layers and `relu` alone, as one chain of dense stages from the point to the rows.

Every network of a composite that reads the point directly becomes a chain; several are put side by side, one matrix
with blocks for each stage, and the shorter ones pass on what they have. The numbers of a stage are those of the source;
nothing is multiplied out, so that nothing is rounded on the way but what the maps of a composite say of themselves.
"""

from __future__ import annotations

import numpy as np

from nnmip.bounds.interval import BoolArray, FloatArray, IntArray
from nnmip.hir.core import Layer
from nnmip.hir.known import KnownNetwork
from nnmip.ops.registry import LAYERS
from nnmip.records import dataclass
from nnmip.verification.composite import POINT, Composite, Map, Station

SAME_ENTRIES = ("flatten", "reshape")
WIDEST = 1024
"""The most entries of a stage: dense matrices of more are not worth it."""


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """`z = weights @ a + bias`, and the positive part of the entries with `is_relu`.

    size: at least the absolute values of what the bias was made of; `bounds.crown` charges rounding by it.
    """

    weights: FloatArray
    bias: FloatArray
    size: FloatArray
    is_relu: BoolArray

    @staticmethod
    def affine(weights: FloatArray, bias: FloatArray, size: FloatArray | None = None) -> Stage:
        size = np.abs(bias) if size is None else np.maximum(size, np.abs(bias))
        return Stage(weights, bias, size, np.zeros(len(bias), dtype=bool))

    @staticmethod
    def passing(width: int) -> Stage:
        return Stage.affine(np.eye(width), np.zeros(width))

    def with_relu(self) -> Stage:
        return Stage(self.weights, self.bias, self.size, np.ones(len(self.bias), dtype=bool))

    def beside(self, other: Stage, is_first: bool) -> Stage:
        """Both stages at once: of one input where they are the first, else each of its own."""
        if is_first:
            weights = np.concatenate([self.weights, other.weights])
        else:
            (m, n), (k, width) = self.weights.shape, other.weights.shape
            weights = np.block([[self.weights, np.zeros((m, width))], [np.zeros((k, n)), other.weights]])
        ends = ((self.bias, other.bias), (self.size, other.size))
        bias, size = (np.concatenate(pair) for pair in ends)
        return Stage(weights, bias, size, np.concatenate([self.is_relu, other.is_relu]))


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """Rows `last @ a + direct @ x + constant`, where the stages take the point x to a; sizes as in `Map`."""

    stages: tuple[Stage, ...]
    last: FloatArray
    direct: FloatArray
    constant: FloatArray
    sizes: FloatArray

    def largest(self, x: FloatArray, rows: IntArray, has_slope: bool = True) -> tuple[FloatArray, FloatArray]:
        """Some rows at points [n, entries], shape [n, rows], and with `has_slope` a subgradient of the largest of them,
        [n, entries]."""
        active, a = [], x
        for stage in self.stages:
            z = a @ stage.weights.T + stage.bias
            active.append((z > 0.0) | ~stage.is_relu)
            a = z * active[-1]
        last, direct = self.last[rows], self.direct[rows]
        values = a @ last.T + x @ direct.T + self.constant[rows]
        if not has_slope or not len(rows):
            return values, np.zeros(x.shape)
        choice = values.argmax(axis=1)
        slope = last[choice]
        for stage, used in zip(reversed(self.stages), reversed(active), strict=True):
            slope = (slope * used) @ stage.weights
        return values, slope + direct[choice]

    def values(self, x: FloatArray) -> FloatArray:
        """All rows at points [n, entries], shape [n, rows]."""
        a = x
        for stage in self.stages:
            z = a @ stage.weights.T + stage.bias
            a = np.where(stage.is_relu, np.maximum(z, 0.0), z)
        return np.asarray(a @ self.last.T + x @ self.direct.T + self.constant)


def chain_of(composite: Composite, rows: Map) -> Chain | None:
    """The rows as a chain; None where a network has other layers, reads another one, or is wide."""
    own = [base for base in rows.bases if base != POINT]
    chains: list[list[Stage]] = []
    for base in own:
        made = _stages(composite.stations[base - 1], composite.size)
        if made is None:
            return None
        chains.append(made)
    count, zeros = max(map(len, chains), default=0), np.zeros((len(rows.constant), composite.size))
    direct = rows.parts.get(POINT, zeros)
    if not count:
        return Chain((), zeros, direct, rows.constant, rows.sizes) if not own else None
    for made in chains:
        made.extend(Stage.passing(len(made[-1].bias)) for _ in range(count - len(made)))
    stages = list(chains[0])
    for made in chains[1:]:
        stages = [a.beside(b, k == 0) for k, (a, b) in enumerate(zip(stages, made, strict=True))]
    if max(len(stage.bias) for stage in stages) > WIDEST:
        return None
    last = np.concatenate([rows.parts[base] for base in own], axis=1)
    return Chain(tuple(stages), last, direct, rows.constant, rows.sizes)


def _stages(station: Station, size: int) -> list[Stage] | None:
    """The stages from the point to the result of a network; None where it has others than affine ones and `relu`."""
    reads, known = station.reads, station.known
    if set(reads.parts) - {POINT}:
        return None
    found: list[Stage] = []
    matrix = reads.parts.get(POINT, np.zeros((len(reads.constant), size)))
    if matrix.shape != (size, size) or reads.sizes.any() or (matrix != np.eye(size)).any():
        found.append(Stage.affine(matrix, reads.constant, reads.sizes))
    network, at = known.network, known.network.input_name
    shape = network.input_shape
    for layer in network.layers:
        if layer.inputs != (at,) or known.assignment.kept or layer.skip is not None:
            return None
        if not _add(found, known, layer, shape):
            return None
        at, shape = layer.name, layer.shape
    width = int(np.prod(shape, dtype=np.int64))
    index = network.result_index.reshape(-1)
    if at != network.result_layer:
        return None
    if not np.array_equal(index, np.arange(width)):
        found.append(Stage.affine(np.eye(width)[index], np.zeros(len(index))))
    return found or [Stage.passing(size)]


def _add(found: list[Stage], known: KnownNetwork, layer: Layer, shape: tuple[int, ...]) -> bool:
    """Add a layer that reads a tensor of this shape to the stages; False for one that is neither affine nor `relu`."""
    op = LAYERS[layer.op]
    width = int(np.prod(shape, dtype=np.int64))
    if op.connect is not None:
        values = {d.role: known.assignment.values[d.path] for d in layer.decisions}
        made = op.connect(shape, dict(layer.options))
        if max(width, len(made.source)) > WIDEST:
            return False
        weights = np.zeros((len(made.source), width + 1))
        own = values["weights"].reshape(made.units, -1)[made.unit]
        np.put_along_axis(weights, np.where(made.source >= 0, made.source, width), own, axis=1)
        bias = values["bias"][made.unit] if "bias" in values else np.zeros(len(weights))
        found.append(Stage.affine(weights[:, :width].copy(), bias))
        return True
    if op.name == "relu":
        found.append((found.pop() if found else Stage.passing(width)).with_relu())
        return True
    return op.name in SAME_ENTRIES
